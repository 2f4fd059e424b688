"""The harness of kills notices what is lost: half files, other results, leftovers."""

import subprocess
import time
from pathlib import Path

import pytest

pytest.importorskip("httpx", reason="needs httpx: make setup")

from trust.kill_checks import differences, digests, half_files
from trust.kill_runs import Zygote
from trust.kill_tasks import chosen, make_tasks
from trust.kills import MISSED, Tally, is_due

WHOLE = {"a.json": b"{}", "b.jsonl": b"{}\n", "c.align": b"0 10 sil\n", "d.csv": b"a,b\n", "e.read": b"{}\n[1]\n[2"}
HALF = {
    "a.json": b'{"x',
    "b.jsonl": b"{}\n{",
    "c.align": b"0 10 s",
    "d.csv": b"a,",
    "e.tar": b"x" * 600,
    "f.read": b"{",
}
HALF |= {"j.csv": b"", "k.md": b""}
HALF |= {"g.safetensors": b"\x02\0\0\0\0\0\0\0{}", "h.npz": b"PK", ".parts/i.tar": b""}


@pytest.mark.parametrize("name", HALF)
def test_a_half_file_is_found_under_its_final_name_alone(tmp_path: Path, name: str):
    (tmp_path / "out" / ".parts").mkdir(parents=True)
    for whole, content in WHOLE.items():
        (tmp_path / "out" / whole).write_bytes(content)
    half = tmp_path / "out" / name
    before = list(half_files(tmp_path, {}))
    half.write_bytes(HALF[name])
    (half.parent / f".{half.name}.0-1-2.partial").write_bytes(HALF[name])
    found = list(half_files(tmp_path, {}))
    assert not before
    assert len(found) == 1
    assert found[0].startswith(f"out/{name} is half written: ")


def test_a_model_that_lacks_a_file_is_found(tmp_path: Path):
    (tmp_path / "cache" / "models" / "me").mkdir(parents=True)
    (tmp_path / "cache" / "models" / ".lipscribe-x").mkdir()
    (tmp_path / "cache" / "models" / "me" / "spec.json").write_text("{}")
    wanted = {"cache/models/*": {"spec.json", "model.safetensors"}}
    assert list(half_files(tmp_path, wanted)) == ["cache/models/me has no model.safetensors"]


def test_what_is_lost_left_over_or_other_is_told_by_name(tmp_path: Path):
    for name, content in {"same": b"1", "lost": b"1", "other": b"1", "timed": b"1 then"}.items():
        (tmp_path / name).write_bytes(content)
    timed = {"timed": lambda content: content[:1]}
    wanted = digests(tmp_path, timed)
    (tmp_path / "lost").unlink()
    (tmp_path / "other").write_bytes(b"2")
    (tmp_path / "timed").write_bytes(b"1 now")
    (tmp_path / "left").mkdir()
    told = ["lost is lost", "left is left over", "other differs from the uninterrupted run's"]
    assert list(differences(wanted, digests(tmp_path, timed))) == told


@pytest.mark.parametrize(
    ("kills", "rounds", "in_time", "late"),
    [(0, 0, True, True), (1, 1, True, False), (5, 9, False, False), (0, 5 * MISSED, False, False)],
)
def test_each_task_is_killed_once_at_least(kills: int, rounds: int, in_time: bool, late: bool):
    tally = Tally(rounds=rounds, moments=[0.5] * kills)
    assert is_due(tally, 5, time.monotonic() + 1000) == in_time
    assert is_due(tally, 5, time.monotonic()) == late


def test_a_task_that_there_is_not_is_told(tmp_path: Path):
    tasks = make_tasks(tmp_path)
    assert [task.name for task in chosen(tasks, ["train"])] == ["train"]
    assert chosen(tasks, []) == tasks
    with pytest.raises(SystemExit, match="no task trian: wanted some of prepare, train"):
        chosen(tasks, ["train", "trian"])


def test_a_job_that_runs_ends_with_the_warm_process(tmp_path: Path):
    zygote = Zygote.__new__(Zygote)
    zygote._process = subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    with subprocess.Popen(["sleep", "600"], start_new_session=True) as job:
        zygote._job = job.pid
        zygote.close()
        assert job.wait(60) == -9
    assert zygote._process.returncode == 0
