"""The mouth as people's mouths look on video: broad soft lips, grey teeth that are partly hidden, a dark inside.

Drawn for each frame as shares of each pixel, so nothing needs to be drawn larger first. All lengths are in eye
distances, as in `lips.py`.
"""

from dataclasses import dataclass, replace

import numpy as np

from lipscribe.talker.face import Face
from lipscribe.talker.lips import MAX_GAP, MAX_JAW, Mouth
from lipscribe.talker.person import Person
from lipscribe.talker.visemes import CONTROLS

RAISED = 0.25  # of the gap is opened by the upper lip, the rest by the lower
WIDTH_GAIN = 0.25  # of the mouth's width at rest, when `width` is 1: what the table of measured mouths is in
_TOOTH_EDGES = (0.0, 0.082, 0.148, 0.214, 0.27, 0.32)  # from the middle: incisors are broad


@dataclass(frozen=True)
class Looks:
    """What tells one mouth from another, beside what `Person` says.

    Attributes:
        thickness: Of both lips, as a multiple of the person's.
        pale: How near the lips' colour is to the skin's, 0 to 1.
        gloss: Light that the lower lip throws back, 0 to 1.
        tooth: Brightness of the teeth, 1 is white.
        gaps: How dark it is between teeth, 0 to 1.
        upper_teeth: How far the upper teeth reach below the line where the lips meet.
        lower_teeth: How far below it the lower ones end when the jaw is shut.
        tongue: Brightness of the tongue.
        inside: Brightness of the inside.
        stubble: Whether a shaven face shows it.
        seam: How much darker than the lips the line is where they meet, 0 to 1.
        seam_width: How broad that line is, as the standard deviation of a bell.
        size: Of the mouth, as a multiple of the person's.
        lower: Thickness of the lower lip, as a multiple of what size and thickness make of it.
        onset: How far these lips part before they speak: from a standard normal number, as for `effort`.
        ajar: How far they stand open at rest: from a standard normal number.
        corners: How far the corners come in as the lips part, as a share of the gap; below 0 they move out.
        softness: Of the light on the face, 0 to 1 (see `Face`).
        tempo: How fast this person speaks: from a standard normal number, as for `effort`.
        chin: How much lower than the person's it is.
        rim: How much lighter the edge of the skin above the upper lip is.
        glide: How far vowels that move get to their ends.
        effort: How far this person moves, as a multiple of the table's mean person: from a standard normal number.
    """

    thickness: float
    pale: float
    gloss: float
    tooth: float
    gaps: float
    upper_teeth: float
    lower_teeth: float
    tongue: float
    inside: float
    stubble: bool
    seam: float
    seam_width: float
    effort: float
    size: float
    lower: float
    onset: float
    ajar: float
    corners: float
    softness: float
    tempo: float
    chin: float
    rim: float
    glide: float

    @classmethod
    def drawn(cls, rng: np.random.Generator) -> "Looks":
        """Somebody's; the same generator state gives the same."""
        return cls(
            thickness=float(rng.uniform(0.8, 1.3)),
            pale=float(rng.uniform(0.2, 0.9)),
            gloss=float(rng.uniform(0.0, 0.15)),
            tooth=float(rng.uniform(0.8, 1.3)),
            gaps=float(rng.uniform(0.08, 0.4)),
            upper_teeth=float(rng.uniform(0.02, 0.14)),
            lower_teeth=float(rng.uniform(-0.02, 0.08)),
            tongue=float(rng.uniform(0.5, 0.95)),
            inside=float(rng.uniform(0.2, 0.9)),
            stubble=bool(rng.random() < 0.3),
            seam=float(rng.uniform(0.05, 0.4)),
            seam_width=float(rng.uniform(0.02, 0.05)),
            effort=float(rng.standard_normal()),
            size=float(rng.uniform(1.05, 1.18)),
            lower=float(rng.uniform(1.0, 1.12)),
            onset=float(rng.standard_normal()),
            ajar=float(rng.standard_normal()),
            corners=float(rng.uniform(-0.3, 0.9)),
            softness=float(rng.uniform(0.35, 0.9)),
            tempo=float(rng.standard_normal()),
            chin=float(rng.uniform(0.0, 0.2)),
            rim=float(rng.uniform(0.0, 0.16)),
            glide=float(rng.uniform(0.05, 1.1)),
        )

    def on(self, person: Person) -> Person:
        """The person as they look on video: one in three of those who shave was not shaven today."""
        return replace(
            person,
            beard="stubble" if self.stubble and person.beard == "none" else person.beard,
            chin=person.chin + self.chin,
            mouth_width=self.size * person.mouth_width,
            upper_lip=self.size * person.upper_lip,
            lower_lip=self.size * self.lower * person.lower_lip,
        )


