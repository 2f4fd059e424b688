"""A loaded model: mouth crops -> `Encoded` -> hypotheses."""

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, cast

import numpy as np

from lipscribe.encoded import Encoded
from lipscribe.errors import CheckpointError, ConfigError
from lipscribe.model_input import crops_to_array
from lipscribe.models.spec import ModelSpec
from lipscribe.mouth import CROP_SIZE, check_crops
from lipscribe.search import Capabilities, Hypothesis, ResolvedSearch, SearchOptions, resolve, search
from lipscribe.search.confidence import calibrated
from lipscribe.search.familiarity import frame_surprise
from lipscribe.search.hypothesis import between_sentences
from lipscribe.search.scorers import DecoderView
from lipscribe.video.read_ahead import read_ahead
from lipscribe.windows import PIECE, Pieces, Windows, encode_in_windows

if TYPE_CHECKING:
    from lipscribe.models.reader import LipReader
    from lipscribe.streaming import StreamUpdate
    from lipscribe.transcript import Transcript


LONGER = 2  # times the usual window, where one view of it is encoded


class Runtime(Protocol):
    """What computes a model's network: torch, or ONNX Runtime. All take and give numpy, so the search is the same.

    Attributes:
        name: "torch" or "onnx".
        device: Where it computes, such as "cpu" or "cuda:0".
        precision: "float32", "bfloat16" or "int8".
    """

    name: str
    device: str
    precision: str

    def encode(self, video: np.ndarray) -> np.ndarray:
        """Encodes clips of the same length: (B, T, 1, H, W) float32, T at least 1 -> states (B, T, D) float32."""
        ...

    def features(self, video: np.ndarray) -> np.ndarray:
        """The frontend's output, before the encoder: as `encode`."""
        ...

    def log_probs(self, states: np.ndarray) -> np.ndarray:
        """CTC of one clip's views: states (views, T, D) float32 -> (T, V) float32, log-softmaxed: their mean."""
        ...

    def decoder(self, states: np.ndarray) -> DecoderView:
        """The decoder as a scorer of one clip: states (views, T, D) float32, T at least 1."""
        ...


