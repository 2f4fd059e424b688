"""One piece of a film -> the clips in it, and why the rest is none."""

import contextlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from lipscribe.data.manifest import WordTime
from lipscribe.errors import LipscribeError, VideoError
from lipscribe.extraction import face_detector
from lipscribe.faces import FaceTrack, choose_faces, track_faces
from lipscribe.faces.identity import People
from lipscribe.footage.pieces import Piece, open_film
from lipscribe.footage.placing import Placed, Stretch, place
from lipscribe.footage.sound import SAMPLE_RATE, envelope, is_silent, read_sound, sounding
from lipscribe.footage.speaking import CLEARLY, MIN_AGREEMENT, Mouth
from lipscribe.footage.subtitles import Dropped, Utterance, clean_text
from lipscribe.model import Model
from lipscribe.mouth.early import EarlyCrops
from lipscribe.mouth.measures import CHECKED_EVERY, MouthMeter, quality_of
from lipscribe.mouth.quality import judge_face
from lipscribe.search.align import align_text
from lipscribe.units import MODEL_FPS, Seconds, frame_to_seconds
from lipscribe.video import Video

MARGIN: Seconds = 0.2  # before and after the speech, less where the pause is short: lips part before the sound
MIN_SURE = 0.3  # mean probability of the words of a text, by the model that aligns it
LOUDER = 2.0  # without sound, the mouth that speaks moves so many times more than any other

Recogniser = Callable[[np.ndarray, int], Iterable[tuple[Seconds, Seconds, str]]]
"""Called with sound (N,) float32 and its rate in Hz; yields start, end and text of what is said, in seconds."""

REASONS = {  # findings of `mouth.quality`, as reasons
    "coverage": "no face all the time",
    "face": "no face all the time",
    "mouth_px": "mouth too small",
    "sharpness": "mouth blurred",
    "away_deg": "turned away",
    "contrast": "too dark or too bright",
    "brightness": "too dark or too bright",
    "outside": "at the edge of the picture",
    "motion": "no mouth moves",
}


@dataclass(frozen=True)
class FoundClip:
    """One clip of a film.

    Attributes:
        start, end: In seconds of the film, margins included.
        person: Number of the speaker, known in this piece alone.
        face: Where the middle of the face is, as shares of the picture's width and height.
        edges: What the speech was found by: "sound" or "mouth".
        words: Their times from the clip's start, where a model could align them.
        agreement: Of mouth and sound, -1 to 1; None without sound.
        sure: Mean probability of the aligned words; None where no model can spell the text.
    """

    start: Seconds
    end: Seconds
    text: str
    person: int
    face: tuple[float, float]
    edges: str
    words: tuple[WordTime, ...] = ()
    agreement: float | None = None
    sure: float | None = None


@dataclass
class Found:
    """What a piece holds.

    Attributes:
        looks: Signatures (N, 1280) of each speaker.
    """

    clips: list[FoundClip] = field(default_factory=list)
    dropped: list[Dropped] = field(default_factory=list)
    looks: dict[int, np.ndarray] = field(default_factory=dict)


