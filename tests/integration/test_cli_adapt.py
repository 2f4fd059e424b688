"""`lipscribe adapt`, as a user runs it: on drawn talkers, and on real people where their clips are."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

pytest.importorskip("torch", reason="needs lipscribe[train]")

import lipscribe
from lipscribe.adaptation.checking import check_recording
from lipscribe.adaptation.recipe import Recipe
from lipscribe.cli.app import app
from lipscribe.data.corpora.grid import prepare_grid
from lipscribe.data.manifest import save_manifest
from lipscribe.metrics import wer
from lipscribe.talker import Talker
from lipscribe.video import save_video

SENTENCES = (
    "lay red by k five now",
    "place green at c two again",
    "set white in f zero please",
    "bin blue with q nine soon",
    "lay white at x seven now",
)
PERSON = 700_000  # none of those that the model learned from


def run(*arguments: object) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, ["adapt", *map(str, arguments)])
    assert "Traceback" not in result.output
    return result.exit_code, result.stdout, result.stderr


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LIPSCRIBE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "models"


@pytest.fixture
def in_steps(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Makes the training short."""

    def short(steps: int) -> None:
        recipe = Recipe(steps=steps, batch_size=4)
        monkeypatch.setattr("lipscribe.adaptation.learning.recipe_for", lambda number: recipe)

    return short


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five of one person, in videos of their own, with prompts.txt beside the folder."""
    folder = tmp_path_factory.mktemp("person") / "recordings"
    folder.mkdir()
    person = Talker(PERSON)
    for number, text in enumerate(SENTENCES):
        person.say(text, take=number).save(folder / f"{number}.mp4")
    lines = [f"{number}.mp4\t{text}\n" for number, text in enumerate(SENTENCES)]
    (folder.parent / "prompts.txt").write_text("".join(lines))
    return folder


@pytest.mark.slow
def test_a_talker_is_learned(recordings: Path, own_cache: Path, in_steps: Callable[[int], None]):
    in_steps(6)
    prompts = recordings.parent / "prompts.txt"
    code, stdout, stderr = run(
        recordings, "--prompts", prompts, "--name", "me", "--from", "talkers", "--jobs", 1, "--same-person"
    )
    assert code == 0, stderr
    assert stdout.startswith("me learned from 5 recordings\nwords wrong before: ")
    assert "words wrong in the next 5 recordings, expected: " in stdout
    assert "read with it: lipscribe transcribe VIDEO --model me" in stderr
    assert "dev_wer" in json.loads((own_cache / "me" / "spec.json").read_text())["card"]["scores"]
    model = lipscribe.load_model("me")
    assert len(model.transcribe(recordings / "0.mp4").text.split()) == 6
    if model.runtime.name == "onnx":  # written where its packages are installed
        by_torch = lipscribe.load_model("me", runtime="torch")
        assert by_torch.transcribe(recordings / "0.mp4").text == model.transcribe(recordings / "0.mp4").text
    listed = CliRunner().invoke(app, ["models", "--json"])
    assert "me" in [row["name"] for row in json.loads(listed.stdout)]


@pytest.mark.slow
def test_a_recording_without_a_face_and_one_that_is_no_video(
    recordings: Path, tmp_path: Path, own_cache: Path, in_steps: Callable[[int], None]
):
    in_steps(2)
    grey = np.full((30, 120, 160, 3), 128, np.uint8)
    save_video(tmp_path / "wall.mp4", grey, 25)
    (tmp_path / "broken.mp4").write_text("no video")
    for name in ("wall", "broken"):
        (tmp_path / f"{name}.txt").write_text("set red at a one now")
    for number, text in enumerate(SENTENCES):
        (recordings / f"{number}.txt").write_text(text)
    given = [recordings, tmp_path / "wall.mp4", tmp_path / "broken.mp4"]
    options = ("--name", "me", "--from", "talkers", "--jobs", 1, "--same-person", "--trust-texts")
    code, stdout, stderr = run(*given, *options)
    assert code == 1  # it learned, and left some out
    assert "left out: wall: no face was found in the video" in stderr
    assert "left out: broken: " in stderr
    assert "me learned from 5 recordings" in stdout


def test_what_is_refused_in_one_line(recordings: Path, tmp_path: Path):
    prompts = recordings.parent / "prompts.txt"
    code, _, stderr = run(recordings, "--prompts", prompts, "--name", "talkers")
    assert (code, stderr.count("\n")) == (2, 1)
    assert "a model 'talkers' exists" in stderr
    code, _, stderr = run(recordings / "0.mp4", "--prompts", prompts, "--name", "me")
    assert code == 2
    code, _, stderr = run(tmp_path / "gone", "--name", "me")
    assert (code, stderr.count("\n")) == (2, 1)
    assert "gone does not exist" in stderr


@pytest.mark.slow
def test_a_real_stranger_is_read_better(
    grid_root: Path, tmp_path: Path, own_cache: Path, in_steps: Callable[[int], None]
):
    others = grid_root.parent / "grid-others"
    if not others.is_dir():
        pytest.skip(f"needs the clips of other people in {others}")
    in_steps(40)
    own = [clip for clip in prepare_grid(others)[0] if clip.speaker == "s31"]
    save_manifest(tmp_path / "clips.jsonl", own[::2])
    code, stdout, stderr = run(tmp_path / "clips.jsonl", "--name", "s31", "--from", "grid-s1", "--jobs", 2)
    assert code == 0, stderr
    test = [check_recording(clip, "lipscribe", tmp_path) for clip in own[1::2]]
    said, rates = [each.clip.text for each in test], []
    for name in ("grid-s1", "s31"):
        model = lipscribe.load_model(name)
        rates.append(wer(said, [model.search(model.encode(each.crops))[0].text for each in test]))
    assert rates[1] <= 0.6 * rates[0], (rates, stdout)
