"""Where the talker is and what the camera makes of it: everything about the picture but the person."""

from dataclasses import dataclass, fields, replace

import cv2
import numpy as np

from lipscribe.errors import ConfigError

BACKGROUNDS = ("plain", "gradient", "room")
MIN_SIDE, MAX_SIDE = 48, 4096  # px: a face in a smaller picture is a smudge
MIN_EYES = 8.0  # px between the eyes: with less there is no mouth to draw

Path = tuple[tuple[float, float, float], ...]


@dataclass(frozen=True)
class Scene:
    """The camera, light and background of a talker's video.

    Attributes:
        width: Pixels across.
        height: Pixels down.
        fps: Pictures a second.
        face: Distance of the eyes as a share of the picture's shorter side; 0.21 fills a GRID picture as GRID does.
        x: Where the middle of the face is, as a share of the width.
        y: Where the middle between eyes and mouth is, as a share of the height.
        path: Where the face goes instead: (seconds, x, y) in order of time, straight lines between; x and y as above,
            out of the picture beyond 0 to 1.
        head_motion: How much the head moves, as a multiple of the person's own habit; 0 is a statue.
        roll_deg: How far the head is tilted, clockwise as seen.
        yaw_deg: How far it is turned to the right of the picture; beyond 30 it looks wrong.
        blinks: Blinks a minute.
        light: Brightness, 1 is full.
        light_from: Where the light comes from: -1 left, 1 right.
        warmth: Colour of the light: -1 blue, 1 orange.
        background: One of `BACKGROUNDS`.
        noise: Noise of the camera, in grey levels.
        blur_px: How far the camera is out of focus.
        crf: Quality that files are written with, from 0 (best) to 51; see `save_video`.

    Raises:
        ConfigError: A value is out of range; all such values are named.
    """

    width: int = 360
    height: int = 288
    fps: float = 25.0
    face: float = 0.21
    x: float = 0.5
    y: float = 0.5
    path: Path | None = None
    head_motion: float = 1.0
    roll_deg: float = 0.0
    yaw_deg: float = 0.0
    blinks: float = 15.0
    light: float = 1.0
    light_from: float = -0.4
    warmth: float = 0.0
    background: str = "gradient"
    noise: float = 2.0
    blur_px: float = 0.0
    crf: int = 20

    def __post_init__(self) -> None:
        faults = [
            f"{name} is {getattr(self, name)}, wanted {low:g} to {high:g}"
            for name, (low, high) in _RANGES.items()
            if not _is_number(getattr(self, name)) or not low <= getattr(self, name) <= high
        ]
        if self.background not in BACKGROUNDS:
            faults.append(f"background is {self.background!r}, wanted one of {', '.join(BACKGROUNDS)}")
        if self.path is not None and not _is_path(self.path):
            faults.append("path is no list of (seconds, x, y) in order of time")
        if not faults and self.eyes_px < MIN_EYES:
            faults.append(
                f"the eyes would be {self.eyes_px:.1f} px apart, too small to draw a mouth: wanted {MIN_EYES:g} or "
                f"more; give a larger picture than {self.width}x{self.height}, or a larger face than {self.face:g}"
            )
        if faults:
            raise ConfigError("; ".join(faults))

    @property
    def eyes_px(self) -> float:
        """Distance of the eyes in pixels."""
        return self.face * min(self.width, self.height)

    @classmethod
    def drawn(cls, rng: np.random.Generator, **fixed: object) -> "Scene":
        """A scene made up, as varied as rooms and cameras are; `fixed` fields are as given.

        Raises:
            ConfigError: A fixed field is out of range.
        """
        unknown = set(fixed) - {field.name for field in fields(cls)}
        if unknown:
            raise ConfigError(f"a scene has no {', '.join(sorted(unknown))}")
        made_up = cls(
            face=float(rng.uniform(0.18, 0.235)),
            x=float(rng.normal(0.5, 0.03)),
            y=float(rng.normal(0.5, 0.025)),
            roll_deg=float(rng.normal(0, 3)),
            yaw_deg=float(rng.normal(0, 4)),
            light=float(rng.uniform(0.7, 1.1)),
            light_from=float(rng.uniform(-1, 1)),
            warmth=float(rng.uniform(-0.6, 0.6)),
            background=BACKGROUNDS[int(rng.integers(len(BACKGROUNDS)))],
            noise=float(rng.uniform(0.5, 4)),
            blur_px=float(max(0, rng.uniform(-0.7, 0.8))),
            crf=int(rng.integers(18, 26)),
        )
        return replace(made_up, **fixed)


_RANGES: dict[str, tuple[float, float]] = {
    "width": (MIN_SIDE, MAX_SIDE),
    "height": (MIN_SIDE, MAX_SIDE),
    "fps": (1, 240),
    "face": (0.01, 0.5),
    "x": (-3, 4),
    "y": (-3, 4),
    "head_motion": (0, 5),
    "roll_deg": (-180, 180),
    "yaw_deg": (-40, 40),
    "blinks": (0, 120),
    "light": (0.05, 2),
    "light_from": (-3, 3),
    "warmth": (-1, 1),
    "noise": (0, 60),
    "blur_px": (0, 20),
    "crf": (0, 51),
}


def paint_background(scene: Scene, rng: np.random.Generator) -> np.ndarray:
    """What is behind the talker, (H, W, 3) uint8 RGB, under the scene's light but without the camera's faults."""
    height, width = scene.height, scene.width
    wall = rng.uniform(70, 215) + rng.uniform(-22, 22, 3)
    picture = np.empty((height, width, 3), np.float32)
    picture[:] = wall
    if scene.background != "plain":
        down = np.linspace(-0.5, 0.5, height, dtype=np.float32)[:, None, None]
        across = np.linspace(-0.5, 0.5, width, dtype=np.float32)[None, :, None]
        picture *= 1 + rng.uniform(-0.5, 0.5) * down + rng.uniform(-0.5, 0.5) * across
    if scene.background == "room":
        for _ in range(int(rng.integers(5, 10))):
            left, top = rng.uniform(-0.2, 1) * width, rng.uniform(-0.2, 0.9) * height
            size = rng.uniform(0.08, 0.4, 2) * (width, height)
            corners = np.round([left, top, left + size[0], top + size[1]]).astype(int).tolist()
            colour = np.clip(wall + rng.normal(0, 45, 3), 10, 245)
            cv2.rectangle(picture, corners[:2], corners[2:], colour.tolist(), -1)
        picture = cv2.GaussianBlur(picture, (0, 0), 0.012 * min(width, height))
    return np.clip(picture, 0, 255).astype(np.uint8)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool)


def _is_path(path: object) -> bool:
    try:
        points = np.array(path, float)
    except (TypeError, ValueError):
        return False
    return points.ndim == 2 and points.shape[1] == 3 and len(points) > 0 and bool((np.diff(points[:, 0]) > 0).all())
