"""The server asked for what nobody should ask: no answer of 500 or more, no hang, no traceback, no growth.

    python -m trust.fuzz_api --minutes 5     # `make fuzz-api MINUTES=5`

In turn: whatever its own schema allows (schemathesis) with mutated videos as files; raw HTTP with broken heads,
lengths, chunks and forms, sent whole, in parts or by halves; WebSocket messages of wrong kinds, sizes and order; JSON
of 80 MB. The seed of each round is told; what was wrong is kept in fuzz/api/. Memory is judged in runs of over ten
minutes.
"""

import argparse
import json
import os
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import cv2
import httpx
import numpy as np

from trust.clips import Clip, draw_clips, read_alone
from trust.judging import MIN_SPAN, judge_rest, judge_usage
from trust.load import new_client, one_request
from trust.raw_requests import REQUESTS, exchange, huge_json, mutated, websocket_script
from trust.server_process import Sampling, ServerProcess, running

RESULTS, KEPT = Path("trust-results"), Path("fuzz/api")
CLIENTS = 6
BATCH = 48  # raw requests of a round, and half as many streams
EXAMPLES = 3  # of each operation in a round
FLAGS = ("--workers", "2", "--streams", "3", "--max-duration", "30")
HEALTH_LIMIT = 10.0  # s; the server is busy
QUEUE_LIMIT = 180.0  # s until what the round before has left in the queue is done


class Findings:
    """What went wrong, and how often each kind of answer came."""

    def __init__(self) -> None:
        self.faults: list[str] = []
        self.counts: Counter[str] = Counter()

    def add(self, fault: str, request: bytes = b"") -> None:
        """Keeps a fault, and the request that caused it."""
        self.faults.append(fault)
        KEPT.mkdir(parents=True, exist_ok=True)
        (KEPT / f"{len(self.faults):03d}.txt").write_bytes(fault.encode() + b"\n\n" + request[:200_000])
        print("FAULT", fault, flush=True)


def raw(server: ServerProcess, clip: Clip, findings: Findings, seed: int, make: Callable | None = None) -> None:
    """One raw request."""
    rng = random.Random(seed)
    make = make or rng.choice(REQUESTS)
    request = make(rng, mutated(rng, clip.content) if rng.random() < 0.7 else clip.content)
    try:
        answer = exchange(server.port, request, rng)
    except TimeoutError:
        findings.add(f"{make.__name__}, seed {seed}: no answer and no end", request)
        return
    except OSError as error:
        findings.add(f"{make.__name__}, seed {seed}: {error!r}", request)
        return
    status = answer[9:12].decode("latin-1") if answer.startswith(b"HTTP/1.1 ") else "closed"
    findings.counts[f"http {status}"] += 1
    if status.startswith("5"):
        findings.add(f"{make.__name__}, seed {seed}: {answer[:300]!r}", request)


def stream(server: ServerProcess, pictures: tuple[bytes, ...], findings: Findings, seed: int) -> None:
    """One WebSocket."""
    try:
        last = websocket_script(server.port, pictures, random.Random(seed))
    except TimeoutError:
        findings.add(f"stream, seed {seed}: it did not end")
        return
    except OSError as error:
        findings.counts[f"stream {type(error).__name__}"] += 1
        return
    kind = json.loads(last)["type"] if last.startswith("{") else last or "closed"
    findings.counts[f"stream {kind}"] += 1
    if kind.startswith("5") or "unexpected went wrong" in last:
        findings.add(f"stream, seed {seed}: {last[:300]}")


