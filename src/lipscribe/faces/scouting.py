"""Every face of a picture, from a network that follows one face at a time.

MediaPipe's face mesh costs about 3 ms a frame while it follows a face, but twice that while it looks for more faces
than there are, and it overlooks faces narrower than an eighth of the picture. So one mesh watches the whole picture, a
scout looks for other faces from time to time, and each of those gets a mesh of its own in a close-up around it.
"""

from collections.abc import Callable
from typing import Protocol

import numpy as np

SCOUT_INTERVAL = 10  # frames: a face that enters is seen after this many at the latest
CLOSEUP_SIDE = 2.5  # face widths: the mesh reads 1.5 around a face, the rest is room to move
CLOSEUP_DRIFT = 0.4  # face widths from the middle of its close-up, beyond which the close-up follows the face
TILE_SIDE = 640  # px: where the scout finds faces down to about 45 px, below which no lips can be read
TILE_OVERLAP = 160  # px

Box = tuple[float, float, float, float]  # left, top, right, bottom in px


class Mesh(Protocol):
    """Follows one face from picture to picture."""

    def read(self, frame: np.ndarray) -> np.ndarray | None:
        """(H, W, 3) uint8 RGB -> landmarks (L, 2) float32 px, None where there is no face."""
        ...

    def close(self) -> None: ...


class Scout(Protocol):
    """Finds faces in single pictures."""

    def find(self, frame: np.ndarray) -> list[Box]:
        """(H, W, 3) uint8 RGB -> the box of each face, best first."""
        ...

    def close(self) -> None: ...


class ScoutingDetector:
    """The `FaceDetector` that the backends share: meshes led by a scout.

    Args:
        open_mesh: Makes a mesh that has seen nothing.
        scout: Closed with the detector.
        max_faces: Faces beyond this many are left out; those the scout is surest of come first.
    """

    def __init__(self, open_mesh: Callable[[], Mesh], scout: Scout, max_faces: int):
        self._open_mesh, self._scout, self._max_faces = open_mesh, scout, max_faces
        self._closeups: list[_CloseUp] = []
        self._wide: Mesh | None = None
        self._wide_sees = False
        self._frame_idx = 0

    def detect(self, frame: np.ndarray) -> list[np.ndarray]:
        """See `FaceDetector.detect`."""
        frame = np.ascontiguousarray(frame)
        is_scouting = self._frame_idx % SCOUT_INTERVAL == 0
        self._frame_idx += 1
        faces = self._read_wide(frame, is_scouting)
        faces += self._read_closeups(frame, faces, is_scouting)
        if is_scouting and len(faces) < self._max_faces:
            faces += self._read_new(frame, faces)
        return faces

    def reset(self) -> None:
        """See `FaceDetector.reset`."""
        for reader in (*self._closeups, *([self._wide] if self._wide else [])):
            reader.close()
        self._closeups, self._wide, self._wide_sees, self._frame_idx = [], None, False, 0

    def close(self) -> None:
        """See `FaceDetector.close`."""
        self.reset()
        self._scout.close()

    def _read_wide(self, frame: np.ndarray, is_scouting: bool) -> list[np.ndarray]:
        if not (is_scouting or self._wide_sees or not self._closeups):
            return []  # all faces are too small for it: looking on every frame would only cost time
        if self._wide is None:
            self._wide = self._open_mesh()
        face = self._wide.read(frame)
        self._wide_sees = face is not None
        return [face] if self._wide_sees else []

    def _read_closeups(self, frame: np.ndarray, others: list[np.ndarray], is_scouting: bool) -> list[np.ndarray]:
        faces: list[np.ndarray] = []
        kept = []
        for closeup in self._closeups:
            face = closeup.read(frame)
            is_double = face is not None and _is_any(face, others + faces)
            # A close-up that lost its face may find it again until the scout looks: the scout sees more than it.
            if is_double or (face is None and is_scouting):
                closeup.close()
                continue
            kept.append(closeup)
            if face is not None:
                faces.append(face)
        self._closeups = kept
        return faces

    def _read_new(self, frame: np.ndarray, known: list[np.ndarray]) -> list[np.ndarray]:
        boxes = self._scout.find(frame)
        if not boxes and not self._wide_sees:
            for left, top in tile_corners(*frame.shape[:2]):
                tile = np.ascontiguousarray(frame[top : top + TILE_SIDE, left : left + TILE_SIDE])
                boxes += [(x0 + left, y0 + top, x1 + left, y1 + top) for x0, y0, x1, y1 in self._scout.find(tile)]
        faces: list[np.ndarray] = []
        for box in boxes:
            corners = np.array(box, np.float32).reshape(2, 2)
            if len(known) + len(faces) >= self._max_faces or _is_any(corners, known + faces):
                continue
            closeup = _CloseUp(corners, self._open_mesh)
            face = closeup.read(frame)
            if face is None or _is_any(face, known + faces):
                closeup.close()
            else:
                self._closeups.append(closeup)
                faces.append(face)
        return faces


class _CloseUp:
    """A mesh on the part of the picture around one face."""

    def __init__(self, points: np.ndarray, open_mesh: Callable[[], Mesh]):
        self._open_mesh = open_mesh
        self._mesh: Mesh | None = None
        self._aim(points)

    def _aim(self, points: np.ndarray) -> None:
        self.close()
        self._middle, self._width = _middle_and_width(points)
        half = self._width * CLOSEUP_SIDE / 2
        self._left, self._top = (int(max(at - half, 0)) for at in self._middle)
        self._right, self._bottom = (int(at + half) + 1 for at in self._middle)

    def read(self, frame: np.ndarray) -> np.ndarray | None:
        if self._mesh is None:
            self._mesh = self._open_mesh()
        part = np.ascontiguousarray(frame[self._top : self._bottom, self._left : self._right])
        face = self._mesh.read(part)
        if face is None:
            return None
        face += np.array([self._left, self._top], np.float32)
        middle, width = _middle_and_width(face)
        if np.abs(middle - self._middle).max() > CLOSEUP_DRIFT * self._width or not 0.7 < width / self._width < 1.4:
            self._aim(face)
        return face

    def close(self) -> None:
        if self._mesh is not None:
            self._mesh.close()
            self._mesh = None


def tile_corners(height: int, width: int) -> list[tuple[int, int]]:
    """Left and top of the tiles in which small faces are looked for; none where the picture is hardly larger."""
    if max(height, width) < 1.5 * TILE_SIDE:
        return []

    def starts(size: int) -> list[int]:
        last = max(size - TILE_SIDE, 0)
        count = -(-last // (TILE_SIDE - TILE_OVERLAP)) + 1
        return [round(last * i / max(count - 1, 1)) for i in range(count)]

    return [(left, top) for top in starts(height) for left in starts(width)]


def _middle_and_width(points: np.ndarray) -> tuple[np.ndarray, float]:
    low, high = points.min(0), points.max(0)
    return (low + high) / 2, float(max(high[0] - low[0], 1.0))


def _is_any(points: np.ndarray, faces: list[np.ndarray]) -> bool:
    """Whether `points` (corners of a box, or landmarks) lie on one of the faces."""
    middle, width = _middle_and_width(points)
    for face in faces:
        other, other_width = _middle_and_width(face)
        if np.linalg.norm(middle - other) < 0.5 * max(width, other_width):
            return True
    return False