class NaturalMouth(Mouth):
    """Draws one person's mouth onto the canvas of their face.

    Args:
        face: Whose.
        looks: Of the mouth.
    """

    def __init__(self, face: Face, looks: Looks):
        super().__init__(face)
        self._looks = looks
        skin = np.array(face.person.skin, np.float32) * face.mouth_shade
        self._lip = self._red * 1.12 + (skin * 0.92 - self._red * 1.12) * looks.pale
        self._lower_red = self._lip + 0.25 * (skin * 0.92 - self._lip)
        self._light = 0.55 + 0.45 * face.mouth_shade
        # A camera shows teeth and the inside of a mouth the darker, the darker the skin that it is set for.
        self._tone = min(1.0, float(np.dot(face.person.skin, (0.3, 0.59, 0.11))) / 200)
        self._px = face.scale
        self._across = self._columns[0]  # (W,)
        self._down = self._rows  # (H, 1)
        side = np.abs(self._across)
        lines = np.exp(-0.5 * (np.min(np.abs(side[:, None] - np.array(_TOOTH_EDGES)), 1) / 0.009) ** 2)
        arch = np.sqrt(np.clip(1 - (self._across / 0.3) ** 2, 0, 1))  # light falls off round the arch of the teeth
        self._tooth_light = (1 - looks.gaps * lines) * (0.1 + 0.9 * arch) * (side < 0.34)
        self._tooth_edge = 0.012 * lines + 0.05 * (self._across / 0.3) ** 2  # rounded corners; the row bends up

    def draw(self, canvas: np.ndarray, controls: np.ndarray) -> None:
        """Draws the mouth on a canvas (H, W, 4) uint8 whose jaw has been moved already.

        Args:
            canvas: Changed in place.
            controls: (9,) as in `CONTROLS`.
        """
        c: dict[str, float] = dict(zip(CONTROLS, controls.tolist(), strict=True))
        shape = NaturalContours(self.person, self._looks, c, self._across)
        width, height = self._size
        rows, columns = slice(self._row, self._row + height), slice(self._column, self._column + width)
        skin = canvas[rows, columns, :3].astype(np.float32) * self._skin_around(shape, c)[..., None]
        lips, mask = self._lips(shape, c)
        picture = skin + (lips - skin) * mask[..., None]
        if shape.gap > 0.002:
            opening = self._between(shape.inner_upper, shape.inner_lower, 0.7)
            inside = self._inside(shape, c)
            picture += (inside - picture) * opening[..., None]
        line = (self._down - (shape.inner_upper + shape.inner_lower) / 2) / self._looks.seam_width
        seam = np.exp(-0.5 * line**2) * (np.abs(self._across) < shape.half * 0.97)
        shut = np.clip(1 - (shape.inner_lower - shape.inner_upper) / 0.02, 0, 1)
        picture *= (1 - self._looks.seam * seam * shut)[..., None]
        canvas[rows, columns, :3] = np.clip(picture, 0, 255)

    def _between(self, upper: np.ndarray, lower: np.ndarray, soft: float) -> np.ndarray:
        """The share of each pixel that lies between two edges (W,), of which so many pixels are soft."""
        below = np.clip((self._down - upper) * self._px / soft + 0.5, 0, 1)
        above = np.clip((lower - self._down) * self._px / soft + 0.5, 0, 1)
        return np.clip(below + above - 1, 0, 1)  # nothing where both edges are one

    def _lips(self, shape: "NaturalContours", c: dict[str, float]) -> tuple[np.ndarray, np.ndarray]:
        mask = self._between(shape.outer_upper, shape.outer_lower, 1.6)
        mask *= np.clip((shape.half - np.abs(self._across)) / 0.04, 0, 1)
        upper_red = np.maximum(shape.inner_upper - shape.outer_upper, 1e-3)
        lower_red = np.maximum(shape.outer_lower - shape.inner_lower, 1e-3)
        of_upper = np.clip((self._down - shape.outer_upper) / upper_red, 0, 1)  # 0 at the border, 1 at the inner edge
        of_lower = np.clip((self._down - shape.inner_lower) / lower_red, 0, 1)
        # The upper lip faces down and darkens towards the inside; the lower one is lit, and shines where it bulges.
        shine = self._looks.gloss * np.exp(-0.5 * ((of_lower - 0.42) / 0.16) ** 2 - 0.5 * (self._across / 0.16) ** 2)
        upper = 0.95 - 0.28 * of_upper**1.2
        lower = 0.68 + 0.24 * np.sin(np.pi * np.clip(of_lower * 0.85 + 0.06, 0, 1)) - 0.06 * of_lower
        middle = (shape.inner_upper + shape.inner_lower) / 2
        shade = np.where(self._down < middle, upper, lower)
        shade = shade * (1.08 - 0.1 * min(shape.gap / 0.08, 1))  # lips darken as they part
        red = np.where((self._down < middle)[..., None], self._lip, self._lower_red)
        lips = red * shade[..., None] + (255 * shine * (self._down >= middle))[..., None] * 0.6
        return lips, mask

    def _inside(self, shape: "NaturalContours", c: dict[str, float]) -> np.ndarray:
        looks, light = self._looks, self._light
        dark = np.array((108, 66, 60), np.float32) * looks.inside * light * (0.2 + 0.8 * self._tone)
        # The less lips part, and the further they are put forward, the less light comes in.
        dark = dark * (0.45 + 0.55 * min(shape.gap / 0.1, 1)) * (1 - 0.4 * shape.rounding)
        picture = np.broadcast_to(dark, (*self._down.shape[:1], len(self._across), 3)).copy()
        jaw = MAX_JAW * max(c["jaw"], 0)
        upper_edge = looks.upper_teeth + 0.25 * shape.raised
        lower_edge = looks.lower_teeth + 0.6 * jaw
        tip, out = (float(np.clip(c[name], 0, 1)) for name in ("tip", "out"))
        red = np.array((168, 92, 88), np.float32) * looks.tongue * light
        floor = max(lower_edge, upper_edge + 0.01)
        top = floor + 0.03 + (upper_edge - 0.01 - floor - 0.03) * tip
        bulge = ((self._across / (0.25 - 0.04 * tip)) ** 2 + ((self._down - top - 0.15) / 0.15) ** 2) ** 0.5
        tongue = np.clip((1 - bulge) * 0.15 * self._px + 0.5, 0, 1) * (0.6 + 0.25 * tip)
        picture += (red - picture) * tongue[..., None]
        enamel = np.array((206, 200, 186), np.float32) * looks.tooth * light * (0.5 + 0.5 * self._tone)
        upper = np.clip((upper_edge - self._tooth_edge - self._down) * self._px + 0.5, 0, 1) * self._tooth_light
        # The upper lip throws its shadow on the teeth: the nearer to it, the darker.
        under_lip = 0.4 + 0.6 * np.clip((self._down - shape.inner_upper) / 0.07, 0, 1)
        under_lip *= (0.4 + 0.6 * min(shape.gap / 0.06, 1)) * (1 - 0.7 * shape.rounding)
        picture = self._with_teeth(picture, enamel, upper, under_lip)
        lower = np.clip((self._down - lower_edge - 0.6 * self._tooth_edge) * self._px + 0.5, 0, 1)
        picture = self._with_teeth(picture, enamel * 0.92, lower * self._tooth_light, under_lip)
        if out > 0.15:
            between = ((self._across / 0.19) ** 2 + ((self._down - upper_edge - 0.03) / (0.055 * out)) ** 2) ** 0.5
            shown = np.clip((1 - between) * 0.055 * out * self._px + 0.5, 0, 1)
            picture += (red * 1.1 - picture) * shown[..., None]
        return picture

    def _with_teeth(self, picture: np.ndarray, enamel: np.ndarray, share: np.ndarray, light: np.ndarray) -> np.ndarray:
        covered = np.clip(share * 1.6, 0, 1)[..., None]  # what is dark between teeth is not see-through
        return picture + (enamel * (share * light)[..., None] - picture) * covered

    def _skin_around(self, shape: "NaturalContours", c: dict[str, float]) -> np.ndarray:
        """What the lips' shape does to the skin around them, shadows and a light edge: (H, W) float32 factors."""
        under = float(shape.outer_lower[len(self._across) // 2]) + 0.06
        depth = 0.2 + 0.1 * max(c["round"], 0)
        below = np.exp(-0.5 * (((self._down - under) / 0.05) ** 2 + (self._across / 0.2) ** 2))
        corner = np.exp(
            -0.5
            * (((np.abs(self._across) - shape.half - 0.01) / 0.03) ** 2 + ((self._down - shape.corner_y) / 0.04) ** 2)
        )
        above = np.exp(-0.5 * ((self._down - shape.outer_upper + 0.02) / 0.015) ** 2)
        rim = 1 + self._looks.rim * above * (np.abs(self._across) < 0.8 * shape.half)
        return (1 - depth * below) * (1 - (0.12 + 0.12 * max(c["width"], 0)) * corner) * rim


class NaturalContours:
    """The four edges of the lips at places across, each (W,) float32 in eye distances below where the lips meet."""

    def __init__(self, person: Person, looks: Looks, c: dict[str, float], across: np.ndarray):
        rounding, press, tuck, bare = (float(np.clip(c[name], 0, 1)) for name in ("round", "press", "tuck", "bare"))
        self.rounding = rounding
        jaw = max(c["jaw"], 0) * MAX_JAW
        gap = max(c["gap"], 0) * MAX_GAP
        wide = 1 + WIDTH_GAIN * float(np.clip(c["width"], -1.6, 1.6))
        self.half = half = person.mouth_width * wide - looks.corners * gap / 2
        x = np.clip(across / half, -1, 1)
        # People's lips part along nearly their whole width, the lower one in a bow, the upper one flatter.
        span = np.clip(0.92 + 2.4 * gap - 0.12 * rounding, 0.45, 0.98)
        near = np.abs(x / span)
        bow_up = np.clip(1 - near ** (3.0 - 0.4 * rounding), 0, None) ** 0.8
        bow_down = np.clip(1 - near ** (2.3 - 0.2 * rounding), 0, None)
        lean = 1 + person.skew * x
        self.corner_y = person.corner + 0.2 * jaw
        # The upper lip's middle hangs a little lower than what is beside it.
        line = self.corner_y * x**2 + 0.006 * np.cos(2 * np.pi * np.clip(x, -0.5, 0.5)) * (1 - rounding)
        line = line + 0.3 * jaw * (1 - x**2)
        # Under the upper teeth the lower lip leaves a slit in which they are seen.
        self.raised = gap * RAISED + 0.012 * bare + 0.02 * tuck
        lowered = gap * (1 - RAISED) - (0.012 * bare if gap > 0 else 0.0) - 0.004 * tuck
        if gap <= 0:
            self.raised = 0.02 * tuck
        self.inner_upper = line - self.raised * bow_up * lean
        self.inner_lower = np.maximum(line + lowered * bow_down * lean, self.inner_upper)
        self.gap = gap + 0.016 * tuck
        swell = looks.thickness * (1 + 0.22 * rounding - 0.15 * press + 1.5 * min(gap, 0.2))
        bow = 1 - 0.2 * np.exp(-((x / 0.16) ** 2)) * (1 - 0.6 * rounding)
        round_off = np.clip(1 - x**2, 0, None)
        self.outer_upper = self.inner_upper - person.upper_lip * swell * round_off**0.75 * bow
        self.outer_lower = self.inner_lower + person.lower_lip * swell * (1 - 0.45 * tuck) * round_off**0.65


def natural_gaps(person: Person, looks: Looks, controls: np.ndarray) -> np.ndarray:
    """How far the lips are drawn apart: controls (T, 9) -> (T,) float32 eye distances between their inner edges."""
    middle = np.zeros(1, np.float32)
    shapes = (
        NaturalContours(person, looks, dict(zip(CONTROLS, row.tolist(), strict=True)), middle) for row in controls
    )
    return np.array([float((shape.inner_lower - shape.inner_upper)[0]) for shape in shapes], np.float32)