class Model:
    """A loaded lip reader.

    Args:
        spec: Its architecture, input and output.
        network: A runtime that has it loaded, or a `LipReader`, which torch computes.
        device, precision: Of a `LipReader`; see `TorchRuntime`.

    Attributes:
        spec: As given.
        name: The spec's name.
        runtime: What computes the network.
        tokenizer: Converts token ids to text.
        capabilities: The searches that it supports.
        windows: Window lengths for long runs.
        default_search: The search without options, see `resolve`.
    """

    def __init__(
        self, spec: ModelSpec, network: "Runtime | LipReader", device: str = "cpu", precision: str = "float32"
    ):
        self.spec = spec
        self.name = spec.name
        self.tokenizer = spec.tokenizer
        self.capabilities = Capabilities.of(spec)
        self.default_search = resolve(self.capabilities)
        self.windows = spec.encoder.window
        if hasattr(network, "log_probs"):
            self.runtime = cast(Runtime, network)
        else:
            from lipscribe.models.torch_runtime import TorchRuntime

            self.runtime = TorchRuntime(cast("LipReader", network), device, precision)

    def __repr__(self) -> str:
        return f"<Model {self.name}: {self.runtime.name} on {self.runtime.device}, {self.runtime.precision}>"

    @property
    def reader(self) -> "LipReader":
        """The network as a torch module.

        Raises:
            ConfigError: Another runtime computes it.
        """
        if (reader := getattr(self.runtime, "reader", None)) is None:
            raise ConfigError(
                f"model {self.name} is computed by {self.runtime.name}, and torch is wanted here: "
                'load it with load_model(name, runtime="torch")'
            )
        return reader

    @property
    def methods(self) -> tuple[str, ...]:
        """The searches that it supports."""
        return self.capabilities.methods

    def uncalibrated(self) -> "Model":
        """The same model without the temperatures of its spec."""
        return Model(replace(self.spec, temperatures={}), self.runtime)

    def encode(self, crops: np.ndarray) -> Encoded:
        """Encodes a run of crops at once.

        Args:
            crops: (T, 96, 96) uint8, of the model's kind and at its rate.

        Raises:
            ConfigError: The crops have another shape or dtype.
            CheckpointError: The network's output is not finite.
        """
        states = self._states(check_crops(crops))
        log_probs = self.runtime.log_probs(states) if self.spec.ctc else None
        return Encoded(states.swapaxes(0, 1), log_probs, self.spec.input.fps)

    def encode_stream(self, crops: Iterable[np.ndarray]) -> Encoded:
        """Encodes an iterable of crops, (96, 96) uint8 each; long runs in overlapping windows."""
        return encode_in_windows(self.encode_lean, crops, self.windows)

    def encode_lean(self, crops: np.ndarray, augmented: bool = True) -> Encoded:
        """`encode`, but only what the model's searches use: states for a decoder, else log-probabilities.

        Args:
            augmented: Whether all views of test-time augmentation are encoded, or the crops alone.
        """
        states = self._states(crops, augmented)
        if self.spec.decoder is None:
            return Encoded(None, self.runtime.log_probs(states), self.spec.input.fps)
        return Encoded(states.swapaxes(0, 1), None, self.spec.input.fps)

    def log_probs(self, crops: np.ndarray) -> np.ndarray:
        """Crops (T, 96, 96) uint8 at the model's rate -> (T, V) float32 log-probabilities by CTC, blank = 0.

        Raises:
            ConfigError: The model has no CTC head.
        """
        if not self.spec.ctc:
            raise ConfigError(f"model {self.name} has no CTC head, so there are no log_probs: want encode(crops)")
        return self.runtime.log_probs(self._states(check_crops(crops)))

    def stream_log_probs(self, crops: Iterable[np.ndarray]) -> np.ndarray:
        """Crops one by one, (96, 96) uint8 -> (T, V) float32, reading long runs in overlapping windows."""
        fps = self.spec.input.fps
        by_ctc = encode_in_windows(lambda some: Encoded(None, self.log_probs(some), fps), crops, self.windows)
        assert by_ctc.log_probs is not None
        return by_ctc.log_probs

    def resolve(self, options: SearchOptions | ResolvedSearch | None = None) -> ResolvedSearch:
        """Resolves options to the search that the model runs.

        Raises:
            ConfigError: The options contradict each other, or the model lacks what they need; all faults are listed.
        """
        if isinstance(options, ResolvedSearch):
            return options
        return resolve(self.capabilities, options) if options is not None else self.default_search

    def search(
        self, encoded: Encoded | np.ndarray, options: SearchOptions | ResolvedSearch | None = None
    ) -> list[Hypothesis]:
        """Searches a clip of at most some seconds as a whole; see `search_pieces` for a long run.

        Args:
            encoded: The result of `encode`; or (T, V) log-probabilities, which are searched with CTC alone.
            options: None is `default_search`, or CTC's default for log-probabilities alone.

        Returns:
            The hypotheses found, best first.

        Raises:
            ConfigError: The options contradict each other, or the model lacks what they need; all faults are listed.
        """
        if isinstance(encoded, np.ndarray):
            encoded = Encoded(None, encoded, self.spec.input.fps)
        if not isinstance(encoded, Encoded):
            raise ConfigError(f"encoded is a {type(encoded).__name__}, wanted the result of encode(crops)")
        if encoded.states is None and self.spec.decoder is not None and not isinstance(options, ResolvedSearch):
            options = resolve(replace(self.capabilities, decoder=False), options)
        options = self.resolve(options)
        log_probs, scorers = encoded.log_probs, None
        if encoded.states is not None and self.spec.decoder is not None:
            states = encoded.by_view()
            if options.by_decoder:
                scorers = [self.runtime.decoder(states)]
            if log_probs is None and self.spec.ctc:
                log_probs = self.runtime.log_probs(states)
        lengths = None if log_probs is not None else [len(encoded)]
        batch = None if log_probs is None else log_probs[None]
        found = search(batch, lengths, self.tokenizer, options, scorers)[0]
        if log_probs is not None and options.method != "attention":  # whose words lie where the decoder attended
            found[0] = replace(found[0], surprise=frame_surprise(log_probs, found[0]))
        temperature = self.spec.temperatures.get(options.method, 1.0)
        return [calibrated(hypothesis, temperature) for hypothesis in found]

    def search_pieces(
        self, encoded: Encoded, options: SearchOptions | ResolvedSearch | None = None
    ) -> Iterator["Piece"]:
        """Searches a run of any length piece by piece, cut where nobody speaks."""
        pieces = RunReader(self, options)
        yield from pieces.add_encoded(encoded)
        yield from pieces.finish_encoded()

    def transcribe(self, source: Any, **options: Any) -> "Transcript":
        """Reads a video file, frames or crops; see `lipscribe.transcribe` for the options."""
        from lipscribe.pipeline import transcribe

        return transcribe(source, self, **options)

    def stream(
        self, frames: "Iterable[tuple[float, np.ndarray]]", options: SearchOptions | None = None
    ) -> "Iterator[StreamUpdate]":
        """Reads frames as they come: pairs of capture time in seconds and frame (H, W, 3) uint8 RGB.

        Yields updates with tentative, then committed words; see `lipscribe.streaming.Stream`, which takes frames one by
        one.
        """
        from lipscribe.streaming import read_stream

        return read_stream(self, frames, options)

    def cuts(self, encoded: Encoded) -> list[int]:
        """Frames at which a piece is cut before it is searched: none, but for a model of phrases."""
        return []

    def _states(self, crops: np.ndarray, augmented: bool = True) -> np.ndarray:
        """Encoder states (views, T, D) float32 of the crops, and of the shifted and mirrored views of the spec."""
        if not len(crops):
            return self._states(np.zeros((1, CROP_SIZE, CROP_SIZE), np.uint8), augmented)[:, :0]
        states = self.runtime.encode(self.views(crops, augmented))
        if not np.isfinite(states).all():
            bad = int((~np.isfinite(states).all((0, 2))).sum())
            overflow = "" if self.runtime.precision == "float32" else f" or overflow in {self.runtime.precision}"
            raise CheckpointError(
                f"model {self.name} computes numbers that are not finite in {bad} of {len(crops)} frames: its weights "
                f"are damaged{overflow}, so install or train it again" + (", or take float32" if overflow else "")
            )
        return states

    def views(self, crops: np.ndarray, augmented: bool = True) -> np.ndarray:
        """The network's input (views, T, 1, H, W) float32."""
        size, shift = self.spec.input, self.spec.shift_average
        lowered = (0, -shift, shift) if shift and augmented else (0,)
        mirrored = (False, True) if self.spec.flip_average and augmented else (False,)
        views = []
        for lower in lowered:
            video = crops_to_array(crops, size.height, size.width, size.normalisation, lower)  # (T, 1, H, W)
            views += [video[..., ::-1] if mirror else video for mirror in mirrored]
        return np.stack(views)

    def blanks(self, encoded: Encoded) -> np.ndarray:
        """(T,) the blank's log-probability in each frame; zeros without CTC."""
        if encoded.log_probs is not None:
            return encoded.log_probs[:, 0]
        if not self.spec.ctc:
            return np.zeros(len(encoded))
        # In pieces: a vocabulary of thousands for each frame of an hour would take gigabytes.
        starts = range(0, max(len(encoded), 1), PIECE)
        parts = (encoded[start : start + PIECE].by_view() for start in starts)
        return np.concatenate([self.runtime.log_probs(part)[:, 0] for part in parts])


