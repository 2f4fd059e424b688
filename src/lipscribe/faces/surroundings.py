"""Whether a picture has changed beside the faces that are known: if not, a search for others finds none either."""

from collections.abc import Sequence

import cv2
import numpy as np

from lipscribe.faces.regions import Region

CELLS = 45  # on the picture's longer side: the detectors find faces of three cells and more
MIN_CHANGE = 24.0  # grey levels in the mean of 3x3 cells: above noise and moving shoulders, below a face that enters
_PIXELS = 8  # px of a cell's side that count at most: to average all of a large picture takes 3 ms


class Surroundings:
    """Remembers the picture in which others were last looked for."""

    def __init__(self) -> None:
        self._searched: np.ndarray | None = None

    def changed(self, frame: np.ndarray, faces: Sequence[Region]) -> bool:
        """Whether the picture outside the faces' regions is another than when this was last true.

        Args:
            frame: (H, W, 3) uint8 RGB.
            faces: Where the known faces are.
        """
        cell = max(frame.shape[:2]) / CELLS
        step = max(1, int(cell / _PIXELS))
        rows, columns = (max(1, round(size / cell)) for size in frame.shape[:2])
        pixels = frame if step == 1 else frame[::step, ::step].copy()
        cells = cv2.resize(pixels, (columns, rows), interpolation=cv2.INTER_AREA).astype(np.int16)
        if self._searched is not None:
            change = np.abs(cells - self._searched).max(-1).astype(np.float32)
            for face in faces:
                reach = face.side / 2
                left, right = (max(0, int(at / cell)) for at in (face.x - reach, face.x + reach))
                top, bottom = (max(0, int(at / cell)) for at in (face.y - reach, face.y + reach))
                change[top : bottom + 1, left : right + 1] = 0
            if cv2.blur(change, (3, 3)).max() < MIN_CHANGE:
                return False
        self._searched = cells
        return True
