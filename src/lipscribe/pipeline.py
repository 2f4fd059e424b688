"""The whole way: video -> face tracks -> mouth crops -> encoder states -> hypotheses -> transcript.

Each stage can be used alone, and takes the output of the one before:

    model = load_model()
    frames = Video("clip.mpg")                                # frames at the model's rate
    tracks = track_faces(frames)                              # one track per face
    run = choose_faces(tracks)[0].runs()[0]                   # consecutive frames with the face in view
    crops = crop_mouth(frames, run, model.spec.input.crop)    # (T, 96, 96)
    encoded = model.encode(crops)                             # encoder states, CTC log-probabilities
    hypothesis = model.search(encoded)[0]                     # text, words, probabilities
    transcript = to_transcript(hypothesis, encoded.fps, run.start)
"""

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import TypeVar

import numpy as np

from lipscribe.errors import ConfigError
from lipscribe.extraction import Extraction, Mouths, Run
from lipscribe.faces import FaceTrack
from lipscribe.model import Model, Piece, RunReader
from lipscribe.models.spec import load_spec
from lipscribe.mouth import check_crops, stream_all_crops
from lipscribe.phrase_model import PhraseModel
from lipscribe.progress import Progress
from lipscribe.runtimes import RuntimeName, load_runtime
from lipscribe.search import Hypothesis, ResolvedSearch, SearchOptions, WordSpan
from lipscribe.search.familiarity import familiarity, spoken_surprise, unfamiliar_warnings
from lipscribe.transcript import Alternative, NBest, RankedText, Segment, Transcript, Word
from lipscribe.units import Seconds, frame_to_seconds
from lipscribe.video import Video
from lipscribe.video.frames import check_frames
from lipscribe.video.opencv import one_thread
from lipscribe.video.read_ahead import read_ahead
from lipscribe.video.resampled import Resampled
from lipscribe.zoo.phrases import load_base_spec, load_recordings
from lipscribe.zoo.registry import DEFAULT_MODEL, find_model

SEGMENT_PAUSE: Seconds = 0.6  # a longer pause between two words starts a new segment
CROPS_AHEAD = 130  # batches, 3.6 MB: cut while the network and the search are at work

Source = str | Path | Video | np.ndarray | Iterable[np.ndarray]
AnyRun = TypeVar("AnyRun", FaceTrack, Run)

logger = logging.getLogger(__name__)
_noticed: set[str] = set()


def transcribe(
    source: Source,
    model: str | Path | Model = DEFAULT_MODEL,
    face: str | int = "moving",
    options: SearchOptions | ResolvedSearch | None = None,
    progress: Progress | None = None,
    *,
    fps: float | None = None,
    on_segment: Callable[[Segment], None] | None = None,
) -> Transcript:
    """Reads the words from a video, by the picture alone.

    Args:
        source: A video file, a URL, or a `Video`, which can select a stream or a range of time; frames (T, H, W, 3)
            uint8 RGB, as an array or an iterable; or mouth crops (T, 96, 96) uint8 of the model's kind (`crop_mouth`).
            Times count from the file's start, or from the first frame.
        model: A model's name or folder, or a loaded model, which saves loading it again.
        face: Whom to read: "moving" (in each shot the mouth that moves most), "largest", a track's id, or "all".
        options: Search options; None selects the model's default.
        progress: Called with the number of frames done, for faces and then for mouths.
        fps: Rate of the given frames or crops in Hz; None is the model's.
        on_segment: Called with each segment as soon as it is final; for a long video about once a minute.

    Raises:
        VideoError, NoFaceError, CheckpointError, ConfigError: See there; each message is one line with the remedy.
            Initials are of one text: a video that is read in several parts is a ConfigError with them.
    """
    _check_callbacks(progress=progress, on_segment=on_segment)
    model = model if isinstance(model, Model) else load_model(model)
    found = _Found(model.resolve(options), model.spec.input.fps, on_segment or _ignore, model.spec.surprise_limit)
    frames = _open(source, model.spec.input.fps, fps)
    if isinstance(frames, np.ndarray) and frames.ndim == 3:
        reader = RunReader(model, found.search)
        for crop in frames:
            found.add(reader.add(crop))
        found.add(reader.finish())
        return found.transcript(model, frame_to_seconds(len(frames), found.fps))
    size, name = model.spec.input, _name(source)
    with one_thread(), Extraction(frames, size.fps, size.crop, face, progress, name) as mouths:
        return replace(read_mouths(mouths, model, found.search, face == "all", on_segment), source=name)


