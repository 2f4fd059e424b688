"""A person's face without the mouth, painted once: a surface in relief, lit from one side.

The head is a height field (an egg with brow, nose, cheeks and chin on it). Its slopes give the shading, its height the
parallax when the head turns, so that a dozen soft shapes look like a face, to people and to face detectors.
"""

from functools import cached_property

import cv2
import numpy as np

from lipscribe.talker.person import Person

LEFT, RIGHT, TOP, BOTTOM = -1.7, 1.7, -1.75, 2.6  # eye distances: what the canvas of the head shows
BODY_LEFT, BODY_RIGHT, BODY_TOP, BODY_BOTTOM = -4.2, 4.2, 1.3, 8.0  # and that of the body
BODY_COARSER = 3  # times fewer pixels an eye distance: there is nothing fine on it
SIDEBURN_END = 0.04  # below the eyes' middle, where hair that leaves the ears free ends
NUM_LIDS = 4  # pictures of the eyes, from open to shut


class Face:
    """The painted parts of one person under one light.

    Args:
        person: Who.
        scale: Pixels an eye distance.
        light: Where the light comes from: (x, y, z) of any length; x to the right, y down, z towards the camera.
        softness: How much of the shading on the face soft light from all sides takes away, 0 to 1.

    Attributes:
        head: Head, hair and neck, a picture for each state of the lids: (NUM_LIDS, H, W, 4) uint8, premultiplied RGBA.
        body: Shoulders, (H', W', 4) uint8 premultiplied RGBA at `scale / BODY_COARSER`.
        height: How far each point stands out, (H, W) float32 eye distances.
        shade: Brightness of the lit relief, (H, W) float32, about 1.
        jaw: How far each point follows the jaw, (H, W) float32, 0 to 1.
    """

    def __init__(
        self,
        person: Person,
        scale: float,
        light: tuple[float, float, float] = (-0.4, -0.5, 1.0),
        softness: float = 0.0,
    ):
        self.person, self.scale, self._hardness = person, scale, 1 - softness
        self.width, self.rows = round((RIGHT - LEFT) * scale), round((BOTTOM - TOP) * scale)
        self._rng = np.random.default_rng(person.texture_seed)
        x = (np.arange(self.width, dtype=np.float32) + 0.5) / scale + LEFT
        y = (np.arange(self.rows, dtype=np.float32) + 0.5) / scale + TOP
        self._x, self._y = np.meshgrid(x, y)
        self._inside, self._edge = self._head_outline(), self._head_edge()
        self._ears = self._ear_shares()
        self.height = self._relief()
        self.shade = self._lit(np.array(light, np.float32))
        self.shade = self._hardness * self.shade + softness * self.mouth_shade
        self.jaw = self._jaw_share()
        self.head = self._paint_head()
        self.body = self._paint_body()

    # --- the relief ---

    def _blob(self, x: float, y: float, sx: float, sy: float) -> np.ndarray:
        return np.exp(-0.5 * (((self._x - x) / sx) ** 2 + ((self._y - y) / sy) ** 2))

    def _pair(self, x: float, y: float, sx: float, sy: float) -> np.ndarray:
        return self._blob(-x, y, sx, sy) + self._blob(x, y, sx, sy)

    def _head_outline(self) -> np.ndarray:
        """Squared distance from the middle of the head, 1 on its outline."""
        half, up = self._head_halves()
        return np.abs(self._x / half) ** 2.2 + np.abs(up) ** 2.4

    def _head_halves(self) -> tuple[np.ndarray, np.ndarray]:
        """Of each point: half the head's width before it narrows to crown and chin, and how near it is to these."""
        who = self.person
        middle = 0.3
        down = np.clip((self._y - middle) / (who.chin - middle), 0, 1)
        half = who.face_width * (1 - (1 - who.jaw_width) * 1.7 * down**2)
        up = np.where(self._y < middle, (middle - self._y) / 1.75, (self._y - middle) / (who.chin - middle))
        return half, up

    def _head_edge(self) -> np.ndarray:
        """How far from its middle line the head ends at each height; 0 above and below it."""
        half, up = self._head_halves()
        return half * np.clip(1 - np.abs(up) ** 2.4, 0, 1) ** (1 / 2.2)

    def _ear_shares(self) -> np.ndarray:
        """How much of each point is ear, (H, W) float32; where an ear meets the face, the face is in front."""
        ears = self._pair(self.person.face_width * 1.02, 0.22, 0.1, 0.22) > 0.37
        return cv2.GaussianBlur(ears.astype(np.float32), (0, 0), 0.015 * self.scale)

    def _relief(self) -> np.ndarray:
        who = self.person
        egg = 0.95 * np.sqrt(np.clip(1 - self._inside, 0, 1))
        along = np.clip(self._y / who.nose_length, 0, 1)
        under = 1 / (1 + np.exp((self._y - who.nose_length) / 0.025))  # the nose ends abruptly below
        bridge = np.exp(-0.5 * (self._x / (0.075 + 0.06 * along)) ** 2) * (0.06 + 0.24 * along) * under
        bridge *= 1 / (1 + np.exp(-(self._y + 0.15) / 0.06))
        relief = egg + bridge
        relief += 0.1 * self._pair(who.nose_width * 0.75, who.nose_length - 0.06, 0.09, 0.08)
        relief += 0.07 * self._pair(0.45, -who.brow_height + 0.02, 0.28, 0.09)
        relief -= 0.1 * self._pair(0.47, 0.02, 0.24, 0.13)
        relief += 0.05 * self._pair(0.5, 0.01, 0.16, 0.1)  # the eyeballs
        relief += 0.07 * self._pair(0.68, 0.5, 0.26, 0.22)
        relief += 0.06 * self._blob(0, who.mouth_y, 0.4, 0.24)
        relief += 0.09 * self._blob(0, who.chin - 0.17, 0.24, 0.14)
        relief -= 0.05 * self._blob(0, who.mouth_y + 0.32, 0.26, 0.06)
        relief -= 0.025 * self._blob(0, (who.nose_length + who.mouth_y) / 2, 0.05, 0.12)  # philtrum
        return relief.astype(np.float32)

    def _lit(self, light: np.ndarray) -> np.ndarray:
        soft = cv2.GaussianBlur(self.height, (0, 0), 0.03 * self.scale)
        slope_y, slope_x = np.gradient(soft * self.scale)
        normal_z = 1 / np.sqrt(1 + slope_x**2 + slope_y**2)
        light = light / np.linalg.norm(light)
        lambert = np.clip((-slope_x * light[0] - slope_y * light[1] + light[2]) * normal_z, 0, None)
        return (0.5 + 0.6 * lambert).astype(np.float32)

    def _jaw_share(self) -> np.ndarray:
        """0 above the mouth, 1 at the chin, fading down the neck and towards the ears."""
        who = self.person
        down = np.clip((self._y - who.mouth_y + 0.05) / (who.chin - who.mouth_y - 0.1), 0, 1)
        neck = np.clip((who.chin + 0.65 - self._y) / 0.6, 0, 1)
        side = np.exp(-0.5 * (self._x / 0.85) ** 4)
        return (_smooth(down) * _smooth(neck) * side).astype(np.float32)

    # --- the paint ---

    def _paint_head(self) -> np.ndarray:
        who = self.person
        skin = np.array(who.skin, np.float32)
        colour = np.broadcast_to(skin, (*self._x.shape, 3)).copy()
        grain = cv2.GaussianBlur(self._rng.normal(0, 1, self._x.shape).astype(np.float32), (0, 0), 0.02 * self.scale)
        colour *= (1 + 0.012 * grain / max(float(grain.std()), 1e-6))[..., None]
        rosy = 0.3 * self._pair(0.68, 0.55, 0.25, 0.2) + 0.35 * self._blob(0, who.nose_length - 0.08, 0.16, 0.1)
        colour *= 1 - rosy[..., None] * np.array([-0.02, 0.14, 0.14], np.float32)
        self._paint_beard(colour)
        shade, hard = self.shade.copy(), self._hardness
        nostrils = self._pair(who.nose_width * 0.5, who.nose_length + 0.015, 0.055, 0.028)
        shade *= 1 - (0.2 + 0.35 * hard) * nostrils
        shade *= 1 - 0.16 * hard * self._blob(0, who.nose_length + 0.05, who.nose_width, 0.05)
        shade *= 1 - 0.12 * hard * self._folds()
        shade *= 1 - 0.18 * hard * self._blob(0, who.mouth_y + who.lower_lip + 0.13, 0.24, 0.05)
        neck = (np.abs(self._x) < 0.6 + 0.25 * np.clip(self._y - who.chin - 0.15, 0, 1) ** 2) & (self._y > 0.9)
        neck &= self._y < who.chin + 0.26 + 0.26 * np.clip(1 - (self._x / 0.66) ** 2, 0, None)  # the collar
        face = _step((1 - self._inside) * self.scale * 0.5)
        shade = np.where(self._inside < 1, shade, np.where(self._y > who.chin - 0.5, self._neck_shade(), 0.78))
        shade = cv2.GaussianBlur(shade.astype(np.float32), (0, 0), 0.012 * self.scale)
        neck = cv2.GaussianBlur(neck.astype(np.float32), (0, 0), 0.015 * self.scale)
        alpha = np.maximum.reduce([face, neck, self._ears])
        colour *= shade[..., None]
        self._paint_brows(colour)
        lids = [self._with_eyes(colour.copy(), openness) for openness in np.linspace(1, 0, NUM_LIDS)]
        hair = self._hair()
        texture = self._strands()
        covered = np.maximum(alpha, hair)
        # Beside the face, hair takes its share of what is covered at all: no skin shines through its soft edge.
        share = np.where(self._inside > 1, hair / np.maximum(covered, 1e-6), hair)[..., None]
        strands = np.array(who.hair, np.float32) * (texture * (0.55 + 0.45 * self.shade))[..., None]
        pictures = []
        for picture in lids:
            self._paint_glasses(picture)
            pictures.append(_premultiplied(picture + (strands - picture) * share, covered))
        return np.stack(pictures)

    def _neck_shade(self) -> np.ndarray:
        """Darkest right under the chin and at the sides."""
        below = np.clip((self._y - self.person.chin) / 0.5, 0, 1)
        return (0.46 + 0.22 * below) * (1 - 0.35 * (self._x / 0.7) ** 2) + 0.1 * below

    def _folds(self) -> np.ndarray:
        """The folds from the nose's wings to the corners of the mouth."""
        who = self.person
        along = np.clip((self._y - who.nose_length + 0.1) / 0.5, 0, 1)
        at = who.nose_width + 0.08 + 0.22 * along
        line = np.exp(-0.5 * ((np.abs(self._x) - at) / 0.035) ** 2)
        return line * np.sin(np.pi * along)

    def _paint_brows(self, colour: np.ndarray) -> None:
        who = self.person
        side = np.abs(self._x)
        arch = -who.brow_height - 0.06 * np.sin(np.clip((side - 0.15) / 0.75, 0, 1) * np.pi)
        thick = 0.055 * np.clip((0.95 - side) / 0.5, 0, 1) ** 0.5
        mask = np.exp(-0.5 * ((self._y - arch) / np.maximum(thick, 0.01)) ** 2) * (side > 0.16) * (side < 0.93)
        mask = cv2.GaussianBlur(mask.astype(np.float32), (0, 0), 0.02 * self.scale) * 0.8
        colour += (np.array(who.hair, np.float32) * 0.7 - colour) * mask[..., None]

    def _with_eyes(self, colour: np.ndarray, openness: float) -> np.ndarray:
        who = self.person
        side = np.abs(self._x)
        across = (side - 0.5) / 0.25  # -1 at the inner corner, 1 at the outer
        almond = np.clip(1 - across**2, 0, None) ** 0.8
        upper, lower = 0.02 - (0.02 + 0.105 * openness) * almond, 0.02 + 0.06 * almond
        opened = _step((self._y - upper) * self.scale) * _step((lower - self._y) * self.scale) * (almond > 0)
        white = np.array([226, 222, 218], np.float32) * (0.6 + 0.35 * self.shade)[..., None]
        from_iris = np.hypot(side - 0.5, self._y + 0.005)
        white += (np.array(who.iris, np.float32) - white) * _step((0.115 - from_iris) * self.scale)[..., None]
        white *= 1 - 0.9 * _step((0.055 - from_iris) * self.scale)[..., None]
        white += (
            (255 - white)
            * 0.8
            * _step((0.024 - np.hypot(self._x - np.sign(self._x) * 0.5 + 0.035, self._y + 0.04)) * self.scale)[
                ..., None
            ]
        )
        white *= (1 - 0.45 * np.exp(-np.clip(self._y - upper, 0, None) / 0.03))[..., None]  # shadow of the lid
        colour += (white - colour) * opened[..., None]
        lash = np.exp(-0.5 * ((self._y - upper) / 0.016) ** 2) * (almond > 0.02)
        crease = np.exp(-0.5 * ((self._y - upper + 0.055 * openness + 0.01) / 0.02) ** 2) * (almond > 0.1) * openness
        colour *= (1 - 0.7 * lash - 0.25 * crease)[..., None]
        return colour

    def _paint_beard(self, colour: np.ndarray) -> None:
        who = self.person
        if who.beard == "none":
            return
        mouth, side = who.mouth_y, np.abs(self._x)
        moustache = np.exp(-0.5 * ((self._y - (who.nose_length + mouth) / 2 - 0.09 - 0.12 * side) / 0.075) ** 2) * (
            side < 0.48
        )
        goatee = self._blob(0, who.chin - 0.14, 0.26, 0.2) > 0.5
        edge = mouth - 0.15 + 0.1 * np.cos(side * 3) - 0.9 * np.clip(side - 0.72, 0, 1)
        full = (self._y > edge) & (self._y < who.chin + 0.12)
        parts = {
            "stubble": 0.35 * np.maximum(full, moustache),
            "moustache": 0.75 * moustache,
            "goatee": np.maximum(0.8 * moustache, 0.8 * goatee),
            "full": 0.75 * np.maximum(full, moustache),
        }
        mask = cv2.GaussianBlur(parts[who.beard].astype(np.float32), (0, 0), 0.05 * self.scale)
        noise = cv2.GaussianBlur(
            self._rng.uniform(0, 1, self._x.shape).astype(np.float32), (0, 0), max(0.012 * self.scale, 0.4)
        )
        mask *= np.clip(0.75 + 2.0 * (noise - 0.5), 0, 1)
        mask *= 1 - 0.75 * self._blob(0, mouth, 0.42, 0.12)  # none grows on the lips
        colour += (np.array(who.hair, np.float32) * 0.75 - colour) * mask[..., None]

    def _hair(self) -> np.ndarray:
        """How much of each point is hair, (H, W) float32: one piece that begins on the head, whatever the style."""
        style = self.person.hair_style
        if style == "bald":
            return np.zeros_like(self._x)
        top = {"short": -0.98, "parted": -0.88, "fringe": -0.6, "long": -0.88}[style]
        puff = {"short": 0.06, "parted": 0.12, "fringe": 0.12, "long": 0.2}[style]
        lean = 0.22 * self._x if style == "parted" else 0.0
        side, width = np.abs(self._x), self.person.face_width
        forehead = top + lean + 0.25 * np.clip(side - 0.4, 0, None) ** 2
        forehead = forehead + 0.02 * np.sin(self._x * 23 + self.person.texture_seed % 7)
        # Beside the face a band runs down the edge of the head, broad at the temples, and ends in front of the ears.
        down = np.clip((self._y - top) / (SIDEBURN_END - top), 0, 1)
        band = 0.06 + 0.3 * (1 - down) ** 2
        # Outside the head it stands off by `puff`, and lies close above the ears.
        full = width + puff, 1.65 + puff
        cap = full[0] * np.clip(1 - (np.abs(self._y - 0.25) / full[1]) ** 2.4, 0, 1) ** (1 / 2.4)
        if style == "long":
            bottom = 1.6 + 0.1 * np.sin(self._x * 9)
            below = self._y > 0.25
            outer = np.where(below, full[0] + 0.03 * self._y, cap)
            inner = np.where(below, width * (0.93 - 0.12 * np.clip(self._y, 0, 2)), self._edge - band)
        else:
            bottom = SIDEBURN_END
            outer = self._edge + np.clip(cap - self._edge, 0, None) * (1 - 0.8 * _smooth(down))
            inner = self._edge - band
        hair = (side < outer) & ((self._y < forehead) | (side > inner)) & (self._y < bottom)
        soft = cv2.GaussianBlur(hair.astype(np.float32), (0, 0), 0.03 * self.scale)
        return soft if style == "long" else soft * (1 - self._ears * (self._inside > 1))

    def _strands(self) -> np.ndarray:
        noise = self._rng.normal(0, 1, self._x.shape).astype(np.float32)
        strands = cv2.GaussianBlur(noise, (0, 0), sigmaX=0.012 * self.scale, sigmaY=0.16 * self.scale)
        return 0.95 + 0.22 * strands / max(float(strands.std()), 1e-6) * 0.6

    def _paint_glasses(self, colour: np.ndarray) -> None:
        if self.person.glasses == "none":
            return
        side = np.abs(self._x)
        power = 2 if self.person.glasses == "round" else 6
        radius = ((np.abs(side - 0.52) / 0.38) ** power + (np.abs(self._y - 0.04) / 0.3) ** power) ** (1 / power)
        rim = np.exp(-0.5 * ((radius - 1) / 0.05) ** 2)
        bridge = np.exp(-0.5 * ((self._y + 0.02) / 0.025) ** 2) * (side < 0.16)
        arm = np.exp(-0.5 * ((self._y + 0.03) / 0.03) ** 2) * (side > 0.9) * (side < 1.15)
        mask = np.clip(rim + bridge + arm, 0, 1).astype(np.float32) * 0.85
        colour += (28 - colour) * mask[..., None]

    def _paint_body(self) -> np.ndarray:
        who, scale = self.person, self.scale / BODY_COARSER
        x = (np.arange(round((BODY_RIGHT - BODY_LEFT) * scale), dtype=np.float32) + 0.5) / scale + BODY_LEFT
        y = ((np.arange(round((BODY_BOTTOM - BODY_TOP) * scale), dtype=np.float32) + 0.5) / scale + BODY_TOP)[:, None]
        side = np.abs(x)
        top = who.chin + 0.2
        shoulders = top + 0.3 * np.clip(side - 0.6, 0, None) + 1.4 * np.clip(side - 2.1, 0, None) ** 1.5
        collar = top + 0.3 * np.clip(1 - (side / 0.66) ** 2, 0, None)
        mask = _step((y - np.maximum(shoulders, collar)) * scale * 0.7)
        shade = 0.92 - 0.06 * x - 0.1 * np.clip(y - top, 0, 2) + 0.06 * np.cos(2.2 * x)
        return _premultiplied(np.array(who.clothes, np.float32) * shade[..., None], mask)

    @cached_property
    def mouth_shade(self) -> float:
        """How bright the light is at the mouth; about 1."""
        row, column = round((self.person.mouth_y - TOP) * self.scale), round(-LEFT * self.scale)
        reach = max(1, round(0.3 * self.scale))
        return float(self.shade[row - reach // 2 : row + reach // 2 + 1, column - reach : column + reach].mean())


def _smooth(share: np.ndarray) -> np.ndarray:
    return share * share * (3 - 2 * share)


def _step(pixels: np.ndarray) -> np.ndarray:
    """An edge one pixel wide: 0 outside (below -0.5), 1 inside (above 0.5)."""
    return np.clip(pixels + 0.5, 0, 1).astype(np.float32)


def _premultiplied(colour: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    colour = np.clip(colour, 0, 255) * alpha[..., None]
    return np.concatenate([colour, 255 * alpha[..., None]], -1).astype(np.uint8)
