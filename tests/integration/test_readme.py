"""What the README shows works."""

import re
import shutil
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from lipscribe.cli.app import app

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")


def test_python_blocks_run(grid_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys):
    shutil.copyfile(grid_root / "video" / "s1" / "swbi7a.mpg", tmp_path / "clip.mpg")
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    assert len(blocks) == 4
    for block in blocks:
        exec(compile(block, "README.md", "exec"), {})
    assert "set white by i seven again" in capsys.readouterr().out


@pytest.mark.slow
def test_every_command_and_flag_exists():
    shown = re.findall(r"lipscribe (\w+)([^`\n|#]*)", README)
    commands = {name for name, _ in shown if name in typer.main.get_command(app).commands}
    assert commands == {
        "adapt",
        "transcribe",
        "inspect",
        "prepare",
        "train",
        "evaluate",
        "calibrate",
        "models",
        "talk",
        "demo",
        "explain",
        "align",
        "label",
        "export",
        "configs",
        "live",
        "caption",
        "serve",
        "download",
        "clips",
    }
    for name, rest in shown:
        if name in commands:
            known = CliRunner().invoke(app, [name, "--help"], terminal_width=200).stdout
            assert all(flag in known for flag in re.findall(r"--[a-z-]+", rest)), (name, rest)
