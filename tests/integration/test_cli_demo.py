"""`lipscribe demo`: the first minute."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from lipscribe.cli.app import app
from lipscribe.video import probe_video


def test_it_says_what_was_said_and_read_and_leaves_a_video_and_a_picture(tmp_path: Path):
    result = CliRunner().invoke(app, ["demo", "--output", str(tmp_path / "demo")])
    assert result.exit_code == 0, result.output
    assert "said: place red at c seven please" in result.stdout
    assert "read: " in result.stdout
    assert "every word right" in result.stdout or "of 6 words right" in result.stdout
    talker, captioned = (probe_video(tmp_path / "demo" / name) for name in ("talker.mp4", "captioned.mp4"))
    assert captioned.height > talker.height
    assert (tmp_path / "demo" / "words-and-mouths.png").stat().st_size > 20_000


def test_what_the_model_does_not_know_is_counted_right(tmp_path: Path):
    result = CliRunner().invoke(app, ["demo", "hello", "--output", str(tmp_path)])
    assert result.exit_code == 0, result.output
    assert "0 of 1 words right" in result.stdout


@pytest.mark.parametrize("text", ["", "你好"])
def test_what_cannot_be_said(text: str, tmp_path: Path):
    result = CliRunner().invoke(app, ["demo", text, "--output", str(tmp_path)])
    assert result.exit_code == 2
    assert "error:" in result.stderr
