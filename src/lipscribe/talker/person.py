"""Who talks: everything about a synthetic person's looks and manner, drawn from a seed.

All lengths are in eye distances (the distance between the eyes' centres), measured from the point between the eyes, x
to the right of the picture and y down.
"""

from dataclasses import dataclass
from typing import TypeVar

import numpy as np

Colour = tuple[float, float, float]  # RGB, 0 to 255
Option = TypeVar("Option")

# From light to dark; each is the lit colour of the cheek.
SKINS: tuple[Colour, ...] = (
    (242, 208, 184),
    (232, 190, 160),
    (219, 172, 138),
    (200, 150, 114),
    (170, 122, 90),
    (136, 94, 68),
    (104, 70, 50),
)
HAIRS: tuple[Colour, ...] = (
    (32, 26, 24),
    (58, 40, 28),
    (96, 64, 40),
    (150, 108, 62),
    (196, 160, 104),
    (128, 60, 32),
    (150, 148, 146),
    (214, 212, 208),
)
IRISES: tuple[Colour, ...] = ((62, 40, 26), (84, 60, 36), (92, 110, 70), (84, 112, 140), (110, 120, 124))
CLOTHES: tuple[Colour, ...] = (
    *((40, 44, 54), (92, 96, 104), (180, 60, 56), (54, 84, 140), (60, 110, 84), (206, 200, 190), (120, 80, 130)),
)
HAIR_STYLES = ("bald", "short", "parted", "fringe", "long")
BEARDS = ("none", "none", "none", "stubble", "moustache", "goatee", "full")
GLASSES = ("none", "none", "none", "round", "square")


@dataclass(frozen=True)
class Person:
    """A synthetic person; `Person.drawn(rng)` makes one up.

    Attributes:
        face_width: Half the width of the face at the cheekbones.
        jaw_width: Width of the jaw as a share of the face's.
        chin: How far below the eyes the chin ends.
        brow_height: How far above the eyes the eyebrows are.
        nose_length: From the eyes to the nose's base.
        nose_width: Half the distance of the nostrils' wings.
        mouth_y: Where the closed lips meet.
        mouth_width: Half the width of the mouth at rest.
        upper_lip: Thickness of the upper lip's red.
        lower_lip: Thickness of the lower lip's red.
        corner: How much lower than their middle the closed lips' corners are.
        skew: By how much the right half of the mouth moves more than the left.
        teeth: How far the upper teeth reach below the line where the closed lips meet.
        effort: How far the mouth moves: 1 is careful speech.
        tempo: Speaking rate, 1 is average.
        restlessness: How much the head moves, 1 is average.
        skin: Colour of the lit cheek.
        lips: Colour of the lips.
        hair: Colour of hair, brows and beard.
        iris: Colour of the eyes.
        clothes: Colour of what they wear.
        hair_style: One of `HAIR_STYLES`.
        beard: One of `BEARDS`.
        glasses: One of `GLASSES`.
        texture_seed: Seed of freckles, hair and stubble.
    """

    face_width: float
    jaw_width: float
    chin: float
    brow_height: float
    nose_length: float
    nose_width: float
    mouth_y: float
    mouth_width: float
    upper_lip: float
    lower_lip: float
    corner: float
    skew: float
    teeth: float
    effort: float
    tempo: float
    restlessness: float
    skin: Colour
    lips: Colour
    hair: Colour
    iris: Colour
    clothes: Colour
    hair_style: str
    beard: str
    glasses: str
    texture_seed: int

    @classmethod
    def drawn(cls, rng: np.random.Generator) -> "Person":
        """Somebody made up; the same generator state gives the same person."""

        def between(low: float, high: float) -> float:
            return float(rng.uniform(low, high))

        def choice(options: tuple[Option, ...]) -> Option:
            return options[int(rng.integers(len(options)))]

        tone = between(0, len(SKINS) - 1)
        skin = _mix(SKINS[int(tone)], SKINS[min(int(tone) + 1, len(SKINS) - 1)], tone % 1)
        red = _mix((196, 92, 92), (120, 52, 56), tone / (len(SKINS) - 1))
        # Dark skin comes with dark hair, unless it is grey.
        hair = HAIRS[int(rng.integers(3))] if tone > 3.5 else choice(HAIRS)
        nose_length = between(0.68, 0.8)
        mouth_y = nose_length + between(0.31, 0.4)
        return cls(
            face_width=between(1.1, 1.26),
            jaw_width=between(0.8, 0.97),
            chin=mouth_y + between(0.62, 0.76),
            brow_height=between(0.3, 0.4),
            nose_length=nose_length,
            nose_width=between(0.22, 0.3),
            mouth_y=mouth_y,
            mouth_width=between(0.38, 0.46),
            upper_lip=between(0.09, 0.14),
            lower_lip=between(0.1, 0.165),
            corner=between(-0.03, 0.035),
            skew=between(-0.12, 0.12),
            teeth=between(0.03, 0.07),
            effort=between(0.9, 1.15),
            tempo=between(0.88, 1.12),
            restlessness=between(0.5, 1.5),
            skin=skin,
            lips=_mix(skin, red, between(0.55, 1.0)),
            hair=hair,
            iris=IRISES[int(rng.integers(2))] if tone > 4 else choice(IRISES),
            clothes=choice(CLOTHES),
            hair_style=choice(HAIR_STYLES),
            beard=choice(BEARDS),
            glasses=choice(GLASSES),
            texture_seed=int(rng.integers(2**31)),
        )


def _mix(first: Colour, second: Colour, share: float) -> Colour:
    red, green, blue = (a + (b - a) * share for a, b in zip(first, second, strict=True))
    return red, green, blue
