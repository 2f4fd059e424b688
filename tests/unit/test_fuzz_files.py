"""The fuzzer itself: it repeats its inputs, finds what is planted, and a few inputs of each run of CI."""

import random
import subprocess
import sys
from pathlib import Path

import pytest

if sys.platform != "linux":
    pytest.skip("its limits are those of Linux", allow_module_level=True)

RUN = "import sys; sys.path.insert(0, sys.argv.pop(1)); from trust import fuzz_files; sys.exit(fuzz_files.main())"
PLANT = """
import os, sys, time
sys.path.insert(0, sys.argv.pop(1))
from pathlib import Path
from trust import file_targets, fuzz_files
from trust.target import Target, put

def read(folder):
    content = (folder / "a.txt").read_bytes()
    {fault}

file_targets.TARGETS[:] = [Target("planted", "a.txt", lambda folder: put(folder / "a.txt", "red green\\n" * 9), read)]
{limit}
fuzz_files.child(file_targets.TARGETS[0], "seeded", 0, 25, 30.0, Path(sys.argv[1]))
"""
LIMITS = {  # of processor time, which other processes of the machine do not take
    "more than 0.2 s of work": "fuzz_files.SECONDS_EACH = 0.2",
    "more than 0.7 s of waiting": "fuzz_files.SECONDS_EACH, fuzz_files.SECONDS_WAITING = 0.2, 0.5",
}
FAULTS = {
    "ValueError: other": "if content.count(b'red') != 9: raise ValueError('other')",
    "more than 0.2 s of work": "while content.count(b'red') != 9: pass",
    "more than 0.7 s of waiting": "if content.count(b'red') != 9: time.sleep(30)",
    "MemoryError": "if content.count(b'red') != 9: bytearray(4 << 30)",
    "a file is left: x.partial": "if content.count(b'red') != 9: (folder / 'x.partial').touch()",
    "AssertionError": "assert content.count(b'red') == 9",
}


@pytest.mark.parametrize("said", FAULTS)
def test_what_is_planted_is_found_and_kept(repo: Path, tmp_path: Path, said: str):
    code = PLANT.format(fault=FAULTS[said], limit=LIMITS.get(said, ""))
    done = subprocess.run([sys.executable, "-c", code, str(repo), str(tmp_path)], capture_output=True, text=True)
    assert f'"finding": "{said}' in done.stdout, done.stderr
    assert any(note.read_bytes().count(b"red") != 9 for note in tmp_path.glob("planted/*-a.txt"))


def test_mutations_are_the_same_for_the_same_seed(repo: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.syspath_prepend(str(repo))
    from trust.mutations import mutate

    content = b'{"a": [1, 2.5, "x"], "b": null}\n' * 3
    twice = [[mutate(content, random.Random(seed)) for seed in range(50)] for _ in range(2)]
    assert twice[0] == twice[1]
    assert len(set(twice[0])) > 40


@pytest.mark.slow
@pytest.mark.parametrize("target", ["captions", "grammar", "manifest"])
def test_a_few_inputs(repo: Path, tmp_path: Path, target: str):
    command = [sys.executable, "-c", RUN, str(repo), "--engine", "seeded", "--count", "60", "--only", target]
    done = subprocess.run([*command, "--keep", str(tmp_path)], cwd=repo, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert " 0 findings" in done.stdout
