"""The whole way: video -> face tracks -> mouth crops -> log-probabilities -> hypothesis -> transcript.

Each station can be used alone, and takes what the one before gives:

    frames = Video("clip.mpg")                                # frames at the model's rate
    tracks = track_faces(frames)                              # one track a face
    run = choose_faces(tracks)[0].runs()[0]                   # a stretch in which the face is there
    crops = crop_mouth(frames, run, model.spec.input.crop)    # (T, 96, 96)
    seen = model.see(crops)                                   # (T, V), or (T, looks, D) for a decoder
    hypothesis = model.search(seen)[0]                        # text, words, probabilities
    transcript = to_transcript(hypothesis, model.spec.input.fps)
"""

import sys
import threading
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from lipscribe.errors import ConfigError, NoFaceError
from lipscribe.faces import FaceDetector, FaceTrack, choose_faces, load_face_detector, track_faces
from lipscribe.faces.orientation import orientation_warnings
from lipscribe.faces.track import frames_found
from lipscribe.models.precision import set_precision
from lipscribe.models.reader import LipReader
from lipscribe.models.scorer import DecoderScorer
from lipscribe.models.spec import ModelSpec
from lipscribe.mouth import CROP_SIZE, crop_warnings, stream_all_crops
from lipscribe.search import (
    BY_DECODER,
    METHODS,
    Grammar,
    Hypothesis,
    SearchOptions,
    between_sentences,
    check_tokens,
    own_search,
    search,
)
from lipscribe.search.confidence import calibrated
from lipscribe.transcript import Alternative, NBest, RankedText, Segment, Transcript, Word
from lipscribe.transforms import crops_to_video
from lipscribe.units import Seconds, frame_to_seconds
from lipscribe.video import Video
from lipscribe.video.watched import Watched
from lipscribe.windows import LONG, PIECE, SHORT, Windows, cut_into_pieces, see_in_windows
from lipscribe.zoo.checkpoint import load_checkpoint
from lipscribe.zoo.registry import DEFAULT_MODEL, find_model

ATTENDS_TO_ALL = ("rel-conformer",)  # encoders that are read in the long windows
SEGMENT_PAUSE: Seconds = 0.6  # a longer pause between two words starts a new segment
LONG_PRESENT = 0.3  # share of a shot's frames for which somebody has to be there to be worth a word
LOW_COVERAGE = 0.8  # below this share of frames with a face, the user is warned

Source = str | Path | np.ndarray | Iterable[np.ndarray]

_noticed: set[str] = set()


def transcribe(
    source: Source, model: "str | Path | Model" = DEFAULT_MODEL, face: str | int = "moving", progress: bool = False
) -> Transcript:
    """Reads the words from a video, by the picture alone.

    Args:
        source: A video file; frames (T, H, W, 3) uint8 RGB or mouth crops (T, 96, 96) uint8 of the
            model's kind (`crop_mouth`), both at its rate.
        model: A model's name or folder, or a loaded model, which saves loading it again.
        face: Whom to read: "moving" (in each shot the mouth that moves most), "largest", a track's id, or "all".
        progress: Show bars on stderr, where that is a terminal.

    Raises:
        VideoError, NoFaceError, CheckpointError: See there; each message is one line with the remedy.
    """
    model = model if isinstance(model, Model) else load_model(model)
    return model.transcribe(source, face=face, progress=progress)


def load_model(name: str | Path = DEFAULT_MODEL, device: str = "auto", precision: str = "float32") -> "Model":
    """Loads a model, and says once on stderr what a closed-vocabulary model can and cannot read.

    Args:
        name: A bundled model, the folder of a model, or of a training run (see `find_model`).
        device: "cpu", "cuda", "mps"; "auto" takes a GPU where there is one.
        precision: "float32", or what is quicker and less exact: "bfloat16" or, on the CPU, "int8"; see `set_precision`.

    Raises:
        CheckpointError: There is no such model, or it is damaged.
        ConfigError: The device is not there, or it does not compute in that precision.
    """
    folder = find_model(name)
    spec, reader = load_checkpoint(folder)
    if spec.card.notice and spec.name not in _noticed:
        _noticed.add(spec.name)
        print(f"note: {spec.card.notice}", file=sys.stderr)
    return Model(spec, reader, device, precision)