def find_clips(film: Path, piece: Piece, model: Model | None = None, recogniser: Recogniser | None = None) -> Found:
    """Works on one piece.

    Args:
        model: Aligns the texts that it can spell; None aligns none.
        recogniser: Tells what is said in pieces without utterances.

    Raises:
        LipscribeError: The film cannot be read.
    """
    found = Found()
    video = open_film(film).part(piece.start, piece.end)
    begin = frame_to_seconds(video.first_frame, MODEL_FPS)
    samples = read_sound(film, begin, piece.end)
    utterances = piece.utterances
    if utterances is None:
        assert recogniser is not None  # or there would be no such piece
        if samples is None:
            raise VideoError(f"{film}: it has no sound that a recogniser could hear; give --subtitles")
        heard = _recognised(samples, begin, piece, recogniser, found.dropped)
        utterances = tuple(sorted(heard, key=lambda one: one.start))
    if not utterances:
        return found
    people = People()
    with EarlyCrops(MODEL_FPS) as crops:
        tracks = track_faces(video, MODEL_FPS, face_detector(), crops, people)
        levels = None if samples is None else envelope(samples)
        if levels is not None and is_silent(levels):
            levels = None
        if tracks and levels is not None:
            tracks = choose_faces(
                tracks, "all"
            )  # who speaks on across a cut; without sound a pause is not missed there
        mouths = [Mouth(run) for track in tracks for run in track.runs()]
        scene = _Scene(begin, mouths, levels, video, crops, model)
        for placed in scene.place(utterances, found.dropped):
            try:
                found.clips.append(scene.clip(placed))
            except _NoClip as reason:
                found.dropped.append(Dropped(*_span(placed, begin), _text(placed), str(reason)))
    found.looks = {person: people.gallery(person).looks for person in {clip.person for clip in found.clips}}
    return found


def _recognised(
    samples: np.ndarray, begin: Seconds, piece: Piece, recogniser: Recogniser, dropped: list[Dropped]
) -> Iterator[Utterance]:
    """What is said in a piece; what is no speech of one person is dropped."""
    for start, end, text in recogniser(samples, SAMPLE_RATE):
        if not piece.first <= begin + (start + end) / 2 < piece.last:
            continue  # the next piece's, or the one's before
        words, reason = clean_text(text)
        if reason:
            dropped.append(Dropped(begin + start, begin + end, text, reason))
        else:
            yield Utterance(begin + start, begin + end, words)


class _NoClip(Exception):
    """Why something that is said becomes no clip."""


