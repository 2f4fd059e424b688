"""Every face of a picture, from a network that follows one face at a time.

MediaPipe's face mesh costs about 3 ms a frame while it follows one face, but twice that while it looks for more faces
than there are, and it overlooks faces narrower than an eighth of the picture. So one mesh watches the whole picture, a
scout looks for other faces from time to time, and each of those gets a mesh of its own in a close-up around it.
"""

from collections.abc import Callable
from typing import Protocol

import numpy as np

from lipscribe.faces.quiet import quiet_stderr

SCOUT_INTERVAL = 15  # frames: the scout costs 5 ms; a face that enters is seen after this many at the latest
CLOSEUP_SIDE = 2.5  # face widths: the mesh reads 1.5 around a face, the rest is room to move
CLOSEUP_DRIFT = 0.4  # face widths from the middle of its close-up, beyond which the close-up is aimed anew
CLOSEUP_GROWTH = 1.4  # times the width it was aimed at, likewise
SAME_FACE = 0.5  # face widths: two boxes whose middles are closer than this are on one face

TILE_SIDE = 640  # px: in a tile of this size the scout sees faces down to about 45 px, below which no lips can be read
TILE_OVERLAP = 160  # px: larger faces are seen in the whole picture
TILE_INTERVAL = 60  # frames: tiles cost 5 ms each, and whoever is too small to be seen without seldom enters

Box = tuple[float, float, float, float]  # left, top, right, bottom in px


class Mesh(Protocol):
    """Follows one face from picture to picture."""

    def read(self, frame: np.ndarray) -> np.ndarray | None:
        """Landmarks (L, 2) float32 px of the face in (H, W, 3) uint8 RGB, None where there is none."""
        ...

    def close(self) -> None:
        """Frees its memory and threads."""
        ...


class Scout(Protocol):
    """Finds the faces of single pictures."""

    def find(self, frame: np.ndarray) -> list[Box]:
        """Boxes of the faces in (H, W, 3) uint8 RGB, the surest first."""
        ...

    def close(self) -> None:
        """Frees its memory and threads."""
        ...


class ScoutingDetector:
    """The `FaceDetector` that all backends share: meshes led by a scout.

    Args:
        open_mesh: Makes a mesh that has seen nothing.
        open_scout: Makes a scout.
        max_faces: At most this many faces are followed at a time.
    """

    def __init__(self, open_mesh: Callable[[], Mesh], open_scout: Callable[[], Scout], max_faces: int):
        self._meshes, self._open_scout, self._max_faces = _MeshPool(open_mesh), open_scout, max_faces
        self._scout: Scout | None = None
        self._whole: Mesh | None = None
        self._whole_sees = False
        self._closeups: list[_CloseUp] = []
        self._frame_idx = 0

    def detect(self, frame: np.ndarray) -> list[np.ndarray]:
        """See `FaceDetector.detect`."""
        frame = np.ascontiguousarray(frame)
        is_scouting = self._frame_idx % SCOUT_INTERVAL == 0
        if not is_scouting and self._whole_sees and all(closeup.has_read for closeup in self._closeups):
            faces = self._detect(frame, is_scouting)
        else:  # a network may be about to start, which MediaPipe does noisily
            with quiet_stderr():
                faces = self._detect(frame, is_scouting)
        self._frame_idx += 1
        return faces

    def reset(self) -> None:
        """See `FaceDetector.reset`."""
        for closeup in self._closeups:
            closeup.close()
        if self._whole is not None:
            self._meshes.give_back(self._whole)
        self._whole, self._whole_sees, self._closeups, self._frame_idx = None, False, [], 0

    def close(self) -> None:
        """See `FaceDetector.close`."""
        self.reset()
        self._meshes.close()
        if self._scout is not None:
            self._scout.close()
            self._scout = None

    def _detect(self, frame: np.ndarray, is_scouting: bool) -> list[np.ndarray]:
        # While every face is too small for the mesh on the whole picture, that one only looks along with the scout.
        known = self._read_whole(frame) if is_scouting or self._whole_sees or not self._closeups else []
        known += self._read_closeups(frame, known, is_scouting)
        if is_scouting and len(known) < self._max_faces:
            known += self._read_new(frame, known)
        return known

    def _read_whole(self, frame: np.ndarray) -> list[np.ndarray]:
        if self._whole is None:
            self._whole = self._meshes.lend()
        face = self._whole.read(frame)
        self._whole_sees = face is not None
        return [] if face is None else [face]

    def _read_closeups(self, frame: np.ndarray, known: list[np.ndarray], is_scouting: bool) -> list[np.ndarray]:
        faces: list[np.ndarray] = []
        kept = []
        for closeup in self._closeups:
            face = closeup.read(frame)
            is_double = face is not None and _is_one_of(face, known + faces)
            # One that lost its face may find it again, until the scout looks, who sees further.
            if is_double or (face is None and is_scouting):
                closeup.close()
                continue
            kept.append(closeup)
            if face is not None:
                faces.append(face)
        self._closeups = kept
        return faces

    def _read_new(self, frame: np.ndarray, known: list[np.ndarray]) -> list[np.ndarray]:
        """The faces that the scout sees and no mesh reads; each gets a close-up."""
        faces: list[np.ndarray] = []
        for box in self._look(frame, with_tiles=not known or self._frame_idx % TILE_INTERVAL == 0):
            corners = np.array(box, np.float32).reshape(2, 2)
            if _is_one_of(corners, known + faces):
                continue
            if len(known) + len(faces) == self._max_faces:
                break
            closeup = _CloseUp(corners, self._meshes)
            face = closeup.read(frame)
            if face is None or _is_one_of(face, known + faces):
                closeup.close()
            else:
                self._closeups.append(closeup)
                faces.append(face)
        return faces

    def _look(self, frame: np.ndarray, with_tiles: bool) -> list[Box]:
        if self._scout is None:
            self._scout = self._open_scout()
        boxes = self._scout.find(frame)
        for left, top in tile_corners(*frame.shape[:2]) if with_tiles else ():
            tile = np.ascontiguousarray(frame[top : top + TILE_SIDE, left : left + TILE_SIDE])
            boxes += [(x0 + left, y0 + top, x1 + left, y1 + top) for x0, y0, x1, y1 in self._scout.find(tile)]
        return boxes


