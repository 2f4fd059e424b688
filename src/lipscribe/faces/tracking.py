"""The faces of single frames joined to tracks: one for each person and shot, one id for each person."""

import math
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice
from typing import NamedTuple, Protocol

import cv2
import numpy as np

from lipscribe.faces.detector import FaceDetector, SeveralFrames, load_face_detector
from lipscribe.faces.identity import SAME_PERSON, Gallery, People, signature
from lipscribe.faces.key_frames import KEY_INTERVAL
from lipscribe.faces.landmarks import EYE_CORNERS, NUM_LANDMARKS
from lipscribe.faces.shots import mark_cuts
from lipscribe.faces.track import FaceTrack, choose_faces
from lipscribe.units import MODEL_FPS, Seconds, seconds_to_frame
from lipscribe.video.frames import check_frames
from lipscribe.video.read_ahead import read_ahead

__all__ = ["FaceTrack", "choose_faces", "track_faces"]

MIN_TRACK: Seconds = 0.2  # a face found for less than this is a mistake of the detector
NEARBY: Seconds = 0.4  # a face gone for less than this is looked for where it was, after that by its looks
MAX_STEP = 0.75  # eye distances that a face moves from one frame to the next, at most
MAX_STEP_GONE = 0.15  # eye distances more for each frame that it was gone
MAX_GROWTH = 1.5  # times larger or smaller than it was
ALIKE_NEARBY = 0.5  # likeness that is enough for a face that was gone and is back in its place; see `identity`
LOOK_INTERVAL = 5  # frames between two looks taken of a person; twice as many each time nothing new was seen, up to
MAX_LOOK_INTERVAL = 40
ALONE = 200  # frames before a thread begins to read ahead
_ROOM = 256  # frames: what a person's landmarks have room for at first


class TrackWatcher(Protocol):
    """Is shown frames and tracks while faces are tracked."""

    def add(self, frame: np.ndarray) -> bool:
        """Takes the next frame (H, W, 3) uint8 RGB, whose faces are assigned; True asks for `follow`."""
        ...

    def follow(self, tracks: Sequence[FaceTrack], shot_ends: bool) -> None:
        """Takes the tracks of the shot up to the last frame added, mistakes of the detector among them.

        Args:
            tracks: Their landmarks are written on later. Their ids mean nothing.
            shot_ends: Whether it was the last frame of the shot.
        """
        ...


def track_faces(
    frames: Iterable[np.ndarray],
    fps: float = MODEL_FPS,
    detector: FaceDetector | None = None,
    watcher: TrackWatcher | None = None,
    people: People | None = None,
) -> list[FaceTrack]:
    """Follows every face through a video.

    A person who leaves the picture and comes back in the same shot keeps the track, known by place and by looks. A cut
    ends all tracks; a person who is known by looks in another shot has the same id there. Memory grows by 1.1 MB for
    each minute and face; of the frames only 24 are held at a time.

    Args:
        frames: (H, W, 3) uint8 RGB each; see `check_frames` for what else is taken.
        fps: Their rate in Hz.
        detector: Finds the faces; by default one is loaded.
        watcher: Is shown what is known on the way.
        people: Those known before, to whom the video's are added.

    Returns:
        The tracks in order of appearance; people are numbered 0, 1, 2 and so on in that order. Faces found for less
        than 0.2 s are left out, unless the whole shot is shorter.

    Raises:
        ConfigError: The frames are none, of another type or of several sizes.
        CheckpointError, MissingExtraError: No detector is given, and none can be loaded; see `load_face_detector`.
    """
    frames = check_frames(frames)
    detector = detector or load_face_detector()
    tracks: list[FaceTrack] = []
    people = People() if people is None else people
    shot = _Shot(0, 0, fps)
    detector.reset()
    frame_idx = 0
    for piece, is_cut in _pieces(frames):
        if is_cut:
            if watcher:
                watcher.follow(shot.so_far(), shot_ends=True)
            tracks += shot.tracks(frame_idx, people)
            shot = _Shot(shot.idx + 1, frame_idx, fps)
            detector.reset()
        for frame, faces in zip(piece, _detect(detector, piece), strict=True):
            shot.add(frame_idx, frame, faces)
            frame_idx += 1
            if watcher and watcher.add(frame):
                watcher.follow(shot.so_far(), shot_ends=False)
    if watcher:
        watcher.follow(shot.so_far(), shot_ends=True)
    return tracks + shot.tracks(frame_idx, people)


