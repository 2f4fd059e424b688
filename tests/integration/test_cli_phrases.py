"""Phrases of any words, from drawn people: learnt, read, added to, without torch."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from lipscribe.cli.app import app
from lipscribe.talker import Talker
from lipscribe.video.write import save_video

pytestmark = pytest.mark.slow

PHRASES = ("turn on the light", "call my sister", "i am thirsty", "stop")
ABSENT = "torch,lightning_fabric,safetensors,onnx,onnxscript"
RUN = """
import runpy, sys
sys.modules.update(dict.fromkeys(sys.argv[1].split(",")))  # importing one of these fails
sys.argv[:] = ["lipscribe", *sys.argv[2:]]
runpy.run_module("lipscribe", run_name="__main__")
"""


def run(*arguments: object) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of one command."""
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert "Traceback" not in result.output
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return result.exit_code, result.stdout, result.stderr


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """learn/, more/ and read/, of one person."""
    root, talker = tmp_path_factory.mktemp("films"), Talker(920001)
    for name in ("learn", "more", "read", "bad"):
        (root / name).mkdir()
    for take, text in enumerate(PHRASES):
        folder = root / ("more" if text == "stop" else "learn")
        talker.say(text, take=take).save(folder / f"{text.replace(' ', '-')}-1.mp4")
        talker.say(text, take=take + 20).save(root / "read" / f"{text}.mp4")
    talker.say("nobody knows the answer", take=40).save(root / "read" / "other.mp4")
    still = talker.say("hello", take=41, duration=5.0)
    save_video(root / "read" / "still.mp4", still.frames[: int(25 * still.words[0].start) - 8], 25.0)
    scene = {"width": 360, "height": 288}
    parts = [talker.say(text, take=45, duration=3.6, scene=scene).frames for text in PHRASES[1::-1]]
    save_video(root / "read" / "two.mp4", np.concatenate(parts), 25.0)
    save_video(root / "bad" / "no-face.mp4", np.full((30, 96, 128, 3), 90, np.uint8), 25.0)
    save_video(root / "bad" / "still.mp4", still.frames[:40], 25.0)
    return root


def test_phrases_are_learnt_and_read_without_torch(films: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("LIPSCRIBE_CACHE", str(tmp_path))

    def without_torch(*arguments: object) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", RUN, ABSENT, *map(str, arguments)]
        return subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)

    made = without_torch("adapt", films / "learn", "--phrases", "--name", "mine", "--from", "grid-s1")
    assert made.returncode == 0, made.stderr
    assert made.stdout == f"{tmp_path / 'models' / 'mine'}\n"
    assert "3 phrases from 3 recordings" in made.stderr
    read = without_torch("transcribe", films / "read", "--model", "mine", "--format", "json", "--nbest", "3")
    assert read.returncode == 0, read.stderr
    results = {Path(each["source"]).stem: each for each in map(json.loads, _documents(read.stdout))}
    texts = {name: [segment["text"] for segment in each["segments"]] for name, each in results.items()}
    assert texts == {
        "turn on the light": ["turn on the light"],
        "call my sister": ["call my sister"],
        "i am thirsty": ["i am thirsty"],
        "two": ["call my sister", "turn on the light"],
        "stop": [],
        "other": [],
        "still": [],
    }
    word = results["i am thirsty"]["segments"][0]["words"][0]
    assert word["probability"] > 0.5 and {other["text"] for other in word["alternatives"]} == set(PHRASES[:2])
    assert results["i am thirsty"]["nbest"][0]["texts"][0]["text"] == "i am thirsty"
    start, end = (results["two"]["segments"][1]["words"][0][key] for key in ("start", "end"))
    assert 3.6 < start < end < 7.2

    code, _, stderr = run("adapt", films / "more", "--phrases", "--name", "mine", "--add")
    assert code == 0 and "4 phrases from 4 recordings" in stderr
    code, stdout, stderr = run("transcribe", films / "read" / "stop.mp4", "--model", "mine")
    assert (code, stdout) == (0, "stop\n")
    assert "note: " in stderr and "'stop', probability " in stderr
    code, stdout, stderr = run("transcribe", films / "read" / "stop.mp4", "--model", "mine", "--initials", "x")
    assert (code, stdout) == (2, "") and "error: initials 'x' fit none of the 4 phrases of model mine" in stderr
    assert run("models", "remove", "mine")[0] == 0


def _documents(text: str) -> list[str]:
    """JSON documents that follow one another."""
    found, decoder = [], json.JSONDecoder()
    while text := text.strip():
        _, stop = decoder.raw_decode(text)
        found.append(text[:stop])
        text = text[stop:]
    return found


def test_what_cannot_be_learnt_is_told_in_one_line(films: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("LIPSCRIBE_CACHE", str(tmp_path))
    code, _, stderr = run("adapt", films / "bad", "--phrases", "--name", "mine")
    assert code == 2
    assert "no-face.mp4: " in stderr and "record it again with the whole face in the picture" in stderr
    assert "still.mp4: the mouth hardly moves" in stderr
    assert "none of the recordings can be used" in stderr
    code, _, stderr = run("adapt", films / "more", "--phrases", "--name", "mine")
    assert code == 2 and "two phrases or more are wanted" in stderr
    code, _, stderr = run("adapt", films / "absent", "--phrases", "--name", "mine")
    assert code == 2 and "is not a folder" in stderr
    assert not list(tmp_path.glob("models/*"))