def read_mouths(
    mouths: Mouths,
    model: Model,
    options: SearchOptions | ResolvedSearch | None = None,
    by_face: bool = False,
    on_segment: Callable[[Segment], None] | None = None,
) -> Transcript:
    """`transcribe` from the mouth crops on, which another process may have cut.

    Args:
        by_face: Whether segments name their face as the speaker.
    """
    found = _Found(model.resolve(options), model.spec.input.fps, on_segment or _ignore, model.spec.surprise_limit)
    found.search.check_parts(len(mouths.runs))
    crops = mouths.crops()
    if any(run.stop - run.start > model.windows.window for run in mouths.runs):  # cut while a window is read
        crops = read_ahead(crops, CROPS_AHEAD)
    for run, piece in _read_crops(model, crops, mouths.runs, found.search):
        found.add([piece], mouths.first_frame + run.start, f"face {run.id}" if by_face else None)
    summary = mouths.summary()
    transcript = found.transcript(model, frame_to_seconds(mouths.first_frame + summary.num_frames, found.fps))
    warnings = summary.warnings + transcript.warnings
    return replace(transcript, face_coverage=summary.face_coverage, warnings=warnings)


def load_model(
    name: str | Path = DEFAULT_MODEL,
    device: str = "auto",
    precision: str = "float32",
    *,
    runtime: RuntimeName = "auto",
    threads: int | None = None,
) -> Model:
    """Loads a model; what a closed-vocabulary model can and cannot read is logged once, as a warning.

    Args:
        name: A bundled model, the folder of a model, or of a training run (see `find_model`).
        device: "cpu", "cuda", "mps"; "auto" is the CPU with ONNX Runtime, and with torch a GPU if there is one.
        precision: "float32", or with torch faster and less exact "bfloat16" or, on the CPU, "int8"; see
            `set_precision`.
        runtime: "onnx", "torch", or "auto", which takes ONNX Runtime if the model has been exported for it and neither
            a device nor a precision asks for torch; see `load_runtime`.
        threads: Threads that the network computes with; None is the runtime's own number. Several processes at once are
            fastest with one each.

    Raises:
        CheckpointError: The model does not exist or is damaged.
        ConfigError: The device is unavailable or does not support the precision.
        MissingExtraError: The runtime is not installed.
    """
    folder = find_model(name)
    spec = load_spec(folder)
    if spec.phrases is not None:
        base, base_spec = load_base_spec(spec.name, spec.phrases)
        network = load_runtime(base, base_spec, device, precision, runtime, threads)
        return PhraseModel(spec, network, load_recordings(folder, spec.phrases)[0])
    network = load_runtime(folder, spec, device, precision, runtime, threads)
    if spec.card.notice and spec.name not in _noticed:
        _noticed.add(spec.name)
        logger.warning(spec.card.notice)
    return Model(spec, network)


def read_runs(
    model: Model,
    frames: Iterable[np.ndarray],
    runs: list[FaceTrack],
    options: SearchOptions | ResolvedSearch | None = None,
) -> Iterator[tuple[FaceTrack, Piece]]:
    """Yields each run with each of its searched pieces as it ends, in one pass over the frames."""
    crops = stream_all_crops(frames, runs, model.spec.input.crop)
    if any(len(run.landmarks) > model.windows.window for run in runs):  # crops are cut while a window is read
        crops = read_ahead(iter(crops), CROPS_AHEAD)
    return _read_crops(model, crops, runs, options)


def _read_crops(
    model: Model,
    crops: Iterable[tuple[int, np.ndarray]],
    runs: Sequence[AnyRun],
    options: SearchOptions | ResolvedSearch | None,
) -> Iterator[tuple[AnyRun, Piece]]:
    """`read_runs`, of crops as `stream_all_crops` gives them."""
    readers: dict[int, tuple[RunReader, int]] = {}
    for i, crop in crops:
        reader, num_frames = readers.pop(i, None) or (RunReader(model, options), 0)
        for piece in reader.add(crop):
            yield runs[i], piece
        if num_frames + 1 < runs[i].stop - runs[i].start:
            readers[i] = reader, num_frames + 1
            continue
        for piece in reader.finish():
            yield runs[i], piece