class _CloseUp:
    """A mesh on the part of the picture around one face."""

    def __init__(self, points: np.ndarray, meshes: "_MeshPool"):
        self._meshes = meshes
        self._mesh: Mesh | None = None
        self._aim(points)

    def read(self, frame: np.ndarray) -> np.ndarray | None:
        part = np.ascontiguousarray(frame[self._rows, self._columns])
        if part.size == 0:  # the face has left the picture
            return None
        if self._mesh is None:
            self._mesh = self._meshes.lend()
        face = self._mesh.read(part)
        if face is None:
            return None
        face = face + np.array([self._columns.start, self._rows.start], np.float32)
        self.has_read = True
        middle, width = _middle_and_width(face)
        drift = np.abs(middle - self._middle).max() / self._width
        if drift > CLOSEUP_DRIFT or not 1 / CLOSEUP_GROWTH < width / self._width < CLOSEUP_GROWTH:
            self._aim(face)
        return face

    def close(self) -> None:
        if self._mesh is not None:
            self._meshes.give_back(self._mesh)
            self._mesh = None

    def _aim(self, points: np.ndarray) -> None:
        self.close()  # a mesh expects the face where it was in the picture before
        self.has_read = False
        self._middle, self._width = _middle_and_width(points)
        low = np.maximum(self._middle - self._width * CLOSEUP_SIDE / 2, 0).astype(int)
        high = np.maximum(self._middle + self._width * CLOSEUP_SIDE / 2, low + 1).astype(int) + 1
        self._columns, self._rows = (slice(int(a), int(b)) for a, b in zip(low, high, strict=True))


class _MeshPool:
    """Meshes that wait for a face. To start one costs 25 ms, to make one forget its face 3 ms."""

    _NOTHING = np.zeros((64, 64, 3), np.uint8)

    def __init__(self, open_mesh: Callable[[], Mesh]):
        self._open_mesh = open_mesh
        self._waiting: list[Mesh] = []

    def lend(self) -> Mesh:
        return self._waiting.pop() if self._waiting else self._open_mesh()

    def give_back(self, mesh: Mesh) -> None:
        if mesh.read(self._NOTHING) is None:
            self._waiting.append(mesh)
        else:
            mesh.close()

    def close(self) -> None:
        for mesh in self._waiting:
            mesh.close()
        self._waiting = []


def tile_corners(height: int, width: int) -> list[tuple[int, int]]:
    """Left and top of the tiles that small faces are looked for in; none where the picture is hardly larger."""
    if max(height, width) < 1.5 * TILE_SIDE:
        return []

    def starts(size: int) -> list[int]:
        last = max(size - TILE_SIDE, 0)
        steps = -(-last // (TILE_SIDE - TILE_OVERLAP))
        return [last * i // max(steps, 1) for i in range(steps + 1)]

    return [(left, top) for top in starts(height) for left in starts(width)]


def _middle_and_width(points: np.ndarray) -> tuple[np.ndarray, float]:
    low, high = points.min(0), points.max(0)
    return (low + high) / 2, max(float(high[0] - low[0]), 1.0)


def _is_one_of(points: np.ndarray, faces: list[np.ndarray]) -> bool:
    """Whether `points` (the corners of a box, or landmarks) lie on one of `faces`."""
    middle, width = _middle_and_width(points)
    for face in faces:
        other_middle, other_width = _middle_and_width(face)
        if np.linalg.norm(middle - other_middle) < SAME_FACE * max(width, other_width):
            return True
    return False
