"""How well a mouth can be seen: size, turn and movement from its landmarks, light and sharpness from its crops."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np

from lipscribe.faces import FaceTrack
from lipscribe.faces import landmarks as lm
from lipscribe.mouth.cropping import CropKind, crop_transforms, stream_all_crops
from lipscribe.mouth.quality import FaceQuality
from lipscribe.mouth.sampling import CROP_SIZE
from lipscribe.units import Seconds, seconds_to_frame
from lipscribe.video.frames import check_frames

# The mouth's movement is that of its liveliest moment, since a talk has pauses: long ones if others speak too.
MOTION_WINDOW: Seconds = 2.0
MIN_MOTION_WINDOW: Seconds = 0.6  # a shorter look tells nothing

# How far the tip of the nose stands out before the eyes, in eye distances. In MediaPipe's canonical face model vertex 1
# lies 4.01 units before the mean of vertices 33, 133, 263 and 362, and the eyes are 6.30 units apart.
NOSE_LENGTH = 0.636

CHECKED_EVERY = 10  # frames: so measuring takes 2 % of the time that reading does
EDGE_PX = 12  # px of the crop, three times the widest smoothing's sigma: so far a border is seen

_PIXELS = np.stack(np.meshgrid(np.arange(CROP_SIZE), np.arange(CROP_SIZE)), -1).astype(float)  # (96, 96, 2) x, y


class MouthMeter:
    """Measures the mouth of one run of a face: its shape at once, its light on the crops that are added.

    Args:
        run: A stretch of a face without gaps.
        kind: Of the crops.
        scale: Source pixels for a pixel of the frames that the face was tracked in.

    Attributes:
        run: As given.
        shape: (T, 3) float32: width of the mouth in source pixels, yaw and roll in degrees.
    """

    def __init__(self, run: FaceTrack, kind: CropKind = "lipscribe", scale: float = 1.0):
        self.run = run
        self.shape = measure_shape(run.landmarks, scale)
        self._transforms = crop_transforms(run.landmarks, kind, run.cuts)
        self._light: list[tuple[float, float, float, float]] = []

    @property
    def light(self) -> np.ndarray:
        """(N, 4) float32, a row for each crop added: sharpness, brightness, contrast and share outside."""
        return np.array(self._light, np.float32).reshape(-1, 4)

    def add(self, crop: np.ndarray, t: int, frame_size: tuple[int, int]) -> None:
        """Measures a crop (96, 96) uint8 of the run's frame `t`, cut from a picture of (height, width) pixels."""
        self._light.append(measure_light(crop, inside_picture(self._transforms[t], *frame_size)))


