"""Faces of many frames for the price of a few: the mesh reads key frames, and what moved unforeseen between them.

Every eighth frame is a key frame. Between two of them heads move evenly, and the lips are told from small pictures of
the mouth (`lips`). A frame whose picture is unlike those that were read is read too: one in three of a lively talk,
hardly one in eight of a pause. Where a face is lost or jumps, every frame is read, as `FollowingDetector.detect` does.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lipscribe.faces.following import FollowingDetector
from lipscribe.faces.landmarks import MESH_INDICES
from lipscribe.faces.lips import LipRegression, Pose, move_lips
from lipscribe.faces.mesh import face_region

KEY_INTERVAL = 8  # frames; a search for others falls on key frames, since its interval is a multiple of this
UNFAMILIAR = 0.05  # variance of the lips above which a frame is read; 0.04 reads a tenth more frames
STEADY = 0.02  # eye distances: a head further than this from where it was foreseen is looked at again
MAX_BEND = 0.01  # eye distances off the straight way between two frames that were read, above which another is
MAX_MOVE = 0.75  # eye distances between two key frames: a face that moves further is read in every frame


@dataclass
class _Known:
    """A face in the last frame that was read: its mesh (468, 2) float32 px, and its lips so far in this shot."""

    points: np.ndarray
    lips: LipRegression
    picture: np.ndarray  # of its mouth
    pace: complex = 0j  # of the head until then, px a frame


class KeyFrameDetector:
    """The `FaceDetector` that can also take several frames at once, which costs a third.

    Args:
        every_frame: Reads one frame after the other.
    """

    def __init__(self, every_frame: FollowingDetector):
        self._every_frame = every_frame
        self.reset()

    def detect(self, frame: np.ndarray) -> list[np.ndarray]:
        """See `FaceDetector.detect`."""
        self._known = []
        return self._every_frame.detect(frame)

    def reset(self) -> None:
        """See `FaceDetector.reset`."""
        self._every_frame.reset()
        self._known: list[_Known] = []

    def detect_all(self, frames: Sequence[np.ndarray]) -> list[list[np.ndarray]]:
        """See `SeveralFrames.detect_all`."""
        found: list[list[np.ndarray]] = []
        while len(found) < len(frames) and not self._every_frame.is_sure:  # a shot begins, or somebody is lost
            found.append(self.detect(frames[len(found)]))
        frames = frames[len(found) :]
        if not frames:
            return found
        return found + (self._read_key_frames(frames) or [self.detect(frame) for frame in frames])

    def _read_key_frames(self, frames: Sequence[np.ndarray]) -> list[list[np.ndarray]] | None:
        """`detect_all` where all faces are followed from the frame before to the last one; None where they are not."""
        times, pictures = self._distinct(frames)
        before, last_faces = self._every_frame.last_frame, self._every_frame.last_faces
        assert before is not None  # somebody was found in it
        if not pictures:
            self._every_frame.stay(len(frames))
            return [list(last_faces) for _ in frames]
        known = self._known or [_meet(before, points) for points in self._every_frame.points]
        ends = self._every_frame.look_ahead(pictures[-1], [face_region(face.points) for face in known])
        if ends is None:
            return None
        between = [_Between(pictures, face, end) for face, end in zip(known, ends, strict=True)]
        if not all(face.read(self._every_frame) for face in between):
            return None
        faces = self._every_frame.go_ahead(frames[times.index(len(pictures))], ends, len(frames))
        self._known = [face.end for face in between]
        self._known += [_meet(pictures[-1], points) for points in self._every_frame.points[len(ends) :]]
        inside = [face.landmarks() for face in between]
        found = [last_faces, *([each[t] for each in inside] for t in range(len(pictures) - 1)), faces]
        return [list(found[time]) for time in times]

    def _distinct(self, frames: Sequence[np.ndarray]) -> tuple[list[int], list[np.ndarray]]:
        """Which picture each frame shows, from 1, 0 where it is still the last frame's; and the pictures."""
        times, pictures, previous = [], [], self._every_frame.last_frame
        for frame in frames:
            # `Video` gives out a picture that stays repeatedly; what is read-only cannot have changed meanwhile.
            if frame is not previous or frame.flags.writeable:
                pictures.append(np.ascontiguousarray(frame))
            times.append(len(pictures))
            previous = frame
        return times, pictures