def to_transcript(
    hypothesis: Hypothesis,
    fps: float,
    first_frame: int = 0,
    sentence_words: int | None = None,
    surprise_limit: float | None = None,
) -> Transcript:
    """Frames become seconds, and words become segments: one a sentence where the number of its words is known, and a
    new one after every long pause.

    Args:
        first_frame: Index in the video of the hypothesis's frame 0.
        sentence_words: Number of words in a sentence, if all have the same.
        surprise_limit: `model.spec.surprise_limit`, for the familiarity of segments.
    """
    words = [to_word(word, fps, first_frame) for word in hypothesis.words]
    starts = [
        idx
        for idx, word in enumerate(words)
        if idx == 0
        or (idx % sentence_words == 0 if sentence_words else word.start - words[idx - 1].end > SEGMENT_PAUSE)
    ]
    segments = []
    for start, stop in pairwise([*starts, len(words)]):
        group, familiar = words[start:stop], None
        if surprise_limit is not None and hypothesis.surprise is not None:
            surprise = spoken_surprise(hypothesis.surprise, hypothesis.words[start:stop])
            familiar = None if surprise is None else round(familiarity(surprise, surprise_limit), 4)
        text = " ".join(word.text for word in group)
        segments.append(Segment(text, group[0].start, group[-1].end, tuple(group), familiarity=familiar))
    return Transcript(tuple(segments))


def to_word(word: WordSpan, fps: float, first_frame: int = 0) -> Word:
    """A word in seconds, of a clip whose first frame is frame `first_frame` of the video."""
    start, end = (frame_to_seconds(first_frame + frame, fps) for frame in (word.start, word.end))
    others = tuple(Alternative(other.text, round(other.probability, 4)) for other in word.alternatives)
    return Word(word.text, start, end, round(word.probability, 4), others)


@dataclass
class _Found:
    """Collects segments.

    Attributes:
        search: The resolved search.
        fps: The model's rate.
        on_segment: Called with each segment.
        surprise_limit: The model's.
    """

    search: ResolvedSearch
    fps: float
    on_segment: Callable[[Segment], None]
    surprise_limit: float | None

    def __post_init__(self) -> None:
        self.segments: list[Segment] = []
        self.nbest: list[NBest] = []

    def add(self, pieces: Iterable[Piece], first_frame: int = 0, speaker: str | None = None) -> None:
        """Adds pieces of a run that starts at `first_frame` of the video."""
        sentence_words = self.search.grammar.sentence_words if self.search.grammar else None
        for start, stop, hypotheses in pieces:
            found = to_transcript(hypotheses[0], self.fps, first_frame + start, sentence_words, self.surprise_limit)
            for segment in found.segments:
                self.segments.append(replace(segment, speaker=speaker))
                self.on_segment(self.segments[-1])
            if self.search.nbest > 1:
                possible = (each for each in hypotheses if each.score > -np.inf)
                texts = tuple(RankedText(h.text, round(h.score, 4), round(h.posterior, 4)) for h in possible)
                begin, end = (frame_to_seconds(first_frame + frame, self.fps) for frame in (start, stop))
                self.nbest.append(NBest(begin, end, texts, speaker))

    def transcript(self, model: Model, duration: Seconds) -> Transcript:
        """The transcript, in order of time."""
        segments = tuple(sorted(self.segments, key=lambda segment: segment.start))
        nbest = tuple(sorted(self.nbest, key=lambda stretch: stretch.start))
        unfamiliar = unfamiliar_warnings((segment.start, segment.familiarity) for segment in segments)
        return Transcript(segments, model=model.name, duration=duration, warnings=tuple(unfamiliar), nbest=nbest)


def _check_callbacks(**callbacks: object) -> None:
    for name, callback in callbacks.items():
        if callback is not None and not callable(callback):
            raise ConfigError(f"{name} is {callback!r}, wanted a function or None")


def _ignore(segment: Segment) -> None:
    pass


def _open(source: Source, model_fps: float, fps: float | None) -> Iterable[np.ndarray]:
    """Frames that can be read twice, or crops, at the model's rate."""
    if isinstance(source, str | Path | Video):
        if fps is not None:
            raise ConfigError(f"fps is {fps}, but a video file has its own rate: leave it out")
        return source if isinstance(source, Video) else Video(source, model_fps)
    shape = getattr(source, "shape", ())  # of an array or a tensor
    if len(shape) == 3 and shape[-1] not in (3, 4):  # otherwise it is a single picture
        frames: Iterable[np.ndarray] = check_crops(source)
    else:
        frames = check_frames(source)
        if isinstance(frames, Iterator):  # a generator: it is read twice, for faces and for mouths
            frames = list(frames)
    if fps is None or fps == model_fps:
        return frames
    resampled = Resampled(frames, fps, model_fps)
    return np.stack(list(resampled)) if isinstance(frames, np.ndarray) else resampled


def _name(source: Source) -> str | None:
    if isinstance(source, Video):
        return source.info.path
    return str(source) if isinstance(source, str | Path) else None
