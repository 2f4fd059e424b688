"""`lipscribe prepare` on both engines, undisturbed and while workers and drivers are killed.

    python benchmarks/engine.py --clips 1000 --folder /tmp/engine
    python benchmarks/engine.py --clips 10000 --folder /tmp/engine --runs local ray workers driver

The clips are forty short talkers under many names. The Ray cluster is one of this machine with two processors, started
here. Each run is checked: every clip exactly once, and the same bytes as in the first run. "busy" is the share of the
time, from the first clip to the last, in which the workers computed or waited for a core (/proc/PID/schedstat): the
rest they waited for tasks. So it holds on a machine that others use, too.
"""

import argparse
import contextlib
import hashlib
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from lipscribe.data.manifest import Clip, save_manifest
from lipscribe.data.prepare import CLIPS_PER_SHARD
from lipscribe.data.shards import find_shards, read_members
from lipscribe.talker import Talker
from lipscribe.video.write import save_video

PEOPLE, FRAMES, SIZE = 40, 5, {"width": 160, "height": 120}
CPUS = 2
KILL_EVERY = 20.0  # seconds


class Run(NamedTuple):
    seconds: float
    busy: float
    kills: int


def make_clips(folder: Path, number: int) -> Path:
    """The manifest of so many short clips."""
    drawn = folder / "drawn"
    drawn.mkdir(parents=True, exist_ok=True)
    for seed in range(PEOPLE):
        path = drawn / f"{seed:02d}.mp4"
        if not path.exists():
            save_video(path, Talker(seed).say("no", scene=SIZE).frames[4 : 4 + FRAMES], 25, preset="veryfast")
    clips = []
    (folder / "clips").mkdir(exist_ok=True)
    for idx in range(number):
        path = folder / "clips" / f"{idx:06d}.mp4"
        if not path.exists():
            os.link(drawn / f"{idx % PEOPLE:02d}.mp4", path)
        clips.append(Clip(f"c{idx:06d}", str(path), "no"))
    save_manifest(folder / "clips.jsonl", clips)
    return folder / "clips.jsonl"


