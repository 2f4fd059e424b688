"""One face through one shot, the choice among several, and shots joined where the same face goes on."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

from lipscribe.errors import NoFaceError
from lipscribe.faces.landmarks import LIP_INNER_BOTTOM, LIP_INNER_TOP, eye_distance
from lipscribe.units import Seconds, seconds_to_frame

MIN_RUN = 3  # frames in which the face was found
MAX_GAP: Seconds = 1.0  # longer gaps end a run, shorter ones are filled
MAX_GAP_AT_CUT: Seconds = 0.2  # a face found again this soon after a cut was there all the time
# Eye distances: openings much wider than this count by how far they change in proportion, since nodding with an open
# mouth narrows a wide gap by more than speech moves a narrow one.
_OPENING_SCALE = 0.05
_MOTION_SPAN: Seconds = 0.08  # between the openings that are compared: shorter shows the detector's noise
CUT_SPAN: Seconds = 0.4  # on one side of a cut: looked at to tell speech from a pause
# Motion over so short a time: 90 % of GRID's speech moves more, and 15 % of its silence, since lips part before the
# first word and close after the last.
SPEAKS = 0.1
# The mean motion in the half seconds before and after a cut: 98 % of cuts within GRID's sentences show more, and 2 % of
# those between two clips.
_JOIN_SPAN: Seconds = 0.52
_SPEAKS_ON = 0.1
MOTION_AT_REST = 0.05  # eye distances a second: a closed mouth shows this much; GRID's talkers show 0.13 to 0.25


@dataclass(eq=False)
class FaceTrack:
    """One person's face, from the first to the last frame of a shot in which it was found.

    Attributes:
        id: The person: counts the people of a video from 0 in order of appearance. Tracks in several shots have one id
            where looks tell that they are of one person.
        shot: Counts the shots of a video from 0.
        start: Index of the video's frame that `landmarks[0]` belongs to.
        landmarks: (T, L, 2) float32 px, NaN where the face was not found.
        fps: Rate of the frames in Hz.
        shot_frames: Length of the whole shot in frames; None if it is not known.
        shot_start: Index of the video's frame that the shot begins with; None if it is not known.
        cuts: Indices into `landmarks` of the frames with which further shots begin, in a track that `choose_faces`
            joined of several; `shot` and `shot_start` are then those of the first, `shot_frames` counts them all.
    """

    id: int
    shot: int
    start: int
    landmarks: np.ndarray
    fps: float
    shot_frames: int | None = None
    shot_start: int | None = None
    cuts: tuple[int, ...] = ()

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

    @property
    def speaks_at_start(self) -> bool:
        """Whether the mouth speaks in the first 0.4 s; less sure than `motion` of the whole track."""
        return self._motion_in(slice(0, seconds_to_frame(CUT_SPAN, self.fps))) > SPEAKS

    @property
    def speaks_at_end(self) -> bool:
        """Whether the mouth speaks in the last 0.4 s."""
        return self._motion_in(slice(-seconds_to_frame(CUT_SPAN, self.fps), None)) > SPEAKS

    def speaks_on(self, after: "FaceTrack") -> bool:
        """Whether the mouth speaks at the end of this track and the beginning of the next, without a pause."""
        span = seconds_to_frame(_JOIN_SPAN, self.fps)
        return (self._motion_in(slice(-span, None)) + after._motion_in(slice(0, span))) / 2 > _SPEAKS_ON

    def covers(self, other: "FaceTrack") -> bool:
        """Whether the other track, or run, is of the same person in a shot that this one was made of."""
        return self.id == other.id and self.shot <= other.shot <= self.shot + len(self.cuts)

    def runs(self, max_gap: Seconds = MAX_GAP) -> list["FaceTrack"]:
        """Cuts the track where the face is gone for long, and fills the short gaps by linear interpolation.

        A gap at a cut is filled by what lies on either side of it.

        Args:
            max_gap: Longest gap that is filled.

        Returns:
            Tracks of the same `id` without NaN, from one found frame to another, with 3 or more of them. Where nothing
            is to be filled they share this track's memory.
        """
        found = np.flatnonzero(self.detected)
        breaks = np.flatnonzero(np.diff(found) - 1 > max_gap * self.fps) + 1
        return [self._run(part) for part in np.split(found, breaks) if len(part) >= MIN_RUN]

    def _motion_in(self, part: slice) -> float:
        return replace(self, landmarks=self.landmarks[part]).motion

    def _run(self, found: np.ndarray) -> "FaceTrack":
        first, last = int(found[0]), int(found[-1])
        landmarks = self.landmarks[first : last + 1]
        missing = np.flatnonzero(~self.detected[first : last + 1]) + first
        if len(missing):
            after = np.searchsorted(found, missing)
            before, after = found[after - 1], found[after]
            weight = (missing - before) / (after - before)
            shot_before, shot, shot_after = (np.searchsorted(self.cuts, at, "right") for at in (before, missing, after))
            weight = np.where(shot_before == shot_after, weight, shot != shot_before).astype(np.float32)[:, None, None]
            landmarks = landmarks.copy()
            landmarks[missing - first] = self.landmarks[before] * (1 - weight) + self.landmarks[after] * weight
        cuts = tuple(cut - first for cut in self.cuts if first < cut <= last)
        shot = self.shot + sum(cut <= first for cut in self.cuts)
        return FaceTrack(self.id, shot, self.start + first, landmarks, self.fps, cuts=cuts)


def choose_faces(tracks: list[FaceTrack], face: str | int = "moving", across_pauses: bool = False) -> list[FaceTrack]:
    """Picks whom to read.

    Args:
        tracks: All tracks of a video.
        face: "moving", in each shot the face whose mouth moves most in all; "largest", in each shot the largest face;
            "all"; or a person's id, as a number or in digits.
        across_pauses: Whether a person's shots are joined also where nobody speaks at the cut.

    Returns:
        The chosen tracks in order of time; never empty. Where one person speaks on across a cut, the shots on either
        side are one track, so that a sentence is not torn apart.

    Raises:
        NoFaceError: There are no tracks, or none has this id.
    """
    if not tracks:
        raise NoFaceError(
            "no face was found in the video: want one seen from the front; `lipscribe inspect` shows what is there"
        )
    if face == "all":
        return _join_at_cuts(tracks, across_pauses)
    if face in ("moving", "largest"):
        measure = _movement if face == "moving" else _size
        shots = sorted({track.shot for track in tracks})
        return _join_at_cuts(
            [max((track for track in tracks if track.shot == shot), key=measure) for shot in shots], across_pauses
        )
    chosen = [track for track in tracks if str(track.id) == str(face)]
    if not chosen:
        ids = ", ".join(str(known) for known in sorted({track.id for track in tracks}))
        raise NoFaceError(f"there is no face {str(face)!r}: want moving, largest, all or one of the ids {ids}")
    return _join_at_cuts(chosen, across_pauses)


def longest_run(tracks: list[FaceTrack], face: str | int = "moving") -> tuple[FaceTrack, FaceTrack]:
    """The longest stretch in which the person who says a clip's text is there without a break.

    Cuts do not end it, with or without a pause: the text is known to be one person's.

    Args:
        tracks: All tracks of the clip.
        face: Whom; see `choose_faces`.

    Returns:
        The run, and the track that it is a part of.

    Raises:
        NoFaceError: There are no tracks, none has this id, or no face is there for long.
    """
    runs = [(run, track) for track in choose_faces(tracks, face, across_pauses=True) for run in track.runs()]
    if not runs:
        raise NoFaceError("a face is there for a moment only")
    return max(runs, key=lambda pair: pair[0].stop - pair[0].start)


def _join_at_cuts(tracks: list[FaceTrack], across_pauses: bool) -> list[FaceTrack]:
    """Tracks in order of time, those of one person who speaks on across a cut made one."""
    chains: list[list[FaceTrack]] = []
    latest: dict[int, list[FaceTrack]] = {}  # of each person
    for track in sorted(tracks, key=lambda track: (track.start, track.id)):
        chain = latest.get(track.id)
        if chain and _goes_on(chain[-1], track, across_pauses):
            chain.append(track)
        else:
            latest[track.id] = [track]
            chains.append(latest[track.id])
    return [_joined(chain) if len(chain) > 1 else chain[0] for chain in chains]


def _goes_on(before: FaceTrack, after: FaceTrack, across_pauses: bool) -> bool:
    """Whether a person who is seen at the end of a shot is there, or speaks on, at the beginning of the next.

    After a pause the next shot is read by itself: a run of many sentences is read less well than one of a single one.
    """
    if after.shot != before.shot + 1 or after.shot_start is None:
        return False
    if after.start - before.stop > MAX_GAP_AT_CUT * after.fps:
        return False
    return across_pauses or before.speaks_on(after)


def _joined(chain: list[FaceTrack]) -> FaceTrack:
    first, last = chain[0], chain[-1]
    landmarks = np.full((last.stop - first.start, *first.landmarks.shape[1:]), np.nan, np.float32)
    for track in chain:
        landmarks[track.start - first.start : track.stop - first.start] = track.landmarks
    cuts = tuple(track.shot_start - first.start for track in chain[1:] if track.shot_start is not None)
    shot_frames = sum(track.shot_frames or len(track.landmarks) for track in chain)
    return replace(first, landmarks=landmarks, shot_frames=shot_frames, cuts=cuts)


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
