"""Every bundled config makes a model that reads, and is listed and copied as a user does it."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from lipscribe.cli.app import app
from lipscribe.data.corpora.grid import SLOT_NAMES, SLOTS
from lipscribe.models.builders import build_reader
from lipscribe.training.config import load_config
from lipscribe.training.config_file import BUNDLED, whole_config
from lipscribe.training.distilling import load_teacher
from lipscribe.transforms import Augment

CONFIGS = sorted(BUNDLED.glob("*.yaml"))

LIPNET_CONVOLUTIONS = ((3, 32, 3 * 5 * 5), (32, 64, 3 * 5 * 5), (64, 96, 3 * 3 * 3))  # channels in, out, kernel


def test_there_are_configs():
    assert "grid-s1.yaml" in {path.name for path in CONFIGS}


@torch.inference_mode()
@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_a_config_makes_a_model_that_reads(path: Path):
    config = load_config(path)
    size = config.model.input
    reader = build_reader(config.trained_model).eval()
    log_probs = reader(torch.randn(2, 6, 1, size.height, size.width), torch.tensor([6, 3]))
    assert log_probs.shape == (2, 6, len(config.model.tokenizer.vocab))
    Augment(config.augment, size.height, size.width)
    assert path.stem.startswith(config.model.name)


def test_the_bundled_models_config_knows_exactly_the_words_of_grid():
    model = load_config(CONFIGS[0].parent / "grid-s1.yaml").model
    assert model.grammar == SLOTS
    assert model.slot_names == SLOT_NAMES
    assert set(model.tokenizer.words) == {word for slot in SLOTS for word in slot}


def test_the_student_is_small_and_fits_its_teacher():
    config = load_config(CONFIGS[0].parent / "student.yaml")
    teacher = load_teacher(config.teacher, config.trained_model, config.optim.distil_weight)
    sizes = [sum(map(torch.numel, reader.parameters())) for reader in (build_reader(config.trained_model), teacher)]
    assert 3 * sizes[0] < sizes[1] < 15e6


def test_lipnet_has_as_many_weights_as_the_published_network():
    reader = build_reader(load_config(CONFIGS[0].parent / "lipnet.yaml").model)
    convolutions = sum(size_in * size_out * kernel + size_out for size_in, size_out, kernel in LIPNET_CONVOLUTIONS)
    # Two bidirectional GRUs of 256: three gates, each with weights for what comes in and goes round, and two biases.
    recurrent = sum(2 * 3 * 256 * (size_in + 256 + 2) for size_in in (96 * 3 * 6, 512))
    published = convolutions + recurrent + (512 + 1) * 28  # 26 letters, space, blank
    assert published == 4_574_460
    colours = 2 * 32 * 3 * 5 * 5  # the published input is in colour, ours grey
    assert sum(weights.numel() for weights in reader.parameters()) == published - colours


def run(*arguments: object) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    return result.exit_code, result.stdout, result.stderr


def test_each_is_listed_with_a_sentence():
    code, stdout, _ = run("configs")
    assert code == 0
    listed = dict(line.split(maxsplit=1) for line in stdout.splitlines())
    assert list(listed) == [path.stem for path in CONFIGS]
    assert all(summary.endswith(".") and len(summary) <= 118 for summary in listed.values())


@pytest.mark.parametrize("name", [path.stem for path in CONFIGS])
def test_a_copy_says_the_same_and_needs_no_other_file(name: str, tmp_path: Path):
    copied = tmp_path / "mine.yaml"
    copied.write_text(whole_config(name), encoding="utf-8")
    assert load_config(copied) == load_config(name)
    assert "base" not in {line.split(":")[0] for line in copied.read_text().splitlines()}


def test_a_config_is_copied_and_nothing_is_overwritten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    code, stdout, stderr = run("configs", "copy", "few-clips")
    assert (code, stdout) == (0, "few-clips.yaml\n")
    assert "lipscribe train few-clips.yaml" in stderr
    text = Path("few-clips.yaml").read_text(encoding="utf-8")
    assert text.startswith("# Few clips of one person")
    assert "start_from: talkers" in text
    assert "words: [a, again, at" in text  # of its base
    assert run("configs", "copy", "few-clips", "-o", "few-clips.yaml") == (
        2,
        "",
        "error: few-clips.yaml exists: give another file with --output, or delete it first\n",
    )
    assert run("configs", "copy", "few-clips", "-o", "mine.yaml")[0] == 0
    mine, original = load_config("mine.yaml"), load_config("few-clips")
    assert (mine.output, mine.model.name) == ("runs/mine", "mine")  # as README says
    model = replace(mine.model, name=original.model.name)
    assert replace(mine, output=original.output, model=model) == original
    assert "#   lipscribe train mine.yaml\n" in Path("mine.yaml").read_text(encoding="utf-8")
    code, _, stderr = run("configs", "copy", "few-clip")
    assert code == 2
    assert "no bundled config 'few-clip': give one of ablation, characters" in stderr
    code, _, stderr = run("configs", "copy", "ctc", "-o", "none/ctc.yaml")
    assert code == 2
    assert "none/ctc.yaml cannot be written (No such file or directory)" in stderr


def test_training_takes_a_name_beside_a_folder_of_that_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "talkers").mkdir()
    assert load_config("talkers") == load_config("configs/talkers.yaml") == load_config(BUNDLED / "talkers.yaml")
    (tmp_path / "mine.yaml").write_text("base: talkers\noutput: runs/mine\n")
    assert load_config("mine.yaml") == load_config("talkers", output="runs/mine")
    code, _, stderr = run("train", "talkers", "--data", "nowhere/")
    assert code == 2
    assert "nowhere" in stderr
    code, _, stderr = run("train", "talker")
    assert code == 2
    assert "talker does not exist: give a YAML file, or one of the bundled configs" in stderr
