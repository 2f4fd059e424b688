"""Mutated videos through the whole pipeline: each ends in a result or one clear line, and leaves nothing.

python -m trust.fuzz_media --count 10000
python -m trust.fuzz_media --minutes 5
python -m trust.fuzz_media --file fuzz/media-findings/crash-123.mp4   # one finding again
"""

import argparse
import json
import os
import random
import re
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from trust.media_mutations import mutate
from trust.media_seeds import Seed, load_seeds

CHILD = (sys.executable, "-m", "trust.media_child")
CPU_LIMIT = 20.0  # s of processor time that a file may take
WALL_LIMIT = 180.0  # s, on a busy machine
START_LIMIT = 120.0  # s
WORDS_EVERY = 20  # every so many files are read to their words
SUFFIX_CHANCE = 0.1  # with which a file is called something else
GROWTH_MB = 400.0  # over what a new process has: it keeps the networks, and what its longest video took
OTHERS = 3  # seeds that a file may be spliced with
TICKS = os.sysconf("SC_CLK_TCK")


class Mutated(NamedTuple):
    """A file to try, and how it was made."""

    number: int
    seed: Seed
    content: bytes
    mutations: list[str]
    suffix: str


@dataclass
class Report:
    """What came of all files."""

    files: int = 0
    read: int = 0
    refused: int = 0
    words: int = 0
    refusals: Counter[str] = field(default_factory=Counter)
    problems: Counter[str] = field(default_factory=Counter)
    containers: set[str] = field(default_factory=set)
    codecs: set[str] = field(default_factory=set)
    seconds: float = 0.0
    slowest_cpu_seconds: float = 0.0
    slowest: str = ""
    largest_growth_mb: float = 0.0

    def as_json(self) -> str:
        """One object."""
        made = dict(vars(self), containers=len(self.containers), codecs=len(self.codecs))
        made["refusals"] = dict(self.refusals.most_common(25))
        return json.dumps(made, indent=1, default=dict)


class Ended(Exception):
    """The child has ended, or was ended: the problem, in a word."""


