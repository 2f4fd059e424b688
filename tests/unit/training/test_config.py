"""Training configs: every fault at once, in one line that says what to write instead."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from lipscribe.errors import ConfigError
from lipscribe.models.encoder_specs import RecurrentEncoderSpec
from lipscribe.schema import to_dict
from lipscribe.training.config import TrainConfig, load_config

Settings = Callable[..., dict[str, Any]]


@pytest.fixture
def write(tmp_path: Path, toy_settings: Settings) -> Callable[..., Path]:
    def write_config(**sections: Any) -> Path:
        path = tmp_path / "toy.yaml"
        path.write_text(yaml.safe_dump(toy_settings("runs/toy", **sections)))
        return path

    return write_config


def test_round_trip(write: Callable[..., Path], tmp_path: Path):
    config = load_config(write())
    assert isinstance(config, TrainConfig)
    (tmp_path / "again.yaml").write_text(yaml.safe_dump(to_dict(config)))
    assert load_config(tmp_path / "again.yaml") == config


def test_overrides_replace_single_values(write: Callable[..., Path]):
    config = load_config(write(), output="elsewhere", optim__epochs=7, augment__flip=0.0)
    assert (config.output, config.optim.epochs, config.optim.batch_size) == ("elsewhere", 7, 4)
    assert config.augment.flip == 0.0


def test_a_base_says_what_the_file_does_not(write: Callable[..., Path], tmp_path: Path):
    base = write()
    (tmp_path / "middle.yaml").write_text("base: toy.yaml\noptim: {epochs: 7}\naugment: {flip: 0.0}\n")
    (tmp_path / "top.yaml").write_text(
        "base: middle.yaml\noutput: elsewhere\noptim: {batch_size: 9}\nmodel: {frontend: {channels: [3]}}\n"
    )
    wanted = {"output": "elsewhere", "optim__epochs": 7, "optim__batch_size": 9, "augment__flip": 0.0}
    assert load_config(tmp_path / "top.yaml") == load_config(base, model__frontend__channels=[3], **wanted)
    assert load_config(tmp_path / "top.yaml", optim__epochs=2).optim.epochs == 2


def test_another_kind_than_the_base_has_leaves_behind_what_it_does_not_know(write: Callable[..., Path], tmp_path: Path):
    base = write(model={"encoder": {"cell": "conformer", "hidden": 8, "heads": 2, "kernel": 7}})
    (tmp_path / "gru.yaml").write_text("base: toy.yaml\nmodel: {encoder: {cell: gru}}\n")
    wanted = RecurrentEncoderSpec("gru", hidden=8)
    assert load_config(tmp_path / "gru.yaml").model.encoder == wanted
    assert load_config(base, model__encoder__cell="gru").model.encoder == wanted
    with pytest.raises(
        ConfigError, match=r"encoder.kernel is 9, but cell gru has no kernel: leave it out, or set cell"
    ):
        load_config(base, model__encoder__cell="gru", model__encoder__kernel=9)


def test_bases_that_are_none(write: Callable[..., Path], tmp_path: Path):
    write()
    for name, base in {"one": "two.yaml", "two": "one.yaml", "odd": "[toy.yaml]", "lost": "nowhere.yaml"}.items():
        (tmp_path / f"{name}.yaml").write_text(f"base: {base}\n")
    with pytest.raises(ConfigError, match=r"one.yaml is its own base, through 2 files: take one `base` out"):
        load_config(tmp_path / "one.yaml")
    with pytest.raises(ConfigError, match=r"odd.yaml: base is \['toy.yaml'\], wanted the name of a config beside it"):
        load_config(tmp_path / "odd.yaml")
    with pytest.raises(ConfigError, match=r"nowhere.yaml does not exist"):
        load_config(tmp_path / "lost.yaml")


def test_an_override_of_a_section_that_is_not_there(tmp_path: Path):
    (tmp_path / "c.yaml").write_text("output: x\ndata: {folder: p}\nmodel: {name: a, tokenizer: {kind: words}}\n")
    with pytest.raises(ConfigError, match=r"model.tokenizer.words is missing"):
        load_config(tmp_path / "c.yaml", optim__epochs=3)


@pytest.mark.parametrize("section", ["data:", "data: 3", "data: [1]"])
def test_an_override_in_a_section_that_is_no_mapping(tmp_path: Path, section: str):
    (tmp_path / "c.yaml").write_text(
        f"output: x\n{section}\nmodel: {{name: a, tokenizer: {{kind: words, words: [a]}}}}"
    )
    with pytest.raises(ConfigError, match=r"data is .*, wanted a mapping with folder"):
        load_config(tmp_path / "c.yaml", data__folder="p")


@pytest.mark.parametrize(
    ("ctc_weight", "given", "ctc", "hidden"),
    [(1.0, None, True, None), (1.0, 9, True, None), (0.0, 9, False, 9), (0.3, 9, True, 9), (0.3, None, True, 256)],
)
def test_one_line_chooses_the_heads(write: Callable[..., Path], ctc_weight, given, ctc, hidden):
    path = write(model={"decoder": given and {"hidden": given}})
    spec = load_config(path, optim__ctc_weight=ctc_weight).trained_model
    assert (spec.ctc, spec.decoder and spec.decoder.hidden) == (ctc, hidden)


def test_three_faults_make_one_line(write: Callable[..., Path]):
    path = write(optim={"epochs": 0, "precision": "8-bit"}, data={"foldr": "x"})
    with pytest.raises(ConfigError) as caught:
        load_config(path)
    assert str(caught.value) == (
        f"{path}: 3 faults: data.foldr is unknown; did you mean folder?; optim.epochs is 0, wanted at least 1; "
        "optim.precision is '8-bit', wanted one of auto, 32-true, bf16-mixed"
    )


@pytest.mark.parametrize(
    ("sections", "message"),
    [
        ({"augment": {"time_mask_frames": 0}}, "augment.time_mask_frames is 0, wanted at least 1"),
        ({"model": {"tokenizer": {"kind": "sign"}}}, "model.tokenizer.kind is 'sign', wanted one of characters, words"),
        (
            {"model": {"ctc": False, "decoder": {}}},
            "model.ctc is false, but optim.ctc_weight is 1.0, wanted 0",
        ),
        (
            {"freeze": ["frontend", "eyes"], "start_from": "x"},
            r"freeze\[1\] is 'eyes', wanted one of frontend, encoder",
        ),
        ({"freeze": ["frontend"]}, "freeze without start_from keeps weights that never learned, wanted a model to"),
        (
            {"teacher": "x", "optim": {"distil_weight": 0}},
            "optim.distil_weight is 0, so the teacher has no say, wanted",
        ),
        ({"teacher": "x", "optim": {"sampling": 0.1}}, "optim.sampling is 0.1 with a teacher, wanted 0"),
        ({"optim": {"distil_weight": 1.1}}, "optim.distil_weight is 1.1, wanted 0 to 1"),
        ({"optim": {"distil_temperature": 0}}, "optim.distil_temperature is 0.0, wanted 0.1 to 100"),
        ({"model": {"grammar": [["red"], ["pink"]]}}, "model: grammar: .*'pink'"),
        ({"model": {"grammar": [["red"], []]}}, r"model: grammar: slot 2 is \(\), not a list of words"),
        (
            {"model": {"tokenizer": {"kind": "characters", "characters": "abc"}}},
            "optim.frame_weight is above 0 with a tokenizer of characters, wanted 0 or one of words",
        ),
    ],
)
def test_faults_that_would_stop_the_training_later_stop_it_here(write: Callable[..., Path], sections, message: str):
    with pytest.raises(ConfigError, match=rf"toy.yaml: 1 fault: {message}"):
        load_config(write(**sections))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"a: [", "is not readable YAML"),
        (b"\xff\xfe\xfa", "is not readable YAML"),
        (b"", "holds no settings, wanted a mapping with output, data, model"),
        (b"- a", "holds no settings"),
    ],
)
def test_a_file_that_is_no_config(tmp_path: Path, content: bytes, message: str):
    (tmp_path / "c.yaml").write_bytes(content)
    with pytest.raises(ConfigError, match=message) as caught:
        load_config(tmp_path / "c.yaml")
    assert "\n" not in str(caught.value)


def test_no_file(tmp_path: Path):
    with pytest.raises(ConfigError, match=r"none.yaml does not exist: give a YAML file, or one of .*grid-s1"):
        load_config(tmp_path / "none.yaml")
    with pytest.raises(ConfigError, match="is not readable YAML"):
        load_config(tmp_path)


def test_also_repeat_fits_also():
    with pytest.raises(ConfigError, match="also_repeat has 3 numbers for the 2 folders of also"):
        load_config("grid", data__also_repeat=[5, 1, 1])
    with pytest.raises(ConfigError, match="also_repeat"):
        load_config("grid", data__also_repeat=[0])
