"""A network as ONNX graphs, by torch's exporter: encoder, CTC head, and the decoder's steps.

The graphs take any batch and any number of frames. A first convolution over several frames is a 2D one over stacked
grey frames here too, so every runtime has it.
"""

import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from lipscribe.errors import MissingExtraError
from lipscribe.extras import EXPORT
from lipscribe.models.decoder import AttentionDecoder, DecoderState, Memory
from lipscribe.models.onnx_recurrent import OPSET, recurrent_for_onnx
from lipscribe.models.onnx_runtime import ATTENTION, CTC, ENCODER, ENCODER_OUT, FEATURES, MEMORY, STEP
from lipscribe.models.reader import LipReader
from lipscribe.models.spec import ModelSpec
from lipscribe.models.transformer import KeysValues
from lipscribe.models.transformer_decoder import Frames, TransformerDecoder

if TYPE_CHECKING:
    from onnx import ModelProto

Axes = dict[int, str]
"""Which axes of an input or output have any size, and what they are called."""


class _Part(nn.Module):
    """A part of a network that becomes a graph."""

    def __init__(self, reader: LipReader):
        super().__init__()
        self.reader = reader


class _Encoder(_Part):
    def forward(self, video: Tensor) -> tuple[Tensor, Tensor]:
        features = self.reader.frontend(video)
        return self.reader.encoder(features), features


class _CTC(_Part):
    def forward(self, encoder_out: Tensor) -> Tensor:
        assert self.reader.ctc is not None
        return self.reader.ctc(encoder_out)


class _LSTMMemory(_Part):
    def forward(self, encoder_out: Tensor) -> Tensor:
        assert isinstance(self.reader.decoder, AttentionDecoder)
        return self.reader.decoder.remember(encoder_out).keys


class _LSTMStep(_Part):
    def forward(
        self,
        previous: Tensor,
        hidden: Tensor,
        cell: Tensor,
        context: Tensor,
        attended: Tensor,
        values: Tensor,
        keys: Tensor,
    ) -> tuple[Tensor, ...]:
        assert isinstance(self.reader.decoder, AttentionDecoder)
        before = DecoderState(hidden.flatten(1, 2), cell.flatten(1, 2), context.flatten(0, 1), attended.flatten(0, 1))
        log_probs, after = self.reader.decoder.step(previous.flatten(), before, Memory(values, keys, None))
        views = previous.shape
        return (
            log_probs.unflatten(0, views),
            after.hidden.unflatten(1, views),
            after.cell.unflatten(1, views),
            after.context.unflatten(0, views),
            after.attended.unflatten(0, views),
        )


class _TransformerMemory(_Part):
    def forward(self, encoder_out: Tensor) -> tuple[Tensor, Tensor]:
        assert isinstance(self.reader.decoder, TransformerDecoder)
        return _stacked(self.reader.decoder.remember(encoder_out).layers)


class _TransformerStep(_Part):
    def forward(
        self,
        previous: Tensor,
        position: Tensor,
        visible: Tensor,
        keys: Tensor,
        values: Tensor,
        source_keys: Tensor,
        source_values: Tensor,
    ) -> tuple[Tensor, ...]:
        assert isinstance(self.reader.decoder, TransformerDecoder)
        memory = Frames(_by_layer(source_keys, source_values), None)
        pasts = _by_layer(keys, values)
        log_probs, layers = self.reader.decoder.advance(previous, position, visible, pasts, memory)
        return log_probs, *_stacked(layers)


class _TransformerAttention(_Part):
    def forward(self, previous: Tensor, source_keys: Tensor, source_values: Tensor) -> Tensor:
        assert isinstance(self.reader.decoder, TransformerDecoder)
        return self.reader.decoder.attention_after(previous, Frames(_by_layer(source_keys, source_values), None))


