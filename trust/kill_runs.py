"""Processes that are killed: plain ones, or forked from a warm parent that has imported everything.

Both are true processes in a group of their own, and `kill` sends SIGKILL to the whole group, workers included.
"""

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).parents[1]
ENTRY = [sys.executable, "-m", "trust.kill_entry"]


class Zygote:
    """A warm process that forks one job at a time."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [*ENTRY, "--zygote"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=ROOT,
            env=environment({}),
            bufsize=0,
            start_new_session=True,  # Ctrl-C is for the harness, which closes stdin
        )
        self._job: int | None = None
        self._line(120)

    def start(self, args: list[str], env: Mapping[str, str], folder: Path) -> int:
        """The id of the process that runs `lipscribe ARGS`."""
        job = {"args": args, "env": dict(env), "stdout": str(folder / "stdout"), "stderr": str(folder / "stderr")}
        assert self._process.stdin is not None
        self._process.stdin.write((json.dumps(job) + "\n").encode())
        self._job = int((self._line(30) or "").split()[1])
        return self._job

    def ended(self, seconds: float) -> int | None:
        """The exit code of the job, if it ends within the time."""
        line = self._line(seconds)
        if line is None:
            return None
        self._job = None
        return int(line.split()[1])

    def close(self) -> None:
        """Ends it, and its job if that still runs: a server would run for ever."""
        assert self._process.stdin is not None and self._process.stdout is not None
        if self._job is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._job, signal.SIGKILL)
        self._process.stdin.close()
        self._process.wait(60)
        self._process.stdout.close()

    def _line(self, seconds: float) -> str | None:
        out = self._process.stdout
        assert out is not None
        if not select.select([out], [], [], max(seconds, 0))[0]:
            return None
        line = b""
        while not line.endswith(b"\n"):
            if not (byte := out.read(1)):
                raise RuntimeError("the warm process has ended")
            line += byte
        return line.decode()


class Run:
    """One `lipscribe` process.

    Args:
        folder: For what it prints.
        zygote: What forks it; None starts a plain process.
    """

    def __init__(self, args: list[str], env: Mapping[str, str], folder: Path, zygote: Zygote | None):
        self.began = time.monotonic()
        self.folder, self._zygote = folder, zygote
        self.code: int | None = None
        if zygote is not None:
            self.pid = zygote.start(args, env, folder)
            return
        with (folder / "stdout").open("wb") as out, (folder / "stderr").open("wb") as error:
            self._process = subprocess.Popen(
                [*ENTRY, *args],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=error,
                cwd=ROOT,
                env=environment(env),
                start_new_session=True,
            )
        self.pid = self._process.pid

    def wait(self, seconds: float) -> int | None:
        """The exit code, if it ends within so many seconds."""
        if self.code is None and self._zygote is not None:
            self.code = self._zygote.ended(seconds)
        elif self.code is None:
            try:
                self.code = self._process.wait(max(seconds, 0))
            except subprocess.TimeoutExpired:
                return None
        return self.code

    def terminate(self) -> None:
        """Asks it to end."""
        os.kill(self.pid, signal.SIGTERM)

    def kill(self) -> None:
        """SIGKILL to its whole group, and waits until none of the group runs."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self.wait(60)
        deadline = time.monotonic() + 60
        while _alive(self.pid):
            if time.monotonic() > deadline:
                raise RuntimeError(f"processes of group {self.pid} have survived SIGKILL")
            time.sleep(0.01)

    def said(self) -> str:
        """What it has printed for people."""
        return (self.folder / "stderr").read_text(encoding="utf-8", errors="replace")


def environment(more: Mapping[str, str]) -> dict[str, str]:
    """Of all processes: one thread each, and this checkout's package."""
    path = os.pathsep.join([str(ROOT / "src"), str(ROOT), os.environ.get("PYTHONPATH", "")])
    kept = Path(tempfile.gettempdir()) / "lipscribe-kills"
    caches = {"PYTHONPYCACHEPREFIX": str(kept / "bytecode"), "PYTHONDONTWRITEBYTECODE": ""}  # torch compiles for 10 s
    caches["TORCHINDUCTOR_CACHE_DIR"] = str(kept / "torch")  # else torch makes one in TMPDIR
    threads = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    return {**os.environ, "PYTHONPATH": path, **caches, **threads, **more}


def _alive(group: int) -> bool:
    """Whether a process of the group runs; those that nobody waits for any more are dead."""
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, pgrp = stat.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()[:3]
        except OSError:
            continue
        if int(pgrp) == group and state not in "ZX":
            return True
    return False
