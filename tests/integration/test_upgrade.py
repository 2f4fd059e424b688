"""What older checkouts of this repository wrote is read, resumed and migrated: tests/golden/older/make.py."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

pytest.importorskip("torch", reason="needs lipscribe[train]")

from lipscribe.cli.app import app
from lipscribe.data.journal import open_journal
from lipscribe.data.manifest import load_manifest
from lipscribe.data.shard_index import entries_on_disk, read_index
from lipscribe.data.shards import check_crop, read_shard
from lipscribe.footage.journal import FootageJournal
from lipscribe.models.spec import FORMAT_VERSION
from lipscribe.server.enrolment_folder import EnrolmentFolder
from lipscribe.transcript import Transcript

OLDER = Path(__file__).resolve().parents[1] / "golden" / "older"
CHECKOUTS = ("4eb506e", "380923f", "c230d01")  # from the oldest on
TEXTS = {"s1/0": "bin blue", "s1/1": "set red", "s1/2": "lay now"}
NUM_FRAMES = {"4eb506e": 12, "380923f": 25, "c230d01": 25}

Copy = Callable[[str], Path]

pytestmark = pytest.mark.slow


@pytest.fixture
def copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Copy:
    """Makes a folder as an older checkout left it the working one, with paths as if it had been made there."""

    def copied(checkout: str) -> Path:
        folder = tmp_path / checkout
        shutil.copytree(OLDER / checkout, folder)
        for video in (OLDER / "380923f").glob("*.mp4"):
            shutil.copy(video, folder)
        for name in ("label.jsonl.read", "align.jsonl.aligned", "prepared/manifest.jsonl"):
            if (folder / name).exists():
                text = (folder / name).read_text(encoding="utf-8")
                (folder / name).write_text(text.replace(f"/tmp/{checkout}", str(folder)), encoding="utf-8")
        monkeypatch.chdir(folder)
        monkeypatch.setenv("LIPSCRIBE_CACHE", str(folder))  # with `models`
        return folder

    return copied


def run(*arguments: str) -> tuple[str, str]:
    """Stdout and stderr of a command that ends with 0."""
    result = CliRunner().invoke(app, list(arguments))
    assert result.exit_code == 0, result.output
    return result.stdout, result.stderr


def epochs(run: Path) -> list[dict[str, str]]:
    names, *rows = [line.split(",") for line in (run / "metrics.csv").read_text().splitlines()]
    return [dict(zip(names, row, strict=True)) for row in rows]


@pytest.mark.parametrize("checkout", CHECKOUTS)
def test_a_prepared_folder(copy: Copy, checkout: str):
    folder = copy(checkout)
    check_crop(folder / "prepared", "lipscribe")
    clips = [clip for split in ("train", "dev") for clip in read_shard(folder / f"prepared/{split}-000000.tar")]
    assert {each.clip.id: each.clip.text for each in clips} == TEXTS
    assert {each.crops.shape for each in clips} == {(NUM_FRAMES[checkout], 96, 96)}
    listed = load_manifest(folder / "prepared/manifest.jsonl")
    assert [replace(clip, path=Path(clip.path).name) for clip in listed] == [each.clip for each in clips]


@pytest.mark.parametrize("checkout", CHECKOUTS[1:])
def test_preparing_is_resumed(copy: Copy, checkout: str):
    folder = copy(checkout)
    run("prepare", "manifest", "--root", "clips.jsonl", "-o", "prepared", "--workers", "1", "--compact")
    found = [clip for split in ("train", "dev") for clip in read_shard(folder / f"prepared/{split}-000000.tar")]
    assert {each.clip.id: each.clip.text for each in found} == TEXTS
    assert {each.crops.shape for each in found} == {(25, 96, 96)}


def test_an_index(copy: Copy):
    shard = copy("c230d01") / "prepared/train-000000.tar"
    index = read_index(shard, shard.stat().st_size)
    assert index is not None and len(index) == 2
    shard.with_suffix(".index").unlink()
    assert entries_on_disk(shard) == index


@pytest.mark.parametrize("checkout", CHECKOUTS)
def test_a_training_is_resumed(copy: Copy, checkout: str):
    """Its second epoch begins with the weights and the loss of the first."""
    folder = copy(checkout)
    config = folder / "tiny.yaml"
    config.write_text(config.read_text().replace("epochs: 1", "epochs: 2"))
    run("train", "tiny.yaml", "--resume")
    first, second = epochs(folder / "run")
    assert first == epochs(OLDER / checkout / "run")[0]
    assert float(second["train_loss"]) < float(first["train_loss"])
    assert float(second["dev_ctc"]) == pytest.approx(float(first["dev_ctc"]), abs=0.01)
    assert json.loads((folder / "run/last/spec.json").read_text())["format_version"] == FORMAT_VERSION


@pytest.mark.parametrize("checkout", CHECKOUTS)
def test_a_model_is_read(copy: Copy, checkout: str):
    copy(checkout)
    assert "1 clips, 2 words" in run("evaluate", "prepared", "--split", "dev", "--model", "run/last")[0]


def test_a_model_is_migrated(copy: Copy):
    """A training that starts from it and does not learn has the loss of then; its weights had other names."""
    folder = copy("4eb506e")
    start = "output: again\nstart_from: conformer/last\nseed: 5"  # another, so that fresh weights are others
    config = (folder / "conformer.yaml").read_text().replace("output: run", start)
    (folder / "again.yaml").write_text(config.replace("epochs: 1", "epochs: 1, learning_rate: 1.0e-8"))
    run("train", "again.yaml")
    now, then = (float(epochs(folder / name)[0]["dev_ctc"]) for name in ("again", "conformer"))
    assert now == pytest.approx(then, abs=0.02)  # in half precision; its norms have seen more
    assert json.loads((folder / "again/last/spec.json").read_text())["format_version"] == FORMAT_VERSION


def test_labelling_is_resumed(copy: Copy):
    """The first clip's words are those of the diary, which no model has read."""
    folder = copy("4eb506e")
    assert "1 clips are already read" in run("label", "clips.jsonl", "--model", "talkers", "-o", "label.jsonl")[1]
    first, second, dev = load_manifest(folder / "label.jsonl")
    assert [(word.text, word.start, word.end) for word in first.words] == [("bin", 0.12, 0.4), ("red", 0.4, 0.72)]
    assert second.text.startswith("set red") and dev.text == "lay now"