def _pieces(frames: Iterable[np.ndarray]) -> Iterator[tuple[list[np.ndarray], bool]]:
    """Frames as the detector takes them: the first of a shot by itself, then up to the next key frame each.

    Yields:
        Consecutive frames of one shot, and whether a shot other than the first begins with them.
    """
    piece: list[np.ndarray] = []
    ends_at, is_new = 1, False
    marked = mark_cuts(frames)
    # A long video is decoded and searched for cuts beside the detector; for a short one a thread costs what it saves.
    for frame, is_cut in chain(islice(marked, ALONE), read_ahead(marked)):
        if piece and (is_cut or len(piece) == ends_at):
            yield piece, is_new
            piece, ends_at, is_new = [], KEY_INTERVAL, False
        if is_cut:
            ends_at, is_new = 1, True
        piece.append(frame)
    if piece:
        yield piece, is_new


def _detect(detector: FaceDetector, frames: list[np.ndarray]) -> list[list[np.ndarray]]:
    """Every frame's faces."""
    if isinstance(detector, SeveralFrames):
        return detector.detect_all(frames)
    return [detector.detect(frame) for frame in frames]


class _Place(NamedTuple):
    """Where a face is: its middle and the distance of its eyes in px."""

    x: float
    y: float
    size: float

    @classmethod
    def of(cls, face: np.ndarray) -> "_Place":
        """The place of landmarks (L, 2) float32 px."""
        x, y = cv2.mean(face.reshape(-1, 1, 2))[:2]  # numpy's takes ten times as long for so few numbers
        (x0, y0), (x1, y1), (x2, y2), (x3, y3) = face[EYE_CORNERS].tolist()
        return cls(x, y, math.hypot(x2 + x3 - x0 - x1, y2 + y3 - y0 - y1) / 2)


class _Shot:
    """The people of one shot."""

    def __init__(self, idx: int, start: int, fps: float):
        self.idx, self._start, self._fps = idx, start, fps
        self._nearby = seconds_to_frame(NEARBY, fps)
        self._min_frames = seconds_to_frame(MIN_TRACK, fps)
        self.people: list[_Person] = []

    def add(self, frame_idx: int, frame: np.ndarray, faces: list[np.ndarray]) -> None:
        """Gives each face of a frame to the person it belongs to."""
        missing = self._assign_nearby(frame_idx, frame, faces)
        if missing:
            self._assign_by_looks(frame_idx, frame, missing)
        # Mistakes of the detector are forgotten at once, or an hour of them would fill the memory.
        self.people = [
            person
            for person in self.people
            if person.num_detected >= self._min_frames or frame_idx - person.last_idx <= self._nearby
        ]

    def so_far(self) -> list[FaceTrack]:
        """The tracks of everybody up to now, for a `TrackWatcher`."""
        return [FaceTrack(-1, self.idx, person.start, person.landmarks(), self._fps) for person in self.people]

    def tracks(self, stop: int, known: People) -> list[FaceTrack]:
        """The tracks of the shot, which ends before frame `stop`, in order of appearance."""
        num_frames = stop - self._start
        min_frames = min(self._min_frames, num_frames)
        people = _reunite([person for person in self.people if person.num_detected >= min_frames])
        ids = known.identify([person.gallery for person in people])
        return [
            FaceTrack(id, self.idx, person.start, person.landmarks(), self._fps, num_frames, self._start)
            for id, person in zip(ids, people, strict=True)
        ]

    def _assign_nearby(self, frame_idx: int, frame: np.ndarray, faces: list[np.ndarray]) -> list[np.ndarray]:
        """Gives faces to the people who were there a moment ago, nearest first; returns the faces left over."""
        recent = [person for person in self.people if frame_idx - person.last_idx <= self._nearby]
        pairs = []
        for face_idx, face in enumerate(faces):
            place = _Place.of(face)
            for person in recent:
                distance = person.distance(place, frame_idx)
                if distance is not None:
                    pairs.append((distance, face_idx, person))
        left = dict(enumerate(faces))
        taken: set[int] = set()
        for _, face_idx, person in sorted(pairs, key=lambda pair: pair[0]):
            if face_idx not in left or id(person) in taken:
                continue
            if frame_idx - person.last_idx > 1:
                look = signature(frame, left[face_idx])
                if person.gallery.likeness(look) < ALIKE_NEARBY:
                    continue
            taken.add(id(person))
            person.add(frame_idx, frame, left.pop(face_idx))
        return list(left.values())

    def _assign_by_looks(self, frame_idx: int, frame: np.ndarray, faces: list[np.ndarray]) -> None:
        """Gives faces to people seen before who are gone, the most alike first, and to new people."""
        gone = [person for person in self.people if person.last_idx < frame_idx]
        looks = [signature(frame, face) for face in faces]
        pairs = [(person.gallery.likeness(look), i, person) for i, look in enumerate(looks) for person in gone]
        left = dict(enumerate(faces))
        for likeness, i, person in sorted(pairs, key=lambda pair: -pair[0]):
            if likeness >= SAME_PERSON and i in left and person.last_idx < frame_idx:
                person.add(frame_idx, frame, left.pop(i))
        for face in left.values():
            person = _Person(frame_idx)
            person.add(frame_idx, frame, face)
            self.people.append(person)


