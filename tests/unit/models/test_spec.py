"""The record of a model: what is written comes back, and what cannot be built is refused when it is read."""

import json
from pathlib import Path
from typing import Any

import pytest

from lipscribe.errors import CheckpointError
from lipscribe.models.decoder_specs import AttentionDecoderSpec, TransformerDecoderSpec
from lipscribe.models.encoder_specs import (
    ConformerEncoderSpec,
    EncoderSpec,
    NoEncoderSpec,
    RecurrentEncoderSpec,
    RelConformerEncoderSpec,
    TCNEncoderSpec,
    WindowSizes,
)
from lipscribe.models.frontend_specs import AutoAVSRFrontendSpec, LipNetFrontendSpec
from lipscribe.models.spec import SPEC_FILE, ModelSpec, load_spec
from lipscribe.schema import from_dict, to_dict
from lipscribe.zoo.registry import find_model

RECORD = {
    "format_version": 2,
    "name": "toy",
    "tokenizer": {"kind": "words", "words": ["a", "b"]},
    "frontend": {"channels": [4, 8], "stem_frames": 3, "pooling": "average"},
    "encoder": {"cell": "gru", "bidirectional": False},
    "decoder": {"hidden": 9},
    "grammar": [["a"], ["a", "b"]],
    "slot_names": ["first", "second"],
    "flip_average": True,
    "shift_average": 2,
    "temperatures": {"grammar": 1.5},
    "card": {"reads": "two words", "scores": {"dev_wer": 0.5}},
}


def write_spec(folder: Path, text: str) -> Path:
    (folder / SPEC_FILE).write_text(text)
    return folder


def test_round_trip(tmp_path: Path):
    spec = from_dict(ModelSpec, RECORD, "x")
    assert load_spec(write_spec(tmp_path, json.dumps(to_dict(spec)))) == spec
    assert spec.grammar == (("a",), ("a", "b"))
    assert spec.frontend.channels == (4, 8)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"tokenizer": {"kind": "syllables"}},
            "tokenizer.kind is 'syllables', wanted one of characters, words",
        ),
        ({"tokenizer": {"kind": "words", "words": []}}, "tokenizer: words holds nothing"),
        ({"surprise_limit": 0}, "surprise_limit is 0.*, wanted a number above 0, or null"),
        ({"slot_names": ["first"]}, "slot_names has 1 names, wanted one for each of the 2 slots"),
        ({"frontend": {"stem_frames": 4}}, "frontend: stem_frames is 4, wanted an odd number"),
        (
            {"encoder": {"cell": "rnn"}},
            "encoder.cell is 'rnn', wanted one of lstm, gru, tcn, conformer, rel-conformer, rel-transformer, none",
        ),
        (
            {"frontend": {"kind": "resnet18", "channels": [8, 8]}},
            "frontend: channels has 2 numbers, wanted 4 for resnet18",
        ),
        (
            {"frontend": {"kind": "lipnet", "channels": [8, 8, 8], "pooling": "average"}},
            "frontend.pooling is 'average', but kind lipnet has no pooling: leave it out, or set kind to conv or res",
        ),
        ({"frontend": {"channels": []}}, "frontend: channels has 0 numbers, wanted some for conv"),
        (
            {"frontend": {"kind": "lipnet", "channels": [8, 8, 8]}, "input": {"height": 12}},
            "input is 12 x 80 pixels, wanted at least 16 x 16 for a lipnet frontend",
        ),
        ({"decoder": {"location_frames": 4}}, "decoder: location_frames is 4, wanted 0 or an odd number"),
        ({"encoder": {"cell": "tcn", "kernel": 4}}, "encoder: kernel is 4, wanted an odd number"),
        (
            {"encoder": {"cell": "conformer", "hidden": 20, "heads": 4}},
            "encoder: hidden is 20, wanted a multiple of 8, twice the heads",
        ),
        (
            {"encoder": {"cell": "tcn", "bidirectional": False}},
            "encoder.bidirectional is False, but cell tcn has no bidirectional: leave it out, or set cell to lstm or",
        ),
        (
            {"encoder": {"cell": "rel-conformer", "hidden": 20, "heads": 4}},
            "encoder: hidden is 20, wanted a multiple of 8, twice the heads",
        ),
        (
            {"encoder": {"ff": 9}},
            "encoder.ff is 9, but cell lstm has no ff: leave it out, or set cell to rel-conformer",
        ),
        ({"encoder": {"cell": "gru", "heads": 8}}, "encoder.heads is 8, but cell gru has no heads"),
        ({"encoder": {"positions": "legacy"}}, "encoder.positions is 'legacy', but cell lstm has no positions"),
        (
            {"frontend": {"kind": "auto-avsr", "channels": [8, 8, 8], "pooling": "average"}},
            "frontend: channels has 3 numbers, wanted 4 for auto-avsr",
        ),
        (
            {"frontend": {"activation": "swish"}},
            "frontend.activation is 'swish', but kind conv has no activation: leave it out, or set kind to auto-avsr",
        ),
        ({"decoder": {"ff": 9}}, "decoder.ff is 9, but kind lstm has no ff: leave it out, or set kind to transformer"),
        (
            {"decoder": {"kind": "transformer"}},
            'decoder.kind is transformer, wanted a tokenizer of kind "units", whose last token is <eos>',
        ),
        ({"input": {"crop": "other"}}, "input.crop is 'other', wanted one of lipscribe, auto-avsr"),
        ({"input": {"normalisation": "none"}}, "input.normalisation is 'none', wanted one of frame, fixed"),
        (
            {"input": {"fps": 50}},
            "input: fps is 50, wanted 25: clips are prepared and words are timed at that rate, and a video of any rate "
            "is read at it",
        ),
        ({"input": {"height": 200}}, "input.height is 200, wanted 8 to 96"),
        ({"card": {"scores": {"dev_wer": "low"}}}, "card.scores.dev_wer is 'low', wanted a number"),
        ({"card": {"scores": 0.1}}, "card.scores is 0.1, wanted a mapping"),
        ({"temperatures": {"beam": 0.0}}, "temperatures.beam is 0.0, wanted a number above 0"),
        ({"layers": 3}, "layers is unknown"),
    ],
)
def test_a_wrong_spec_is_refused(tmp_path: Path, change: dict[str, Any], message: str):
    with pytest.raises(CheckpointError, match=rf"spec.json: 1 fault: {message}"):
        load_spec(write_spec(tmp_path, json.dumps(RECORD | change)))