class _Between:
    """One face from one key frame to the next.

    Args:
        pictures: The frames after the first key frame up to the second, (H, W, 3) uint8 RGB each.
        start: The face in the first.
        end: Its mesh (468, 2) float32 px in the second.
    """

    def __init__(self, pictures: Sequence[np.ndarray], start: _Known, end: np.ndarray):
        self._pictures, self._lips = pictures, start.lips
        self._stop = len(pictures)
        self._meshes = {0: start.points, self._stop: end}  # of the frames that were read
        self._poses = {t: Pose.of(points[MESH_INDICES]) for t, points in self._meshes.items()}
        self._mouths = {0: start.picture}
        self._pace_before = start.pace

    def read(self, mesh: FollowingDetector) -> bool:
        """Reads the frames that are unlike those read before; False where the face is not the same all the time."""
        if self._poses[0].distance(self._poses[self._stop]) > MAX_MOVE:
            return False
        self._learn(self._stop)
        bent = abs(self._pace() - self._pace_before) * self._stop / 8  # a parabola's height over its chord
        due = [self._stop // 2] if bent > MAX_BEND * abs(self._poses[0].across) and self._stop > 1 else []
        while (t := due.pop() if due else self._least_familiar()) is not None:
            foreseen, (before, after) = self._pose(t), self._neighbours(t)
            points = mesh.read(self._pictures[t - 1], face_region(self._mix(t)))
            if points is None:
                return False
            self._meshes[t], self._poses[t] = points, Pose.of(points[MESH_INDICES])
            self._learn(t)
            off = foreseen.distance(self._poses[t])
            if off > STEADY:
                self._mouths = {other: mouth for other, mouth in self._mouths.items() if other in self._meshes}
            if off > 4 * MAX_BEND:  # the halves are bent a quarter as much
                due += [(t + end) // 2 for end in (before, after) if abs(t - end) > 1]
        return True

    def _least_familiar(self) -> int | None:
        """The frame whose mouth is least like those read before; None if all are familiar."""
        waiting = [t for t in range(1, self._stop) if t not in self._meshes]
        for t in waiting:
            if t not in self._mouths:
                self._mouths[t] = self._lips.picture(self._pictures[t - 1], self._pose(t))
        if not waiting:
            return None
        variances = self._lips.variances(np.stack([self._mouths[t] for t in waiting]))
        return waiting[int(variances.argmax())] if variances.max() > UNFAMILIAR else None

    def _pace(self) -> complex:
        """How fast the head moves at the end, in px a frame."""
        before, _ = self._neighbours(self._stop)
        return (self._poses[self._stop].centre - self._poses[before].centre) / (self._stop - before)

    @property
    def end(self) -> _Known:
        """The face in the second key frame."""
        return _Known(self._meshes[self._stop], self._lips, self._mouths[self._stop], self._pace())

    def landmarks(self) -> np.ndarray:
        """Landmarks (T, L, 2) float32 px in the frames between the two key frames."""
        times = np.arange(1, self._stop)
        read = np.array(sorted(self._meshes))
        meshes = np.stack([self._meshes[t][MESH_INDICES] for t in read])
        shapes = self._lips.shapes(np.stack([self._mouths[t] for t in range(self._stop + 1)]))
        after = np.searchsorted(read, times)  # those that were read lie at the end of what they are in
        before = after - 1
        weight = ((times - read[before]) / (read[after] - read[before])).astype(np.float32)
        faces = meshes[before] * (1 - weight)[:, None, None] + meshes[after] * weight[:, None, None]
        weight = weight[:, None]
        move_lips(faces, shapes[times] - (1 - weight) * shapes[read[before]] - weight * shapes[read[after]])
        return faces

    def _learn(self, t: int) -> None:
        self._mouths[t] = self._lips.picture(self._pictures[t - 1], self._poses[t])
        self._lips.add(self._mouths[t], self._meshes[t][MESH_INDICES])

    def _pose(self, t: int) -> Pose:
        """The pose between those read before and after."""
        before, after = self._neighbours(t)
        return self._poses[before].towards(self._poses[after], (t - before) / (after - before))

    def _mix(self, t: int) -> np.ndarray:
        """The mesh (468, 2) float32 px between those read before and after."""
        before, after = self._neighbours(t)
        weight = np.float32((t - before) / (after - before))
        return (1 - weight) * self._meshes[before] + weight * self._meshes[after]

    def _neighbours(self, t: int) -> tuple[int, int]:
        """The frames read last before `t` and first after it."""
        return max(t0 for t0 in self._meshes if t0 < t), min((t1 for t1 in self._meshes if t1 > t), default=t)


def _meet(frame: np.ndarray, points: np.ndarray) -> _Known:
    """Somebody of whom nothing is known but the mesh (468, 2) float32 px in a frame."""
    lips, face = LipRegression(), points[MESH_INDICES]
    picture = lips.picture(frame, Pose.of(face))
    lips.add(picture, face)
    return _Known(points, lips, picture)
