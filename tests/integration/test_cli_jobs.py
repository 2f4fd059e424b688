"""Many videos in worker processes: the same results as in one, in order, whatever happens to one of them."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lipscribe.talker import Talker

pty = pytest.importorskip("pty", reason="needs a terminal as Unix has it")

SAID = ("place red at l seven please", "bin blue by f six now", "set white with p four again")
PROGRAM = """
import os, signal, sys, time
from lipscribe.model import Model
transcribe = Model.transcribe

def planted(self, source, **options):
    if "deadly" in source.info.path:
        os.kill(os.getpid(), signal.SIGKILL)
    if "slow" in source.info.path:
        time.sleep(600)
    if "late" in source.info.path:
        time.sleep(2)
    return transcribe(self, source, **options)

Model.transcribe = planted  # in workers too, which import this file
if __name__ == "__main__":
    from lipscribe.cli import main
    main()
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three videos."""
    folder = tmp_path_factory.mktemp("three")
    for number, said in enumerate(SAID):
        Talker(seed=7).say(said).save(folder / f"{number}.mp4")
    return folder


@pytest.fixture
def program(tmp_path: Path) -> list[str]:
    """A command line whose workers die of, hang at, or wait before a video of such a name."""
    (tmp_path / "program.py").write_text(PROGRAM)
    return [sys.executable, str(tmp_path / "program.py")]


def run(*arguments: object, program: tuple[str, ...] | list[str] = (sys.executable, "-m", "lipscribe")):
    command = [*program, "transcribe", *map(str, arguments), "--model", "talkers"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert "Traceback" not in done.stderr
    return done


def children(pid: int) -> set[int]:
    """Processes that a process has started."""
    found = set()
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            if int(stat.read_text().rpartition(")")[2].split()[1]) == pid:
                found.add(int(stat.parent.name))
        except OSError:  # it has just ended
            continue
    return found


@pytest.mark.slow
def test_two_processes_write_what_one_writes(folder: Path, tmp_path: Path):
    (tmp_path / "bad.mp4").write_text("no video")
    videos = [folder / "0.mp4", tmp_path / "bad.mp4", folder / "1.mp4", folder / "2.mp4", tmp_path / "none.mp4"]
    one, two = (run(*videos, "--face", "all", "--format", "json", "--jobs", jobs) for jobs in (1, 2))
    assert one.stdout.count("\n") == 3
    assert (two.returncode, two.stdout, two.stderr) == (1, one.stdout, one.stderr)
    assert (one.returncode, two.stderr.count("note: model talkers")) == (1, 1)
    assert f"error: {tmp_path}/bad.mp4: " in two.stderr and "2 of 5 videos could not be read" in two.stderr
    for jobs in ("1", "2"):
        assert run(*videos, "--format", "all", "-o", tmp_path / jobs, "--jobs", jobs).returncode == 1
    names = [{path.name: path.read_bytes() for path in (tmp_path / jobs).iterdir()} for jobs in ("1", "2")]
    assert len(names[0]) == 15
    assert names[0] == names[1]


@pytest.mark.slow
def test_a_video_that_kills_its_worker_fails_alone(folder: Path, tmp_path: Path, program: list[str]):
    deadly = tmp_path / "deadly.mp4"
    deadly.write_bytes((folder / "0.mp4").read_bytes())
    done = run(folder / "0.mp4", deadly, folder / "1.mp4", folder / "2.mp4", "--jobs", 2, program=program)
    assert done.returncode == 1
    assert [line.rpartition(": ")[2] for line in done.stdout.splitlines()] == list(SAID)
    assert f"error: {deadly}: reading it ended the process that read it (SIGKILL" in done.stderr
    assert done.stderr.splitlines()[-1] == f"1 of 4 videos could not be read or written: {deadly}"
    done = run(deadly, deadly, "--jobs", 2, program=program)
    assert (done.returncode, done.stdout) == (2, "")


@pytest.mark.slow
def test_results_come_in_the_order_of_the_videos(folder: Path, tmp_path: Path, program: list[str]):
    late = tmp_path / "late.mp4"
    late.write_bytes((folder / "2.mp4").read_bytes())
    done = run(late, folder / "0.mp4", folder / "1.mp4", "--jobs", 2, program=program)
    assert done.stdout.splitlines() == [
        f"{late}: {SAID[2]}",
        f"{folder}/0.mp4: {SAID[0]}",
        f"{folder}/1.mp4: {SAID[1]}",
    ]


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="finds processes in /proc")
def test_an_interrupt_ends_the_workers_and_keeps_what_is_done(folder: Path, tmp_path: Path, program: list[str]):
    slow = tmp_path / "slow.mp4"
    slow.write_bytes((folder / "0.mp4").read_bytes())
    command = [*program, "transcribe", str(slow), str(folder), "--model", "talkers", "-o", str(tmp_path / "out")]
    process = subprocess.Popen(
        [*command, "--jobs", "2"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a runner in the background ignores it
    )
    deadline = time.monotonic() + 120
    while not (tmp_path / "out" / "2.txt").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    workers = children(process.pid)
    assert workers
    process.send_signal(signal.SIGINT)
    try:
        _, stderr = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 1
    assert "interrupted: what was finished is kept" in stderr and "Traceback" not in stderr
    assert f"{folder}/1.mp4 -> " in stderr  # what waited for the slow one
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["0.txt", "1.txt", "2.txt"]
    deadline = time.monotonic() + 10  # multiprocessing's own helper ends a moment after its parent
    while (left := {pid for pid in workers if Path(f"/proc/{pid}").exists()}) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not left


@pytest.mark.slow
def test_what_is_wrong_for_all_videos_is_told_once(folder: Path, tmp_path: Path):
    pytest.importorskip("torch", reason="needs lipscribe[train]")
    for arguments, message in (
        (["--search", "joint"], "error: "),
        (["--device", "nonsense"], "error: device 'nonsense' is unavailable"),
    ):
        done = run(folder, "--jobs", 2, *arguments)
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr.count(message) == 1, done.stderr
    done = run(folder, "--jobs", 0)
    assert done.returncode == 2
    assert "--jobs" in done.stderr


@pytest.mark.slow
@pytest.mark.parametrize(("terminal", "drawn"), [("dumb", False), ("xterm", True)])
def test_a_bar_counts_the_videos_on_a_terminal_that_can_draw(folder: Path, terminal: str, drawn: bool):
    try:
        ours, theirs = pty.openpty()
    except OSError as error:  # in a chroot without /dev/pts
        pytest.skip(f"needs a terminal: {error}")
    command = [sys.executable, "-m", "lipscribe", "transcribe", str(folder), "--model", "talkers", "--jobs", "2"]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=theirs, text=True, env=os.environ | {"TERM": terminal, "COLUMNS": "200"}
    )
    os.close(theirs)
    shown = b""
    try:
        while part := os.read(ours, 65536):
            shown += part
    except OSError:  # the other side has closed it
        pass
    stdout, _ = process.communicate(timeout=120)
    assert stdout.count("\n") == 3
    assert b"note: model talkers" in shown
    assert (b"videos" in shown and b"0/3" in shown and b"\x1b" in shown) == drawn
    assert (b"\x1b" in shown) == drawn