def test_aligning_is_resumed(copy: Copy):
    folder = copy("380923f")
    journal = folder / "align.jsonl.aligned"
    journal.write_text(journal.read_text().replace("0.12", "0.11"))  # as no model finds it
    run("align", "clips.jsonl", "--model", "talkers", "-o", "align.jsonl")
    first, *others = load_manifest(folder / "align.jsonl")
    assert first.words[0].start == 0.11
    assert all(len(clip.words) == 2 for clip in others)


@pytest.mark.parametrize("runtime", ["onnx", "torch"])
def test_adapted_models_and_phrases(copy: Copy, runtime: str):
    """Graphs and weights of an adapted model agree; phrases are compared with the recordings of then."""
    copy("380923f")
    assert run("transcribe", "0.mp4", "--model", "me", "--runtime", runtime)[0] == "i i i i id\n"
    for video, text in (("0.mp4", "bin blue\n"), ("2.mp4", "lay now\n")):
        assert run("transcribe", video, "--model", "mine", "--runtime", runtime)[0] == text


def test_an_enrolment(copy: Copy):
    folder = copy("380923f")
    enrolment = EnrolmentFolder(folder / "enrolments", "mine")
    assert enrolment.load()["recordings"]["2"]["text"] == "lay now"
    assert enrolment.obstacle() == ""
    shutil.rmtree(folder / "models/mine")
    learn = ["--phrases", "--prompts", "enrolments/mine/prompts.txt", "--from", "talkers", "--name", "mine"]
    run("adapt", "enrolments/mine", *learn)
    assert run("transcribe", "2.mp4", "--model", "mine")[0] == "lay now\n"


def test_a_transcript(copy: Copy):
    kept = json.loads((copy("380923f") / "transcript.json").read_text())
    assert json.loads(json.dumps(Transcript.from_dict(kept).to_dict())) == kept


def test_a_journal_of_films(copy: Copy):
    how = {"subtitles": "auto", "recogniser": None, "model": "grid"}  # compared with today's options by name
    with open_journal(FootageJournal, copy("c230d01") / "clips.work", how) as journal:
        found = journal.read("film.mp4", "0-300")
    assert [(clip.text, clip.words[0].end, clip.agreement) for clip in found.clips] == [("red", 0.4, 0.8)]
    assert found.dropped[0].reason == "music"
    assert np.allclose(found.looks[0], np.linspace(-1, 1, 1280), atol=1e-3)