class Model:
    """A loaded lip reader.

    Attributes:
        spec: What it is made of, eats and says.
        name: The spec's name.
        tokenizer: Between its output and text.
        methods: The searches that it can do.
        windows: In what lengths it reads long runs.
        default_search: By its decoder where it has one, by the grammar where the spec has one (a closed-vocabulary
            model), else a CTC beam; see `own_search`.
        precision: In which its network computes; `reader` is brought to it in place.
    """

    def __init__(self, spec: ModelSpec, reader: LipReader, device: str = "cpu", precision: str = "float32"):
        self.spec = spec
        self.name = spec.name
        self.tokenizer = spec.tokenizer
        decoder = spec.decoder is not None
        able = {"attention": decoder, "joint": decoder and spec.ctc}
        self.methods = tuple(method for method in METHODS if able.get(method, spec.ctc))
        self.default_search = own_search(spec.ctc, spec.decoder and spec.decoder.kind, spec.grammar)
        self.device = _device(device)
        self.windows = LONG if spec.encoder.cell in ATTENDS_TO_ALL else SHORT
        self._of_thread = threading.local()  # a detector follows one video at a time
        self.precision = precision
        reader = set_precision(reader.to(self.device), precision)
        self.reader = reader.to(memory_format=torch.channels_last).eval()

    def uncalibrated(self) -> "Model":
        """The same model without the temperatures of its spec."""
        return Model(replace(self.spec, temperatures={}), self.reader, self.device.type, self.precision)

    def log_probs(self, crops: np.ndarray) -> np.ndarray:
        """Crops (T, 96, 96) uint8 at the model's rate -> (T, V) float32 log-probabilities, blank = 0.

        Raises:
            ConfigError: The model has no CTC head.
        """
        self.check_search(SearchOptions())
        return self._ctc(self._encode(crops))

    def see(self, crops: np.ndarray) -> np.ndarray:
        """Crops (T, 96, 96) uint8 at the model's rate -> what its default search reads, a row a frame.

        Returns:
            `log_probs` (T, V), or of a model with a decoder the encoder's states (T, looks, D), both float32.
        """
        states = self._encode(crops)
        return self._ctc(states) if self.spec.decoder is None else states.transpose(0, 1).cpu().numpy()

    @torch.inference_mode()
    def _encode(self, crops: np.ndarray) -> Tensor:
        """Encoder states (looks, T, D) float32: of the crops as they are, moved and mirrored as the spec has it."""
        size, shift = self.spec.input, self.spec.shift_average
        lowered = (0, -shift, shift) if shift else (0,)
        mirrored = (False, True) if self.spec.flip_average else (False,)
        if not len(crops):
            looks = len(lowered) * len(mirrored)
            return torch.zeros(looks, 0, self.reader.encoder.out_features, device=self.device)
        length, states = torch.tensor([len(crops)]), []
        # One after the other: side by side they would need as much more memory, and as much time.
        for lower in lowered:
            video = crops_to_video(crops, size.height, size.width, size.normalisation, lower).to(self.device)
            for mirror in mirrored:
                look = video.flip(-1) if mirror else video  # (T, 1, H, W)
                states.append(self.reader.encode(look[None], length))
        return torch.cat(states)

    @torch.inference_mode()
    def _ctc(self, states: Tensor) -> np.ndarray:
        """Encoder states (looks, T, D) -> (T, V) float32, the mean of the looks."""
        return self.reader.ctc(states).mean(0).log_softmax(-1).cpu().numpy()

    def check_search(self, options: SearchOptions) -> None:
        """Raises a ConfigError where the model lacks what a search needs."""
        if options.method not in self.methods:
            lacks = "no decoder" if self.spec.decoder is None else "no CTC head"
            able = ", ".join(self.methods)
            raise ConfigError(f"model {self.name} has {lacks} for search {options.method!r}: want one of {able}")
        own_end = self.spec.decoder is not None and self.spec.decoder.kind == "transformer"
        check_tokens(options, len(self.tokenizer.vocab), own_end)

    def search(self, seen: np.ndarray, options: SearchOptions | None = None) -> list[Hypothesis]:
        """What `see` or `log_probs` gave -> the hypotheses found, best first.

        Args:
            seen: (T, looks, D) or (T, V) float32; float16 of a run longer than a minute.
            options: None is `default_search`, or CTC's where `seen` are `log_probs`.

        Raises:
            ConfigError: The model lacks what the search needs.
        """
        if seen.ndim == 2:
            options = options or own_search(True, None, self.spec.grammar)
            found = search(seen[None], None, self.tokenizer, options)[0]
        else:
            options = options or self.default_search
            self.check_search(options)
            states = torch.from_numpy(seen).float().transpose(0, 1).to(self.device)  # (looks, T, D)
            log_probs = self._ctc(states)[None] if self.spec.ctc else None
            scorers = [DecoderScorer(self.reader.decoder, states)] if options.method in BY_DECODER else None
            found = search(log_probs, [len(seen)], self.tokenizer, options, scorers)[0]
        temperature = self.spec.temperatures.get(options.method, 1.0)
        return [calibrated(hypothesis, temperature) for hypothesis in found]

    def stream_log_probs(self, crops: Iterable[np.ndarray]) -> np.ndarray:
        """Crops one by one, (96, 96) uint8 -> (T, V) float32, reading long runs in overlapping windows."""
        return see_in_windows(self.log_probs, crops, self.windows)

    def transcribe(
        self,
        source: Source,
        face: str | int = "moving",
        options: SearchOptions | None = None,
        progress: bool = False,
    ) -> Transcript:
        """Reads a video file, frames or crops; see the function `transcribe`."""
        self.check_search(options or self.default_search)
        fps = self.spec.input.fps
        if isinstance(source, np.ndarray) and source.ndim == 3:
            _check_crops(source)
            segments, nbest = self._read(see_in_windows(self.see, source, self.windows), 0, options)
            duration = frame_to_seconds(len(source), fps)
            return Transcript(tuple(segments), model=self.name, duration=duration, nbest=tuple(nbest))
        frames = Video(source, fps) if isinstance(source, str | Path) else source
        if isinstance(frames, Iterator):  # a generator: it is read twice, for faces and for mouths
            frames = list(frames)
        watched = Watched(frames, progress)
        tracks = track_faces(watched.read("faces"), fps, self._detector())
        warnings = list(getattr(frames, "warnings", []))
        chosen = _choose(source, tracks, face)
        warnings += orientation_warnings(chosen)
        runs = [run for track in chosen for run in track.runs()]
        warnings += crop_warnings(runs, self.spec.input.crop)
        segments, nbest = [], []
        for run, seen in self.see_runs(watched.read("mouths"), runs):
            speaker = f"face {run.id}" if face == "all" else None
            spoken, ranked = self._read(seen, run.start, options)
            segments += [replace(found, speaker=speaker) for found in spoken]
            nbest += [replace(found, speaker=speaker) for found in ranked]
        coverage = float(frames_found(chosen, watched.num_frames).mean())
        if face == "moving" and (others := _left_out(tracks, chosen)):
            warnings.append(f"not read: {others} other face{'s' * (others > 1)}; --face all reads everybody")
        if coverage < LOW_COVERAGE and face in ("moving", "largest", "all"):
            warnings.append(
                f"the face was found in {coverage:.0%} of the frames only: words are missing; see lipscribe inspect"
            )
        return Transcript(
            segments=tuple(sorted(segments, key=lambda segment: segment.start)),
            source=str(source) if isinstance(source, str | Path) else None,
            model=self.name,
            duration=frame_to_seconds(watched.num_frames, fps),
            face_coverage=coverage,
            warnings=tuple(warnings),
            nbest=tuple(sorted(nbest, key=lambda stretch: stretch.start)),
        )

    def _detector(self) -> FaceDetector:
        """The face detector of this thread, loaded with its first video."""
        if not hasattr(self._of_thread, "detector"):
            self._of_thread.detector = load_face_detector()
        return self._of_thread.detector

    def see_runs(self, frames: Iterable[np.ndarray], runs: list[FaceTrack]) -> Iterator[tuple[FaceTrack, np.ndarray]]:
        """Each run with what `see` makes of it, as soon as it ends: one pass over the frames, however many runs."""
        windows: dict[int, Windows] = {}
        for i, crop in stream_all_crops(frames, runs, self.spec.input.crop):
            if i not in windows:
                windows[i] = Windows(self.see, self.windows)
            windows[i].add(crop)
            if windows[i].num_frames == runs[i].stop - runs[i].start:
                yield runs[i], windows.pop(i).finish()

    def _read(
        self, seen: np.ndarray, first_frame: int, options: SearchOptions | None
    ) -> tuple[list[Segment], list[NBest]]:
        """What is said in a run, and where several readings were asked for, those of each of its pieces."""
        fps, sentence_words = self.spec.input.fps, self._sentence_words(options)
        segments, nbest = [], []
        for start, stop, found in self.search_pieces(seen, options):
            segments += to_transcript(found[0], fps, first_frame + start, sentence_words).segments
            if options is not None and options.nbest > 1:
                possible = (each for each in found if each.score > -np.inf)
                texts = tuple(RankedText(h.text, round(h.score, 4), round(h.posterior, 4)) for h in possible)
                begin, end = (frame_to_seconds(first_frame + frame, fps) for frame in (start, stop))
                nbest.append(NBest(begin, end, texts))
        return segments, nbest

    def search_pieces(
        self, seen: np.ndarray, options: SearchOptions | None = None
    ) -> Iterator[tuple[int, int, list[Hypothesis]]]:
        """Searches what `see` made of a run piece by piece: the piece's first frame, the one after its last, `search`'s
        result.
        """
        options = options or self.default_search
        by_decoder, blanks = options.method in BY_DECODER, self._blanks(seen)
        if by_decoder and self.spec.ctc and options.grammar and options.grammar.sentence_words:
            pieces = self._sentences(seen, blanks, options.grammar)
        else:  # a decoder has learned sentences by the piece
            pieces = cut_into_pieces(blanks, self.windows.decoder_piece if by_decoder else PIECE)
        for start, stop in pieces:
            yield start, stop, self.search(seen[start:stop], options)

    def _sentences(self, seen: np.ndarray, blanks: np.ndarray, grammar: Grammar) -> Iterator[tuple[int, int]]:
        """Pieces of one sentence each, as CTC reads them: a decoder that learned such clips loses what follows."""
        for start, stop in cut_into_pieces(blanks):
            by_ctc = self.search(seen[start:stop], SearchOptions("grammar", grammar=grammar))[0]
            cuts = [start + cut for cut in between_sentences(by_ctc, grammar.sentence_words)]
            yield from pairwise([start, *cuts, stop])

    def _blanks(self, seen: np.ndarray) -> np.ndarray:
        """What `see` made of a run -> (T, 1), the blank's log-probability; zeros where no CTC tells pauses.

        A vocabulary of thousands for each frame of an hour would take gigabytes, so it is looked at by the piece.
        """
        if seen.ndim == 2:
            return seen[:, :1]
        if not self.spec.ctc:
            return np.zeros((len(seen), 1))
        parts = torch.from_numpy(seen).transpose(0, 1).split(PIECE, dim=1)  # (looks, T, D) each
        return np.concatenate([self._ctc(part.float().to(self.device))[:, :1] for part in parts])

    def _sentence_words(self, options: SearchOptions | None) -> int | None:
        """How many words a sentence has, where the grammar says so."""
        grammar = (options or self.default_search).grammar
        return grammar.sentence_words if grammar else None


