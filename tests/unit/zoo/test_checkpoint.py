"""Models on disk: what is saved comes back, the safetensors library agrees, and no damage is loaded."""

import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from lipscribe.errors import CheckpointError
from lipscribe.models.builders import build_reader
from lipscribe.models.decoder_specs import AttentionDecoderSpec, DecoderSpec, TransformerDecoderSpec
from lipscribe.models.reader import LipReader
from lipscribe.models.spec import SPEC_FILE, WEIGHTS_FILE, ModelSpec
from lipscribe.schema import to_dict
from lipscribe.tokenizer import UnitsTokenizer, WordTokenizer
from lipscribe.zoo.checkpoint import load_checkpoint, save_checkpoint, save_weights, start_from


@pytest.fixture
def reader(toy_spec: ModelSpec) -> LipReader:
    torch.manual_seed(0)
    return build_reader(toy_spec).to(memory_format=torch.channels_last)  # as in training


@pytest.fixture
def saved(tmp_path: Path, toy_spec: ModelSpec, reader: LipReader) -> Path:
    save_checkpoint(tmp_path / "model", toy_spec, reader.state_dict())
    return tmp_path / "model"


def test_round_trip_in_half_precision(saved: Path, toy_spec: ModelSpec, reader: LipReader):
    spec, loaded = load_checkpoint(saved)
    assert spec == toy_spec
    assert not loaded.training
    for name, tensor in loaded.state_dict().items():
        original = reader.state_dict()[name]
        assert tensor.dtype == original.dtype
        assert torch.equal(tensor, original.half().to(original.dtype))
    assert sorted(path.name for path in saved.iterdir()) == [WEIGHTS_FILE, SPEC_FILE]


def test_loaded_recurrent_weights_are_those_that_torch_brings_into_one_piece_on_a_gpu(
    saved: Path, monkeypatch: pytest.MonkeyPatch
):
    _, loaded = load_checkpoint(saved)
    rnn, flattened = loaded.encoder.rnn, []
    assert all(kept is own for kept, own in zip(rnn._flat_weights, rnn.parameters(), strict=True))
    monkeypatch.setattr(type(rnn), "flatten_parameters", lambda self: flattened.append(self))
    loaded.to("cpu")
    assert rnn in flattened


def test_what_is_saved_again_is_the_same_file(saved: Path, tmp_path: Path):
    spec, loaded = load_checkpoint(saved)
    save_checkpoint(tmp_path / "again", spec, loaded.state_dict())
    assert (tmp_path / "again" / WEIGHTS_FILE).read_bytes() == (saved / WEIGHTS_FILE).read_bytes()


@pytest.mark.parametrize("dtype", [None, torch.float16, torch.float32])
def test_the_safetensors_library_reads_our_files(tmp_path: Path, dtype: torch.dtype | None):
    load_file = pytest.importorskip("safetensors.torch").load_file
    tensors = {
        "b": torch.randn(3, 4),
        "a": torch.randn(2, 3, 4, 5).half().to(memory_format=torch.channels_last),
        "count": torch.tensor(7),
        "turned": torch.randn(4, 3).T,
        "empty": torch.zeros(0, 3),
        "ünï": torch.arange(5),
    }
    save_weights(tmp_path / "some.safetensors", tensors, dtype)
    loaded = load_file(tmp_path / "some.safetensors")
    assert set(loaded) == set(tensors)
    for name, tensor in tensors.items():
        if dtype and tensor.is_floating_point():
            tensor = tensor.to(dtype)
        assert loaded[name].dtype == tensor.dtype
        assert torch.equal(loaded[name], tensor)


def test_full_precision_on_demand(tmp_path: Path, toy_spec: ModelSpec, reader: LipReader):
    save_checkpoint(tmp_path, toy_spec, reader.state_dict(), torch.float32)
    _, loaded = load_checkpoint(tmp_path)
    for name, tensor in loaded.state_dict().items():
        assert torch.equal(tensor, reader.state_dict()[name])
    video, lengths = torch.randn(1, 5, 1, 32, 48), torch.tensor([5])
    assert torch.equal(loaded(video, lengths), reader.eval()(video, lengths))
    with torch.no_grad():
        loaded.ctc.project.bias += 1  # what was read from a file can be changed, and the file does not change with it
    assert torch.equal(load_checkpoint(tmp_path)[1].ctc.project.bias, reader.ctc.project.bias)


def test_the_units_travel_with_the_model(tmp_path: Path, toy_spec: ModelSpec):
    (tmp_path / "published.txt").write_text("<unk> 1\n▁A 2\n", encoding="utf-8")
    units = UnitsTokenizer(str(tmp_path / "published.txt"))
    spec = replace(toy_spec, tokenizer=units)
    save_checkpoint(tmp_path / "model", spec, build_reader(spec).state_dict())
    assert json.loads((tmp_path / "model" / SPEC_FILE).read_text())["tokenizer"] == to_dict(units) | {
        "units": "units.txt"
    }
    loaded, reader = load_checkpoint((tmp_path / "model").rename(tmp_path / "elsewhere"))
    assert loaded.tokenizer.vocab == ["<blank>", "<unk>", "▁A", "<eos>"]
    assert reader.ctc.project.out_features == 4


@pytest.mark.parametrize("size", [0, 4, 100, -1])
def test_weights_that_are_cut_off(saved: Path, size: int):
    path = saved / WEIGHTS_FILE
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(CheckpointError, match=r"model.safetensors is damaged .*: copy or train the model again"):
        load_checkpoint(saved)


