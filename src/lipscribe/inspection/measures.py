"""What an inspection measures on the frames and the mouths of each face."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from lipscribe.faces import FaceTrack
from lipscribe.faces import landmarks as lm
from lipscribe.inspection.verdict import FaceQuality
from lipscribe.mouth import CROP_SIZE, alignment, warp_mouth
from lipscribe.units import Seconds, seconds_to_frame

NUM_SAMPLES = 6  # frames on the contact sheet
SAMPLE_SIDE = 640  # px: longer side of a frame that is kept for it

# The mouth's movement is that of its liveliest moment, since a talk has pauses: long ones if others speak too.
MOTION_WINDOW: Seconds = 2.0
MIN_MOTION_WINDOW: Seconds = 0.6  # a shorter look tells nothing

# How far the tip of the nose stands out before the eyes, in eye distances. In MediaPipe's canonical face model vertex 1
# lies 4.01 units before the mean of vertices 33, 133, 263 and 362, and the eyes are 6.30 units apart.
NOSE_LENGTH = 0.636

# Points of the crop, spread evenly, of which is asked whether they lie in the picture.
_STEPS = np.linspace(0, CROP_SIZE - 1, 13)
_GRID = np.stack(np.meshgrid(_STEPS, _STEPS), -1).reshape(-1, 2)  # (169, 2) x, y


@dataclass
class SampleFrame:
    """A frame for the contact sheet.

    Attributes:
        frame_idx: Its number.
        picture: (h, w, 3) uint8 RGB, made smaller.
        scale: Pixels of `picture` for a pixel of the frame that landmarks are measured in.
        crop: (96, 96) uint8 mouth of the chosen face, None where it is not there.
    """

    frame_idx: int
    picture: np.ndarray
    scale: float
    crop: np.ndarray | None = None


class Sampler:
    """Keeps a few frames, evenly spread over a video whose length nobody knows yet.

    Attributes:
        num_frames: How many frames there were so far.
        frame_width: Of each, pixels.
    """

    def __init__(self) -> None:
        self.num_frames = 0
        self.frame_width = 0
        self._kept: list[SampleFrame] = []
        self._interval = 1

    def watch(self, frames: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
        """Passes the frames on."""
        for frame in frames:
            if self.num_frames % self._interval == 0:
                self._keep(frame)
            self.num_frames += 1
            self.frame_width = frame.shape[1]
            yield frame

    def samples(self) -> tuple[SampleFrame, ...]:
        """Up to `NUM_SAMPLES` of the frames, in order."""
        # From the middle of each part: the very first and last frames are the least telling ones.
        places = (np.arange(NUM_SAMPLES) + 0.5) * len(self._kept) / NUM_SAMPLES
        return tuple(self._kept[i] for i in sorted(set(places.astype(int))) if i < len(self._kept))

    def _keep(self, frame: np.ndarray) -> None:
        import cv2

        if len(self._kept) == 4 * NUM_SAMPLES:
            self._kept = self._kept[::2]
            self._interval *= 2
            if self.num_frames % self._interval:
                return
        scale = min(1.0, SAMPLE_SIDE / max(frame.shape[:2]))
        picture = cv2.resize(frame, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA) if scale < 1 else frame
        self._kept.append(SampleFrame(self.num_frames, picture, scale))


class TrackedMouth:
    """The mouth of one run of a face, and what is measured on it.

    Attributes:
        track_id: Of the face.
        start, stop: Frames of the video.
        shape: (T, 3) float32: width of the mouth in source pixels, yaw and roll in degrees.
        light: (T, 4) float32: sharpness, brightness, contrast and share outside; NaN until `read_mouths` was there.
    """

    def __init__(self, run: FaceTrack, scale: float):
        self.track_id = run.id
        self.start, self.stop = run.start, run.stop
        self.shape = measure_shape(run.landmarks, scale)
        self.light = np.full((len(run.landmarks), 4), np.nan, np.float32)
        self._transforms = alignment(run.landmarks)

    def crop(self, frame: np.ndarray, frame_idx: int) -> np.ndarray:
        """The crop (96, 96) uint8 of a frame of the video."""
        return warp_mouth(frame, self._transforms[frame_idx - self.start])

    def read(self, frame: np.ndarray, frame_idx: int) -> np.ndarray:
        """Measures the crop of a frame and returns it."""
        crop = self.crop(frame, frame_idx)
        outside = share_outside(self._transforms[frame_idx - self.start], *frame.shape[:2])
        seen = crop[crop > 0] if outside > 0 else crop  # what lies outside the picture is black
        brightness, contrast = (seen.mean(), seen.std()) if seen.size else (0.0, 0.0)
        self.light[frame_idx - self.start] = (measure_sharpness(crop), brightness, contrast, outside)
        return crop


def follow_mouths(track: FaceTrack, scale: float = 1.0) -> Iterator[TrackedMouth]:
    """The mouth in each run of a face.

    Args:
        scale: Source pixels for a pixel of the frames that the face was tracked in.
    """
    for run in track.runs():
        yield TrackedMouth(run, scale)


def read_mouths(
    video: Iterable[np.ndarray],
    mouths: list[TrackedMouth],
    samples: tuple[SampleFrame, ...],
    chosen_ids: set[int],
) -> None:
    """Reads the video once, measures all mouths, and gives each sample the crop of the chosen face."""
    starting = defaultdict(list)
    for mouth in mouths:
        starting[mouth.start].append(mouth)
    sampled = {sample.frame_idx: sample for sample in samples}
    there: list[TrackedMouth] = []
    for frame_idx, frame in enumerate(video if mouths else ()):
        there = [mouth for mouth in there if mouth.stop > frame_idx] + starting[frame_idx]
        for mouth in there:
            crop = mouth.read(frame, frame_idx)
            if frame_idx in sampled and mouth.track_id in chosen_ids and sampled[frame_idx].crop is None:
                sampled[frame_idx].crop = crop


def quality_of(tracks: tuple[FaceTrack, ...], mouths: list[TrackedMouth], coverage: float) -> FaceQuality:
    """The measures of all frames of some tracks together."""
    ids = {track.id for track in tracks}
    own = [mouth for mouth in mouths if mouth.track_id in ids]
    if not own:  # a face that is there for a moment only
        return FaceQuality(coverage)
    mouth_px, yaw, roll = np.concatenate([mouth.shape for mouth in own]).T
    sharpness, brightness, contrast, outside = np.concatenate([mouth.light for mouth in own]).T
    return FaceQuality(
        coverage=coverage,
        mouth_px=float(np.median(mouth_px)),
        mouth_px_low=float(np.percentile(mouth_px, 5)),
        sharpness=float(np.median(sharpness)),
        yaw_deg=float(np.median(yaw)),
        away_deg=float(np.median(np.abs(yaw))),
        roll_deg=_median_angle(roll),
        brightness=float(brightness.mean()),
        contrast=float(np.median(contrast)),
        motion=measure_motion(tracks),
        outside=float(outside.mean()),
    )


def _median_angle(degrees: np.ndarray) -> float:
    """The median of angles that lie near each other, on either side of 180 or not: -180 to 180."""
    middle = np.exp(1j * np.radians(degrees)).mean()
    median = np.angle(middle) + np.median(np.angle(np.exp(1j * np.radians(degrees)) * middle.conj()))
    return float(np.degrees(np.angle(np.exp(1j * median))))


def measure_shape(landmarks: np.ndarray, scale: float = 1.0) -> np.ndarray:
    """Width of the mouth and the turn of the head.

    Args:
        landmarks: (T, L, 2) float pixels.
        scale: Source pixels for a pixel of the landmarks.

    Returns:
        (T, 3) float32: width in source pixels; yaw, degrees to the right of the picture; roll, degrees clockwise.
    """
    right = landmarks[:, lm.EYE_CORNERS_RIGHT].mean(1)  # (T, 2)
    left = landmarks[:, lm.EYE_CORNERS_LEFT].mean(1)
    across = left - right
    # Seen from afar, a turn by yaw moves the tip of the nose by its length times sin(yaw) off the middle of the eyes,
    # and shortens their distance to cos(yaw). Up and down, where the nod is, it is not looked at.
    nose = landmarks[:, lm.NOSE_TIP] - (left + right) / 2
    lateral = (nose * across).sum(-1) / np.maximum((across**2).sum(-1), 1e-9)
    yaw = np.degrees(np.arctan(lateral / NOSE_LENGTH))
    return np.stack([lm.mouth_width(landmarks) * scale, yaw, lm.roll_deg(landmarks)], -1).astype(np.float32)


def measure_motion(tracks: tuple[FaceTrack, ...]) -> float | None:
    """How fast the mouth moves (see `FaceTrack.motion`) where it moves most; None where it is seen too briefly."""
    motions = []
    for track in tracks:
        step = seconds_to_frame(MOTION_WINDOW, track.fps)
        for start in range(0, len(track.landmarks), step):
            window = replace(track, landmarks=track.landmarks[start : start + step])
            if window.detected.sum() >= MIN_MOTION_WINDOW * track.fps:
                motions.append(window.motion)
    return max(motions) if motions else None


def measure_sharpness(crop: np.ndarray) -> float:
    """Energy of the details 1 to 2 px in size over that of the details 2 to 4 px in size, of a crop (H, W) uint8.

    A ratio of two scales depends on neither light nor contrast, nor much on whose mouth it is, and smoothing over 1 px
    first takes out most of the camera's noise, which a plain variance of the Laplacian takes for sharpness.
    """
    import cv2

    levels = [cv2.GaussianBlur(crop.astype(np.float32), (0, 0), sigma) for sigma in (1, 2, 4)]
    fine, coarse = (levels[0] - levels[1]).var(), (levels[1] - levels[2]).var()
    return float(fine / max(coarse, 1e-6))


def share_outside(transform: np.ndarray, height: int, width: int) -> float:
    """How much of a crop lies outside the picture, 0 to 1.

    Args:
        transform: (2, 3) picture pixels -> crop pixels.
        height, width: Of the picture.
    """
    linear, offset = transform[:, :2], transform[:, 2]
    points = (_GRID - offset) @ np.linalg.inv(linear).T
    inside = (points > -0.5).all(1) & (points < [width - 0.5, height - 0.5]).all(1)
    return float(1 - inside.mean())
