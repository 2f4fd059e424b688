"""What was measured on a mouth -> what it means for reading, in words: the number, the threshold and the remedy."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal, NamedTuple

Severity = Literal["note", "doubtful", "bad"]

# Where the thresholds come from: 25 to 50 clips of GRID's dev split (speaker s1, mouth 40 px wide) were made worse step
# by step and read by grid. It gets 7 to 8 % of the words wrong where nothing is done; what it gets wrong then stands
# in brackets. Such a closed vocabulary forgives more than an open one will, so "good" leaves a margin.

# Words said while no face is seen are lost, so errors rise by what is missing.
COVERAGE_GOOD, COVERAGE_BAD = 0.9, 0.5
# WER by mouth width in compressed video (H.264, CRF 28): 39 px (10 %), 26 px (12 %), 19 px (17 %), 13 px (27 %), 9 px
# (41 %). Uncompressed, 13 px are enough (9 %), but cameras compress.
MOUTH_PX_GOOD, MOUTH_PX_BAD = 35.0, 25.0
# Blurred over 2 px of the picture: 0.17 (10 %), over 3 px: 0.133 (12 %), over 4: 0.120 (31 %), over 6: 0.113 (89 %).
SHARPNESS_GOOD, SHARPNESS_BAD = 0.20, 0.125
# Degrees. Not measured but judged: speaker s1 is seen from 0 to 14 degrees aside, and the model has seen nobody else.
AWAY_GOOD, AWAY_BAD = 20.0, 35.0
# Grey levels, smoothed. Ten train clips darkened (2 % where nothing is done), with noise of 2 levels added: 7.2 (2 %),
# 2.5 (6 %), 1.8 (6 %), 1.3 (35 %); with noise of 6 levels: 4.9 (10 %), 2.7 (63 %), 2.0 (79 %).
CONTRAST_GOOD, CONTRAST_BAD = 5.0, 2.0
# Of 255. The same clips: 43 (2 %), 29 (10 % with the strong noise), 15 (6 and 63 %), 7 (35 % with the weak noise).
BRIGHTNESS_GOOD, BRIGHTNESS_BAD = 30.0, 16.0
# Missing at the left: 0.2 (7 %), 0.25 (11 %); at the bottom: 0.25 (8 %), 0.3 (13 %).
OUTSIDE_GOOD, OUTSIDE_BAD = 0.2, 0.35
# Eye distances a second. 84 train clips of six speakers of GRID show 0.065 and more, 3 of them, of the two who
# move least, below 0.10; still faces with camera noise reach 0.03, swaying and nodding ones with a closed mouth 0.077,
# or 0.09 at a third of the size. So little movement is doubted, and only none at all is bad.
MOTION_GOOD, MOTION_BAD = 0.10, 0.045


@dataclass(frozen=True)
class FaceQuality:
    """How well a mouth can be seen; what could not be measured is None.

    Attributes:
        coverage: Share of the frames in which the face was found, 0 to 1.
        mouth_px: Width of the mouth in pixels of the video as displayed, the median over the frames.
        mouth_px_low: The same, 5th percentile.
        sharpness: Detail 1 to 2 px of the crop in size over detail 2 to 4 px in size, as energies; it depends neither
            on light nor on contrast. 0.34 is sharp, 0.18 is blurred over 2 px.
        yaw_deg: How far the head is turned to the side, median; positive towards the right of the picture. Approximate:
            it is taken from where the tip of the nose lies between the eyes.
        away_deg: Median of the yaw without its sign.
        roll_deg: How far the head is tilted, median, clockwise in the picture. Crops are upright all the same.
        brightness: Mean grey of the crop, 0 to 255.
        contrast: Standard deviation of the crop's greys, smoothed over 1 px against noise.
        motion: How fast the lips part and close, eye distances a second, in the liveliest tenth of the time.
        outside: Share of the crop that lies outside the picture, 0 to 1, mean.
    """

    coverage: float
    mouth_px: float | None = None
    mouth_px_low: float | None = None
    sharpness: float | None = None
    yaw_deg: float | None = None
    away_deg: float | None = None
    roll_deg: float | None = None
    brightness: float | None = None
    contrast: float | None = None
    motion: float | None = None
    outside: float | None = None


@dataclass(frozen=True)
class Finding:
    """One thing that a user should know.

    Attributes:
        measure: What it is about: a field of `FaceQuality`, "fps", "face", "faces" or "file".
        severity: A "note" changes no verdict.
        text: The number, what was wanted, and the remedy.
        value: The number, in the unit of its measure; None where there is none.
        wanted: The threshold that it misses.
    """

    measure: str
    severity: Severity
    text: str
    value: float | None = None
    wanted: float | None = None


def judge_face(quality: FaceQuality | None, num_frames: int) -> Iterator[Finding]:
    """Findings about the face that would be read; None is no face at all."""
    if quality is None:
        text = f"no face found in {num_frames} frames: show the whole face upright, lit from the front and nearer"
        yield Finding("face", "bad", text, 0, COVERAGE_GOOD)
        return
    yield from _judge(quality, _RULES[:1])
    if quality.mouth_px is None:
        yield Finding("face", "bad", "the face is there for a moment only: nothing can be read in so few frames")
        return
    yield from _judge(quality, _RULES[1:])


def reading_warnings(quality: FaceQuality, num_frames: int) -> list[str]:
    """What `inspect` would say of the mouth, for the reader of a transcript; how much of it is seen is said there."""
    findings = judge_face(quality, num_frames)
    return [
        f"{finding.text} (lipscribe inspect)" for finding in findings if finding.measure not in ("coverage", "face")
    ]


class _Rule(NamedTuple):
    """When a measure is a finding: beyond `good` doubtful, beyond `bad` bad, whichever side of `good` that lies on."""

    measure: str
    good: float
    bad: float
    text: Callable[[FaceQuality, Severity], str]


def _judge(quality: FaceQuality, rules: tuple[_Rule, ...]) -> Iterator[Finding]:
    for measure, good, bad, text in rules:
        value = getattr(quality, measure)
        side = 1 if bad > good else -1
        if value is None or side * value <= side * good:
            continue
        severity: Severity = "bad" if side * value > side * bad else "doubtful"
        yield Finding(measure, severity, text(quality, severity), value, good)


def _coverage(quality: FaceQuality, severity: Severity) -> str:
    return (
        f"face in {quality.coverage:.0%} of the frames (wanted: {COVERAGE_GOOD:.0%}): words outside them are lost; "
        "keep the whole face in the picture and nothing in front of it"
    )


def _mouth_size(quality: FaceQuality, severity: Severity) -> str:
    expect = "garbage" if severity == "bad" else "more errors"
    return (
        f"mouth {quality.mouth_px:.0f} px wide (wanted: {MOUTH_PX_GOOD:.0f} px): expect {expect}; move closer or "
        "film in higher resolution"
    )


def _sharpness(quality: FaceQuality, severity: Severity) -> str:
    return (
        f"mouth blurred, sharpness {quality.sharpness:.2f} (wanted: {SHARPNESS_GOOD:.2f}): focus on the face, wipe "
        "the lens, add light (for shorter exposures), compress less"
    )


def _yaw(quality: FaceQuality, severity: Severity) -> str:
    return f"head turned {quality.away_deg:.0f} degrees away (wanted: at most {AWAY_GOOD:.0f}): face the camera"


def _contrast(quality: FaceQuality, severity: Severity) -> str:
    assert quality.brightness is not None  # measured with the contrast
    light = "more light" if quality.brightness < 128 else "less light or a shorter exposure"
    return (
        f"mouth hardly visible, contrast {quality.contrast:.1f} grey levels (wanted: {CONTRAST_GOOD:.0f}) at a "
        f"mean of {quality.brightness:.0f} of 255: give the face {light}"
    )


def _brightness(quality: FaceQuality, severity: Severity) -> str:
    return (
        f"mouth {'almost black' if severity == 'bad' else 'dark'}, a mean of {quality.brightness:.0f} of 255 "
        f"(wanted: {BRIGHTNESS_GOOD:.0f}): give the face more light"
    )


def _outside(quality: FaceQuality, severity: Severity) -> str:
    return (
        f"{quality.outside:.0%} of what is cut out around the mouth lies outside the picture (wanted: at most "
        f"{OUTSIDE_GOOD:.0%}): point the camera so that chin and cheeks are in it"
    )


def _motion(quality: FaceQuality, severity: Severity) -> str:
    how, remedy = "never", "nobody is speaking, or it is the wrong face; choose another with --face"
    if severity == "doubtful":
        how, remedy = "hardly", "speak more clearly, or choose another with --face if this one does not speak"
    return f"mouth {how} moves ({quality.motion:.2f} eye distances a second, wanted: {MOTION_GOOD:.2f}): {remedy}"


_RULES = (
    _Rule("coverage", COVERAGE_GOOD, COVERAGE_BAD, _coverage),
    _Rule("mouth_px", MOUTH_PX_GOOD, MOUTH_PX_BAD, _mouth_size),
    _Rule("sharpness", SHARPNESS_GOOD, SHARPNESS_BAD, _sharpness),
    _Rule("away_deg", AWAY_GOOD, AWAY_BAD, _yaw),
    _Rule("contrast", CONTRAST_GOOD, CONTRAST_BAD, _contrast),
    _Rule("brightness", BRIGHTNESS_GOOD, BRIGHTNESS_BAD, _brightness),
    _Rule("outside", OUTSIDE_GOOD, OUTSIDE_BAD, _outside),
    _Rule("motion", MOTION_GOOD, MOTION_BAD, _motion),
)
