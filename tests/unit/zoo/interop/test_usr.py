"""USR, RAVEn and BRAVEn models, imported: what the network computes, every layout, and what is refused in a line."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor
from usr_published import RAVEN, UNITS, USR2, decode, encode, fill, raven_encoder_shapes, raven_state, usr2_state

from lipscribe.errors import CheckpointError, ConfigError
from lipscribe.models.builders import build_reader
from lipscribe.models.decoder_specs import TransformerDecoderSpec
from lipscribe.models.encoder_specs import RelTransformerEncoderSpec
from lipscribe.models.frontend_specs import AutoAVSRFrontendSpec
from lipscribe.models.reader import LipReader
from lipscribe.models.scorer import DecoderScorer
from lipscribe.models.spec import InputSpec, ModelSpec, load_spec
from lipscribe.search import Capabilities, resolve
from lipscribe.tokenizer import CharacterTokenizer, UnitsTokenizer
from lipscribe.zoo.checkpoint import load_checkpoint, sizes_only, start_from
from lipscribe.zoo.interop import known
from lipscribe.zoo.interop.importing import Imported, import_model
from lipscribe.zoo.listing import describe_models
from lipscribe.zoo.registry import models_folder


@pytest.fixture(autouse=True)
def units(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LIPSCRIBE_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "unigram_units.txt"  # found beside the weights
    path.write_text("".join(f"{unit} {idx}\n" for idx, unit in enumerate(UNITS, start=1)), encoding="utf-8")
    return path


def imported(data: object, folder: Path, name: str = "mine") -> Imported:
    torch.save(data, folder / f"{name}.pth")
    return import_model(folder / f"{name}.pth", name)


def reader_of(data: object, folder: Path, name: str = "mine") -> LipReader:
    return load_checkpoint(imported(data, folder, name).folder)[1]


def under(prefix: str, state: dict[str, Tensor]) -> dict[str, Tensor]:
    return {prefix + name: tensor for name, tensor in state.items()}


FAMILIES = {"usr2": (usr2_state, USR2), "raven": (raven_state, RAVEN)}


@torch.inference_mode()
@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("num_frames", [1, 9])
def test_each_layer_computes_what_the_papers_say(family: str, num_frames: int, tmp_path: Path):
    make, sizes = FAMILIES[family]
    state = make()
    reader, out = reader_of(state, tmp_path), []
    for block in reader.encoder.blocks:
        block.register_forward_hook(lambda module, args, result: out.append(result[0]))
    features = torch.randn(1, num_frames, sizes.channels[-1], generator=torch.Generator().manual_seed(num_frames))
    encoder_out = reader.encoder(features)
    theirs = encode(state, features[0], sizes)
    for got, wanted in zip([*out, encoder_out[0]], theirs, strict=True):
        torch.testing.assert_close(got.double(), wanted, atol=1e-5, rtol=0)
    scorer = DecoderScorer(reader.decoder, encoder_out)
    previous, kept, tokens = scorer.end, scorer.start(), []
    for token in (3, 1, 5):
        log_probs, kept = scorer.step(np.array([previous]), kept)
        wanted = decode(state, theirs[-1], tokens, sizes).numpy()
        np.testing.assert_allclose(log_probs[0], wanted, atol=1e-5)
        tokens.append(previous := token)


def training_checkpoint(state: dict[str, Tensor], encoder_alone: bool) -> dict[str, object]:
    """As Lightning saves a model with its teacher, here of other weights, and what its losses need."""
    teacher = {name: -tensor for name, tensor in state.items()}
    if encoder_alone:
        teacher = {
            name.removeprefix("encoder."): tensor for name, tensor in teacher.items() if name.startswith("encoder.")
        }
    extra = {"predictor_v2a.encoders.0.gamma_mha": torch.ones(3), "out_layer_unlabelled_ctc_v.bias": torch.ones(3)}
    whole = under("backbone.", state) | under("target_backbone.", teacher) | extra
    return {"state_dict": under("model.", whole), "epoch": 3}


LAYOUTS = {
    "usr2, flat": lambda: usr2_state(),
    "usr2, released": lambda: under("model.backbone.", usr2_state()),
    "usr, compiled": lambda: under("_orig_mod.", usr2_state()),
    "usr, compiled within": lambda: under("model._orig_mod.backbone.", usr2_state()),
    "usr, parallel": lambda: under("module.model.backbone.", usr2_state()),
    "usr, training": lambda: training_checkpoint(usr2_state(), encoder_alone=False),
    "usr, pre-training": lambda: training_checkpoint(usr2_state(), encoder_alone=True),
    "raven, flat": lambda: raven_state(),
    "raven, lightning": lambda: {"state_dict": under("model.", raven_state())},
    "raven, training": lambda: {
        "state_dict": under("model.model_video.backbone.", raven_state())
        | under("model.model_video.target_backbone.", fill(raven_encoder_shapes()))
        | under("model.model_audio.backbone.encoder.", {"frontend.trunk.conv1.weight": torch.ones(4, 1, 80)})
    },
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_each_layout_gives_the_same_model(layout: str, tmp_path: Path):
    make, _ = FAMILIES["raven" if layout.startswith("raven") else "usr2"]
    found = reader_of(LAYOUTS[layout](), tmp_path, "found").state_dict()
    wanted = reader_of(make(), tmp_path, "wanted").state_dict()
    assert found.keys() == wanted.keys()
    assert all(torch.equal(found[name], wanted[name]) for name in wanted)


def test_what_an_import_says_and_writes(tmp_path: Path):
    notes = imported(LAYOUTS["usr, training"](), tmp_path).notes
    assert "the 13 weights of its audio and audio-visual parts are left out" in notes
    assert any("backbone is taken" in note for note in notes)
    assert any("--beam-size 40" in note for note in notes)
    spec = load_spec(models_folder() / "mine")
    assert spec.encoder == RelTransformerEncoderSpec(hidden=16, layers=3, heads=2, ff=24)
    assert (spec.decoder.hidden, spec.decoder.heads, spec.decoder.ff, spec.decoder.layers) == (16, 2, 20, 2)
    assert spec.frontend == AutoAVSRFrontendSpec((4, 4, 6, 8), activation="swish")
    assert spec.input == InputSpec(88, 88, crop="auto-avsr", normalisation="fixed")
    assert spec.tokenizer.vocab == ["<blank>", *UNITS, "<eos>"]
    assert resolve(Capabilities.of(spec)).ctc_weight == 0.1  # as in their results
    imported(raven_state(), tmp_path, "raven")
    spec = load_spec(models_folder() / "raven")
    assert spec.encoder.feed_norm == "batch"
    assert (spec.decoder.hidden, spec.decoder.heads) == (8, 1)  # heads as large as the encoder's


def test_half_precision(tmp_path: Path):
    half = {name: tensor.half() if tensor.is_floating_point() else tensor for name, tensor in raven_state().items()}
    reader = reader_of(half, tmp_path)
    assert {tensor.dtype for tensor in reader.state_dict().values()} == {torch.float32, torch.int64}


@pytest.mark.parametrize("names", ["with encoder.", "without"])
def test_a_pre_trained_encoder_is_where_a_training_begins(names: str, tmp_path: Path):
    state = fill(raven_encoder_shapes())
    if names == "without":
        state = {name.removeprefix("encoder."): tensor for name, tensor in state.items()}
    result = imported(state, tmp_path, "raven")
    assert any("train one with `start_from: raven`" in note for note in result.notes)
    spec, encoder = load_checkpoint(result.folder)
    assert (spec.ctc, spec.decoder) == (False, None)
    with pytest.raises(ConfigError, match="model raven is an encoder without a head, and reads nothing"):
        resolve(Capabilities.of(spec))
    row = next(row for row in describe_models() if row["name"] == "raven")
    assert (row["reads"], row["vocabulary"]) == ("nothing: an encoder to start a training from", "none")
    mine = ModelSpec("mine", CharacterTokenizer(), spec.input, spec.frontend, spec.encoder)
    reader = build_reader(mine)
    line = start_from(reader, result.folder, mine, whole=("frontend", "encoder"))
    assert line.endswith("fresh: ctc.project.weight, ctc.project.bias")
    assert all(torch.equal(tensor, reader.state_dict()[name]) for name, tensor in encoder.state_dict().items())


def test_a_teacher_alone_is_taken(tmp_path: Path):
    encoder = {name.removeprefix("encoder."): tensor for name, tensor in fill(raven_encoder_shapes()).items()}
    found = reader_of(under("model.model_video.target_backbone.", encoder), tmp_path, "teacher").state_dict()
    wanted = reader_of(encoder, tmp_path, "encoder").state_dict()
    assert all(torch.equal(found[name], wanted[name]) for name in wanted)


def without(state: dict[str, Tensor], *parts: str) -> dict[str, Tensor]:
    return {name: tensor for name, tensor in state.items() if not any(part in name for part in parts)}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda state: without(state, "frontend_v", "linear_v"),
            r"holds no visual network: give the file of the visual model \(its first layer is frontend3D\)",
        ),
        (
            lambda state: under("a.backbone.", state) | under("b.backbone.", state),
            r"holds 2 visual networks \(a.backbone., b.backbone.\): give the file of one network",
        ),
        (
            lambda state: under("model.backbone.", state) | {"model.adapter.weight": torch.ones(2)},
            r"holds 1 weights beside the model backbone that are not known \(first adapter.weight\)",
        ),
        (lambda state: state | under("_orig_mod.", state), "weights twice, compiled and plain: save one network"),
        (lambda state: without(state, "linear_v"), "has no encoder.embed.0.weight: give the file of a whole model"),
        (
            lambda state: without(state, "encoders.1.gamma_ff", "encoders.2.norm_mha.bias"),
            "2 of .* encoder.encoders.1.gamma_ff is missing; encoder.encoders.2.norm_mha.bias is missing: give",
        ),
        (
            lambda state: state | {"encoder.encoders.0.conv_module.norm.weight": torch.ones(16)},
            "1 of .* encoder.encoders.0.conv_module.norm.weight is not known",
        ),
        (
            lambda state: state | {"encoder.encoders.1.gamma_ff": torch.ones(3)},
            r"USR or RAVEn model \(3 layers of 16, 2 heads\).* encoder.encoders.1.gamma_ff is \(3,\), wanted \(16,\)",
        ),
    ],
)
def test_what_cannot_be_mapped_is_refused(change, message: str, tmp_path: Path):
    with pytest.raises(CheckpointError, match=message) as caught:
        imported(change(usr2_state()), tmp_path)
    assert "\n" not in str(caught.value)
    assert list(models_folder().glob("*")) == []


@pytest.mark.parametrize("broken", ["decoder.proj_decoder.bias", "linear_k.bias"])
def test_a_decoder_whose_first_layer_is_not_whole_is_refused(broken: str, tmp_path: Path):
    with pytest.raises(CheckpointError, match="does not fit a USR or RAVEn model"):
        imported(without(raven_state(), broken), tmp_path)


def test_units_of_the_published_models_are_asked_for(units: Path, tmp_path: Path):
    units.unlink()
    state = usr2_state()
    for name in ("ctc_v.ctc_lo.weight", "ctc_v.ctc_lo.bias"):
        state[name] = torch.zeros(1049, *state[name].shape[1:])
    with pytest.raises(CheckpointError, match=r"pass --units unigram1000_units.txt, published at .*ahaliassos/raven"):
        imported(state, tmp_path)


def test_published_sizes_are_found(tmp_path: Path):
    """Shapes alone: of the large models, as their authors' configs give them."""
    from lipscribe.zoo.interop.usr import _decoder, _encoder

    with torch.device("meta"):
        names = ("encoder.embed.0.weight", "encoder.encoders.31.x", "encoder.encoders.0.self_attn.pos_bias_u")
        sizes = [torch.empty(1280, 512), torch.empty(1), torch.empty(16, 80)]
        huge = dict(zip(names, sizes, strict=True)) | {
            "encoder.encoders.0.feed_forward.w_1.weight": torch.empty(5120, 1280),
            "decoder.embed.0.weight": torch.empty(1049, 256),
            "decoder.decoders.5.x": torch.empty(1),
            "decoder.decoders.0.feed_forward.w_1.weight": torch.empty(2048, 256),
        }
    assert _encoder(huge) == RelTransformerEncoderSpec(hidden=1280, layers=32, heads=16, ff=5120)
    decoder = _decoder(huge, head_size=64)
    assert (decoder.hidden, decoder.heads, decoder.ff, decoder.layers) == (256, 4, 2048, 6)


