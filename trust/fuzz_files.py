"""Fuzzes every file that Lipscribe reads but videos: each input ends in a result or in one clear line, soon.

    python -m trust.fuzz_files --minutes 5                # all targets: seeded, then guided by coverage (Atheris)
    python -m trust.fuzz_files --count 300 --only spec    # so many inputs of the targets whose names hold "spec"
    python -m trust.fuzz_files --engine atheris --minutes 2 --only captions
    python -m trust.fuzz_files --list

Each target runs in a child of its own with limits of time, memory and file size. A finding is an exception other than
LipscribeError, an error of several lines, a hang, a crash, memory that grows, or a file that is left; its input is kept
in fuzz/files/ with the folder that it was read in. Exit code 1 if there is one.
"""

import argparse
import contextlib
import faulthandler
import hashlib
import json
import os
import random
import re
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections import Counter
from pathlib import Path
from typing import Any

from trust.file_targets import TARGETS, Target
from trust.mutations import mutate

KEPT = Path("fuzz/files")
SECONDS_EACH = 5.0  # of processor time for one input
SECONDS_FIRST = 120.0  # for a valid input, with which libraries are imported
SECONDS_WAITING = 60.0  # by the clock, on a busy machine
SECONDS_STUCK = 30.0  # more, after which even code that hears no signal is ended
MORE_MEMORY = 1 << 30  # than there is after the valid inputs were read
MAX_FILE = 64 << 20  # bytes of a written file
MAX_LINE = 10_000  # characters of an error
GROWTH = 150 << 20  # bytes of memory by which a child may grow
RESTARTS = 5  # of a target's child after crashes
WORK = "work"


class TooSlowError(BaseException):
    """An input took too long; its text says of what."""


class Fuzzer:
    """Reads one input after the other in a folder, which it restores each time.

    Args:
        folder: Empty.
        keep: Where findings go.
    """

    def __init__(self, target: Target, folder: Path, keep: Path):
        self.target, self.folder, self.keep = target, folder / "files", keep
        self.folder.mkdir()
        target.make(self.folder)
        self.scratch = folder / "tmp"
        self.scratch.mkdir()
        tempfile.tempdir = str(self.scratch)
        self._valid = {path: path.read_bytes() for path in self._files()}
        self.path = self.folder / target.file
        self.seeds = [self._valid[self.path], *target.more]
        self.outcomes: Counter[str] = Counter()
        self.found: dict[str, str] = {}
        self.limit = SECONDS_FIRST

    def run(self, content: bytes) -> str:
        """Reads an input; what is wrong, or ''."""
        self.path.write_bytes(content)
        fault = self._read() or self._left()
        if fault:
            self._keep(content, fault)
        self._restore()
        return fault

    def _read(self) -> str:
        from lipscribe.errors import LipscribeError

        patience = SECONDS_WAITING + self.limit
        faulthandler.dump_traceback_later(patience + SECONDS_STUCK, exit=True)
        signal.setitimer(signal.ITIMER_PROF, self.limit)
        signal.setitimer(signal.ITIMER_REAL, patience)
        try:
            self.target.read(self.folder)
            self.outcomes["read"] += 1
        except LipscribeError as error:
            self.outcomes["refused"] += 1
            line = str(error)
            if not line.strip() or "\n" in line or "\r" in line:
                return f"an error of several lines: {line[:200]!r} {_place(error)}"
            if len(line) > MAX_LINE:
                return f"an error of {len(line)} characters {_place(error)}"
        except TooSlowError as error:
            seconds = self.limit if str(error) == WORK else patience
            return f"more than {seconds:g} s of {error} {_place(error)}"
        except Exception as error:
            return f"{type(error).__name__}: {' '.join(str(error).split())[:200]} {_place(error)}"
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)
            signal.setitimer(signal.ITIMER_REAL, 0)
            faulthandler.cancel_dump_traceback_later()
        return ""

    def _files(self) -> list[Path]:
        return [path for path in self.folder.rglob("*") if path.is_file()]

    def _left(self) -> str:
        left = [path for path in self._files() if path not in self._valid and not self.target.writes(path)]
        left += [path for path in self.scratch.iterdir() if not path.name.startswith("torchinductor")]
        return f"a file is left: {min(path.name for path in left)}" if left else ""

    def _restore(self) -> None:
        for path in self._files():
            if path not in self._valid:
                path.unlink()
        for path, content in self._valid.items():
            if not path.exists() or path.stat().st_size != len(content) or path.read_bytes() != content:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content)
        for path in self.scratch.iterdir():
            shutil.rmtree(path) if path.is_dir() else path.unlink()

    def _keep(self, content: bytes, fault: str) -> None:
        kind = fault.rpartition(" at ")[2] if " at " in fault else fault[:40]
        kind = re.sub(r"\d+ characters", "", f"{fault.partition(':')[0][:60]} {kind}")
        if kind in self.found:
            return
        self.found[kind] = fault
        place = self.keep / self.target.name.replace(" ", "-").replace("/", "-")
        place.mkdir(parents=True, exist_ok=True)
        name = hashlib.sha256(kind.encode()).hexdigest()[:8]
        (place / f"{name}-{Path(self.target.file).name}").write_bytes(content)
        (place / f"{name}.txt").write_text(f"{fault}\n", encoding="utf-8", errors="backslashreplace")
        print(json.dumps({"finding": fault, "input": str(place / f"{name}-{Path(self.target.file).name}")}), flush=True)