def _stacked(layers: Sequence[KeysValues]) -> tuple[Tensor, Tensor]:
    """Keys and values (1, heads, M, d) of each layer -> two tensors (layers, heads, M, d)."""
    return torch.cat([layer.keys for layer in layers]), torch.cat([layer.values for layer in layers])


def _by_layer(keys: Tensor, values: Tensor) -> tuple[KeysValues, ...]:
    return tuple(KeysValues(keys[i : i + 1], values[i : i + 1]) for i in range(len(keys)))


def export_graphs(reader: LipReader, spec: ModelSpec) -> "Iterator[tuple[str, ModelProto]]":
    """Exports a network in float32.

    Args:
        reader: In eval mode, on the CPU.
        spec: Its spec.

    Yields:
        File name and graph. Weights are initializers named as in `reader.state_dict()`.

    Raises:
        MissingExtraError: The packages that torch's exporter needs are not installed.
    """
    video = torch.zeros(2, 7, 1, spec.input.height, spec.input.width)
    with torch.no_grad():
        states = reader.encode(video)
    by_frame: Axes = {0: "batch", 1: "frames"}
    yield ENCODER, _export(_Encoder(reader), {"video": (video, by_frame)}, {ENCODER_OUT: by_frame, FEATURES: by_frame})
    frames = {"encoder_out": (states, by_frame)}
    if reader.ctc is not None:
        yield CTC, _export(_CTC(reader), frames, {"log_probs": by_frame})
    if isinstance(reader.decoder, AttentionDecoder):
        yield from _lstm_graphs(reader, reader.decoder, states)
    elif reader.decoder is not None:
        yield from _transformer_graphs(reader, reader.decoder, states)


def _lstm_graphs(reader: LipReader, decoder: AttentionDecoder, states: Tensor) -> "Iterator[tuple[str, ModelProto]]":
    by_frame: Axes = {0: "views", 1: "frames"}
    yield MEMORY, _export(_LSTMMemory(reader), {"encoder_out": (states, by_frame)}, {"keys": by_frame})
    with torch.no_grad():
        memory = decoder.remember(states)
    views, num_frames, features = memory.values.shape
    sizes = (decoder.rnn.num_layers, views, 3, decoder.rnn.hidden_size)  # 3 sentences in each view
    by_sentence: Axes = {0: "views", 1: "sentences"}
    state: dict[str, tuple[Tensor, Axes]] = {
        "hidden": (torch.zeros(sizes), {1: "views", 2: "sentences"}),
        "cell": (torch.zeros(sizes), {1: "views", 2: "sentences"}),
        "context": (torch.zeros(views, 3, features), by_sentence),
        "attended": (torch.zeros(views, 3, num_frames), by_sentence | {2: "frames"}),
    }
    inputs: dict[str, tuple[Tensor, Axes]] = {
        "previous": (torch.zeros(views, 3, dtype=torch.int64), by_sentence),
        **state,
        "values": (memory.values, by_frame),
        "keys": (memory.keys, by_frame),
    }
    outputs = {"log_probs": by_sentence} | {f"next_{name}": axes for name, (_, axes) in state.items()}
    yield STEP, _export(_LSTMStep(reader), inputs, outputs)