class Piece(NamedTuple):
    """A part of a run that is searched at once.

    Attributes:
        start, stop: Its first frame and the frame after its last, counted from the run's first.
        hypotheses: Best first.
    """

    start: int
    stop: int
    hypotheses: list[Hypothesis]


class RunReader:
    """Reads a run of any length as its crops come in, in bounded memory.

    The network reads windows, the search pieces.

    Args:
        options: See `Model.search`.
    """

    def __init__(self, model: Model, options: SearchOptions | ResolvedSearch | None = None):
        self._model = model
        self._options = search = model.resolve(options)
        words = search.grammar.sentence_words if search.grammar and search.by_decoder and model.spec.ctc else None
        self._sentence_words = words
        # Where each sentence is encoded again, windows only tell where it is, for which one view is enough.
        in_windows = partial(model.encode_lean, augmented=False) if words else None
        self._windows = Windows(model.encode_lean, model.windows, in_windows, LONGER if words else 1)
        # A decoder is trained on single sentences.
        free = search.by_decoder and not words
        self._pieces = Pieces(model.blanks, model.windows.decoder_piece if free else PIECE)
        by_ctc = model.resolve(SearchOptions("grammar", grammar=search.grammar)) if words else None
        self._by_ctc = replace(by_ctc, words=False).with_initials(search.initials) if by_ctc else None
        self._crops: deque[np.ndarray] = deque()  # of the pieces that are not searched yet

    def add(self, crop: np.ndarray) -> Iterator[Piece]:
        """Adds one crop (96, 96) uint8; yields the pieces that it completes."""
        if self._sentence_words is not None:
            self._crops.append(crop)
        if (encoded := self._windows.add(crop)) is not None:
            yield from self.add_encoded(encoded)

    def finish(self) -> Iterator[Piece]:
        """Yields the remaining pieces."""
        yield from self.add_encoded(self._windows.finish())
        yield from self.finish_encoded()

    def add_encoded(self, encoded: Encoded) -> Iterator[Piece]:
        """As `add`, for encoded frames.

        Raises:
            ConfigError: There are initials, and the run is longer than what is searched at once.
        """
        for start, piece in self._pieces.add(encoded):
            self._options.check_parts(2)  # this one, and the frames after it
            yield from self._search(start, piece)

    def finish_encoded(self) -> Iterator[Piece]:
        """As `finish`, for encoded frames."""
        for start, piece in self._pieces.finish():
            yield from self._search(start, piece)

    def _search(self, start: int, encoded: Encoded) -> Iterator[Piece]:
        """Searches a piece; for a decoder trained on single sentences, each sentence that CTC finds separately."""
        cuts = [0, *self._model.cuts(encoded), len(encoded)]
        if self._sentence_words is not None:
            read = self._model.search(encoded, self._by_ctc)[0]
            cuts[1:1] = between_sentences(read, self._sentence_words, self._model.tokenizer)
        crops = [self._crops.popleft() for _ in range(min(len(encoded), len(self._crops)))]
        parts: Iterator[tuple[int, int, Encoded]]
        if crops and (len(cuts) > 2 or not self._windows.is_whole):
            parts = read_ahead(self._encode_again(crops, encoded, cuts))  # a sentence is encoded while one is searched
        else:
            parts = ((begin, end, encoded[begin:end]) for begin, end in pairwise(cuts))
        for number, (begin, end, part) in enumerate(parts):
            options = self._of_sentence(number, last=number == len(cuts) - 2)
            yield Piece(start + begin, start + end, self._model.search(part, options))

    def _of_sentence(self, number: int, last: bool) -> ResolvedSearch:
        """The search of one of a piece's sentences: with the initials of its words."""
        options, words = self._options, self._sentence_words
        if options.initials is None or words is None or (last and number == 0):
            return options
        return options.with_initials(options.initials.part(number * words, None if last else (number + 1) * words))

    def _encode_again(
        self, crops: list[np.ndarray], encoded: Encoded, cuts: list[int]
    ) -> Iterator[tuple[int, int, Encoded]]:
        """Each sentence of a piece separately: the network is trained on single sentences too."""
        for begin, end in pairwise(cuts):
            again = end > begin
            yield begin, end, self._model.encode_lean(np.stack(crops[begin:end])) if again else encoded[begin:end]