def to_transcript(
    hypothesis: Hypothesis, fps: float, first_frame: int = 0, sentence_words: int | None = None
) -> Transcript:
    """Frames become seconds, and words become segments: one a sentence where the number of its words is known, and a
    new one after every long pause.

    Args:
        first_frame: Frame of the video in which the hypothesis's frame 0 lies.
    """
    words = [
        Word(
            word.text,
            frame_to_seconds(first_frame + word.start, fps),
            frame_to_seconds(first_frame + word.end, fps),
            round(word.probability, 4),
            tuple(Alternative(rival.text, round(rival.probability, 4)) for rival in word.rivals),
        )
        for word in hypothesis.words
    ]
    groups: list[list[Word]] = []
    for idx, word in enumerate(words):
        sentence_begins = sentence_words and idx % sentence_words == 0
        if not groups or sentence_begins or (not sentence_words and word.start - groups[-1][-1].end > SEGMENT_PAUSE):
            groups.append([])
        groups[-1].append(word)
    return Transcript(
        tuple(Segment(" ".join(w.text for w in group), group[0].start, group[-1].end, tuple(group)) for group in groups)
    )


def _choose(source: Source, tracks: list[FaceTrack], face: str | int) -> list[FaceTrack]:
    """`choose_faces`, whose error names the source."""
    try:
        return choose_faces(tracks, face)
    except NoFaceError as error:
        raise NoFaceError(f"{source}: {error}" if isinstance(source, str | Path) else str(error)) from None


def _left_out(tracks: list[FaceTrack], chosen: list[FaceTrack]) -> int:
    """How many other faces are there for long beside those chosen."""
    others = (track for track in tracks if not any(read.covers(track) for read in chosen))
    return len({track.id for track in others if track.coverage >= LONG_PRESENT})


def _check_crops(crops: np.ndarray) -> None:
    if crops.shape[1:] != (CROP_SIZE, CROP_SIZE) or crops.dtype != np.uint8:
        raise ConfigError(
            f"crops are {crops.shape} {crops.dtype}, wanted (T, {CROP_SIZE}, {CROP_SIZE}) uint8 as crop_mouth gives; "
            "whole frames are (T, H, W, 3)"
        )


def _device(name: str) -> torch.device:
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        return torch.zeros(1, device=name).device
    except (RuntimeError, AssertionError) as error:
        reason = "torch knows none of this name" if "Expected one of" in str(error) else str(error).splitlines()[0]
        raise ConfigError(f"device {name!r} is not to be had ({reason}): give cpu, cuda or mps") from None