def test_a_spec_of_a_newer_version_says_so(tmp_path: Path):
    with pytest.raises(CheckpointError, match=r"newer Lipscribe \(format 3, this one reads up to 2\): update"):
        load_spec(write_spec(tmp_path, json.dumps(RECORD | {"format_version": 3})))


def test_a_bundled_model_loads_though_its_spec_is_older_than_some_fields():
    spec = load_spec(find_model("talkers"))
    assert (spec.encoder.cell, spec.frontend.channels, spec.decoder) == ("lstm", (16, 32, 64, 96), None)


FLAT = {  # what every record said before version 2, whatever its kinds
    "frontend": {"stem_frames": 5, "pooling": "average", "features": 192, "dropout": 0.1, "activation": "relu"},
    "encoder": {"hidden": 8, "layers": 1, "bidirectional": True, "dropout": 0.1, "kernel": 7, "heads": 2, "ff": 0},
}


@pytest.mark.parametrize(
    ("frontend", "encoder", "wanted"),
    [
        (
            {"kind": "auto-avsr", "channels": [4, 4, 4, 4]},
            {"cell": "gru"},
            (AutoAVSRFrontendSpec((4, 4, 4, 4), dropout=0.1), RecurrentEncoderSpec("gru", 8, 1, dropout=0.1)),
        ),
        (
            {"kind": "lipnet", "channels": [4, 4, 4], "pooling": "flatten"},
            {"cell": "conformer", "positions": "latest"},
            (LipNetFrontendSpec((4, 4, 4), 0.1), ConformerEncoderSpec(8, 1, 0.1, kernel=7, heads=2)),
        ),
    ],
)
def test_records_of_version_1_are_read_without_what_is_not_of_their_kind(
    tmp_path: Path, frontend: dict[str, Any], encoder: dict[str, Any], wanted: tuple[Any, Any]
):
    record = {name: value for name, value in RECORD.items() if name != "format_version"}
    record |= {"frontend": FLAT["frontend"] | frontend, "encoder": FLAT["encoder"] | encoder}
    spec = load_spec(write_spec(tmp_path, json.dumps(record)))
    assert (spec.frontend, spec.encoder, spec.format_version) == (*wanted, 1)