def _place(error: BaseException) -> str:
    """Where our code raised an error, or called what did."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if f"{os.sep}lipscribe{os.sep}" in frame.filename]
    frame = (ours or list(frames))[-1]
    return f"at {Path(frame.filename).name}:{frame.lineno}"


def child(target: Target, engine: str, seed: int, count: int, seconds: float, keep: Path) -> None:
    """Runs in a process of its own; prints a line of JSON for each finding, and one at the end."""
    for number in (signal.SIGPROF, signal.SIGALRM):
        signal.signal(number, _too_slow)
    faulthandler.enable()
    with tempfile.TemporaryDirectory(prefix="fuzz-") as folder:
        if engine == "atheris":
            _guided(target, Path(folder), seed, count, seconds, keep)
            return
        fuzzer = Fuzzer(target, Path(folder), keep)
        _begin(fuzzer)
        rng, began, started_with = random.Random(f"{seed} {target.name}"), time.monotonic(), 0
        for number in range(count):
            if time.monotonic() - began > seconds:
                break
            fuzzer.run(mutate(rng.choice(fuzzer.seeds), rng, fuzzer.seeds))
            if number == 50:
                started_with = _resident()
        else:
            number = count
        grown = _resident() - started_with if started_with else 0
        if grown > GROWTH:
            print(json.dumps({"finding": f"it grew by {grown >> 20} MB", "input": ""}), flush=True)
        print(json.dumps({"inputs": number, "grown_mb": grown / 2**20, **fuzzer.outcomes}), flush=True)


def _begin(fuzzer: Fuzzer) -> None:
    """Reads the valid inputs, and limits what the others may take."""
    for content in fuzzer.seeds:
        if fault := fuzzer.run(content):
            raise SystemExit(f"{fuzzer.target.name}: a valid input is not read: {fault}")
    if fuzzer.outcomes["refused"]:
        raise SystemExit(f"{fuzzer.target.name}: a valid input is refused")
    fuzzer.limit = SECONDS_EACH
    limit_memory()


def limit_memory() -> None:
    """Bounds the address space of this process by what it has now and `MORE_MEMORY`, and the files that it writes."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages * resource.getpagesize() + MORE_MEMORY
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    resource.setrlimit(resource.RLIMIT_FSIZE, (MAX_FILE, MAX_FILE))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def _too_slow(number: int, _: Any) -> None:
    raise TooSlowError(WORK if number == signal.SIGPROF else "waiting")


def _guided(target: Target, folder: Path, seed: int, count: int, seconds: float, keep: Path) -> None:
    """Coverage-guided inputs. libFuzzer ends the process itself, so counts are printed as they grow."""
    import atheris

    with atheris.instrument_imports(include=["lipscribe"], enable_loader_override=False):
        for name in target.modules:
            __import__(name)
    fuzzer = Fuzzer(target, folder, keep)
    corpus = folder / "corpus"
    corpus.mkdir()
    for number, content in enumerate(fuzzer.seeds):
        (corpus / str(number)).write_bytes(content)
    _begin(fuzzer)
    fuzzer.outcomes.clear()
    told = 0.0

    def one(content: bytes) -> None:
        nonlocal told
        fuzzer.run(content)
        if time.monotonic() - told > 1:
            told = time.monotonic()
            print(json.dumps({"inputs": fuzzer.outcomes.total(), **fuzzer.outcomes}), flush=True)

    def other(content: bytes, max_size: int, number: int) -> bytes:
        if number % 2:
            return atheris.Mutate(content, max_size)
        return mutate(content, random.Random(number), fuzzer.seeds)[:max_size]

    options = [f"-max_total_time={max(int(seconds), 1)}", f"-runs={count}", f"-seed={seed + 1}", "-max_len=100000"]
    options += ["-verbosity=0", "-rss_limit_mb=0", "-timeout=0", "-handle_alrm=0"]
    atheris.Setup([sys.argv[0], *options, str(corpus)], one, custom_mutator=other)
    atheris.Fuzz()


