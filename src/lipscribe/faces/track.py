"""One face through one shot, and the choice among several."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from lipscribe.errors import NoFaceError
from lipscribe.faces.landmarks import LIP_INNER_BOTTOM, LIP_INNER_TOP, eye_distance
from lipscribe.units import Seconds, seconds_to_frame

MIN_RUN = 3  # frames in which the face was found
# Eye distances: openings much wider than this count by how far they change in proportion, since nodding with an open
# mouth narrows a wide gap by more than speech moves a narrow one.
_OPENING_SCALE = 0.05
_MOTION_SPAN: Seconds = 0.08  # between the openings that are compared: shorter shows the detector's noise
MOTION_AT_REST = 0.05  # eye distances a second: a closed mouth shows this much; GRID's talkers show 0.13 to 0.25


@dataclass(eq=False)
class FaceTrack:
    """One person's face, from the first to the last frame of a shot in which it was found.

    Attributes:
        id: Counts the tracks of a video from 0 in order of appearance.
        shot: Counts the shots of a video from 0.
        start: Index of the video's frame that `landmarks[0]` belongs to.
        landmarks: (T, L, 2) float32 px, NaN where the face was not found.
        fps: Rate of the frames in Hz.
        shot_frames: Length of the whole shot in frames; None if it is not known.
    """

    id: int
    shot: int
    start: int
    landmarks: np.ndarray
    fps: float
    shot_frames: int | None = None

    @property
    def stop(self) -> int:
        """Index of the frame after the last."""
        return self.start + len(self.landmarks)

    @property
    def detected(self) -> np.ndarray:
        """In which of the track's frames the face was found: (T,) bool."""
        return ~np.isnan(self.landmarks[:, 0, 0])

    @property
    def coverage(self) -> float:
        """Share of the shot's frames (or of the track's, if `shot_frames` is None) in which the face was found."""
        num_frames = self.shot_frames or len(self.landmarks)
        return float(self.detected.sum() / num_frames) if num_frames else 0.0

    @property
    def size_px(self) -> float:
        """Median distance of the eyes in px; 0 if the face was never found."""
        return float(np.nanmedian(eye_distance(self.landmarks))) if self.detected.any() else 0.0

    @property
    def motion(self) -> float:
        """How fast the mouth opens and shuts on average, in eye distances a second.

        Only the gap between the inner lips counts (the mouth's width moves as much when a head turns), over 0.08 s and
        after a median over three frames, which takes out single misplaced landmarks. About 0.02 to 0.05 for a mouth at
        rest, 0.13 and more for one that speaks; 0 if there are too few frames to tell.
        """
        gap = self.landmarks[:, LIP_INNER_TOP] - self.landmarks[:, LIP_INNER_BOTTOM]
        opening = np.linalg.norm(gap, axis=-1) / np.maximum(eye_distance(self.landmarks), 1e-6)
        opening = _OPENING_SCALE * 2 * np.log(_OPENING_SCALE + opening)
        span = max(1, seconds_to_frame(_MOTION_SPAN, self.fps))
        if len(opening) < span + 3:
            return 0.0
        steady = np.median(np.stack([opening[:-2], opening[1:-1], opening[2:]]), axis=0)
        changes = np.abs(steady[span:] - steady[:-span])
        changes = changes[~np.isnan(changes)]
        return float(changes.mean() * self.fps / span) if len(changes) else 0.0

    def runs(self, max_gap: Seconds = 1.0) -> list["FaceTrack"]:
        """Cuts the track where the face is gone for long, and fills the short gaps by linear interpolation.

        Args:
            max_gap: Longest gap that is filled.

        Returns:
            Tracks of the same `id` and `shot` without NaN, from one found frame to another, with 3 or more of them.
            Where nothing is to be filled they share this track's memory.
        """
        found = np.flatnonzero(self.detected)
        breaks = np.flatnonzero(np.diff(found) - 1 > max_gap * self.fps) + 1
        return [self._run(part) for part in np.split(found, breaks) if len(part) >= MIN_RUN]

    def _run(self, found: np.ndarray) -> "FaceTrack":
        first, last = int(found[0]), int(found[-1])
        landmarks = self.landmarks[first : last + 1]
        missing = np.flatnonzero(~self.detected[first : last + 1]) + first
        if len(missing):
            after = np.searchsorted(found, missing)
            before, after = found[after - 1], found[after]
            weight = ((missing - before) / (after - before)).astype(np.float32)[:, None, None]
            landmarks = landmarks.copy()
            landmarks[missing - first] = self.landmarks[before] * (1 - weight) + self.landmarks[after] * weight
        return FaceTrack(self.id, self.shot, self.start + first, landmarks, self.fps)


def choose_faces(tracks: list[FaceTrack], face: str | int = "moving") -> list[FaceTrack]:
    """Picks whom to read.

    Args:
        tracks: All tracks of a video.
        face: "moving", in each shot the face whose mouth moves most in all; "largest", in each shot the largest face;
            "all"; or a track's id, as a number or in digits.

    Returns:
        The chosen tracks in order of time; never empty.

    Raises:
        NoFaceError: There are no tracks, or none has this id.
    """
    if not tracks:
        raise NoFaceError(
            "no face was found in the video: want one seen from the front; `lipscribe inspect` shows what is there"
        )
    if face == "all":
        return sorted(tracks, key=lambda track: (track.start, track.id))
    if face in ("moving", "largest"):
        measure = _movement if face == "moving" else _size
        shots = sorted({track.shot for track in tracks})
        return [max((track for track in tracks if track.shot == shot), key=measure) for shot in shots]
    chosen = [track for track in tracks if str(track.id) == str(face)]
    if not chosen:
        ids = ", ".join(str(track.id) for track in tracks)
        raise NoFaceError(f"there is no face {str(face)!r}: want moving, largest, all or one of the ids {ids}")
    return chosen


def frames_found(tracks: Iterable[FaceTrack], num_frames: int) -> np.ndarray:
    """In which frames of a video of `num_frames` one of the faces was found: (num_frames,) bool."""
    found = np.zeros(num_frames, bool)
    for track in tracks:
        found[track.start : track.stop] |= track.detected
    return found


def _movement(track: FaceTrack) -> tuple[float, int]:
    # Summed over time, so that a face seen in a few frames does not win by its noise.
    num_detected = int(track.detected.sum())
    return max(track.motion - MOTION_AT_REST, 0.0) * num_detected, num_detected


def _size(track: FaceTrack) -> tuple[float, int]:
    return track.size_px, int(track.detected.sum())