class Child:
    """The process that reads; a new one is started when it is asked after the old one has ended.

    Args:
        command: Starts it.
        cpu_limit: Seconds of processor time for a file.
        wall_limit: Seconds for a file.
    """

    def __init__(self, command: Sequence[str] = CHILD, cpu_limit: float = CPU_LIMIT, wall_limit: float = WALL_LIMIT):
        self._command, self._cpu_limit, self._wall_limit = command, cpu_limit, wall_limit
        self._process: subprocess.Popen[bytes] | None = None
        self._folder = Path(tempfile.mkdtemp(prefix="fuzz-child-"))
        self._errors = (self._folder.parent / f"{self._folder.name}.stderr").open("w+b")
        self.rss_mb = 0.0

    def ask(self, path: Path, words: bool) -> dict[str, Any]:
        """What came of a file: `outcome`, and with a problem its `kind`."""
        try:
            process = self._started()
            printed = os.fstat(self._errors.fileno()).st_size
            assert process.stdin is not None
            process.stdin.write(json.dumps({"path": str(path), "words": words}).encode() + b"\n")
            process.stdin.flush()
            answer = self._receive(process, self._wall_limit, self._cpu_limit)
        except (Ended, BrokenPipeError) as error:
            answer = {"outcome": "problem", "kind": str(error) or "crash", "message": self._tail()}
            self.close_process()
            return answer
        grown = answer["rss_mb"] - self.rss_mb
        if os.fstat(self._errors.fileno()).st_size > printed and answer["outcome"] != "problem":
            answer |= {"outcome": "problem", "kind": "printed", "message": self._tail()}
        elif answer["left"]:
            answer |= {"outcome": "problem", "kind": "left behind", "message": "; ".join(answer["left"])}
        elif grown > GROWTH_MB:
            answer |= {"outcome": "problem", "kind": "growth", "message": f"{grown:.0f} MB more than before all files"}
            self.close_process()
        return answer | {"grown_mb": grown}

    def close(self) -> None:
        """Ends the process and removes its files."""
        self.close_process()
        self._errors.close()
        Path(self._errors.name).unlink()
        shutil.rmtree(self._folder, ignore_errors=True)

    def close_process(self) -> None:
        """Ends the process."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None

    def _started(self) -> "subprocess.Popen[bytes]":
        if self._process is None:
            self._errors.truncate(0)
            self._errors.seek(0)
            command = [*self._command, "--folder", str(self._folder)]
            pipe = subprocess.PIPE
            self._process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=self._errors)
            self.rss_mb = self._receive(self._process, START_LIMIT, START_LIMIT)["rss_mb"]
        return self._process

    def _receive(self, process: "subprocess.Popen[bytes]", wall: float, cpu: float) -> dict[str, Any]:
        assert process.stdout is not None
        deadline, begin, line = time.monotonic() + wall, _cpu_seconds(process.pid), b""
        while not line.endswith(b"\n"):
            if time.monotonic() > deadline or _cpu_seconds(process.pid) - begin > cpu:
                raise Ended("hang")
            if select.select([process.stdout], [], [], 0.2)[0]:
                part = os.read(process.stdout.fileno(), 65536)
                if not part:
                    code = process.wait()
                    raise Ended(f"crash ({signal.Signals(-code).name if code < 0 else f'exit code {code}'})")
                line += part
        return json.loads(line)

    def _tail(self) -> str:
        self._errors.flush()
        return Path(self._errors.name).read_bytes()[-1500:].decode(errors="replace")


def _cpu_seconds(pid: int) -> float:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:  # it has ended
        return 0.0
    return (int(fields[11]) + int(fields[12])) / TICKS


def mutated_files(folder: Path, seeds: Sequence[Seed], seed: int, start: int) -> Iterator[Mutated]:
    """Endless; the file of a number depends on it, on `seed` and on the seeds alone."""
    contents = {each.file: (folder / each.file).read_bytes() for each in seeds}
    suffixes = sorted({Path(each.file).suffix for each in seeds})
    number = start
    while True:
        chance = random.Random(f"{seed}:{number}")
        chosen = seeds[number % len(seeds)]
        others = [contents[chance.choice(seeds).file] for _ in range(OTHERS)]
        content, mutations = mutate(contents[chosen.file], others, chance)
        suffix = chance.choice(suffixes) if chance.random() < SUFFIX_CHANCE else Path(chosen.file).suffix
        yield Mutated(number, chosen, content, mutations, suffix)
        number += 1


def fuzz(files: Iterator[Mutated], child: Child, findings: Path, count: int | None, until: float) -> Report:
    """Tries files up to a number or a `time.monotonic`; keeps those with problems, and prints a line of each."""
    report, begin = Report(), time.monotonic()
    with tempfile.TemporaryDirectory(prefix="fuzz-media-") as scratch:
        while (count is None or report.files < count) and time.monotonic() < until:
            tried = next(files)
            path = Path(scratch) / f"clip{tried.suffix}"
            path.write_bytes(tried.content)
            words = tried.number % WORDS_EVERY == 0
            answer = child.ask(path, words)
            _count(report, tried, words, answer, str(path))
            if answer["outcome"] == "problem":
                _keep(findings, tried, answer)
            path.unlink()
            if report.files % 500 == 0:
                rate = report.files / (time.monotonic() - begin)
                print(f"{report.files} files, {rate:.1f} a second, {report.problems.total()} problems", file=sys.stderr)
    report.seconds = round(time.monotonic() - begin, 1)
    return report


def _count(report: Report, tried: Mutated, words: bool, answer: dict[str, Any], path: str) -> None:
    report.files += 1
    report.words += words
    report.read += answer["outcome"] == "read"
    report.refused += answer["outcome"] == "refused"
    report.containers.add(tried.seed.container)
    report.codecs.add(tried.seed.codec)
    if answer["outcome"] == "refused":
        text = answer["message"].replace(f"{path}: ", "")
        report.refusals[re.sub(r"\d+", "#", re.split(r"[;(]", text)[0]).strip()[:80]] += 1
    if answer["outcome"] == "problem":
        report.problems[answer["kind"]] += 1
    report.largest_growth_mb = max(report.largest_growth_mb, round(answer.get("grown_mb", 0.0), 1))
    if answer.get("seconds", 0.0) > report.slowest_cpu_seconds:
        report.slowest_cpu_seconds = round(answer["seconds"], 2)
        report.slowest = f"{tried.number} ({tried.seed.file})"


def _keep(findings: Path, tried: Mutated, answer: dict[str, Any]) -> None:
    findings.mkdir(parents=True, exist_ok=True)
    kind = re.sub(r"\W+", "-", answer["kind"]).strip("-").lower()
    path = findings / f"{kind}-{tried.number}{tried.suffix}"
    path.write_bytes(tried.content)
    recipe = {"number": tried.number, "seed": tried.seed.file, "mutations": tried.mutations, **answer}
    path.with_name(f"{path.name}.json").write_text(json.dumps(recipe, indent=1))
    last = (answer["message"].strip().splitlines() or [""])[-1]
    print(f"{answer['kind']}: {path} ({tried.seed.file}; {', '.join(tried.mutations)}): {last[:200]}", flush=True)


def try_again(paths: Sequence[Path], child: Child) -> int:
    """Reads single files with and without words; prints what comes of each."""
    problems = 0
    for path in paths:
        for words in (False, True):
            answer = child.ask(path, words)
            problems += answer["outcome"] == "problem"
            what = answer.get("kind", "") if answer["outcome"] == "problem" else ""
            print(f"{path} {'with' if words else 'without'} words: {answer['outcome']} {what}\n{answer['message']}")
            print(f"  {answer.get('seconds', 0):.2f} s, {answer.get('grown_mb', 0):.0f} MB", flush=True)
    return problems


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; its exit code is 1 where there are problems."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--minutes", type=float, help="how long; with --count, whichever ends first")
    parser.add_argument("--count", type=int, help="of files")
    parser.add_argument("--seed", type=int, default=1, help="another number makes other files")
    parser.add_argument("--start", type=int, default=0, help="number of the first file: resumes a run")
    parser.add_argument("--folder", type=Path, default=Path("fuzz"), help="for seeds and findings")
    parser.add_argument("--file", type=Path, action="append", help="read this file alone, such as a finding")
    given = parser.parse_args(arguments)
    child = Child()
    try:
        if given.file:
            return int(try_again(given.file, child) > 0)
        folder = given.folder / "media-seeds"
        seeds = load_seeds(folder)
        until = time.monotonic() + 60 * (given.minutes if given.minutes else 1e9)
        files = mutated_files(folder, seeds, given.seed, given.start)
        report = fuzz(files, child, given.folder / "media-findings", given.count, until)
    finally:
        child.close()
    (given.folder / "media.json").write_text(report.as_json())
    print(report.as_json())
    return int(report.problems.total() > 0)


if __name__ == "__main__":
    sys.exit(main())