def test_what_another_kind_has_may_stand_at_its_default(tmp_path: Path):
    encoder = {"cell": "tcn", "bidirectional": True, "heads": 4, "ff": 0, "positions": "latest"}
    frontend = {"kind": "auto-avsr", "channels": [4, 4, 4, 4], "pooling": "average", "features": 256}
    spec = from_dict(ModelSpec, RECORD | {"encoder": encoder, "frontend": frontend}, "x")
    assert (spec.encoder, spec.frontend) == (TCNEncoderSpec(), AutoAVSRFrontendSpec((4, 4, 4, 4)))


@pytest.mark.parametrize(
    ("decoder", "message"),
    [
        ({"location_frames": 3}, "decoder.location_frames is 3, but kind transformer has no location_frames"),
        ({"hidden": 9, "heads": 3}, "decoder: hidden is 9, wanted an even number that is a multiple of 3, the heads"),
        ({"hidden": 10}, "decoder: hidden is 10, wanted an even number that is a multiple of 4, the heads"),
    ],
)
def test_a_wrong_transformer(tmp_path: Path, decoder: dict[str, Any], message: str):
    (tmp_path / "units.txt").write_text("A 1\n")
    units = {"tokenizer": {"kind": "units", "units": "units.txt", "model": None}, "grammar": None}
    record = RECORD | units | {"decoder": {"kind": "transformer"}}
    spec = load_spec(write_spec(tmp_path, json.dumps(record)))
    assert spec.tokenizer.units == str(tmp_path / "units.txt")
    with pytest.raises(CheckpointError, match=rf"spec.json: 1 fault: {message}"):
        load_spec(write_spec(tmp_path, json.dumps(record | {"decoder": {"kind": "transformer"} | decoder})))


@pytest.mark.parametrize("field", ["units", "model"])
@pytest.mark.parametrize(
    "name", ["/etc/passwd", "../units.txt", "in/../../units.txt", "..", "", "C:\\units.txt", "link"]
)
def test_files_of_a_tokenizer_are_beside_the_spec(tmp_path: Path, field: str, name: str):
    """A model from elsewhere must not have other files read: a fault of their lines would be shown."""
    folder = tmp_path / "model"
    folder.mkdir()
    for place in (tmp_path, folder):
        (place / "units.txt").write_text("A 1\n")
    (folder / "link").symlink_to(tmp_path / "units.txt")
    tokenizer = {"kind": "units", "units": "units.txt", "model": None} | {field: name}
    with pytest.raises(CheckpointError, match=f"tokenizer.{field} is .*, which leads out of the model's folder"):
        load_spec(write_spec(folder, json.dumps(RECORD | {"tokenizer": tokenizer, "grammar": None})))


def test_a_model_whose_folder_is_a_link(tmp_path: Path):
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "units.txt").write_text("A 1\n")
    (tmp_path / "link").symlink_to(tmp_path / "model")
    tokenizer = {"kind": "units", "units": "units.txt", "model": None}
    write_spec(tmp_path / "model", json.dumps(RECORD | {"tokenizer": tokenizer, "grammar": None}))
    assert len(load_spec(tmp_path / "link").tokenizer.vocab) == 3


def test_a_damaged_spec(tmp_path: Path):
    with pytest.raises(CheckpointError, match=r"spec.json cannot be read .*: copy or train the model again"):
        load_spec(write_spec(tmp_path, '{"name": "t'))


def test_a_folder_without_a_spec(tmp_path: Path):
    with pytest.raises(CheckpointError, match=r"holds no spec.json: a model is a folder that `lipscribe train` wrote"):
        load_spec(tmp_path)


@pytest.mark.parametrize("spec", [ConformerEncoderSpec(), RelConformerEncoderSpec()])
def test_a_network_that_attends_to_all_frames_is_read_whole_for_13_s(spec: EncoderSpec):
    assert spec.attends_to_all
    assert spec.window.window + spec.window.context == 325


@pytest.mark.parametrize("spec", [RecurrentEncoderSpec(), TCNEncoderSpec(), NoEncoderSpec()])
def test_others_are_read_in_windows_of_6_s(spec: EncoderSpec):
    assert (spec.attends_to_all, spec.window) == (False, WindowSizes(150, 50, 150))


def test_a_transformer_ends_sentences_with_a_symbol_of_its_own():
    assert (TransformerDecoderSpec().own_end, AttentionDecoderSpec().own_end) == (True, False)
