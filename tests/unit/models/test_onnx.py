"""Exported networks against torch's: every kind of frontend, encoder and decoder."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

pytest.importorskip("onnxscript", reason="exporting needs onnx and onnxscript: make setup")

import onnx

from lipscribe.errors import CheckpointError
from lipscribe.models.builders import build_reader
from lipscribe.models.decoder_specs import AttentionDecoderSpec, TransformerDecoderSpec
from lipscribe.models.encoder_specs import (
    ConformerEncoderSpec,
    NoEncoderSpec,
    RecurrentEncoderSpec,
    RelConformerEncoderSpec,
    RelTransformerEncoderSpec,
    TCNEncoderSpec,
)
from lipscribe.models.frontend_specs import (
    AutoAVSRFrontendSpec,
    ConvFrontendSpec,
    LipNetFrontendSpec,
    ResNetFrontendSpec,
)
from lipscribe.models.onnx_export import export_graphs
from lipscribe.models.onnx_runtime import ENCODER, OnnxRuntime, has_graphs, list_graphs
from lipscribe.models.spec import InputSpec, ModelSpec
from lipscribe.models.torch_runtime import TorchRuntime
from lipscribe.tokenizer import UnitsTokenizer, WordTokenizer

CONV, LSTM = ConvFrontendSpec(channels=(4, 4), stem_frames=3, features=8), RecurrentEncoderSpec(hidden=6)
RESNET = {"channels": (4, 4, 4, 4)}
KINDS = {
    "lstm": (CONV, LSTM, AttentionDecoderSpec(hidden=8, layers=2, location_frames=5)),
    "gru": (CONV, RecurrentEncoderSpec("gru", hidden=6, bidirectional=False), AttentionDecoderSpec(hidden=8)),
    "instance-norm": (replace(CONV, instance_norm=1), NoEncoderSpec(), None),
    "clip-norm": (replace(CONV, clip_norm=True), LSTM, None),
    "conformer": (CONV, ConformerEncoderSpec(hidden=8, heads=2), None),
    "auto-avsr": (
        AutoAVSRFrontendSpec(**RESNET, activation="swish"),
        RelConformerEncoderSpec(hidden=8, heads=2),
        TransformerDecoderSpec(hidden=8, heads=2, layers=2),
    ),
    "legacy": (
        AutoAVSRFrontendSpec(**RESNET, activation="prelu"),
        RelConformerEncoderSpec(hidden=8, heads=2, positions="legacy"),
        None,
    ),
    "raven": (
        AutoAVSRFrontendSpec(**RESNET, activation="swish"),
        RelTransformerEncoderSpec(hidden=8, heads=2, feed_norm="batch"),
        TransformerDecoderSpec(hidden=4, heads=1, layers=2),
    ),
    "usr": (AutoAVSRFrontendSpec(**RESNET, activation="swish"), RelTransformerEncoderSpec(hidden=8, heads=2), None),
    "tcn": (ResNetFrontendSpec(**RESNET, features=8), TCNEncoderSpec(hidden=8), None),
    "lipnet": (LipNetFrontendSpec(channels=(4, 4, 4)), NoEncoderSpec(), None),
}


def make(kind: str, folder: Path) -> tuple[ModelSpec, TorchRuntime, Path]:
    """A random network of a kind, and a folder with its graphs."""
    torch.manual_seed(0)
    frontend, encoder, decoder = KINDS[kind]
    tokenizer = WordTokenizer(["a", "b", "c", "d"])
    if decoder is not None and decoder.own_end:
        (folder / "units.txt").write_text("".join(f"{unit} {i}\n" for i, unit in enumerate("abc", 1)))
        tokenizer = UnitsTokenizer(units=str(folder / "units.txt"))
    spec = ModelSpec("x", tokenizer, InputSpec(48, 48), frontend, encoder, decoder=decoder)
    reader = build_reader(spec).eval()
    for parameter in reader.parameters():
        parameter.data += 0.05 * torch.randn_like(parameter)
    for name, graph in export_graphs(reader, spec):
        onnx.save(graph, folder / name)
    return spec, TorchRuntime(reader), folder


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_an_export_is_the_same_network(kind: str, tmp_path: Path):
    spec, by_torch, folder = make(kind, tmp_path)
    by_onnx, rng = OnnxRuntime(folder, spec, threads=1), np.random.default_rng(0)
    for batch, num_frames in ((1, 1), (1, 20), (3, 9)):
        video = rng.normal(size=(batch, num_frames, 1, 48, 48)).astype(np.float32)
        states = by_torch.encode(video)
        np.testing.assert_allclose(by_onnx.encode(video), states, atol=1e-5)
        np.testing.assert_allclose(by_onnx.features(video), by_torch.features(video), atol=1e-5)
        np.testing.assert_allclose(by_onnx.log_probs(states), by_torch.log_probs(states), atol=1e-5)
        if spec.decoder is None:
            continue
        scorers = by_onnx.decoder(states), by_torch.decoder(states)
        kept, previous = [scorer.start() for scorer in scorers], np.array([scorers[0].end])
        for _ in range(6):  # four sentences that share beginnings
            scores = []
            for i, scorer in enumerate(scorers):
                log_probs, kept[i] = scorer.step(previous, kept[i])
                scores.append(log_probs)
            np.testing.assert_allclose(*scores, atol=1e-5)
            chosen = rng.integers(0, len(previous), 4)
            kept = [scorer.select(state, chosen) for scorer, state in zip(scorers, kept, strict=True)]
            previous = rng.integers(1, len(spec.tokenizer.vocab) - 1, 4)
        np.testing.assert_allclose(*(scorer.attention((1, 2, 1)) for scorer in scorers), atol=1e-5)
        assert scorers[0].attention(()).shape == (0, num_frames)


def test_a_first_convolution_over_time_is_two_dimensional(tmp_path: Path):
    _, _, folder = make("lipnet", tmp_path)
    graph = onnx.load(folder / ENCODER).graph
    weights = {initializer.name: len(initializer.dims) for initializer in graph.initializer}
    convolutions = [node for node in graph.node if node.op_type == "Conv"]
    assert len(convolutions) == 3
    assert {weights[node.input[1]] for node in convolutions} == {4}  # out, in, height, width


def test_a_graph_of_an_earlier_version_has_no_features(tmp_path: Path):
    spec, by_torch, folder = make("tcn", tmp_path)
    graph = onnx.load(folder / ENCODER)
    del graph.graph.output[1:]
    onnx.save(graph, folder / ENCODER)
    video, by_onnx = np.zeros((1, 5, 1, 48, 48), np.float32), OnnxRuntime(folder, spec)
    np.testing.assert_allclose(by_onnx.encode(video), by_torch.encode(video), atol=1e-5)
    with pytest.raises(CheckpointError, match="without the frontend's features: export the model again"):
        by_onnx.features(video)


def test_broken_graphs_are_told_in_one_line(tmp_path: Path):
    spec, _, folder = make("tcn", tmp_path)
    assert has_graphs(folder, spec)
    whole = (folder / ENCODER).read_bytes()
    for damaged in (b"", b"nonsense", whole[: len(whole) // 2]):
        (folder / ENCODER).write_bytes(damaged)
        with pytest.raises(CheckpointError, match=r"encoder\.onnx cannot be loaded .*export or copy the model again"):
            OnnxRuntime(folder, spec)
    graph = onnx.load_from_string(whole)
    next(node for node in graph.graph.node if node.op_type == "Conv").op_type = "Levitate"
    onnx.save(graph, folder / ENCODER)
    with pytest.raises(CheckpointError, match=r"encoder\.onnx has an operation that ONNX Runtime .* lacks: run"):
        OnnxRuntime(folder, spec)
    (folder / ENCODER).unlink()
    assert not has_graphs(folder, spec)
    with pytest.raises(CheckpointError, match=r"holds no encoder\.onnx: export the model again"):
        OnnxRuntime(folder, spec)
    assert list_graphs(spec) == ["encoder.onnx", "ctc.onnx"]