class QualityCheck:
    """Measures mouths on the way while they are read: some of the crops are enough, and cost next to nothing.

    Args:
        tracks: The faces that are read.
        kind: Of the crops.
        source_width: Pixels of the video's own pictures, which may be read smaller; None where they are read as they
            are.
    """

    def __init__(self, tracks: Sequence[FaceTrack], kind: CropKind = "lipscribe", source_width: int | None = None):
        self._tracks = tracks
        self._kind: CropKind = kind
        self._runs = [run for track in tracks for run in track.runs()]
        self._source_width = source_width
        self._frame_size = (1, 1)
        self._meters: dict[int, MouthMeter] = {}
        self._num_seen = [0] * len(self._runs)

    def watch(self, frames: Iterable[np.ndarray]) -> Iterator[tuple[int, np.ndarray]]:
        """`stream_all_crops` of the tracks' runs, each in order."""
        yield from self._measured(stream_all_crops(self._sized(frames), self._runs, self._kind))

    def watch_crops(
        self, crops: Iterable[tuple[int, np.ndarray]], frame_size: tuple[int, int]
    ) -> Iterator[tuple[int, np.ndarray]]:
        """As `watch`, of crops that were cut before, from frames of (height, width) pixels."""
        self._frame_size = frame_size
        yield from self._measured(crops)

    def _measured(self, crops: Iterable[tuple[int, np.ndarray]]) -> Iterator[tuple[int, np.ndarray]]:
        for i, crop in crops:
            t = self._num_seen[i]
            self._num_seen[i] += 1
            if t % CHECKED_EVERY == 0:
                self._meter(i).add(crop, t, self._frame_size)
            yield i, crop

    def quality(self, coverage: float) -> FaceQuality:
        """What has been measured so far; `coverage` is the share of the frames in which the face was found."""
        return quality_of(self._tracks, self._meters.values(), coverage)

    def _meter(self, i: int) -> MouthMeter:
        if i not in self._meters:
            scale = self._source_width / self._frame_size[1] if self._source_width else 1.0
            self._meters[i] = MouthMeter(self._runs[i], self._kind, scale)
        return self._meters[i]

    def _sized(self, frames: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
        for frame in check_frames(frames):
            self._frame_size = (frame.shape[0], frame.shape[1])
            yield frame


def quality_of(tracks: Sequence[FaceTrack], meters: Iterable[MouthMeter], coverage: float) -> FaceQuality:
    """The measures of all frames of some tracks together.

    Args:
        meters: Those of other tracks are passed over.
        coverage: Share of the frames in which the face was found, 0 to 1.
    """
    own = [meter for meter in meters if len(meter.light) and any(track.covers(meter.run) for track in tracks)]
    if not own:  # a face that is there for a moment only
        return FaceQuality(coverage)
    mouth_px, yaw, roll = np.concatenate([meter.shape for meter in own]).T
    sharpness, brightness, contrast, outside = np.concatenate([meter.light for meter in own]).T
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


def measure_motion(tracks: Sequence[FaceTrack]) -> float | None:
    """How fast the mouth moves (see `FaceTrack.motion`) where it moves most; None where it is seen too briefly."""
    motions = []
    for track in tracks:
        step = seconds_to_frame(MOTION_WINDOW, track.fps)
        for start in range(0, len(track.landmarks), step):
            window = replace(track, landmarks=track.landmarks[start : start + step])
            if window.detected.sum() >= MIN_MOTION_WINDOW * track.fps:
                motions.append(window.motion)
    return max(motions) if motions else None


def measure_light(crop: np.ndarray, inside: np.ndarray | None = None) -> tuple[float, float, float, float]:
    """How well a crop shows the mouth.

    What lies outside the picture tells nothing, whatever it is filled with, and is left out.

    Args:
        crop: (96, 96) uint8.
        inside: (96, 96) bool, what of it lies in the picture; None is all.

    Returns:
        Sharpness: energy of the details 1 to 2 px in size over that of the details 2 to 4 px in size. A ratio of two
        scales depends on neither light nor contrast, nor much on whose mouth it is, and smoothing over 1 px first takes
        out most of the camera's noise, which a plain variance of the Laplacian takes for sharpness.
        Brightness: the mean grey, 0 to 255.
        Contrast: the standard deviation of the greys, of the smoothed crop too: an almost black one is all noise.
        Outside: the share of the crop that lies outside the picture, 0 to 1.
    """
    import cv2

    inside = np.ones(crop.shape, bool) if inside is None else inside
    outside = float(1 - inside.mean())
    if outside:
        # A border is no detail: what the smoothing brings over it is left out too.
        kernel = np.ones((2 * EDGE_PX + 1, 2 * EDGE_PX + 1), np.uint8)
        within = cv2.erode(inside.astype(np.uint8), kernel, borderValue=1) > 0
        inside = within if within.any() else inside
    if not inside.any():
        return 0.0, 0.0, 0.0, outside
    levels = [cv2.GaussianBlur(crop.astype(np.float32), (0, 0), sigma) for sigma in (1, 2, 4)]
    fine, coarse = ((a - b)[inside].var() for a, b in pairwise(levels))
    return float(fine / max(coarse, 1e-6)), float(crop[inside].mean()), float(levels[0][inside].std()), outside


def inside_picture(transform: np.ndarray, height: int, width: int) -> np.ndarray:
    """Which pixels of a crop lie in the picture: (96, 96) bool.

    Args:
        transform: (2, 3) picture pixels -> crop pixels.
        height, width: Of the picture.
    """
    linear, offset = transform[:, :2], transform[:, 2]
    back = np.linalg.inv(linear).T

    def inside(points: np.ndarray) -> np.ndarray:
        places = (points - offset) @ back
        return np.asarray(((places > -0.5) & (places < [width - 0.5, height - 0.5])).all(-1))

    if inside(_PIXELS[:: CROP_SIZE - 1, :: CROP_SIZE - 1]).all():  # the four corners, and so all between them
        return np.ones(_PIXELS.shape[:2], bool)
    return inside(_PIXELS)
