"""Models by name, and what `lipscribe models` shows of them."""

from dataclasses import replace
from pathlib import Path

import pytest

from lipscribe.errors import CheckpointError
from lipscribe.models.builders import build_reader
from lipscribe.models.spec import SPEC_FILE, Card, ModelSpec
from lipscribe.zoo import registry
from lipscribe.zoo.cache import cache_folder
from lipscribe.zoo.checkpoint import save_checkpoint
from lipscribe.zoo.listing import describe_models, describe_published
from lipscribe.zoo.registry import find_language_model, find_model, list_models, models_folder, remove_model


def put_model(folder: Path, spec: ModelSpec) -> Path:
    save_checkpoint(folder, spec, build_reader(spec).state_dict())
    return folder


@pytest.fixture
def models(tmp_path: Path, toy_spec: ModelSpec, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with a run, and a package with one bundled model."""
    monkeypatch.setattr(registry, "BUNDLED", tmp_path / "assets")
    monkeypatch.setenv("LIPSCRIBE_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    card = Card("two words", "drawn", "CC0", closed_vocabulary=True, scores={"dev_wer": 0.125})
    put_model(tmp_path / "assets" / "grid", replace(toy_spec, card=card))
    put_model(tmp_path / "runs" / "mine" / "best", toy_spec)
    put_model(tmp_path / "runs" / "mine" / "last", toy_spec)
    return tmp_path


def test_models_are_found_by_name_by_folder_and_by_run(models: Path):
    assert find_model("grid") == models / "assets" / "grid"
    assert find_model("runs/mine/last") == Path("runs/mine/last")
    assert find_model(models / "runs" / "mine") == models / "runs" / "mine" / "best"
    (models / "runs" / "mine" / "best" / SPEC_FILE).unlink()
    assert find_model("runs/mine") == Path("runs/mine/last")


def test_the_former_name_of_a_bundled_model_goes_on_working(models: Path, toy_spec: ModelSpec):
    assert find_model("grid-s1") == find_model("grid")
    own = put_model(models_folder() / "grid-s1", toy_spec)
    assert find_model("grid-s1") == own


def test_an_unknown_model_names_those_at_hand(models: Path):
    with pytest.raises(CheckpointError, match="no model 'grid-s2': give one of grid, runs/mine/best, runs/mine/last"):
        find_model("grid-s2")


def test_a_folder_without_a_model(models: Path):
    with pytest.raises(CheckpointError, match=r"'assets' holds no model: wanted a folder with spec.json"):
        find_model("assets")


def test_nothing_at_hand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(registry, "BUNDLED", tmp_path / "assets")
    monkeypatch.setenv("LIPSCRIBE_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    assert list(list_models()) == []
    with pytest.raises(CheckpointError, match="give one of none"):
        find_model("grid")


def test_the_listing_tells_what_each_can_read(models: Path):
    rows = describe_models()
    assert [row["name"] for row in rows] == ["grid", "runs/mine/best", "runs/mine/last"]
    assert rows[0] | {"path": "", "size": ""} == {
        "name": "grid",
        "default": True,
        "kind": "lip reader",
        "path": "",
        "reads": "two words",
        "data": "drawn",
        "vocabulary": "closed, 3 words",
        "wer": "12.5%",
        "size": "",
        "licence": "CC0",
        "runtime": "torch",
    }
    assert rows[0]["size"].endswith(" MB")
    assert rows[1]["wer"] == "not measured"


@pytest.mark.parametrize("record", ["{", '{"name": "x", "tokenizer": {"kind": "signs"}}'])
def test_a_damaged_model_is_listed_with_what_is_wrong(models: Path, record: str):
    (models / "runs" / "mine" / "best" / SPEC_FILE).write_text(record)
    rows = describe_models()
    assert len(rows) == 3
    assert rows[1]["reads"].startswith("damaged: ")
    assert set(rows[1]) == set(rows[0])


def test_installed_models_are_found_listed_and_removed(models: Path, toy_spec: ModelSpec):
    put_model(models_folder() / "mine", toy_spec)
    put_model(models_folder() / ".half.abc", toy_spec)
    assert find_model("mine") == models_folder() / "mine"
    assert [name for name, _ in list_models()] == ["grid", "mine", "runs/mine/best", "runs/mine/last"]
    with pytest.raises(CheckpointError, match="no model 'half'"):
        find_model("half")
    assert remove_model("mine") == models_folder() / "mine"
    assert not (models_folder() / "mine").exists()


@pytest.mark.parametrize("name", ["grid", "runs/mine", "..", "", ".", "../models/mine"])
def test_only_installed_models_are_removed(models: Path, toy_spec: ModelSpec, name: str):
    put_model(models_folder() / "mine", toy_spec)
    with pytest.raises(CheckpointError, match=r"no installed model .*: give one of mine"):
        remove_model(name)
    assert find_model("mine")
    assert find_model("grid")


def test_what_can_be_fetched_is_told(models: Path):
    with pytest.raises(CheckpointError, match="fetch it with `lipscribe models pull auto-avsr-lrs3`"):
        find_model("auto-avsr-lrs3")
    with pytest.raises(CheckpointError, match="fetch it with `lipscribe models pull auto-avsr-lm-en`"):
        find_language_model("auto-avsr-lm-en")
    with pytest.raises(CheckpointError, match="no language model 'x': give the folder of one, or an ARPA file"):
        find_language_model("x")
    rows = {row["name"]: row for row in describe_published()}
    assert rows["auto-avsr-lrs3"]["wer"] == "19.1%"
    assert "non-commercial" in rows["auto-avsr-lrs3"]["licence"]


def test_the_cache_is_where_the_environment_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("LIPSCRIBE_CACHE", "~/x")
    assert cache_folder() == Path.home() / "x"
    monkeypatch.delenv("LIPSCRIBE_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "lipscribe"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache_folder() == Path.home() / ".cache" / "lipscribe"


@pytest.mark.parametrize("name", ["x" * 5000, "a\0b"])
def test_a_name_that_no_file_can_have_is_no_model(name: str):
    with pytest.raises(CheckpointError, match="no model"):
        find_model(name)
