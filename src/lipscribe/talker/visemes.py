"""What each phoneme asks of the mouth, by visual class: targets, and how strongly each is insisted on.

Phonemes of one class share one entry, so nothing can be drawn that tells them apart: p, b and m are one mouth shape, as
they are to a lip reader. The classes follow Fisher, "Confusions among visually perceived consonants", J. Speech Hear.
Res. 11 (1968); a target and a dominance for each control are the parameters of Cohen and Massaro, "Modeling
coarticulation in synthetic visual speech", in: Models and Techniques in Computer Animation (1993). The values are ours,
set by eye against slow-motion speech.
"""

from dataclasses import dataclass

CONTROLS = ("gap", "width", "round", "jaw", "tuck", "press", "bare", "tip", "out")
"""The mouth's controls, each 0 at rest and 1 at its most (`width` from -1, pursed, to 1, spread):

gap    distance between the inner edges of the lips
width  place of the corners
round  rounding and protrusion
jaw    lowering of the jaw, and with it chin and lower teeth
tuck   lower lip under the upper teeth
press  lips rolled in and pressed together
bare   upper lip lifted and lower one lowered from nearly closed teeth
tip    height of the tongue's tip, from the floor of the mouth to behind the upper teeth
out    tongue's tip between the teeth
"""

Target = tuple[float, float]  # value, dominance


@dataclass(frozen=True)
class Viseme:
    """One visual class.

    Attributes:
        phonemes: ARPAbet, without stress.
        targets: Of each control that matters here (value, dominance); the others are asked to be 0, faintly.
    """

    phonemes: tuple[str, ...]
    targets: dict[str, Target]


FAINT = 0.15  # dominance of a control that a class does not care about

VISEMES: dict[str, Viseme] = {
    "rest": Viseme(("SIL",), {"gap": (0.0, 1.0), "jaw": (0.0, 1.0), "width": (0.0, 0.6)}),
    # Below nothing, so that the lips do meet between two open vowels, whatever is blended in.
    "bilabial": Viseme(("P", "B", "M"), {"gap": (-0.25, 9.0), "press": (1.0, 5.0), "jaw": (0.12, 0.6)}),
    "labiodental": Viseme(
        ("F", "V"),
        {"gap": (0.13, 6.0), "tuck": (1.0, 6.0), "jaw": (0.1, 1.0), "width": (0.1, 0.5), "bare": (0.35, 2.0)},
    ),
    "dental": Viseme(("TH", "DH"), {"gap": (0.3, 1.6), "out": (1.0, 5.0), "tip": (0.7, 3.0), "jaw": (0.2, 0.7)}),
    "alveolar": Viseme(
        ("T", "D", "N"), {"gap": (0.26, 0.8), "tip": (0.85, 3.0), "jaw": (0.16, 0.8), "bare": (0.2, 0.5)}
    ),
    "lateral": Viseme(("L",), {"gap": (0.42, 1.3), "tip": (1.0, 4.0), "jaw": (0.32, 1.0), "width": (0.05, 0.4)}),
    "sibilant": Viseme(("S", "Z"), {"gap": (0.24, 1.6), "bare": (0.85, 3.0), "jaw": (0.03, 3.0), "width": (0.3, 0.8)}),
    "postalveolar": Viseme(
        ("SH", "ZH", "CH", "JH"),
        {"gap": (0.36, 1.8), "round": (0.65, 2.2), "bare": (0.8, 2.5), "jaw": (0.05, 2.5), "width": (-0.35, 1.6)},
    ),
    "velar": Viseme(("K", "G", "NG"), {"gap": (0.34, 0.5), "jaw": (0.26, 0.6)}),
    "glottal": Viseme(("HH",), {"gap": (0.3, 0.25), "jaw": (0.2, 0.25)}),
    "palatal": Viseme(("Y",), {"gap": (0.26, 0.9), "width": (0.5, 1.2), "jaw": (0.14, 0.8)}),
    "rhotic": Viseme(("R",), {"gap": (0.26, 1.2), "round": (0.5, 2.0), "width": (-0.3, 1.5), "jaw": (0.18, 0.8)}),
    "labiovelar": Viseme(("W",), {"gap": (0.08, 3.5), "round": (1.0, 5.0), "width": (-0.9, 4.5), "jaw": (0.12, 1.0)}),
    # Vowels: lips and jaw open, the tongue on the floor unless a neighbour lifts it.
    "IY": Viseme(
        ("IY",), {"gap": (0.3, 1.0), "width": (0.8, 1.5), "jaw": (0.18, 1.0), "bare": (0.45, 0.8), "tip": (0.3, 0.5)}
    ),
    "IH": Viseme(("IH",), {"gap": (0.36, 1.0), "width": (0.4, 1.0), "jaw": (0.28, 1.0), "tip": (0.25, 0.5)}),
    "EH": Viseme(("EH",), {"gap": (0.55, 1.0), "width": (0.35, 1.0), "jaw": (0.5, 1.0), "tip": (0.15, 0.5)}),
    "AE": Viseme(("AE",), {"gap": (0.72, 1.1), "width": (0.4, 1.0), "jaw": (0.72, 1.1), "tip": (0.1, 0.5)}),
    "AA": Viseme(("AA",), {"gap": (0.95, 1.2), "width": (0.0, 0.8), "jaw": (0.95, 1.2), "tip": (0.0, 0.5)}),
    "AH": Viseme(("AH",), {"gap": (0.48, 0.9), "width": (0.05, 0.6), "jaw": (0.45, 0.9), "tip": (0.1, 0.4)}),
    "AO": Viseme(("AO",), {"gap": (0.66, 1.2), "round": (0.5, 1.8), "width": (-0.35, 1.5), "jaw": (0.7, 1.1)}),
    "UH": Viseme(("UH",), {"gap": (0.3, 1.2), "round": (0.55, 1.8), "width": (-0.4, 1.5), "jaw": (0.28, 1.0)}),
    "UW": Viseme(("UW",), {"gap": (0.14, 2.0), "round": (1.0, 3.5), "width": (-0.8, 3.0), "jaw": (0.18, 1.0)}),
    "ER": Viseme(("ER",), {"gap": (0.34, 1.0), "round": (0.4, 1.4), "width": (-0.2, 1.2), "jaw": (0.28, 1.0)}),
    "OH": Viseme((), {"gap": (0.45, 1.3), "round": (0.75, 2.5), "width": (-0.55, 2.2), "jaw": (0.5, 1.0)}),
}

DIPHTHONGS: dict[str, tuple[str, str]] = {
    "EY": ("EH", "IY"),
    "AY": ("AA", "IH"),
    "OY": ("AO", "IH"),
    "AW": ("AA", "UH"),
    "OW": ("OH", "UW"),
}
"""Vowels that move: the classes they start from and arrive at."""

VISEME_OF: dict[str, str] = {phoneme: name for name, viseme in VISEMES.items() for phoneme in viseme.phonemes}
"""Phoneme (ARPAbet, without stress) -> name of its visual class; diphthongs are in `DIPHTHONGS`."""
