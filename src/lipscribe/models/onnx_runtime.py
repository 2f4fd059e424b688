"""The network computed by ONNX Runtime, from the graphs that `lipscribe export` writes; needs no torch."""

import math
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, cast

import numpy as np

from lipscribe.errors import CheckpointError, MissingExtraError
from lipscribe.models.decoder_specs import AttentionDecoderSpec, TransformerDecoderSpec
from lipscribe.models.spec import WEIGHTS_FILE, ModelSpec
from lipscribe.tokenizer import END

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

ENCODER, CTC, MEMORY, STEP, ATTENTION = (
    f"{name}.onnx" for name in ("encoder", "ctc", "decoder_memory", "decoder_step", "decoder_attention")
)
ENCODER_OUT, FEATURES = "encoder_out", "features"  # outputs of the encoder's graph
ERRORS_ONLY = 3  # of ONNX Runtime's log


class OnnxRuntime:
    """A network of exported graphs, in float32 or int8, on the CPU.

    Args:
        folder: Of the model, with the graphs.
        spec: The model's.
        threads: That an operation of the encoder may use; None is all cores.

    Raises:
        CheckpointError: A graph is missing or damaged, or has an operation that this ONNX Runtime lacks.
        MissingExtraError: ONNX Runtime is not installed or does not start.
    """

    name = "onnx"
    device = "cpu"

    def __init__(self, folder: Path | str, spec: ModelSpec, threads: int | None = None):
        self._folder = Path(folder)
        self._encoder = load_graph(self._folder, ENCODER, threads)
        load = partial(load_graph, Path(folder), threads=1)  # too small for more
        self.precision = self._encoder.get_modelmeta().custom_metadata_map.get("precision", "float32")
        self._ctc = load(CTC) if spec.ctc else None
        self._decoder_spec, self._end = spec.decoder, END
        if spec.decoder is not None:
            self._memory, self._step = load(MEMORY), load(STEP)
        if isinstance(spec.decoder, TransformerDecoderSpec):
            self._attention = load(ATTENTION)
            self._end = len(spec.tokenizer.vocab) - 1

    def encode(self, video: np.ndarray) -> np.ndarray:
        """(B, T, 1, H, W) float32 -> states (B, T, D) float32."""
        return _run(self._encoder, ENCODER_OUT, video=video)[0]

    def features(self, video: np.ndarray) -> np.ndarray:
        """(B, T, 1, H, W) float32 -> the frontend's output (B, T, D) float32.

        Raises:
            CheckpointError: The graph is of an earlier version, which had no such output.
        """
        if FEATURES not in (output.name for output in self._encoder.get_outputs()):
            raise CheckpointError(
                f"{self._folder / ENCODER} is of an earlier version, without the frontend's features: export the model "
                "again with `lipscribe export`"
            )
        return _run(self._encoder, FEATURES, video=video)[0]

    def log_probs(self, states: np.ndarray) -> np.ndarray:
        """States (views, T, D) float32 -> (T, V) float32, the mean of the views."""
        assert self._ctc is not None, "a model without a CTC head has no log_probs"
        log_probs = _run(self._ctc, encoder_out=states)[0]
        return log_probs[0] if len(log_probs) == 1 else log_softmax(log_probs.mean(0))

    def decoder(self, states: np.ndarray) -> "LSTMScorer | TransformerScorer":
        """The decoder as a scorer of one clip, states (views, T, D) float32."""
        if isinstance(self._decoder_spec, AttentionDecoderSpec):
            return LSTMScorer(self._decoder_spec, self._memory, self._step, states)
        assert self._decoder_spec is not None, "a model without a decoder has no scorer of its own"
        memories = [_run(self._memory, encoder_out=view[None]) for view in states]
        return TransformerScorer(self._decoder_spec, self._end, self._step, self._attention, memories)


