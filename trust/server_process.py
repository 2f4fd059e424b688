"""A `lipscribe serve` as a user starts it, and what it uses: memory, descriptors, threads and processor of all its
processes."""

import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

TICKS = os.sysconf("SC_CLK_TCK")
PAGE_MB = os.sysconf("SC_PAGE_SIZE") / 2**20
SAMPLE_EVERY = 2.0  # s
READY_LIMIT = 90.0  # s, on a busy machine


@dataclass(frozen=True)
class Sample:
    """What a server and its children use at one moment."""

    time: float  # s since the harness began
    rss_mb: float  # resident memory, summed
    descriptors: int
    threads: int
    processes: int
    cpu: float  # s since the processes began


class ServerProcess:
    """A running server."""

    def __init__(self, process: "subprocess.Popen[bytes]", port: int, cache: Path, log: Path):
        self.process, self.port, self.cache, self.log_path = process, port, cache, log
        self.address = f"http://127.0.0.1:{port}"

    def wait_until_ready(self, limit: float = READY_LIMIT) -> float:
        """Seconds until `/readyz` says so.

        Raises:
            TimeoutError: It does not, or the process has ended.
        """
        begun = time.monotonic()
        while time.monotonic() - begun < limit and self.process.poll() is None:
            try:
                if httpx.get(f"{self.address}/readyz", timeout=5).status_code == 200:
                    return time.monotonic() - begun
            except httpx.TransportError:
                pass
            time.sleep(0.1)
        raise TimeoutError(f"the server is not ready after {time.monotonic() - begun:.0f} s: {self.log()[-500:]}")

    def sample(self, since: float = 0.0) -> Sample:
        """What it uses now."""
        pids = family(self.process.pid)
        found = [each for each in map(usage, pids) if each is not None]
        rss, descriptors, threads, cpu = (sum(values) for values in zip(*found, strict=True)) if found else (0,) * 4
        return Sample(time.monotonic() - since, rss, int(descriptors), int(threads), len(found), cpu)

    def memory(self) -> list[float]:
        """Resident MB of each of its processes, the oldest first."""
        return [found[0] for pid in family(self.process.pid) if (found := usage(pid)) is not None]

    def cpu_share(self, seconds: float = 3.0) -> float:
        """The part of one core that it takes now."""
        before, begun = self.sample().cpu, time.monotonic()
        time.sleep(seconds)
        return (self.sample().cpu - before) / (time.monotonic() - begun)

    def left(self) -> list[str]:
        """What lies in its folder besides its lock."""
        return sorted(
            str(path.relative_to(self.cache)) for path in self.cache.glob("serve/run-*/*") if path.name != "lock"
        )

    def log(self) -> str:
        """What it has written to stderr."""
        return self.log_path.read_text(errors="replace")

    def end(self, number: int = signal.SIGTERM, limit: float = 30.0) -> float:
        """Sends a signal; seconds until it has ended.

        Raises:
            subprocess.TimeoutExpired: It has not.
        """
        begun = time.monotonic()
        self.process.send_signal(number)
        self.process.wait(limit)
        return time.monotonic() - begun


class Sampling:
    """Samples a server's usage in a thread, into the list that it gives."""

    def __init__(self, server: ServerProcess, since: float, every: float = SAMPLE_EVERY):
        self._samples: list[Sample] = []
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._work, args=(server, since, every))

    def _work(self, server: ServerProcess, since: float, every: float) -> None:
        while not self._ended.wait(every):
            self._samples.append(server.sample(since))

    def __enter__(self) -> list[Sample]:
        self._thread.start()
        return self._samples

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()


def start(cache: Path, *flags: str, port: int | None = None, model: str = "talkers") -> ServerProcess:
    """Starts one; it is not ready yet."""
    port = free_port() if port is None else port
    log = cache / "server.log"
    command = [sys.executable, "-m", "lipscribe", "serve", "--port", str(port), "--model", model, *flags]
    with log.open("ab") as out:
        process = subprocess.Popen(command, stderr=out, env={**os.environ, "LIPSCRIBE_CACHE": str(cache)})
    return ServerProcess(process, port, cache, log)


@contextmanager
def running(cache: Path, *flags: str, model: str = "talkers") -> Iterator[ServerProcess]:
    """One that is ready; it is ended afterwards."""
    server = start(cache, *flags, model=model)
    try:
        server.wait_until_ready()
        yield server
    finally:
        if server.process.poll() is None:
            server.process.kill()
            server.process.wait()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return listening.getsockname()[1]


def family(pid: int) -> list[int]:
    """A process and all that descend from it."""
    children: dict[int, list[int]] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(path.read_text().rpartition(")")[2].split()[1])
        except (OSError, ValueError):
            continue
        children.setdefault(parent, []).append(int(path.parent.name))
    found = [pid]
    for each in found:
        found += children.get(each, [])
    return found


def usage(pid: int) -> tuple[float, int, int, float] | None:
    """Resident MB, descriptors, threads and processor seconds; None if the process has ended."""
    folder = Path(f"/proc/{pid}")
    try:
        fields = (folder / "stat").read_text().rpartition(")")[2].split()
        return (
            int(fields[21]) * PAGE_MB,
            sum(1 for _ in (folder / "fd").iterdir()),
            int(fields[17]),
            (int(fields[11]) + int(fields[12])) / TICKS,
        )
    except (OSError, IndexError):
        return None


def metric(address: str, name: str) -> float:
    """A number of `/metrics`, summed over its labels.

    Raises:
        LookupError: There is none of this name.
    """
    lines = httpx.get(f"{address}/metrics", timeout=60).text.splitlines()
    found = [float(line.rpartition(" ")[2]) for line in lines if re.match(rf"{name}(\{{|\s)", line)]
    if not found:
        raise LookupError(f"{address}/metrics has no {name}")
    return sum(found)
