"""Folders of version 1, whose weights had other names, are read as they were."""

import importlib.util
import json
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch

from lipscribe.models.spec import SPEC_FILE, WEIGHTS_FILE
from lipscribe.zoo.checkpoint import load_checkpoint, save_checkpoint, save_weights, start_from
from lipscribe.zoo.language_model import load_language_model
from lipscribe.zoo.registry import LM_FILE

TESTS = Path(__file__).parents[2]
GOLDEN = json.loads((TESTS / "golden" / "version_1.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def rule() -> ModuleType:
    """The script that wrote the golden file."""
    spec = importlib.util.spec_from_file_location("version_1_golden", TESTS.parent / "tools" / "version_1_golden.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def write_folder(folder: Path, golden: dict[str, Any], record: str, rule: ModuleType) -> Path:
    folder.mkdir()
    (folder / "units.txt").write_text("<unk> 1\n<space> 2\nA 3\n", encoding="utf-8")
    (folder / record).write_text(json.dumps(golden["spec"]), encoding="utf-8")
    weights = {name: rule.weight(name, shape) for name, shape in golden["shapes"].items()}
    save_weights(folder / WEIGHTS_FILE, weights)
    return folder


def check_outputs(outputs: list[torch.Tensor], golden: dict[str, Any]) -> None:
    for ours, then in zip(outputs, golden["outputs"], strict=True):
        torch.testing.assert_close(ours.flatten(), torch.tensor(then), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("kind", [kind for kind in GOLDEN if kind != "lm"])
def test_models_of_version_1_give_the_same_numbers(tmp_path: Path, kind: str, rule: ModuleType):
    folder = write_folder(tmp_path / "old", GOLDEN[kind], SPEC_FILE, rule)
    spec, reader = load_checkpoint(folder)
    with torch.inference_mode():
        outputs = reader.forward_train(rule.video(), torch.tensor([5]), rule.TARGETS)
    check_outputs([out for out in outputs if out is not None], GOLDEN[kind])
    assert start_from(reader, folder, spec).endswith(f"{len(reader.state_dict())} tensors")  # nothing is fresh
    save_checkpoint(tmp_path / "new", spec, reader.state_dict(), torch.float32)
    assert json.loads((tmp_path / "new" / SPEC_FILE).read_text())["format_version"] == 2
    _, again = load_checkpoint(tmp_path / "new")
    for name, tensor in reader.state_dict().items():
        assert torch.equal(again.state_dict()[name], tensor)


def test_language_models_of_version_1_give_the_same_numbers(tmp_path: Path, rule: ModuleType):
    _, lm = load_language_model(write_folder(tmp_path / "old", GOLDEN["lm"], LM_FILE, rule))
    with torch.inference_mode():
        check_outputs([lm(rule.TARGETS)], GOLDEN["lm"])