def test_weights_that_are_a_pickle_are_not_run(saved: Path):
    torch.save({"a": 1}, saved / WEIGHTS_FILE)
    with pytest.raises(CheckpointError, match="is damaged"):
        load_checkpoint(saved)


def test_missing_weights(saved: Path):
    (saved / WEIGHTS_FILE).unlink()
    with pytest.raises(CheckpointError, match=r"holds no model.safetensors: copy or train the model again"):
        load_checkpoint(saved)


@pytest.mark.parametrize(
    ("part", "values"), [("encoder", {"hidden": 13}), ("encoder", {"layers": 1}), ("encoder", {"layers": 3})]
)
def test_the_spec_of_another_model(saved: Path, part: str, values: dict[str, int]):
    record = json.loads((saved / SPEC_FILE).read_text())
    record[part] |= values
    (saved / SPEC_FILE).write_text(json.dumps(record))
    with pytest.raises(CheckpointError, match=r"does not fit its spec.json \(\d+ tensors, first .*\): copy both again"):
        load_checkpoint(saved)


def test_without_the_library_the_message_is_how_to_get_it(saved: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "safetensors", None)
    with pytest.raises(CheckpointError, match="needs safetensors: pip install safetensors"):
        load_checkpoint(saved)


def test_other_names_go_with_the_same_weights(saved: Path, toy_spec: ModelSpec, reader: LipReader):
    save_checkpoint(saved, replace(toy_spec, name="renamed"), reader.state_dict())
    assert load_checkpoint(saved)[0].name == "renamed"


def test_starting_from_a_model_takes_what_fits_and_names_what_does_not(saved: Path, toy_spec: ModelSpec, reader):
    torch.manual_seed(1)
    fresh = build_reader(toy_spec)
    assert start_from(fresh, saved, toy_spec).endswith(f"{len(reader.state_dict())} tensors")
    assert torch.equal(fresh.ctc.project.weight, reader.ctc.project.weight.half().float())

    words = [*toy_spec.tokenizer.words, "another"]
    wider_spec = replace(toy_spec, tokenizer=WordTokenizer(words))
    wider = build_reader(wider_spec)
    head = wider.ctc.project.weight.clone()
    line = start_from(wider, saved, wider_spec)
    assert "fresh: ctc.project.weight, ctc.project.bias" in line
    assert torch.equal(wider.ctc.project.weight, head)
    name, weight = next(iter(reader.frontend.state_dict().items()))
    assert torch.equal(wider.frontend.state_dict()[name], weight.half().float())


@pytest.mark.parametrize(
    ("decoder", "tokens"),
    [
        (AttentionDecoderSpec(hidden=8), ("embedding", "project")),
        (TransformerDecoderSpec(hidden=8, heads=2), ("embedding", "project")),
    ],
    ids=["lstm", "transformer"],
)
def test_heads_for_other_words_begin_fresh_even_if_they_are_as_many(
    tmp_path: Path, toy_spec: ModelSpec, decoder: DecoderSpec, tokens: tuple[str, str]
):
    specs, readers = [], []
    for name, letters in (("one", "AB"), ("other", "BC")):
        lines = [f"{unit} {idx}\n" for idx, unit in enumerate(["<unk>", "<space>", *letters], start=1)]
        (tmp_path / f"{name}.txt").write_text("".join(lines), encoding="utf-8")
        units = UnitsTokenizer(str(tmp_path / f"{name}.txt"))
        specs.append(replace(toy_spec, tokenizer=units, decoder=decoder))
        readers.append(build_reader(specs[-1]))
    save_checkpoint(tmp_path / "model", specs[0], readers[0].state_dict(), torch.float32)
    before = {name: tensor.clone() for name, tensor in readers[1].state_dict().items()}
    fresh = start_from(readers[1], tmp_path / "model", specs[1]).split("; fresh: ")[1].split(", ")
    heard, said = tokens
    wanted = {f"decoder.{heard}.weight", f"decoder.{said}.weight", f"decoder.{said}.bias"}
    assert set(fresh) == wanted | {"ctc.project.weight", "ctc.project.bias"}
    for name, tensor in readers[1].state_dict().items():
        assert torch.equal(tensor, before[name] if name in fresh else readers[0].state_dict()[name])


def test_what_is_to_be_frozen_has_to_come_whole(saved: Path, toy_spec: ModelSpec):
    start_from(build_reader(toy_spec), saved, toy_spec, whole=("frontend", "encoder"))
    spec = replace(toy_spec, encoder=replace(toy_spec.encoder, hidden=13))
    start_from(build_reader(spec), saved, spec, whole=("frontend",))
    with pytest.raises(
        CheckpointError,
        match=r"model has not all of this encoder \(16 tensors, first encoder.* start from a model of the same encoder",
    ):
        start_from(build_reader(spec), saved, spec, whole=("frontend", "encoder"))


def test_a_model_of_another_kind_is_no_start(saved: Path, toy_spec: ModelSpec):
    other = replace(
        toy_spec,
        frontend=replace(toy_spec.frontend, channels=(5, 7), features=11),
        encoder=replace(toy_spec.encoder, hidden=13),
        tokenizer=WordTokenizer(["one", "two", "three", "four", "five"]),
    )
    with pytest.raises(CheckpointError, match=r"no weights of .* fit this model"):
        start_from(build_reader(other), saved, other)
