"""From a sentence to a lip reader and back: talk, prepare, train, evaluate, transcribe, each as a user runs it.

Needs nothing but the package. What is trained here is far too small to read well; what is checked is that everything
each step writes is what the next one takes, and that training learns at all.
"""

import csv
import json
import re
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from lipscribe.cli.app import app
from lipscribe.data.corpora.grid import SLOTS, read_align
from lipscribe.transcript import Transcript

pytestmark = pytest.mark.slow

CLIPS, SPEAKERS = 15, 5
WORDS = sorted({word for slot in SLOTS for word in slot})


def run(*arguments: object) -> str:
    """Stdout of one command that succeeds."""
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == 0, result.output
    return result.stdout


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("way") / "talkers"
    scene = ("--size", "240x192", "--noise", 1)
    run("talk", "--corpus", "grid", "--clips", CLIPS, "--speakers", SPEAKERS, "--seed", 3, "-o", folder, *scene)
    return folder


@pytest.fixture(scope="module")
def prepared(corpus: Path) -> Path:
    folder = corpus.parent / "prepared"
    run("prepare", "grid", "--root", corpus, "--output", folder)
    return folder


@pytest.fixture(scope="module")
def trained(prepared: Path) -> Path:
    settings = {
        "output": str(prepared.parent / "run"),
        "data": {"folder": str(prepared)},
        "model": {
            "name": "tiny",
            "tokenizer": {"kind": "words", "words": WORDS},
            "grammar": [list(slot) for slot in SLOTS],
            "input": {"height": 32, "width": 48},
            "frontend": {"channels": [6, 12, 16], "features": 32},
            "encoder": {"hidden": 32, "layers": 1},
        },
        "optim": {"epochs": 12, "batch_size": 3, "learning_rate": 0.01, "average": 0.5, "frame_weight": 3},
        "evaluate_every": 6,
    }
    config = prepared.parent / "tiny.yaml"
    config.write_text(yaml.safe_dump(settings), encoding="utf-8")
    run("train", config)
    return prepared.parent / "run"


def test_every_synthetic_clip_is_prepared_whole_speakers_to_a_split(prepared: Path):
    status = [json.loads(line) for line in (prepared / "status.jsonl").read_text(encoding="utf-8").splitlines()]
    assert len(status) == CLIPS
    assert {row["status"] for row in status} == {"ok"}, status
    shards = {path.name.split("-")[0] for path in prepared.glob("*.tar")}
    assert shards == {"train", "dev", "test"}


def test_training_learns(trained: Path):
    with (trained / "metrics.csv").open(newline="") as file:
        losses = [float(row["train_loss"]) for row in csv.DictReader(file)]
    assert losses[-1] < 0.6 * losses[0]


def test_the_model_is_evaluated_on_people_it_never_saw(trained: Path, prepared: Path):
    report = prepared.parent / "report"
    run("evaluate", prepared, "--split", "dev", "--model", trained, "--output", report)
    result = json.loads((report / "report.json").read_text(encoding="utf-8"))
    assert 0 <= result["wer"]["rate"] <= 1
    assert (report / "report.png").stat().st_size > 10_000


def test_the_model_is_used_like_any_other(trained: Path, corpus: Path, tmp_path: Path):
    """It may have learned to say nothing: that the formats hold words is checked with the bundled model."""
    clip = min((corpus / "video").glob("*/*.mp4"))
    run("transcribe", clip, "--model", trained, "--format", "json", "--output", tmp_path)
    transcript = Transcript.from_dict(json.loads((tmp_path / f"{clip.stem}.json").read_text(encoding="utf-8")))
    assert transcript.duration == pytest.approx(3.0)
    assert transcript.face_coverage == 1.0
    assert {word.text for word in transcript.words} <= set(WORDS)


@pytest.mark.parametrize("format", ["txt", "json", "srt", "vtt", "tsv"])
def test_a_synthetic_clip_is_read_in_every_format(corpus: Path, tmp_path: Path, format: str):
    clip = min((corpus / "video").glob("*/*.mp4"))
    run("transcribe", clip, "--model", "talkers", "--format", format, "--output", tmp_path)
    written = (tmp_path / f"{clip.stem}.{format}").read_text(encoding="utf-8")
    said = {word.text for word in read_align(min((corpus / "align").glob("*/*.align")))}
    read = set(re.findall(r"[a-z]+", written))
    assert len(said & read) >= 4, (said, written)
