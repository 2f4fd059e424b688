"""What the audit says, and that silence is not "no holes"."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("packaging", reason="needs packaging: make setup")

from trust import audit
from trust.audit import HOLES, UNKNOWN, applying, report

PINS = ["one==1.0", "Other_Name==2.0"]
CLEAN = [{"name": "one", "version": "1.0", "vulns": []}, {"name": "other-name", "version": "2.0", "vulns": []}]
HOLE = {"name": "one", "version": "1.0", "vulns": [{"id": "PYSEC-1", "fix_versions": ["1.1"]}]}
SKIPPED = [{"name": "one", "skip_reason": "Dependency not found on PyPI"}, {"name": "other-name", "skip_reason": "x"}]


def test_pins_that_apply():
    text = '# a comment\none==1.0\n\ntwo==2.0 ; python_version < "3"\ntwo==3.0 ; python_version >= "3"\n'
    assert applying(text) == ["one==1.0", "two==3.0"]


@pytest.mark.parametrize(
    ("found", "lines", "code"),
    [
        (CLEAN, ["all 2 pins were audited: no known holes"], 0),
        (
            [HOLE, CLEAN[1]],
            ["one 1.0: PYSEC-1, mended in 1.1", "all 2 pins were audited: 1 known holes"],
            HOLES,
        ),
        ([HOLE], ["one 1.0: PYSEC-1, mended in 1.1", "1 of 2 pins were not audited: Other_Name==2.0"], HOLES),
        (CLEAN[:1], ["1 of 2 pins were not audited: Other_Name==2.0"], UNKNOWN),
    ],
)
def test_what_is_said(found: list[dict[str, Any]], lines: list[str], code: int):
    assert report(PINS, found) == (lines, code)


@pytest.mark.parametrize("found", [[], SKIPPED], ids=["no answer", "unknown packages"])
def test_without_a_service_nothing_was_audited(found: list[dict[str, Any]]):
    """pip-audit says "No known vulnerabilities found" of packages that it could not ask about, and ends with 0."""
    lines, code = report(PINS, found)
    assert code == UNKNOWN
    assert len(lines) == 1 and lines[0].startswith("nothing was audited")


@pytest.mark.parametrize(
    ("flags", "code", "end"), [((), UNKNOWN, "packages"), (("--or-skip",), 0, "packages (skipped)")]
)
def test_the_command(
    flags: tuple[str, ...],
    code: int,
    end: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):
    asked: list[str] = []

    def run(command: list[str], **options: Any) -> subprocess.CompletedProcess[str]:
        asked.extend(Path(command[command.index("-r") + 1]).read_text().splitlines())
        return subprocess.CompletedProcess(command, 0, json.dumps({"dependencies": SKIPPED}), "")

    (tmp_path / "pins.txt").write_text("\n".join(PINS))
    monkeypatch.setattr(audit.subprocess, "run", run)
    monkeypatch.setattr(sys, "argv", ["audit", "--constraints", str(tmp_path / "pins.txt"), *flags])
    assert audit.main() == code
    assert capsys.readouterr().out.strip().endswith(end)
    assert asked == PINS
