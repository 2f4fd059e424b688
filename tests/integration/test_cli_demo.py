"""`lipscribe demo`: the first minute."""

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from lipscribe.cli.app import app
from lipscribe.talker import Talker
from lipscribe.video import probe_video, save_video


@pytest.mark.slow
def test_it_says_what_was_said_and_read_and_leaves_a_video_and_a_picture(tmp_path: Path):
    result = CliRunner().invoke(app, ["demo", "--output", str(tmp_path / "demo")])
    assert result.exit_code == 0, result.output
    assert "said: place red at c seven please" in result.stdout
    assert "read: " in result.stdout
    assert "every word right" in result.stdout or "of 6 words right" in result.stdout
    talker, captioned = (probe_video(tmp_path / "demo" / name) for name in ("talker.mp4", "captioned.mp4"))
    assert captioned.height > talker.height
    assert (tmp_path / "demo" / "words-and-mouths.png").stat().st_size > 20_000


@pytest.mark.slow
def test_what_the_model_does_not_know_is_counted_right(tmp_path: Path):
    result = CliRunner().invoke(app, ["demo", "hello", "--output", str(tmp_path)])
    assert result.exit_code == 0, result.output
    assert "0 of 1 words right" in result.stdout


@pytest.mark.parametrize("text", ["", "你好"])
def test_what_cannot_be_said(text: str, tmp_path: Path):
    result = CliRunner().invoke(app, ["demo", text, "--output", str(tmp_path)])
    assert result.exit_code == 2
    assert "error:" in result.stderr


def test_no_face_is_nothing_to_explain(tmp_path: Path):
    pytest.importorskip("torch", reason="needs lipscribe[train]")
    noise = np.random.default_rng(0).integers(0, 255, (25, 120, 160, 3), dtype=np.uint8)
    save_video(tmp_path / "noise.mp4", noise, 25)
    arguments = ["explain", str(tmp_path / "noise.mp4"), "--model", "talkers", "--output", str(tmp_path / "out")]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 2
    assert "noise.mp4: no face was found in the video" in result.stderr


@pytest.mark.slow
def test_explain_says_what_mattered_and_leaves_a_picture_and_a_film(tmp_path: Path):
    pytest.importorskip("torch", reason="needs lipscribe[train]")
    Talker(7).say("place red at c seven please").save(tmp_path / "clip.mp4")
    out = tmp_path / "out"
    arguments = ["explain", str(tmp_path / "clip.mp4"), "--model", "talkers", "--output", str(out)]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    assert "read: place red at c seven please" in result.stdout
    assert all(str(out / name) in result.stdout for name in ("explain.png", "explain.mp4", "explain.json"))
    assert (out / "explain.png").stat().st_size > 50_000
    stretch = json.loads((out / "explain.json").read_text(encoding="utf-8"))["stretches"][0]
    # A mouth's movement is on the lips, and a long word's evidence where the word is.
    for word in stretch["words"]:
        assert word["lips_share"] > 1.5 * stretch["lips_area"]
    place = stretch["words"][0]
    assert place["start"] <= place["strongest"] < place["end"]