def run_target(target: Target, engine: str, seed: int, count: int, seconds: float, keep: Path) -> dict[str, Any]:
    """Runs a target in children, each of which may crash; the sums of their outcomes, and the findings."""
    result: Counter[str] = Counter()
    findings: list[str] = []
    began = time.monotonic()
    for attempt in range(RESTARTS):
        left = seconds - (time.monotonic() - began)
        if left <= 0 or result["inputs"] >= count:
            break
        with tempfile.TemporaryDirectory(prefix="fuzz-parent-") as folder:
            command = [sys.executable, "-m", "trust.fuzz_files", "--child", target.name, "--engine", engine]
            command += ["--seed", str(seed + 1000 * attempt), "--count", str(count - result["inputs"])]
            command += ["--seconds", str(left), "--keep", str(keep)]
            environ = {**os.environ, "TMPDIR": folder, "OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"}
            environ |= {"LIPSCRIBE_CACHE": f"{folder}/cache", "HOME": folder}
            with Path(folder, "stderr").open("w+b") as errors:
                done = subprocess.run(command, stdout=subprocess.PIPE, stderr=errors, env=environ, check=False)
                errors.seek(0)
                said = errors.read().decode("utf-8", "replace")
            last: dict[str, Any] = {}
            for line in done.stdout.splitlines():
                with contextlib.suppress(ValueError):
                    record = json.loads(line)
                    if "finding" in record:
                        findings.append(record["finding"])
                    else:
                        last = record
            result.update({name: last.get(name, 0) for name in ("inputs", "read", "refused")})
            if done.returncode == 0:
                break
            findings.append(f"the process ended ({done.returncode}): {_why(said)}")
            _keep_crash(target, Path(folder), keep, f"crash-{seed}-{attempt}", said)
    return {"target": target.name, **result, "findings": findings, "seconds": round(time.monotonic() - began, 1)}


def _why(said: str) -> str:
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    first = next((line for line in lines if line.startswith(("Fatal", "Timeout", "MemoryError"))), "")
    place = next((line for line in lines if f"{os.sep}lipscribe{os.sep}" in line), "")
    return f"{first} {place}".strip() or " ".join(lines[-1:])[:300]


def _keep_crash(target: Target, folder: Path, keep: Path, name: str, said: str) -> None:
    place = keep / target.name.replace(" ", "-").replace("/", "-")
    place.mkdir(parents=True, exist_ok=True)
    (place / f"{name}.txt").write_text(said, encoding="utf-8")
    for path in folder.glob(f"fuzz-*/files/{target.file}"):
        shutil.copyfile(path, place / f"{name}-{path.name}")


def main() -> int:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, help="of all targets together")
    parser.add_argument("--count", type=int, default=10**9, help="inputs of each target")
    parser.add_argument("--only", default="", help="targets whose name holds this")
    parser.add_argument("--engine", choices=("both", "seeded", "atheris"), default="both")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, default=KEPT)
    parser.add_argument("--list", action="store_true", help="name the targets")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    parser.add_argument("--seconds", type=float, default=0.0, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child:
        target = next(target for target in TARGETS if target.name == given.child)
        child(target, given.engine, given.seed, given.count, given.seconds, given.keep)
        return 0
    targets = [target for target in TARGETS if given.only in target.name]
    if not targets:
        parser.error(f"no target's name holds {given.only!r}: see --list")
    if given.list:
        print("\n".join(f"{target.name:32s} {target.file}" for target in targets))
        return 0
    from importlib.util import find_spec

    guided = [target for target in targets if target.modules] if given.engine != "seeded" else []
    if guided and not find_spec("atheris"):
        print("without Atheris (pip install 'lipscribe[trust]') inputs are not guided by coverage", file=sys.stderr)
        guided = []
    runs = [("seeded", target) for target in targets if given.engine != "atheris"]
    runs += [("atheris", target) for target in guided]
    minutes = given.minutes or (1e6 if given.count < 10**9 else 5.0)
    return _report(runs, given, minutes * 60)


def _report(runs: list[tuple[str, Target]], given: argparse.Namespace, seconds: float) -> int:
    began, total, bad = time.monotonic(), Counter[str](), 0
    print(f"{'target':32s} {'engine':8s} {'inputs':>8s} {'read':>8s} {'refused':>8s} {'s':>6s}  findings")
    for number, (engine, target) in enumerate(runs):
        share = (seconds - (time.monotonic() - began)) / (len(runs) - number)
        result = run_target(target, engine, given.seed, given.count, max(share, 2.0), given.keep)
        counts = [result.get(name, 0) for name in ("inputs", "read", "refused")]
        total.update(dict(zip(("inputs", "read", "refused"), counts, strict=True)))
        bad += len(result["findings"])
        row = f"{target.name:32s} {engine:8s} {counts[0]:8d} {counts[1]:8d} {counts[2]:8d} {result['seconds']:6.1f}"
        print(f"{row}  {len(result['findings'])}", flush=True)
        for finding in result["findings"]:
            print(f"    {finding}", flush=True)
    print(f"{total['inputs']} inputs: {total['read']} read, {total['refused']} refused, {bad} findings")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