def _reunite(people: list["_Person"]) -> list["_Person"]:
    """Makes one of those who are alike and never there at once, in order of appearance.

    Who comes back at the picture's edge, or blurred by haste, was not known at first sight.
    """
    reunited: list[_Person] = []
    for person in sorted(people, key=lambda person: person.start):
        before = [other for other in reunited if other.last_idx < person.start]
        best = max(before, key=lambda other: other.gallery.likeness_to(person.gallery), default=None)
        if best is not None and best.gallery.likeness_to(person.gallery) >= SAME_PERSON:
            best.append(person)
        else:
            reunited.append(person)
    return reunited


class _Person:
    """What is known of one person while the shot goes on."""

    def __init__(self, start: int):
        self.start = self.last_idx = start
        self.num_detected = 0
        self.gallery = Gallery()
        self._next_look, self._look_interval = 0, LOOK_INTERVAL
        self._landmarks = np.empty((_ROOM, NUM_LANDMARKS, 2), np.float32)
        self._last_place: _Place | None = None

    def add(self, frame_idx: int, frame: np.ndarray, face: np.ndarray) -> None:
        """Takes in the face of a frame later than all before."""
        if self.num_detected >= self._next_look:
            is_new = self.gallery.add(signature(frame, face))
            self._look_interval = LOOK_INTERVAL if is_new else min(2 * self._look_interval, MAX_LOOK_INTERVAL)
            self._next_look = self.num_detected + self._look_interval
        self._take(frame_idx, face[None])
        self._last, self._last_place = face, None
        self.num_detected += 1

    def append(self, later: "_Person") -> None:
        """Takes in all that is known of somebody who turned out to be the same, and came later."""
        self._take(later.start, later.landmarks())
        self.gallery.merge(later.gallery)
        self._last, self._last_place = later._last, None
        self.num_detected += later.num_detected

    def _take(self, frame_idx: int, landmarks: np.ndarray) -> None:
        at, stop, room = frame_idx - self.start, frame_idx - self.start + len(landmarks), len(self._landmarks)
        if stop > room:  # one array that grows: pieces would have to be joined, and an hour of them is large
            grown = np.empty((max(stop, 2 * room), NUM_LANDMARKS, 2), np.float32)
            grown[:room] = self._landmarks
            self._landmarks = grown
        self._landmarks[self.last_idx - self.start + 1 : at] = np.nan
        self._landmarks[at:stop] = landmarks
        self.last_idx = frame_idx + len(landmarks) - 1

    def landmarks(self) -> np.ndarray:
        """(T, L, 2) float32 px from the first to the last frame the person was found in, NaN between."""
        landmarks = self._landmarks[: self.last_idx - self.start + 1]
        return landmarks.copy() if len(landmarks) < _ROOM else landmarks  # a long video has a thousand short ones

    def distance(self, place: "_Place", frame_idx: int) -> float | None:
        """How far from the person's last place a face is, in eye distances; None where it cannot be the same face."""
        if self._last_place is None:
            self._last_place = _Place.of(self._last)
        old = self._last_place
        if not 1 / MAX_GROWTH < place.size / max(old.size, 1e-6) < MAX_GROWTH:
            return None
        distance = math.hypot(place.x - old.x, place.y - old.y) / max(place.size, old.size)
        gone = frame_idx - self.last_idx - 1
        return distance if distance < MAX_STEP + MAX_STEP_GONE * gone else None
