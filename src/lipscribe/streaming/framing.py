"""How well a person is seen by the camera, in words that help while they sit before it."""

from dataclasses import dataclass

import numpy as np

from lipscribe.mouth import quality
from lipscribe.mouth.measures import measure_light, measure_shape

NEAR_EDGE = 0.02  # of the picture's sides: a face that is closer to the edge is partly outside
SLOW_FPS = 18.0  # below it a camera misses movements: GRID read at every other picture loses words


@dataclass(frozen=True)
class Framing:
    """How a face is seen in one frame.

    Attributes:
        box: x, y, width and height of the face in pixels; None where there is none.
        hints: What to do, most important first; empty where all is well.
    """

    box: tuple[float, float, float, float] | None
    hints: tuple[str, ...] = ()


def judge_framing(frame: np.ndarray, landmarks: np.ndarray | None, crop: np.ndarray | None, fps: float) -> Framing:
    """Judges one frame by the thresholds of `mouth.quality`.

    Args:
        frame: (H, W, 3) uint8 RGB.
        landmarks: (L, 2) float32 px of the face; None where there is none.
        crop: (96, 96) uint8 of its mouth.
        fps: Pictures a second that the camera gives.
    """
    if landmarks is None or crop is None:
        hints = ["No face in sight: sit before the camera, upright, with light from the front."]
        if float(frame[::8, ::8].mean()) < quality.BRIGHTNESS_GOOD:
            hints = ["The picture is dark: switch on a light before you."]
        return Framing(None, tuple(hints))
    height, width = frame.shape[:2]
    (left, top), (right, bottom) = landmarks.min(0).tolist(), landmarks.max(0).tolist()
    mouth_px, yaw, _ = measure_shape(landmarks[None])[0].tolist()
    sharpness, brightness, contrast, _ = measure_light(crop)
    hints: list[str] = []
    if mouth_px < quality.MOUTH_PX_BAD:
        hints.append("Come nearer: the mouth is small.")
    if left < NEAR_EDGE * width or right > (1 - NEAR_EDGE) * width or bottom > (1 - NEAR_EDGE) * height:
        hints.append("Move to the middle: part of the face is outside the picture.")
    if abs(yaw) > quality.AWAY_GOOD:
        hints.append("Face the camera: your head is turned away.")
    if brightness < quality.BRIGHTNESS_GOOD or contrast < quality.CONTRAST_GOOD:
        hints.append("More light on the face: the mouth is hard to see.")
    elif sharpness < quality.SHARPNESS_BAD:
        hints.append("The mouth is blurred: wipe the lens, or add light.")
    if fps < SLOW_FPS:
        hints.append(f"The camera gives only {fps:.0f} pictures a second: more light, or a smaller picture, helps.")
    return Framing((left, top, right - left, bottom - top), tuple(hints))