def by_schema(server: ServerProcess, clip: Clip, findings: Findings, seed: int) -> None:
    """Some requests to each operation of the schema."""
    import schemathesis
    from hypothesis import HealthCheck, Phase, given, settings
    from hypothesis import seed as seeded

    rng = random.Random(seed)
    schemathesis.serializer("video/*")(lambda context, value: mutated(rng, clip.content))
    schema = schemathesis.openapi.from_url(f"{server.address}/openapi.json")
    for found in schema.get_all_operations():
        operation = found.ok()

        @seeded(seed)
        @given(case=operation.as_strategy())
        @settings(
            max_examples=EXAMPLES,
            database=None,
            deadline=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        def check(case) -> None:
            if isinstance(case.body, dict) and "file" in case.body:
                case.body["file"] = mutated(rng, clip.content)
            try:
                answer = case.call(timeout=90)
            except Exception as error:
                findings.add(f"{case.method} {case.path}, seed {seed}: {error!r}"[:500])
                return
            findings.counts[f"schema {answer.status_code}"] += 1
            if answer.status_code >= 500 or not (answer.status_code < 400 or _message(answer)):
                findings.add(f"{case.method} {case.path}, seed {seed}: {answer.status_code} {answer.text[:300]}")

        check()


def _message(answer: Any) -> str:
    """What an error says; empty if it has not the form of all errors."""
    try:
        return answer.json()["error"]["message"]
    except (ValueError, LookupError, TypeError):
        return ""


def check_alive(server: ServerProcess, clip: Clip, findings: Findings, seed: int) -> None:
    """The server answers, and reads as before."""
    try:
        httpx.get(f"{server.address}/healthz", timeout=HEALTH_LIMIT).raise_for_status()
        with new_client() as client:
            answer = one_request(client, server.address, clip, 0.0)
            deadline = time.monotonic() + QUEUE_LIMIT
            while answer.status == 429 and time.monotonic() < deadline:
                time.sleep(1)
                answer = one_request(client, server.address, clip, 0.0)
        if not answer.right:
            findings.add(f"after the round of seed {seed} a good video gives {answer.status}: {answer.detail[:200]}")
    except httpx.HTTPError as error:
        findings.add(f"after the round of seed {seed} the server does not answer: {error!r}")


def one_round(server: ServerProcess, clip: Clip, pictures: tuple[bytes, ...], findings: Findings, seed: int) -> None:
    """Some of everything."""
    at_once(server, clip, pictures, findings, seed)
    if server.process.poll() is None:
        by_schema(server, clip, findings, seed)
        check_alive(server, clip, findings, seed)


def at_once(server: ServerProcess, clip: Clip, pictures: tuple[bytes, ...], findings: Findings, seed: int) -> None:
    """Raw requests and streams by several clients; an answer that a client cannot make sense of is a finding."""
    asked: list[tuple[str, int, Future[None]]] = []
    with ThreadPoolExecutor(CLIENTS) as threads:
        for number in range(seed, seed + BATCH):
            asked.append(("request", number, threads.submit(raw, server, clip, findings, number)))
            if number % 2:
                asked.append(("stream", number, threads.submit(stream, server, pictures, findings, number)))
        asked.append(("80 MB", seed, threads.submit(raw, server, clip, findings, seed, huge_json)))
    for what, number, done in asked:
        if error := done.exception():
            findings.add(f"{what}, seed {number}: {error!r}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=5)
    parser.add_argument("--seed", type=int, default=int.from_bytes(os.urandom(3)))
    args = parser.parse_args()
    findings = Findings()
    seed, rounds, begun = args.seed, 0, time.monotonic()
    with tempfile.TemporaryDirectory(prefix="fuzz-api-") as folder:
        clips = draw_clips(Path(folder), 1)
        picture, crop = np.full((120, 160, 3), 99, np.uint8), np.full((96, 96), 99, np.uint8)
        pictures = tuple(cv2.imencode(kind, each)[1].tobytes() for kind in (".jpg", ".png") for each in (picture, crop))
        with running(Path(folder), *FLAGS) as server:
            (clip,) = read_alone(server.address, clips)
            one_round(server, clip, pictures, findings, seed)  # before memory is looked at: it grows with what is new
            with Sampling(server, begun) as samples:
                while time.monotonic() - begun < 60 * args.minutes and server.process.poll() is None:
                    memory = ", ".join(f"{each:.0f}" for each in server.memory())
                    print(f"round {rounds}, seed {seed}, MB of each process: {memory}", flush=True)
                    one_round(server, clip, pictures, findings, seed)
                    seed, rounds = seed + 1000, rounds + 1
            time.sleep(12)  # in which the server closes what clients have left open
            # In the first minutes memory grows by steps: each new kind of input takes some that is kept.
            usage = judge_usage(samples, with_memory=60 * args.minutes >= MIN_SPAN)
            for fault in [*usage, *judge_rest(server.left(), server.cpu_share(), server.log())]:
                findings.add(fault)
            if findings.faults:
                (KEPT / "server.log").write_text(server.log())
            if server.process.poll() is not None:
                findings.add(f"the server has ended with {server.process.returncode}: {server.log()[-300:]}")
    result = {
        "minutes": args.minutes,
        "seed": args.seed,
        "rounds": rounds,
        "answers": dict(findings.counts.most_common()),
    }
    RESULTS.mkdir(exist_ok=True)
    memory = [round(samples[0].rss_mb), round(samples[-1].rss_mb)] if samples else []
    (RESULTS / "fuzz_api.json").write_text(
        json.dumps({**result, "memory_mb": memory, "faults": findings.faults}, indent=1)
    )
    print(f"{sum(findings.counts.values())} requests in {rounds} rounds, memory {memory} MB: {result['answers']}")
    print("all is well" if not findings.faults else f"{len(findings.faults)} faults, kept in {KEPT}")
    sys.exit(bool(findings.faults))


if __name__ == "__main__":
    main()
