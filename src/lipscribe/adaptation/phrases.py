"""Learns phrases of any words from one to three recordings of each."""

import functools
import hashlib
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from lipscribe.adaptation.choosing import named_folder, new_folder, writing_model
from lipscribe.adaptation.people import people_in
from lipscribe.adaptation.phrase_sources import PhraseRecording
from lipscribe.encoded import halved
from lipscribe.errors import CheckpointError, ConfigError, LipscribeError, NoFaceError
from lipscribe.faces import FaceDetector, load_face_detector, track_faces
from lipscribe.faces.identity import signature
from lipscribe.faces.track import MOTION_AT_REST, FaceTrack, longest_run
from lipscribe.model import Model
from lipscribe.models.phrases_spec import PhrasesSpec, States
from lipscribe.models.spec import SPEC_FILE, Card, ModelSpec, load_spec
from lipscribe.mouth import crop_mouth
from lipscribe.phrase_model import phrase_features
from lipscribe.progress import Progress, tracked
from lipscribe.runtimes import load_runtime
from lipscribe.search.phrases import PhraseMatcher, trim_recording
from lipscribe.text import count_of
from lipscribe.tokenizer import WordTokenizer
from lipscribe.video import Video
from lipscribe.zoo.phrases import base_digest, find_base, load_recordings, save_phrases
from lipscribe.zoo.registry import BUNDLED, find_model, models_folder

MAX_FRAMES = 375  # of a recording, 15 s at the models' rate
UNLIKE = 0.95  # times the usual distance to other phrases: recordings of one phrase this far apart are doubtful
ALIKE = 0.5  # times the usual distance: phrases that are nearer look alike


@dataclass(frozen=True)
class LearntPhrases:
    """What became of the recordings.

    Attributes:
        folder: Of the model.
        texts: All phrases of the model.
        num_recordings: Of the model.
        num_new: Recordings added by this call.
        right: Recordings that were read right by comparing them with the others, and how many could be: phrases with
            two recordings or more. With these few it is an estimate.
        failed: Reason for each recording that was left out, by path.
        warnings: One line each.
    """

    folder: Path
    texts: tuple[str, ...]
    num_recordings: int
    num_new: int
    right: tuple[int, int]
    failed: dict[str, str]
    warnings: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class _Recorded:
    """A recording that was read.

    Attributes:
        text: The phrase.
        name: The file's, for messages.
        digest: Checksum of the file.
        features: (T, D) without the silence around the phrase.
        looks: (1, S) float32, the face's signature.
    """

    text: str
    name: str
    digest: str
    features: np.ndarray
    looks: np.ndarray


def learn_phrases(
    recordings: Sequence[PhraseRecording],
    name: str,
    base: str = "",
    add: bool = False,
    progress: Progress | None = None,
    warn: Callable[[str], None] | None = None,
    *,
    states: States = "frontend",
) -> LearntPhrases:
    """Makes an installed model that tells phrases apart, or adds phrases and recordings to one.

    Recordings that cannot be used are left out, each with its reason.

    Args:
        recordings: One to three of each phrase are enough.
        name: Of the model.
        base: Name or folder of the model whose network is used; of one that is added to, its own.
        add: Add to the model `name`, which exists; recordings that it has already are skipped.
        progress: Called after each recording.
        warn: Called with each warning and each failure as it is found.
        states: Which of the network's outputs a new model compares; `benchmarks/phrases.py` says which is better for a
            base.

    Raises:
        ConfigError: There are fewer than two phrases.
        NoFaceError, LipscribeError: No recording can be used.
        CheckpointError: The model exists (or, with `add`, does not), or cannot be written.
    """
    say = warn or (lambda line: None)
    folder = _target(name, add)
    before = load_spec(folder) if add else None
    if before and before.phrases:
        states = before.phrases.states
    model = _base_model(name, base, before)
    old = _recorded_before(folder, before) if before else []
    known = {each.digest for each in old}
    new, failed = list[_Recorded](), dict[str, str]()
    for recording in tracked(recordings, progress, "recordings"):
        try:
            if (digest := _digest(recording.path)) not in known:
                new.append(_record(recording, digest, model, states))
                known.add(digest)
        except LipscribeError as error:
            failed[str(recording.path)] = str(error)
            say(f"error: {recording.path}: {error}")
    if failed and not new:
        raise LipscribeError(f"none of the recordings can be used: {next(iter(failed.values()))}")
    everything = [*old, *new]
    base = before.phrases.base if before and before.phrases else _lasting(base)
    spec, matcher = _calibrated(model.spec, name, base, everything, states)
    assert spec.phrases is not None
    warnings = [*_look_warnings(everything), *_distance_warnings(matcher, spec.phrases, everything)]
    for warning in warnings:
        say(f"warning: {warning}")
    with writing_model(folder, replaces=add) as made:
        looks = np.concatenate([each.looks for each in everything])
        save_phrases(made, spec, [each.features for each in everything], looks)
    right = _left_out_right(matcher, spec.phrases)
    return LearntPhrases(folder, spec.phrases.texts, len(everything), len(new), right, failed, tuple(warnings))


