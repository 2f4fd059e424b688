"""The mouth, drawn for every frame: lips, teeth, tongue, and the dark between them."""

import cv2
import numpy as np

from lipscribe.talker.face import LEFT, TOP, Face
from lipscribe.talker.person import Person
from lipscribe.talker.visemes import CONTROLS

MAX_GAP = 0.52  # eye distances between the lips when `gap` is 1
MAX_JAW = 0.27  # eye distances that the chin sinks when `jaw` is 1
UPPER_SHARE = 0.32  # of the gap is opened by the upper lip, the rest by the lower
_REACH = (0.74, 0.42, 0.78)  # eye distances shown to either side of, above and below the line of the closed lips
_FINER = 2  # the mouth is drawn so many times larger and then averaged down
_SHIFT = 4  # bits of fraction in OpenCV's coordinates
_POINTS = 33
_CAVITY = (52, 22, 22)
_TOOTH, _TONGUE = (232, 224, 208), (178, 88, 88)


class Mouth:
    """Draws one person's mouth onto the canvas of their face."""

    def __init__(self, face: Face):
        self.person, self._face = face.person, face
        side, above, below = _REACH
        self._scale = face.scale * _FINER
        left, top = -side, face.person.mouth_y - above
        self._column, self._row = round((left - LEFT) * face.scale), round((top - TOP) * face.scale)
        self._size = round(2 * side * face.scale), round((above + below) * face.scale)
        # The middle of the closed lips on the finer patch, px.
        self._origin = (
            np.array(
                [(-self._column / face.scale - LEFT), (face.person.mouth_y - TOP - self._row / face.scale)], np.float32
            )
            * self._scale
        )
        self._x = np.sin(np.linspace(-np.pi / 2, np.pi / 2, _POINTS)).astype(np.float32)  # dense at the corners
        self._red = np.array(self.person.lips, np.float32) * face.mouth_shade
        width, height = self._size
        rows = (np.arange(height, dtype=np.float32) / face.scale - above)[:, None]
        columns = (np.arange(width, dtype=np.float32) / face.scale - side)[None]
        self._rows, self._columns = rows, columns

    def draw(self, canvas: np.ndarray, controls: np.ndarray) -> None:
        """Draws the mouth on a canvas (H, W, 4) uint8 whose jaw has been moved already.

        Args:
            canvas: Changed in place.
            controls: (9,) as in `CONTROLS`.
        """
        c: dict[str, float] = dict(zip(CONTROLS, controls.tolist(), strict=True))
        shape = LipContours(self.person, c, self._x)
        width, height = self._size
        paint = np.empty((height * _FINER, width * _FINER, 3), np.uint8)
        paint[:] = self._colour(self._red)
        mask = np.zeros(paint.shape[:2], np.uint8)
        self._fill(mask, shape.outer_upper, shape.outer_lower, 255)
        self._paint_lips(paint, shape)
        if shape.gap > 0.004:
            self._paint_inside(paint, shape, c)
        paint = cv2.resize(paint, self._size, interpolation=cv2.INTER_AREA)
        mask = cv2.GaussianBlur(cv2.resize(mask, self._size, interpolation=cv2.INTER_AREA), (0, 0), 0.8)
        rows, columns = slice(self._row, self._row + height), slice(self._column, self._column + width)
        skin = canvas[rows, columns, :3]
        shadow = self._shadow(shape, c)
        alpha = mask[..., None].astype(np.float32) * (1 / 255)
        skin = skin * shadow[..., None]
        canvas[rows, columns, :3] = skin + (paint - skin) * alpha

    def _shadow(self, shape: "LipContours", c: dict[str, float]) -> np.ndarray:
        """What the lips' shape does to the skin around them: (H, W) float32 factors."""
        under = float(shape.outer_lower[_POINTS // 2, 1]) + 0.05
        depth = 0.12 + 0.14 * max(c["round"], 0) - 0.08 * max(c["tuck"], 0)
        below = np.exp(-0.5 * (((self._rows - under) / 0.045) ** 2 + (self._columns / 0.2) ** 2))
        half = float(shape.outer_upper[-1, 0])
        corners = np.exp(
            -0.5 * (((np.abs(self._columns) - half - 0.02) / 0.035) ** 2 + ((self._rows - shape.corner_y) / 0.05) ** 2)
        )
        crease = 0.1 + 0.16 * max(c["width"], 0) + 0.08 * max(c["press"], 0)
        return (1 - depth * below) * (1 - crease * corners)

    def _paint_lips(self, paint: np.ndarray, shape: "LipContours") -> None:
        # Strips from the lip's border to its inner edge: the upper lip faces down, the lower one catches the light.
        for share, light in ((0.0, 0.98), (0.35, 0.9), (0.7, 0.8), (0.92, 0.7)):
            edge = shape.outer_upper + (shape.inner_upper - shape.outer_upper) * share
            self._fill(paint, edge, shape.middle, self._colour(self._red * light))
        for share, light in ((0.0, 0.94), (0.25, 1.08), (0.5, 1.16), (0.75, 1.0), (0.93, 0.85)):
            edge = shape.outer_lower + (shape.inner_lower - shape.outer_lower) * share
            self._fill(paint, edge, shape.middle, self._colour(self._red * light))
        sigma = 0.014 * self._scale
        cv2.GaussianBlur(paint, (0, 0), sigma, dst=paint)
        if shape.gap <= 0.004:  # the line between closed lips
            points = self._points(shape.middle)
            thick = max(1, round(0.016 * self._scale))
            cv2.polylines(paint, [points], False, self._colour(self._red * 0.42), thick, cv2.LINE_AA, _SHIFT)

    def _paint_inside(self, paint: np.ndarray, shape: "LipContours", c: dict[str, float]) -> None:
        inside = np.empty_like(paint)
        light = 0.55 + 0.45 * self._face.mouth_shade
        inside[:] = self._colour(np.array(_CAVITY, np.float32) * light)
        upper_edge = self.person.teeth  # of the upper teeth, below the line of the closed lips
        lower_edge = 0.035 + MAX_JAW * max(c["jaw"], 0)
        half = 0.3 + 0.03 * c["width"]
        tip = float(np.clip(c["tip"], 0, 1))
        floor = lower_edge + 0.05
        tongue_top = floor + (upper_edge - 0.02 - floor) * tip
        tongue = np.array(_TONGUE, np.float32) * light * (0.5 + 0.25 * tip)
        self._oval(inside, 0, tongue_top + 0.17, 0.24 - 0.05 * tip, 0.17, tongue)
        self._teeth(inside, upper_edge - 0.2, upper_edge, half, light, lower=False)
        self._teeth(inside, lower_edge, lower_edge + 0.2, half * 0.9, light * 0.9, lower=True)
        out = float(np.clip(c["out"], 0, 1))
        if out > 0.15:
            self._oval(inside, 0, upper_edge + 0.055, 0.2, 0.075 * out, np.array(_TONGUE, np.float32) * light)
        cv2.GaussianBlur(inside, (0, 0), 0.01 * self._scale, dst=inside)
        opening = np.zeros(paint.shape[:2], np.uint8)
        self._fill(opening, shape.inner_upper, shape.inner_lower, 255)
        # Light falls off into the mouth from below the upper lip.
        depth = cv2.GaussianBlur(opening, (0, 0), 0.03 * self._scale)
        dim = (0.6 + 0.4 / 255 * depth)[..., None]
        alpha = (opening * (1 / 255))[..., None]
        np.copyto(paint, (paint + (inside * dim - paint) * alpha).astype(np.uint8))

    def _teeth(self, paint: np.ndarray, top: float, bottom: float, half: float, light: float, lower: bool) -> None:
        x = self._x * half
        bend = 0.05 * self._x**2
        edge = (top + bend) if lower else (bottom - bend)
        far = np.full_like(x, bottom if lower else top)
        tooth = np.array(_TOOTH, np.float32) * light
        near, gums = np.stack([x, edge], -1), np.stack([x, far], -1)
        self._fill(paint, near, gums, self._colour(tooth))
        gap_colour = self._colour(tooth * 0.82)
        for share in (-0.62, -0.3, 0.0, 0.3, 0.62):
            line = np.array([[share * half, far[0]], [share * half, np.interp(share, self._x, edge)]], np.float32)
            cv2.polylines(paint, [self._points(line)], False, gap_colour, 1, cv2.LINE_AA, _SHIFT)

    def _oval(self, paint: np.ndarray, x: float, y: float, rx: float, ry: float, colour: np.ndarray) -> None:
        centre = self._points(np.array([[x, y]], np.float32))[0, 0]
        axes = round(rx * self._scale * 2**_SHIFT), max(1, round(ry * self._scale * 2**_SHIFT))
        cv2.ellipse(paint, centre.tolist(), axes, 0, 0, 360, self._colour(colour), -1, cv2.LINE_AA, _SHIFT)

    def _fill(self, picture: np.ndarray, first: np.ndarray, second: np.ndarray, colour: "cv2.typing.Scalar") -> None:
        outline = self._points(np.concatenate([first, second[::-1]]))
        cv2.fillPoly(picture, [outline], colour, cv2.LINE_AA, _SHIFT)

    def _points(self, line: np.ndarray) -> np.ndarray:
        return np.round((self._origin + line * self._scale) * 2**_SHIFT).astype(np.int32)[:, None]

    @staticmethod
    def _colour(rgb: np.ndarray) -> tuple[float, float, float]:
        return tuple(np.clip(rgb, 0, 255).tolist())


def mouth_gaps(person: Person, controls: np.ndarray) -> np.ndarray:
    """How far the lips are drawn apart: controls (T, 9) -> (T,) float32 eye distances between their inner edges."""
    x = np.zeros(1, np.float32)
    return np.array(
        [LipContours(person, dict(zip(CONTROLS, row.tolist(), strict=True)), x).gap for row in controls], np.float32
    )


class LipContours:
    """The four edges of the lips, each (P, 2) float32 in eye distances from the middle of the closed lips."""

    def __init__(self, person: Person, c: dict[str, float], x: np.ndarray):
        rounding = float(np.clip(c["round"], 0, 1))
        press = float(np.clip(c["press"], 0, 1))
        tuck = float(np.clip(c["tuck"], 0, 1))
        bare = float(np.clip(c["bare"], 0, 1))
        jaw = max(c["jaw"], 0) * MAX_JAW
        half = person.mouth_width * (
            1 + (0.17 if c["width"] > 0 else 0.3) * c["width"] - 0.14 * rounding - 0.05 * max(c["gap"], 0)
        )
        gap = max(c["gap"], 0) * MAX_GAP
        power = 1.0 - 0.5 * rounding
        arch = np.clip(1 - x**2, 0, None) ** power
        lean = 1 + person.skew * x
        self.corner_y = person.corner + 0.25 * jaw
        line = self.corner_y * x**2 - 0.012 * np.cos(2 * np.pi * np.clip(x, -0.5, 0.5)) * (1 - rounding)
        sink = 0.12 * jaw * (1 - x**2)
        raised = gap * UPPER_SHARE + 0.03 * bare
        lowered = gap * (1 - UPPER_SHARE) - 0.03 * bare
        upper = line + sink - raised * arch * lean
        lower = line + sink + np.maximum(lowered, -raised) * arch * lean
        # Under the upper teeth, whose edge stays where it is.
        lower += tuck * (np.minimum(lower, person.teeth - 0.012) - lower) * arch
        self.gap = float((lower - upper)[len(x) // 2])
        inner = half * 0.95
        swell = 1 + 0.3 * rounding - 0.45 * press - 0.12 * max(c["gap"], 0) - 0.1 * max(c["width"], 0)
        bow = 1 - 0.22 * np.exp(-((x / 0.16) ** 2)) * (1 - 0.6 * rounding)
        upper_red = person.upper_lip * swell * np.clip(1 - x**2, 0, None) ** 0.75 * bow
        lower_red = person.lower_lip * swell * (1 - 0.6 * tuck) * np.clip(1 - x**2, 0, None) ** 0.65
        self.inner_upper = np.stack([x * inner, upper], -1).astype(np.float32)
        self.inner_lower = np.stack([x * inner, lower], -1).astype(np.float32)
        self.outer_upper = np.stack([x * half, upper - upper_red], -1).astype(np.float32)
        self.outer_lower = np.stack([x * half, lower + lower_red], -1).astype(np.float32)
        self.middle = (self.inner_upper + self.inner_lower) / 2
