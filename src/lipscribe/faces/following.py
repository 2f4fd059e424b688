"""Every face of consecutive pictures: found by the detectors, then followed by the mesh.

The mesh reads a face where it was in the frame before, for 1.5 ms a face. The short-range detector looks for faces that
were lost, and for any face while there is none. The full-range detector, which costs more and sees further, looks for
others from time to time, if the picture has changed beside the faces.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from lipscribe.faces.blazeface import Detection
from lipscribe.faces.landmarks import MESH_INDICES
from lipscribe.faces.mesh import Face, face_region
from lipscribe.faces.regions import Region, box_around
from lipscribe.faces.surroundings import Surroundings

SEARCH_INTERVAL = 16  # frames: a search costs 5 ms; a face that enters is found after this many at the latest
SAME_FACE = 0.5  # face widths: two boxes whose centres are closer than this are on one face
NEW_PRESENCE = 3.0  # logit: what a new face must have, so that patterns seldom pass; one that was lost may have less
SURE = 15.0  # logit: GRID's faces and talkers have 15 to 42 the right way up, and 14 at most upside down
OTHER_WAYS_UP = (math.pi, math.pi / 2, -math.pi / 2)  # radians: how a picture is rotated if nobody is found in it
LOST_AREA = 2.0  # sides of its region: how far around its last place a lost face is looked for

TILE_SIDE = 640  # px: in a tile of this size faces are found down to about 45 px, below which no lips can be read
TILE_OVERLAP = 160  # px: larger faces are found in the whole picture
TILE_INTERVAL = 64  # frames: tiles cost 5 ms each, and a face that is too small without them seldom enters
UNCHANGED_INTERVAL = 128  # frames: a small picture that has not changed beside the known faces is searched this often
MAX_SHIFT = 0.03  # sides of its region: a face whose own region differs by more is read once more, in that one


class Detector(Protocol):
    """Finds faces; see `BlazeFace`."""

    def find(self, frame: np.ndarray, region: Region | None = None) -> list[Detection]:
        """The faces in a region of a frame (H, W, 3) uint8 RGB, by default in all of it, the surest first."""
        ...


class Mesh(Protocol):
    """Reads the landmarks of one face; see `FaceMesh`."""

    def read(self, frame: np.ndarray, region: Region) -> Face | None:
        """The landmarks of the face in a region, None where there is none."""
        ...


@dataclass(frozen=True)
class _Followed:
    """A face: where it was last, and for how many frames it has been lost."""

    region: Region
    num_lost: int = 0


class FollowingDetector:
    """The `FaceDetector` that runs MediaPipe's networks directly.

    Args:
        mesh: Reads landmarks.
        short_range: Finds large faces quickly.
        full_range: Finds smaller ones too.
        max_faces: At most this many faces are followed at a time.

    Attributes:
        last_frame: (H, W, 3) uint8 RGB, None before the first of a shot.
        last_faces: The landmarks (L, 2) float32 px found in it.
        points: The meshes (468, 2) float32 px that they are part of.
    """

    def __init__(self, mesh: Mesh, short_range: Detector, full_range: Detector, max_faces: int):
        self._mesh, self._short_range, self._full_range = mesh, short_range, full_range
        self._max_faces = max_faces
        self.reset()

    def detect(self, frame: np.ndarray) -> list[np.ndarray]:
        """See `FaceDetector.detect`."""
        # `Video` gives out a picture that stays repeatedly; what is read-only cannot have changed meanwhile.
        if frame is self.last_frame and not frame.flags.writeable:
            self._frame_idx += 1
            return list(self.last_faces)
        self.last_frame = frame
        frame = np.ascontiguousarray(frame)
        faces: list[np.ndarray] = []
        lost: list[_Followed] = []
        for followed in self._followed:
            face = self._read_again(frame, followed, faces)
            if face is None:
                lost.append(_Followed(followed.region, followed.num_lost + 1))
            elif not _is_one_of(face, faces):
                faces.append(face)
        if not faces:
            faces += self._read_new(frame, self._short_range.find(frame), faces)
        return self._finish(frame, faces, lost)

    def reset(self) -> None:
        """See `FaceDetector.reset`."""
        self._followed: list[_Followed] = []
        self._frame_idx = 0
        self._last_idx = -1  # of the last frame that was read
        self.last_frame: np.ndarray | None = None
        self.last_faces: list[np.ndarray] = []
        self.points: list[np.ndarray] = []
        self._surroundings = Surroundings()

    # What follows lets `KeyFrameDetector` leave frames out.

    @property
    def is_sure(self) -> bool:
        """Whether somebody is followed, and nobody is lost."""
        return bool(self._followed) and not any(followed.num_lost for followed in self._followed)

    def read(self, frame: np.ndarray, region: Region) -> np.ndarray | None:
        """Mesh (468, 2) float32 px of the face in a region of any frame, None where there is none."""
        face = self._mesh.read(frame, region)
        return None if face is None else face.points

    def look_ahead(self, frame: np.ndarray, regions: Sequence[Region]) -> list[np.ndarray] | None:
        """Reads the faces of the last frame in one that comes a little later, and forgets it again.

        Args:
            frame: (H, W, 3) uint8 RGB.
            regions: Where each of them is by now, nearly.

        Returns:
            Their meshes (468, 2) float32 px; None unless every face is surely there.
        """
        faces: list[np.ndarray] = []
        for region in regions:
            face = self.read(frame, region)
            if face is not None and face_region(face).difference(region) > MAX_SHIFT:
                face = self.read(frame, face_region(face))
            if face is None or _is_one_of(face, faces):
                return None
            faces.append(face)
        return faces

    def go_ahead(self, frame: np.ndarray, faces: list[np.ndarray], num_frames: int) -> list[np.ndarray]:
        """`detect` of the frame that comes `num_frames` after the last, with what `look_ahead` read in it."""
        self.last_frame = frame
        self._frame_idx += num_frames - 1
        return self._finish(np.ascontiguousarray(frame), faces, [])

    def stay(self, num_frames: int) -> None:
        """Counts frames that were not read, since their pictures are the last one's."""
        self._frame_idx += num_frames

    def _finish(self, frame: np.ndarray, faces: list[np.ndarray], lost: list[_Followed]) -> list[np.ndarray]:
        """Looks for further faces in a frame, and goes on to the next: landmarks (L, 2) float32 px of all faces."""
        faces = list(faces)
        if self._is_due(SEARCH_INTERVAL) and len(faces) < self._max_faces and self._may_show_others(frame, faces):
            faces += self._search(frame, faces)
        self._last_idx = self._frame_idx
        self._frame_idx += 1
        lost = [old for old in lost if old.num_lost <= SEARCH_INTERVAL]
        self._followed = [_Followed(face_region(face)) for face in faces] + lost[: self._max_faces - len(faces)]
        self.points, self.last_faces = faces, [face[MESH_INDICES] for face in faces]
        return list(self.last_faces)

    def _may_show_others(self, frame: np.ndarray, faces: list[np.ndarray]) -> bool:
        """Whether to search: if nobody is there, if the rest of the picture has changed, and now and then."""
        changed = self._surroundings.changed(frame, [face_region(face) for face in faces])
        interval = TILE_INTERVAL if tile_corners(*frame.shape[:2]) else UNCHANGED_INTERVAL
        return changed or not faces or self._is_due(interval)

    def _is_due(self, interval: int) -> bool:
        """Whether a frame that is a multiple of the interval came since the last frame was read, or is this one."""
        return self._frame_idx // interval != self._last_idx // interval

    def _read_again(self, frame: np.ndarray, followed: _Followed, known: list[np.ndarray]) -> np.ndarray | None:
        """A face that is followed, where it was or not far from there."""
        region = followed.region
        face = None if followed.num_lost else self._mesh.read(frame, region)
        if face is not None:
            return face.points
        area = Region(region.x, region.y, LOST_AREA * region.side)
        found = self._read_new(frame, self._short_range.find(frame, area)[:1], known, -math.inf)
        return found[0] if found else None

    def _search(self, frame: np.ndarray, known: list[np.ndarray]) -> list[np.ndarray]:
        """The faces that are not followed yet, wherever they are; if nobody is there, on their side or head too."""
        whole = Region.of_picture(frame)
        found = self._read_new(frame, self._full_range.find(frame, whole), known)
        if not known or self._is_due(TILE_INTERVAL):
            for left, top in tile_corners(*frame.shape[:2]):
                tile = Region(left + TILE_SIDE / 2, top + TILE_SIDE / 2, TILE_SIDE)
                found += self._read_new(frame, self._full_range.find(frame, tile), known + found)
        if not known + found:
            for angle in OTHER_WAYS_UP:
                detections = self._full_range.find(frame, whole.rotated(angle))
                found += self._read_new(frame, detections, found, SURE)  # four looks make four times as many mistakes
        return found

    def _read_new(
        self,
        frame: np.ndarray,
        detections: list[Detection],
        known: list[np.ndarray],
        min_presence: float = NEW_PRESENCE,
    ) -> list[np.ndarray]:
        """The landmarks of those detections that are faces and not among the known ones."""
        faces: list[np.ndarray] = []
        for detection in detections:
            if len(known) + len(faces) == self._max_faces:
                break
            if _is_one_of(detection.box, known + faces):
                continue
            face = self._read_detected(frame, detection.region)
            if face is None or face.presence < min_presence or _is_one_of(face.points, known + faces):
                continue
            faces.append(face.points)
        return faces

    def _read_detected(self, frame: np.ndarray, region: Region) -> Face | None:
        """The face that a detector found.

        The detectors take a face that is upside down for an upright one, the mesh does not. A detector's region is a
        rough one, so the face is read again where the mesh puts it.
        """
        face = self._read_twice(frame, region)
        if face is None or face.presence < SURE:
            upside_down = self._read_twice(frame, region.rotated(math.pi))
            if upside_down is not None and upside_down.presence > SURE:
                return upside_down
        return face

    def _read_twice(self, frame: np.ndarray, region: Region) -> Face | None:
        face = self._mesh.read(frame, region)
        return None if face is None else self._mesh.read(frame, face_region(face.points))


def tile_corners(height: int, width: int) -> list[tuple[int, int]]:
    """Left and top of the tiles in which small faces are looked for; none where the picture is hardly larger."""
    if max(height, width) < 1.5 * TILE_SIDE:
        return []

    def starts(size: int) -> list[int]:
        last = max(size - TILE_SIDE, 0)
        steps = -(-last // (TILE_SIDE - TILE_OVERLAP))
        return [last * i // max(steps, 1) for i in range(steps + 1)]

    return [(left, top) for top in starts(height) for left in starts(width)]


def _centre_and_width(points: np.ndarray) -> tuple[np.ndarray, float]:
    low, high = box_around(points)
    return (low + high) / 2, max(float(high[0] - low[0]), 1.0)


def _is_one_of(points: np.ndarray, faces: list[np.ndarray]) -> bool:
    """Whether `points` (the corners of a box, or landmarks) lie on one of `faces`."""
    centre, width = _centre_and_width(points)
    for face in faces:
        other_centre, other_width = _centre_and_width(face)
        if np.linalg.norm(centre - other_centre) < SAME_FACE * max(width, other_width):
            return True
    return False