def _target(name: str, add: bool) -> Path:
    if not add:
        return new_folder(name, "add --add to teach it more phrases, or give another --name")
    folder = named_folder(name)
    if not (folder / SPEC_FILE).is_file() or load_spec(folder).phrases is None:
        raise CheckpointError(f"there is no model of phrases called {name} to add to: leave --add out to make one")
    return folder


def _base_model(name: str, base: str, before: ModelSpec | None) -> Model:
    """The model whose network is used."""
    folder = find_model(base) if base else None
    if before is not None:
        assert before.phrases is not None
        own = find_base(name, before.phrases)
        if folder not in (None, own):
            raise ConfigError(f"model {name} was made with {before.phrases.base}: leave --from out to add to it")
        folder = own
    assert folder is not None, "a new model of phrases needs a base"
    spec = load_spec(folder)
    if spec.phrases is not None:
        raise ConfigError(f"{base} is a model of phrases itself: give the one it was made with, {spec.phrases.base}")
    return Model(spec, load_runtime(folder, spec))  # without its notice, which is of its own words


def _lasting(base: str) -> str:
    """A name of a model that does not depend on the current folder."""
    folder = find_model(base)
    return base if folder.parent in (BUNDLED, models_folder()) else str(folder.resolve())


def _recorded_before(folder: Path, spec: ModelSpec) -> list[_Recorded]:
    phrases = spec.phrases
    assert phrases is not None
    features, looks = load_recordings(folder, phrases)
    texts = [phrases.texts[idx] for idx in phrases.phrase_of]
    numbers = Counter[str]()
    names = []
    for text in texts:
        numbers[text] += 1
        names.append(f"recording {numbers[text]} of {text!r}")
    return [
        _Recorded(*each)
        for each in zip(texts, names, phrases.digests, features, looks[:, None].astype(np.float32), strict=True)
    ]


def _digest(path: Path) -> str:
    try:
        return hashlib.blake2b(path.read_bytes(), digest_size=16).hexdigest()
    except OSError as error:
        raise LipscribeError(f"it cannot be read ({error.strerror}): record it again, or take it out") from None


def _record(recording: PhraseRecording, digest: str, model: Model, states: str) -> _Recorded:
    """Reads one recording.

    Raises:
        LipscribeError: It cannot be used.
    """
    frames = []
    for frame in Video(recording.path, model.spec.input.fps):
        frames.append(frame)
        if len(frames) > MAX_FRAMES:
            raise LipscribeError("it is longer than 15 s: record each phrase in a video of its own")
    try:
        run, _ = longest_run(track_faces(frames, model.spec.input.fps, _detector()))
    except NoFaceError as error:
        raise NoFaceError(f"{error}: record it again with the whole face in the picture, or take it out") from None
    if run.motion < MOTION_AT_REST:
        raise LipscribeError("the mouth hardly moves: record it again while the phrase is said, or take it out")
    features = phrase_features(model, crop_mouth(frames, run, model.spec.input.crop), states)
    if not len(spoken := trim_recording(features)):
        raise LipscribeError("the mouth moves for a moment only: record it again, or take it out")
    return _Recorded(recording.text, str(recording.path), digest, spoken, _looks(frames, run))