def load_graph(folder: Path, name: str, threads: int | None = None) -> "InferenceSession":
    """Loads one graph of a model folder into ONNX Runtime.

    Raises:
        CheckpointError, MissingExtraError: See `OnnxRuntime`.
    """
    try:
        import onnxruntime
    except ImportError as error:
        reason = " ".join(str(error).split())
        raise MissingExtraError(f"ONNX Runtime does not start ({reason}): run `pip install onnxruntime`") from None
    if not (folder / name).is_file():
        raise CheckpointError(f"{folder} holds no {name}: export the model again with `lipscribe export`")
    options = onnxruntime.SessionOptions()
    options.log_severity_level = ERRORS_ONLY + 1  # errors are raised too
    # Threads that spin while they wait take the other cores from decoding and face tracking.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    if threads is not None:
        options.intra_op_num_threads = threads
    try:
        return onnxruntime.InferenceSession(str(folder / name), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # its exceptions have no common base class
        reason = " ".join(str(error).split())
        if any(sign in reason for sign in ("NOT_IMPLEMENTED", "not a registered function", "In Node,")):
            raise CheckpointError(
                f"{folder / name} has an operation that ONNX Runtime {onnxruntime.__version__} lacks: run "
                "`pip install --upgrade onnxruntime`, or give --runtime torch"
            ) from None
        raise CheckpointError(
            f"{folder / name} cannot be loaded ({reason[:200]}): export or copy the model again"
        ) from None


def log_softmax(logits: np.ndarray) -> np.ndarray:
    """Log-softmax over the last axis."""
    shifted = logits - logits.max(-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(-1, keepdims=True))


def _run(session: "InferenceSession", *wanted: str, **inputs: np.ndarray) -> list[np.ndarray]:
    """The named outputs, or all.

    Raises:
        CheckpointError: The graph does not compute them: it is damaged, or of another model.
    """
    given = {name: np.ascontiguousarray(array) for name, array in inputs.items()}
    try:
        outputs = session.run(wanted or None, given)
    except Exception as error:  # its exceptions have no common base class
        reason = " ".join(str(error).split())[:200]
        raise CheckpointError(f"a graph of the model fails ({reason}): export or copy the model again") from None
    return cast("list[np.ndarray]", outputs)  # ONNX has other types too


class _LSTMState(NamedTuple):
    """The state of N sentences in each view; see `DecoderState`.

    Attributes:
        hidden, cell: (layers, views, N, H) float32.
        context: (views, N, D) float32.
        attended: (views, N, T) float32.
    """

    hidden: np.ndarray
    cell: np.ndarray
    context: np.ndarray
    attended: np.ndarray


class LSTMScorer:
    """An `AttentionDecoder` as a scorer of one clip; its views are computed in one batch, and averaged.

    Args:
        spec: The decoder's.
        memory, step: Its graphs.
        states: (views, T, D) float32.

    Attributes:
        end: Id of the start and end symbol.
    """

    def __init__(
        self, spec: AttentionDecoderSpec, memory: "InferenceSession", step: "InferenceSession", states: np.ndarray
    ):
        self.end = END
        self._spec, self._step, self._values = spec, step, states
        self._keys = _run(memory, encoder_out=states)[0]

    def start(self) -> _LSTMState:
        """The state of one empty sentence, before `end` is fed to it."""
        views, num_frames, features = self._values.shape
        nothing = np.zeros((self._spec.layers, views, 1, self._spec.hidden), np.float32)
        attended = np.zeros((views, 1, num_frames), np.float32)
        return _LSTMState(nothing, nothing, np.zeros((views, 1, features), np.float32), attended)

    def step(self, previous: np.ndarray, state: _LSTMState) -> tuple[np.ndarray, _LSTMState]:
        """(N,) int64 last tokens -> (N, V) float64 log-probabilities of the next token, and the new state."""
        log_probs, *after = _run(
            self._step,
            previous=np.broadcast_to(previous, (len(self._values), len(previous))),
            **state._asdict(),
            values=self._values,
            keys=self._keys,
        )
        log_probs = log_probs.astype(np.float64)
        return log_probs[0] if len(log_probs) == 1 else log_softmax(log_probs.mean(0)), _LSTMState(*after)

    def select(self, state: _LSTMState, indices: np.ndarray) -> _LSTMState:
        """Select the states of the sentences at the (M,) int64 `indices`."""
        return _LSTMState(*(part.take(indices, axis=-2) for part in state))

    def attention(self, tokens: tuple[int, ...]) -> np.ndarray:
        """(U, T) float64: how much each of U tokens attends to each frame; a row sums to 1."""
        state, rows = self.start(), []
        for token in (self.end, *tokens)[:-1] if tokens else ():
            _, state = self.step(np.array([token]), state)
            rows.append(state.attended[:, 0].astype(np.float64).mean(0))
        return np.stack(rows) if rows else np.zeros((0, self._values.shape[1]))


class _History(NamedTuple):
    """Key-value cache of N sentences in one view; see `lipscribe.models.transformer.History`.

    Attributes:
        keys, values: (layers, heads, M, d) float32 of M nodes.
        visible: (N, M) bool, the nodes of each sentence.
        length: Number of tokens, including the start symbol.
    """

    keys: np.ndarray
    values: np.ndarray
    visible: np.ndarray
    length: int


class TransformerScorer:
    """A `TransformerDecoder` as a scorer of one clip, averaged over its views.

    Args:
        spec: The decoder's.
        end: Id of the start and end symbol.
        step, attention: Its graphs.
        memories: Of each view, each layer's keys and values (layers, heads, T, d) of the frames.
    """

    def __init__(
        self,
        spec: TransformerDecoderSpec,
        end: int,
        step: "InferenceSession",
        attention: "InferenceSession",
        memories: Sequence[Sequence[np.ndarray]],
    ):
        self.end = end
        self._spec, self._step, self._attention, self._memories = spec, step, attention, memories

    def start(self) -> list[_History]:
        """The state of one empty sentence, before `end` is fed to it; of each view."""
        heads, size = self._spec.heads, self._spec.hidden // self._spec.heads
        nothing = np.zeros((self._spec.layers, heads, 0, size), np.float32)
        return [_History(nothing, nothing, np.zeros((1, 0), bool), 0)] * len(self._memories)

    def step(self, previous: np.ndarray, state: list[_History]) -> tuple[np.ndarray, list[_History]]:
        """(N,) int64 last tokens -> (N, V) float64 log-probabilities of the next token, and the new state."""
        steps = [self._advance(previous, *both) for both in zip(state, self._memories, strict=True)]
        log_probs = np.stack([log_probs for log_probs, _ in steps]).astype(np.float64)
        return log_probs[0] if len(steps) == 1 else log_softmax(log_probs.mean(0)), [new for _, new in steps]

    def select(self, state: list[_History], indices: np.ndarray) -> list[_History]:
        """Select the states of the sentences at the (M,) int64 `indices`."""
        return [_selected(history, indices) for history in state]

    def attention(self, tokens: tuple[int, ...]) -> np.ndarray:
        """(U, T) float64: how much each of U tokens attends to each frame; a row sums to 1."""
        if not tokens:
            return np.zeros((0, self._memories[0][0].shape[2]))
        previous = np.array([self.end, *tokens[:-1]], np.int64)
        views = [
            _run(self._attention, previous=previous, source_keys=keys, source_values=values)[0]
            for keys, values in self._memories
        ]
        return np.stack(views).astype(np.float64).mean(0)

    def _advance(
        self, previous: np.ndarray, history: _History, memory: Sequence[np.ndarray]
    ) -> tuple[np.ndarray, _History]:
        visible = np.concatenate([history.visible, np.eye(len(previous), dtype=bool)], axis=1)
        log_probs, keys, values = _run(
            self._step,
            previous=previous,
            position=position_encoding(history.length, self._spec.hidden),
            visible=visible,
            keys=history.keys,
            values=history.values,
            source_keys=memory[0],
            source_values=memory[1],
        )
        return log_probs, _History(keys, values, visible, history.length + 1)


def position_encoding(position: int, size: int) -> np.ndarray:
    """(1, size) float32: sines in the even and cosines in the odd columns; `transformer.positions` of one position."""
    rates = np.exp(np.arange(0, size, 2, dtype=np.float32) * np.float32(-math.log(10000.0) / size))
    angles = np.float32(position) * rates
    return np.stack([np.sin(angles), np.cos(angles)], -1).reshape(1, -1)


def _selected(history: _History, indices: np.ndarray) -> _History:
    """The cache of the sentences at `indices`; unused nodes are dropped once they are the majority."""
    visible = history.visible[indices]
    seen = np.flatnonzero(visible.any(0))
    if 2 * len(seen) >= visible.shape[1]:
        return history._replace(visible=visible)
    keys, values = (part.take(seen, axis=2) for part in (history.keys, history.values))
    return _History(keys, values, visible[:, seen], history.length)


def list_graphs(spec: ModelSpec) -> list[str]:
    """The files that an export of this model has."""
    graphs = [ENCODER]
    if spec.ctc:
        graphs.append(CTC)
    if spec.decoder:
        graphs += [MEMORY, STEP]
    if isinstance(spec.decoder, TransformerDecoderSpec):
        graphs.append(ATTENTION)
    return graphs


def refers_to_weights(folder: Path) -> bool:
    """Whether the graphs of a model folder refer to its `model.safetensors`, instead of holding their own weights."""
    return WEIGHTS_FILE.encode() in (folder / ENCODER).read_bytes()


def has_graphs(folder: Path, spec: ModelSpec) -> bool:
    """Whether a model folder has its graphs."""
    return all((folder / name).is_file() for name in list_graphs(spec))