def processes(root: int) -> dict[int, str]:
    """The command lines of a process's descendants."""
    parents, commands = {}, {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            pid = int(stat.parent.name)
            parents[pid] = int(stat.read_text().rpartition(")")[2].split()[1])
            commands[pid] = (stat.parent / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    below = {root}
    while more := {pid for pid, parent in parents.items() if parent in below} - below:
        below |= more
    return {pid: commands[pid] for pid in below - {root}}


def workers(roots: list[int]) -> list[int]:
    """The processes that run tasks."""
    return [pid for root in roots for pid, command in processes(root).items() if "spawn_main" in command]


def actors(roots: list[int]) -> list[int]:
    return [pid for root in roots for pid, command in processes(root).items() if command.startswith("ray::_Actor")]


class Watch(threading.Thread):
    """Measures how long workers compute, and kills one of them now and then."""

    def __init__(self, roots: list[int], parts: Path, kill_every: float | None):
        super().__init__(daemon=True)
        self.roots, self.parts, self.kill_every = roots, parts, kill_every
        self.done = threading.Event()
        self.kills = 0
        self._first: dict[int, tuple[float, float]] = {}
        self._last: dict[int, tuple[float, float]] = {}

    def run(self) -> None:
        chance = random.Random(1)
        next_kill = time.monotonic() + (self.kill_every or 1e9)
        while not self.done.wait(1):
            if not self.parts.exists() or not any(self.parts.iterdir()):
                continue
            for pid in workers(self.roots):
                with contextlib.suppress(OSError):
                    tasks = Path(f"/proc/{pid}/task").glob("*/schedstat")
                    spent = sum(sum(map(int, task.read_text().split()[:2])) for task in tasks) / 1e9
                    self._last[pid] = (time.monotonic(), spent)
                    self._first.setdefault(pid, self._last[pid])
            if time.monotonic() > next_kill:
                next_kill += self.kill_every or 1e9
                with contextlib.suppress(OSError, IndexError):
                    os.kill(chance.choice(sorted(workers(self.roots) + actors(self.roots))), signal.SIGKILL)
                    self.kills += 1

    def busy(self) -> float:
        seconds = sum(self._last[pid][0] - began for pid, (began, _) in self._first.items())
        spent = sum(self._last[pid][1] - before for pid, (_, before) in self._first.items())
        return spent / max(seconds, 1e-9)


def prepare(manifest: Path, output: Path, *options: str) -> subprocess.Popen:
    command = [sys.executable, "-m", "lipscribe", "prepare", "manifest", "--root", str(manifest), "-o", str(output)]
    return subprocess.Popen(
        [*command, "--workers", str(CPUS), *options], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )


def measure(
    manifest: Path, output: Path, cluster: int | None, options: list[str], kill_every: float | None, half: int
) -> Run:
    """Times one run; its driver is killed once there are so many shards, and started again."""
    shutil.rmtree(output, ignore_errors=True)
    began, kills = time.monotonic(), 0
    process = prepare(manifest, output, *options)
    watch = Watch([process.pid] + [cluster] * (cluster is not None), output / ".parts", kill_every)
    watch.start()
    if half:
        while len(list(output.glob("*.tar"))) < half:
            assert process.poll() is None
            time.sleep(0.5)
        process.kill()
        process.wait()
        kills = 1
        process = prepare(manifest, output, *options)
        watch.roots[0] = process.pid
    code = process.wait()
    seconds = time.monotonic() - began
    watch.done.set()
    watch.join()
    assert code == 0, code
    return Run(seconds, watch.busy(), watch.kills + kills)


def check(output: Path, manifest: Path) -> str:
    """Checks that every clip is there once, and returns a checksum of the shards."""
    wanted = Counter(json.loads(line)["id"] for line in manifest.read_text().splitlines())
    digest = hashlib.sha256()
    found: Counter[str] = Counter()
    for shard in find_shards(output, "train"):
        found += Counter(clip.id for clip, _ in read_members(shard))
        digest.update(shard.read_bytes())
    assert found == wanted and set(found.values()) == {1}, "not every clip exactly once"
    shards = {path.stem for path in find_shards(output, "train")}
    assert shards == {path.stem for path in output.glob("*.index")}, "not every shard has its index"
    left = {path.suffix for path in output.iterdir()} - {".tar", ".index", ".jsonl", ".json", ""}
    assert not left and not (output / ".parts").exists(), f"something is left over: {left}"
    return digest.hexdigest()[:16]


@contextlib.contextmanager
def cluster() -> Iterator[tuple[int, str]]:
    """A Ray cluster of this machine: the process it runs in, and its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [str(Path(sys.executable).with_name("ray")), "start", "--head", "--block", f"--port={port}"]
    options = [f"--num-cpus={CPUS}", "--include-dashboard=false", "--disable-usage-stats"]
    process = subprocess.Popen(
        [*command, *options],
        env={**os.environ, "RAY_worker_niceness": "0", "RAY_AUTH_MODE": "disabled"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    os.environ["RAY_AUTH_MODE"] = "disabled"
    try:
        time.sleep(15)
        yield process.pid, f"127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=int, default=1000)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--runs", nargs="+", default=["local", "ray", "workers", "driver"])
    args = parser.parse_args()
    manifest = make_clips(args.folder, args.clips)
    print(f"{args.clips} clips of {FRAMES} frames, {CPUS} workers; load {os.getloadavg()[0]:.1f}")
    print("| run | s | clips/s | busy | kills | shards |\n|---|---|---|---|---|---|", flush=True)
    with cluster() as (pid, address):
        ray = ["--engine", "ray", "--address", address]
        for name in args.runs:
            killing = KILL_EVERY if name == "workers" else None
            half = args.clips // CLIPS_PER_SHARD // 2 if name == "driver" else 0
            on_ray = name != "local"
            run = measure(manifest, args.folder / "out", pid if on_ray else None, ray * on_ray, killing, half)
            checksum = check(args.folder / "out", manifest)
            measured = f"{run.seconds:.0f} | {args.clips / run.seconds:.1f} | {run.busy:.0%} | {run.kills}"
            print(f"| {name} | {measured} | {checksum} |", flush=True)


if __name__ == "__main__":
    main()