PUBLISHED_MILLIONS = {  # hidden, heads, decoder's layers, layers: as the paper of USR 2 counts them
    "base": (512, 8, 6, 12, 86),
    "base plus": (768, 12, 6, 12, 171),
    "large": (1024, 16, 9, 24, 503),
    "huge": (1280, 16, 9, 32, 946),
}


def test_published_sizes_have_the_published_number_of_parameters(tmp_path: Path):
    """Of what is imported and its audio twins; the rest, a ResNet-18 over samples, is the same in all."""
    (tmp_path / "u.txt").write_text("".join(f"u{idx} {idx}\n" for idx in range(1, 1048)))
    left = []
    for hidden, heads, decoder_layers, layers, millions in PUBLISHED_MILLIONS.values():
        spec = ModelSpec(
            "x",
            UnitsTokenizer(str(tmp_path / "u.txt")),
            InputSpec(88, 88),
            AutoAVSRFrontendSpec((64, 128, 256, 512), activation="swish"),
            RelTransformerEncoderSpec(hidden, layers, heads=heads),
            decoder=TransformerDecoderSpec(hidden, decoder_layers, heads),
        )
        with sizes_only():
            visual = sum(parameter.numel() for parameter in build_reader(spec).parameters())
        twins = 2 * 2 * 1049 * (hidden + 1) + hidden * (512 + 1) + hidden * (2 * 512 + 1)
        left.append(millions - (visual + twins) / 1e6)
    assert all(3.2 < each < 4.5 for each in left)  # 3.8 million, where the others are rounded to one


def test_a_known_file_is_recognised_under_any_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    assert not any("by its checksum" in note for note in imported(usr2_state(), tmp_path, "unknown").notes)
    digest = imported(usr2_state(), tmp_path, "again").sha256
    file = known.KnownFile("famous.pth", "LRS3", "ask them", 0.203)
    monkeypatch.setattr(known, "KNOWN", {digest: file})
    notes = import_model(shutil.copy(tmp_path / "again.pth", tmp_path / "model.bin"), "renamed").notes
    assert notes[0] == "by its checksum it is famous.pth: 20.3% word error rate on LRS3 test, as published"
    card = load_spec(models_folder() / "renamed").card
    assert (card.data, card.licence) == (f"LRS3; famous.pth, sha256 {digest}", "ask them")
    row = next(row for row in describe_models() if row["name"] == "renamed")
    assert row["wer"] == "20.3% as published"


def test_known_checksums_are_checksums():
    assert all(len(digest) == 64 and int(digest, 16) >= 0 for digest in known.KNOWN)
    assert all(0 < file.wer < 1 for file in known.KNOWN.values())