def _transformer_graphs(
    reader: LipReader, decoder: TransformerDecoder, states: Tensor
) -> "Iterator[tuple[str, ModelProto]]":
    by_frame: Axes = {2: "frames"}
    # One clip: its batch axis has the size 1.
    one, kept = {"encoder_out": (states[:1], {1: "frames"})}, {"source_keys": by_frame, "source_values": by_frame}
    yield MEMORY, _export(_TransformerMemory(reader), one, kept)
    with torch.no_grad():
        source_keys, source_values = _stacked(decoder.remember(states[:1]).layers)
    layers, heads, _, size = source_keys.shape
    # A tensor each: the exporter takes one that is given twice for one input.
    keys, values = torch.zeros(2, layers, heads, 5, size)
    source = {"source_keys": (source_keys, by_frame), "source_values": (source_values, by_frame)}
    previous = torch.zeros(3, dtype=torch.int64)
    inputs: dict[str, tuple[Tensor, Axes]] = {
        "previous": (previous, {0: "sentences"}),
        "position": (torch.zeros(1, heads * size), {}),
        "visible": (torch.ones(3, 8, dtype=torch.bool), {0: "sentences", 1: "all_nodes"}),
        "keys": (keys.clone(), {2: "nodes"}),
        "values": (values.clone(), {2: "nodes"}),
        **source,
    }
    outputs: dict[str, Axes] = {
        "log_probs": {0: "sentences"},
        "all_keys": {2: "all_nodes"},
        "all_values": {2: "all_nodes"},
    }
    yield STEP, _export(_TransformerStep(reader), inputs, outputs)
    tokens: dict[str, tuple[Tensor, Axes]] = {"previous": (previous, {0: "tokens"}), **source}
    yield ATTENTION, _export(_TransformerAttention(reader), tokens, {"weights": {0: "tokens", 1: "frames"}})


def _export(module: "_Part", inputs: dict[str, tuple[Tensor, Axes]], outputs: dict[str, Axes]) -> "ModelProto":
    dynamic = {name: dict.fromkeys(axes, torch.export.Dim.DYNAMIC) for name, (_, axes) in inputs.items()}
    try:
        with _quiet(), recurrent_for_onnx(module.reader.encoder):
            program = torch.onnx.export(
                module.eval(),
                tuple(example for example, _ in inputs.values()),
                dynamo=True,
                opset_version=OPSET,
                optimize=False,  # which would fold weights, and so rename and copy them; every runtime folds on loading
                external_data=False,
                verbose=False,
                input_names=list(inputs),
                output_names=list(outputs),
                dynamic_shapes=dynamic,
            )
    except (ImportError, torch.onnx.errors.OnnxExporterError) as error:
        if isinstance(error, ImportError) or "onnxscript" in str(error):
            raise MissingExtraError(f"exporting needs onnx and onnxscript: run `{EXPORT}`") from None
        raise
    assert program is not None
    graph: ModelProto = program.model_proto
    _name_axes(graph.graph.input, {name: axes for name, (_, axes) in inputs.items()})
    _name_axes(graph.graph.output, outputs)
    # The exporter's sizes of intermediate results are those of its example in places, and where each operation came
    # from in the code takes ten times more room than the graph.
    del graph.graph.value_info[:], graph.graph.metadata_props[:], graph.metadata_props[:]
    for node in graph.graph.node:
        del node.metadata_props[:]
        node.doc_string = ""
    _drop_zero_biases(graph)
    for initializer in graph.graph.initializer:
        _rename(graph, initializer.name, initializer.name.removeprefix("reader."))
    return graph


def _name_axes(values: Any, axes: dict[str, Axes]) -> None:
    """Names the axes of any size of a graph's inputs or outputs."""
    for value in values:
        for axis, name in axes.get(value.name, {}).items():
            value.type.tensor_type.shape.dim[axis].dim_param = name


def _drop_zero_biases(graph: "ModelProto") -> None:
    """Takes the bias from convolutions that have none in torch.

    The exporter computes one of zeros in the graph, and then ONNX Runtime neither folds the batch norms nor takes its
    fast layout: 19 instead of 12 ms for the encoder of `grid` and 3 s.
    """
    weights = {initializer.name for initializer in graph.graph.initializer}
    for node in graph.graph.node:
        if node.op_type == "Conv" and len(node.input) == 3 and node.input[2] not in weights:
            del node.input[2]


def _rename(graph: "ModelProto", old: str, new: str) -> None:
    if old == new:
        return
    for initializer in graph.graph.initializer:
        if initializer.name == old:
            initializer.name = new
    for node in graph.graph.node:
        for i, name in enumerate(node.input):
            if name == old:
                node.input[i] = new


@contextmanager
def _quiet() -> Iterator[None]:
    """The exporter warns of its own code's deprecated calls."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
