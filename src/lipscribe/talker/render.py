"""Performances and a scene -> frames."""

from collections.abc import Iterator, Sequence

import cv2
import numpy as np

from lipscribe.talker.face import BODY_COARSER, BODY_LEFT, BODY_TOP, LEFT, TOP, Face
from lipscribe.talker.lips import MAX_JAW, Mouth
from lipscribe.talker.natural_lips import NaturalMouth
from lipscribe.talker.performance import Performance
from lipscribe.talker.scene import Scene, paint_background

_MIN_SCALE = 56.0  # px an eye distance that faces are painted at, at least; smaller ones are made smaller afterwards
_MIDDLE = (
    0.55  # eye distances below the eyes: the point that `Performance.x` and `.y` place, and that the head turns about
)
_NOISES = 4  # pictures of noise, shown in turn at random places


def render(performances: Sequence[Performance], scene: Scene, seed: Sequence[int]) -> Iterator[np.ndarray]:
    """Draws every frame.

    Args:
        performances: All of one length; later ones stand in front.
        scene: Size, background, light and camera.
        seed: Of the background and of the camera's noise.

    Yields:
        (H, W, 3) uint8 RGB, each a new array.
    """
    rng = np.random.default_rng(list(seed))
    background = paint_background(scene, rng)
    puppets = [_Puppet(performance) for performance in performances]
    camera = _Camera(scene, rng)
    for frame_idx in range(min(len(p.controls) for p in performances)):
        frame = background.copy()
        for puppet in puppets:
            puppet.draw(frame, frame_idx)
        yield camera.take(frame)


class _Puppet:
    """A painted face that moves."""

    def __init__(self, performance: Performance):
        self._does = performance
        scale = max(_MIN_SCALE, performance.eyes_px)
        softness = performance.looks.softness if performance.looks else 0.0
        self._face = face = Face(performance.person, scale, performance.light, softness)
        self._mouth = NaturalMouth(face, performance.looks) if performance.looks else Mouth(face)
        rows, columns = face.height.shape
        self._grid_x, self._grid_y = np.meshgrid(
            np.arange(columns, dtype=np.float32), np.arange(rows, dtype=np.float32)
        )
        self._height_px = (face.height - 0.3) * scale
        self._middle = np.array([-LEFT, _MIDDLE - TOP]) * scale
        self._body_middle = np.array([-BODY_LEFT, _MIDDLE - BODY_TOP]) * scale / BODY_COARSER
        self._jaw_top = round((performance.person.mouth_y - 0.1 - TOP) * scale)
        self._jaw_px = face.jaw[self._jaw_top :] * (MAX_JAW * scale)

    def draw(self, frame: np.ndarray, frame_idx: int) -> None:
        does = self._does
        controls = does.controls[frame_idx]
        canvas = self._face.head[does.lids[frame_idx]].copy()
        jaw = float(max(controls[3], 0))
        if jaw > 0.005:
            top = self._jaw_top
            moved = self._grid_y[top:] - jaw * self._jaw_px
            canvas[top:] = cv2.remap(canvas, self._grid_x[top:], moved, cv2.INTER_LINEAR)
        self._mouth.draw(canvas, controls)
        # A turned head: what stands out moves further than what lies behind.
        yaw, pitch = float(does.yaw[frame_idx]), float(does.pitch[frame_idx])
        canvas = cv2.remap(
            canvas,
            self._grid_x - np.float32(np.sin(yaw)) * self._height_px,
            self._grid_y - np.float32(np.sin(pitch)) * self._height_px,
            cv2.INTER_LINEAR,
        )
        at = float(does.x[frame_idx]), float(does.y[frame_idx])
        roll = float(does.roll[frame_idx])
        body = _placed(at, 0.4 * roll, 1.0, does.eyes_px / self._face.scale * BODY_COARSER, self._body_middle)
        _lay_over(frame, self._face.body, body)
        head = _placed(at, roll, float(np.cos(yaw)), does.eyes_px / self._face.scale, self._middle)
        _lay_over(frame, canvas, head)


def _placed(at: tuple[float, float], roll: float, squeeze: float, zoom: float, middle: np.ndarray) -> np.ndarray:
    """Matrix (2, 3) from a canvas to the frame: its point `middle` comes to lie at `at`."""
    cos, sin = np.cos(roll) * zoom, np.sin(roll) * zoom
    linear = np.array([[cos, -sin], [sin, cos]]) @ np.diag([squeeze, 1.0])
    return np.column_stack([linear, np.array(at) - linear @ middle])


def _lay_over(frame: np.ndarray, layer: np.ndarray, matrix: np.ndarray) -> None:
    """Lays a premultiplied RGBA layer over the part of the frame that it covers."""
    rows, columns = layer.shape[:2]
    corners = np.array([[0, 0, 1], [columns, 0, 1], [0, rows, 1], [columns, rows, 1]]) @ matrix.T
    low = np.clip(np.floor(corners.min(0)), 0, frame.shape[1::-1]).astype(int)
    high = np.clip(np.ceil(corners.max(0)), 0, frame.shape[1::-1]).astype(int)
    if (high <= low).any():
        return
    shifted = matrix - np.array([[0, 0, low[0]], [0, 0, low[1]]])
    area = cv2.INTER_AREA if np.hypot(*matrix[:, 0]) < 0.5 else cv2.INTER_LINEAR
    warped = cv2.warpAffine(layer, shifted, (high - low).tolist(), flags=area)
    part = frame[low[1] : high[1], low[0] : high[0]]
    rest = cv2.cvtColor(255 - warped[..., 3], cv2.COLOR_GRAY2RGB)
    behind = cv2.multiply(part, rest, scale=1 / 255)
    part[:] = cv2.add(behind, warped[..., :3])


class _Camera:
    """Light, focus and noise."""

    def __init__(self, scene: Scene, rng: np.random.Generator):
        self._scene, self._rng = scene, rng
        tint = np.array([1 + 0.12 * scene.warmth, 1.0, 1 - 0.14 * scene.warmth]) * scene.light
        steps = np.arange(256, dtype=np.float32)[:, None] * tint
        # A shoulder instead of a hard limit: bright skin keeps its shape.
        self._curve = np.clip(np.where(steps > 200, 200 + 55 * np.tanh((steps - 200) / 55), steps), 0, 255)
        self._curve = np.round(self._curve).astype(np.uint8)[None]
        shape = (scene.height + 32, scene.width + 32, 3)
        grain = [rng.standard_normal(shape, np.float32) for _ in range(_NOISES)] if scene.noise > 0 else []
        self._grain = [np.rint(picture * scene.noise).astype(np.int16) for picture in grain]

    def take(self, frame: np.ndarray) -> np.ndarray:
        frame = cv2.LUT(frame, self._curve)
        if self._scene.blur_px > 0.1:
            frame = cv2.GaussianBlur(frame, (0, 0), self._scene.blur_px)
        if self._grain:
            left, top = self._rng.integers(0, 32, 2)
            height, width = frame.shape[:2]
            grain = self._grain[int(self._rng.integers(_NOISES))][top : top + height, left : left + width]
            frame = cv2.add(frame, np.ascontiguousarray(grain), dtype=cv2.CV_8U)
        return frame