@functools.cache
def _detector() -> FaceDetector:
    """One for all recordings."""
    return load_face_detector()


def _looks(frames: Sequence[np.ndarray], run: FaceTrack) -> np.ndarray:
    middle = len(run.landmarks) // 2
    return signature(frames[run.start + middle], run.landmarks[middle])[None]


def _calibrated(
    base_spec: ModelSpec, name: str, base: str, recorded: Sequence[_Recorded], states: States
) -> tuple[ModelSpec, PhraseMatcher]:
    """The spec of the model, and its matcher.

    Raises:
        ConfigError: There are fewer than two phrases.
    """
    texts = tuple(dict.fromkeys(each.text for each in recorded))
    if len(texts) < 2:
        got = f"only {texts[0]!r}" if texts else "none"
        raise ConfigError(f"two phrases or more are wanted, to tell them apart, got {got}: record others too")
    phrase_of = tuple(texts.index(each.text) for each in recorded)
    features = [halved(each.features) for each in recorded]  # as they are stored
    matcher = PhraseMatcher(texts, features, phrase_of)
    fitted = matcher.calibration
    phrases = PhrasesSpec(
        texts,
        phrase_of,
        tuple(each.digest for each in recorded),
        base,
        base_digest(find_model(base)),
        fitted.limit,
        fitted.slope,
        fitted.level,
        fitted.pause,
        states,
    )
    card = Card(
        reads=f"{count_of(len(texts), 'phrase')} of one person",
        data=count_of(len(recorded), "recording"),
        licence=f"yours; its base {base}: {base_spec.card.licence}",
        closed_vocabulary=True,
    )
    # Its output is a phrase, whatever the base writes.
    tokenizer = WordTokenizer(tuple(text.replace(" ", "-") for text in texts))
    spec = replace(base_spec, name=name, tokenizer=tokenizer, phrases=phrases, card=card, ctc=True, decoder=None)
    return replace(spec, grammar=None, slot_names=None, temperatures={}, surprise_limit=None), matcher


def _look_warnings(recorded: Sequence[_Recorded]) -> list[str]:
    """One line if the recordings seem to be of two people or more."""
    people = people_in(recorded)
    if len(people) == 1:
        return []
    return [
        f"{people[0][0].name} and {people[1][0].name} seem to show two people: what one says is badly compared with "
        "what the other does, make a model for each"
    ]


def _distance_warnings(matcher: PhraseMatcher, phrases: PhrasesSpec, recorded: Sequence[_Recorded]) -> list[str]:
    """Recordings of one phrase that differ, and phrases that look alike."""
    apart = matcher.cross_distances()
    own_phrase = np.array(phrases.phrase_of)
    rows = np.arange(len(apart))
    own = apart[rows, own_phrase]
    others = apart.copy()
    others[rows, own_phrase] = np.inf
    usual = float(np.median(others.min(1)))
    doubtful = rows[np.isfinite(own) & (own > np.maximum(others.min(1), UNLIKE * usual))]
    worst = {own_phrase[idx]: idx for idx in sorted(doubtful, key=lambda idx: own[idx] / others[idx].min())}
    warnings = [
        f"{recorded[idx].name} looks quite different from the other recordings of {recorded[idx].text!r}, more like "
        f"{phrases.texts[int(others[idx].argmin())]!r}: check what is said there, or record it again"
        for idx in sorted(worst.values())
    ]
    pairs = {
        tuple(sorted((int(own_phrase[idx]), int(others[idx].argmin())))) for idx in rows[others.min(1) < ALIKE * usual]
    }
    warnings += [
        f"{phrases.texts[one]!r} and {phrases.texts[other]!r} look alike on the lips: choose other words for one"
        for one, other in sorted(pairs)
    ]
    return warnings


def _left_out_right(matcher: PhraseMatcher, phrases: PhrasesSpec) -> tuple[int, int]:
    """How many recordings are nearest to the others of their phrase, and of how many there are others."""
    apart = matcher.cross_distances()
    own = np.array(phrases.phrase_of)
    has_others = np.isfinite(apart[np.arange(len(own)), own])
    return int((apart.argmin(1) == own)[has_others].sum()), int(has_others.sum())