class _Scene:
    """The mouths and the sound of a piece. Seconds count from its first frame, but for what comes in and goes out."""

    def __init__(
        self,
        begin: Seconds,
        mouths: Sequence[Mouth],
        levels: np.ndarray | None,
        video: Video,
        crops: EarlyCrops,
        model: Model | None,
    ):
        self._begin, self._mouths, self._levels = begin, mouths, levels
        if levels is not None:
            self._speech = [Stretch(*span) for span in sounding(levels)]
        else:
            self._speech = sorted(Stretch(*span, i) for i, mouth in enumerate(mouths) for span in mouth.stretches())
        self.edges = "mouth" if levels is None else "sound"
        self._video, self._crops, self._model = video, crops, model
        self._numbers: dict[int, list[np.ndarray] | None] = {}  # of the crops of runs, by the runs' identity

    def place(self, utterances: Sequence[Utterance], dropped: list[Dropped]) -> list[Placed]:
        """When each is said; those that fit nowhere are dropped."""
        here = [replace(one, start=one.start - self._begin, end=one.end - self._begin) for one in utterances]
        placed, left = place(here, self._speech, strict=self._levels is None)
        for one in left:
            start, end = one.start + self._begin, one.end + self._begin
            dropped.append(Dropped(start, end, one.text, self._unplaced(one)))
        return placed

    def _unplaced(self, one: Utterance) -> str:
        if not any(mouth.overlaps(one.start, one.end) for mouth in self._mouths):
            return "no face"
        return "no speech between pauses fits it"

    def clip(self, placed: Placed) -> FoundClip:
        """The clip of what was placed.

        Raises:
            _NoClip: It becomes none.
        """
        mouth, agreement = self._speaker(placed)
        start = placed.start - min(MARGIN, placed.before / 2)
        end = placed.end + min(MARGIN, placed.after / 2)
        if not mouth.covers(placed.start, placed.end):
            raise _NoClip("no face all the time")
        run = mouth.part(start, end)
        start, end = (frame_to_seconds(frame, MODEL_FPS) for frame in (run.start, run.stop))
        crops = self._cut(mouth.run, run)
        self._check_readable(run, crops)
        words, sure = self._align(crops, _text(placed))
        width, height = self._crops.frame_size[1], self._crops.frame_size[0]
        x, y = np.median(run.landmarks.mean(1), axis=0)
        return FoundClip(
            round(self._begin + start, 3),
            round(self._begin + end, 3),
            _text(placed),
            run.id,
            (round(float(x / width), 3), round(float(y / height), 3)),
            self.edges,
            words,
            None if agreement is None else round(agreement, 3),
            sure,
        )

    def _speaker(self, placed: Placed) -> tuple[Mouth, float | None]:
        """Whose mouth says it, and how well it agrees with the sound."""
        start, end = placed.start, placed.end
        there = [mouth for mouth in self._mouths if mouth.overlaps(start, end)]
        if not there:
            raise _NoClip("no face")
        moving = [mouth for mouth in there if mouth.speaks(start, end)]
        if not moving:
            raise _NoClip("no mouth moves")
        if self.edges == "mouth":
            speaker = self._mouths[placed.source]
            others = [mouth.motion(start, end) for mouth in there if mouth is not speaker]
            if max(others, default=0.0) * LOUDER > speaker.motion(start, end):
                raise _NoClip("several mouths move")
            return speaker, None
        assert self._levels is not None
        levels = self._levels
        wide = start - min(0.4, placed.before), end + min(0.4, placed.after)  # a mouth is still in the pauses
        agreeing = sorted((-mouth.agreement(levels, *wide), i) for i, mouth in enumerate(moving))
        best = -agreeing[0][0]
        if best < MIN_AGREEMENT:
            raise _NoClip("no mouth moves with the sound")
        if len(agreeing) > 1 and best + agreeing[1][0] < CLEARLY and moving[agreeing[1][1]].covers(start, end):
            raise _NoClip("several mouths move")
        return moving[agreeing[0][1]], best

    def _cut(self, run: FaceTrack, part: FaceTrack) -> np.ndarray:
        """The crops (T, 96, 96) uint8 of a part of a run."""
        if id(run) not in self._numbers:  # a run may hold many clips
            self._numbers[id(run)] = self._crops.find([run])
        numbers = self._numbers[id(run)]
        if numbers is None:
            raise _NoClip("its crops could not be kept")
        first = part.start - run.start
        return np.stack([self._crops.read(int(number)) for number in numbers[0][first : first + len(part.landmarks)]])

    def _check_readable(self, run: FaceTrack, crops: np.ndarray) -> None:
        frame_size = self._crops.frame_size
        meter = MouthMeter(run, scale=self._video.info.width / frame_size[1])
        for t in range(0, len(crops), CHECKED_EVERY):
            meter.add(crops[t], t, frame_size)
        for finding in judge_face(quality_of([run], [meter], 1.0), len(crops)):
            if finding.severity == "bad" and finding.measure in REASONS:
                raise _NoClip(REASONS[finding.measure])

    def _align(self, crops: np.ndarray, text: str) -> tuple[tuple[WordTime, ...], float | None]:
        """The words' times from the first crop on, and how sure they are; nothing where the model cannot spell them."""
        if self._model is None:
            return (), None
        with contextlib.suppress(LipscribeError):
            self._model.tokenizer.encode(text)
            words = align_text(self._model.stream_log_probs(iter(crops)), text, self._model.tokenizer)
            sure = round(float(np.mean([word.probability for word in words])), 3)
            if sure < MIN_SURE:
                raise _NoClip("the mouth says other words")
            fps = self._model.spec.input.fps
            times = (WordTime(w.text, w.start / fps, w.end / fps) for w in words)
            return tuple(times), sure
        return (), None


def _text(placed: Placed) -> str:
    return " ".join(one.text for one in placed.utterances)


def _span(placed: Placed, begin: Seconds) -> tuple[Seconds, Seconds]:
    return round(begin + placed.start, 3), round(begin + placed.end, 3)
