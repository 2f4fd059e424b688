"""Many short live streams, several at once: they all end, with the words of the same frames alone.

    python -m trust.streams --streams 1000     # `make soak-streams STREAMS=1000`

Of each twenty, ten send mouth crops, three frames, one a recording; one is closed in the middle, one reset, one is
silent, one never answers the server's close, one finishes and never reads, and one never sends a start. Pictures come
at the rate of a camera (--speed: faster). Where the server says that it dropped some, words are not compared.
"""

import argparse
import json
import struct
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from lipscribe.faces import load_face_detector
from lipscribe.streaming.crops import CropCutter, FaceFollower
from lipscribe.talker import Talker
from trust.clips import SEED, sentence
from trust.judging import IDLE_SHARE, judge_rest, judge_usage
from trust.raw_websocket import CLOSE, RawWebSocket
from trust.server_process import Sampling, ServerProcess, metric, running

RESULTS = Path("trust-results")
FPS = 25
KINDS = (
    *("crops",) * 10,
    *("frames",) * 3,
    *("video", "closed", "reset", "silent", "never closing", "never reading", "no start"),
)
INPUTS = ("crops", "frames", "video")
ENDS_WITHIN = {"no start": 30.0}  # s after the last message; the server waits 20 s for a start
USUALLY = 25.0  # the server gives a client that does not close 10 s
START = '{"type": "start", "input": "%s"}'
FINISH = '{"type": "finish"}'
MAX_DROPPED = 0.5  # share of the whole streams in which frames may be dropped: the machine is busy


@dataclass(frozen=True)
class Said:
    """A sentence as a client sends it, and what is read of it when nothing else goes on."""

    crops: tuple[bytes, ...]
    frames: tuple[bytes, ...]
    video: bytes
    alone: dict[str, str]


@dataclass(frozen=True)
class Ended:
    """How one stream ended.

    Attributes:
        fault: What was wrong; empty if nothing.
        dropped: Frames that the server left out.
        seconds: From the last message until the connection had ended.
    """

    kind: str
    fault: str = ""
    dropped: int = 0
    seconds: float = 0.0


def draw(folder: Path, number: int) -> list[Said]:
    """Sentences of talkers, not read yet."""
    found = []
    for each in range(number):
        clip = Talker(SEED + 50 + each).say(sentence(50 + each), duration=2.4)
        path = folder / "clip.mp4"
        clip.save(path)
        frames = list(clip.stream())
        follower, cutter = FaceFollower(load_face_detector(), FPS), CropCutter(FPS)
        places = [(frame, follower.find(frame)) for frame in frames]
        crops = [cutter.cut(frame, landmarks) for frame, landmarks in places if landmarks is not None]
        jpegs = [cv2.imencode(".jpg", frame[..., ::-1])[1].tobytes() for frame in frames]
        found.append(Said(tuple(map(_png, crops)), tuple(jpegs), path.read_bytes(), {}))
    return found


def _png(crop: np.ndarray) -> bytes:
    return cv2.imencode(".png", crop)[1].tobytes()


def one_stream(server: ServerProcess, kind: str, said: Said, speed: float) -> Ended:
    """Runs one, and waits until the server has ended it."""
    try:
        for _ in range(200):
            ended = _try_stream(server, kind, said, speed)
            if "streams are open" not in ended.fault:  # the one before has not ended yet
                return ended
            time.sleep(0.1)
    except TimeoutError:
        return Ended(kind, "it did not end")
    except (OSError, ValueError) as error:
        return Ended(kind, repr(error))
    return ended


def _try_stream(server: ServerProcess, kind: str, said: Said, speed: float) -> Ended:
    with RawWebSocket(server.port, timeout=ENDS_WITHIN.get(kind, USUALLY)) as client:
        if kind == "no start":
            return _until_end(client, kind, None)
        input = kind if kind in INPUTS else "crops"
        client.send(START % input)
        if kind != "never reading":
            first = client.receive()
            if first is None or b'"ready"' not in first[1]:
                return Ended(kind, f"no ready: {first}")
        _send(client, input, () if kind == "silent" else getattr(said, input), speed, kind in ("closed", "reset"))
        if kind == "reset":
            client.reset()
            return Ended(kind)
        if kind == "closed":
            client.send(struct.pack(">H", 1000), CLOSE)
        else:
            client.send(FINISH)
        if kind == "never reading":
            time.sleep(2)
            return Ended(kind)
        return _until_end(client, kind, "" if kind == "silent" else said.alone[input])


def _send(client: RawWebSocket, input: str, pictures: Sequence[bytes] | bytes, speed: float, half: bool) -> None:
    if isinstance(pictures, bytes):
        for at in range(0, len(pictures), 20_000):
            client.send(pictures[at : at + 20_000])
        return
    begun = time.monotonic()
    for number, picture in enumerate(pictures[: len(pictures) // 2] if half else pictures):
        time.sleep(max(begun + number / FPS / speed - time.monotonic(), 0))
        client.send(struct.pack("<d", number / FPS) + picture)


def _until_end(client: RawWebSocket, kind: str, alone: str | None) -> Ended:
    """Reads until the connection ends."""
    begun = time.monotonic()
    messages: list[dict[str, Any]] = []
    while (found := client.receive()) is not None:
        if found[0] == CLOSE:
            if kind != "never closing":
                client.send(found[1], CLOSE)
            continue
        messages.append(json.loads(found[1]))
    seconds = time.monotonic() - begun
    dropped = sum(each["frames"] for each in messages if each["type"] == "dropped")
    last = messages[-1] if messages else {"type": "nothing"}
    if kind == "closed":
        return Ended(kind, seconds=seconds)
    if kind == "no start":
        return Ended(kind, "" if "no start" in last.get("message", "") else f"it ended with {last}", 0, seconds)
    if last["type"] != "done":
        return Ended(kind, last.get("message", f"it ended with {last['type']}"), dropped, seconds)
    words = words_of(last)
    fault = f"words {words!r}, alone {alone!r}" if alone is not None and words != alone and not dropped else ""
    return Ended(kind, fault, dropped, seconds)


def words_of(done: dict[str, Any]) -> str:
    """All that depends on the pictures."""
    return " ".join(f"{w['word']}@{w['start']}-{w['end']}:{w['probability']:.4f}" for w in done["transcript"]["words"])


def read_alone(server: ServerProcess, said: Said) -> Said:
    """With what is read of each kind of input, one after another at a camera's rate."""
    for input in INPUTS:
        with RawWebSocket(server.port) as client:
            client.send(START % input)
            client.receive()
            _send(client, input, getattr(said, input), 1.0, half=False)
            client.send(FINISH)
            while (found := client.receive()) is not None:
                message = json.loads(found[1]) if found[0] != CLOSE else {"type": "close"}
                if message["type"] == "dropped":
                    raise SystemExit("frames are dropped although nothing else goes on: run on an idle machine")
                if message["type"] == "done":
                    said.alone[input] = words_of(message)
                    break
        if not said.alone.get(input):
            raise SystemExit(f"{input} of a talker alone gave no words, so nothing can be compared: {found}")
    return said


def judge_streams(ended: Sequence[Ended]) -> list[str]:
    """Every stream has ended, and rightly."""
    faults = [f"a stream ({each.kind}): {each.fault}" for each in ended if each.fault]
    whole = [each for each in ended if each.kind in ("crops", "frames", "never closing")]
    behind = sum(each.dropped > 0 for each in whole)
    if behind > MAX_DROPPED * max(len(whole), 1):
        faults.append(f"frames were dropped in {behind} of {len(whole)} streams, whose words say little: lower --speed")
    return faults


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--streams", type=int, default=1000)
    parser.add_argument("--at-once", type=int, default=8)
    parser.add_argument("--speed", type=float, default=1.0, help="times a camera's rate")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="streams-") as folder:
        texts = draw(Path(folder), 4)
        with running(Path(folder), "--streams", str(args.at_once), "--workers", "2") as server:
            result = measure(server, [read_alone(server, each) for each in texts], args)
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "streams.json").write_text(json.dumps(result, indent=1))
    for name, value in result.items():
        print(f"| {name} | {value} |" if name != "faults" else "")
    for fault in result["faults"][:20]:
        print("FAULT", fault)
    print("all is well" if not result["faults"] else f"{len(result['faults'])} faults")
    sys.exit(bool(result["faults"]))


def measure(server: ServerProcess, texts: list[Said], args: argparse.Namespace) -> dict[str, Any]:
    since = time.monotonic()
    with Sampling(server, since) as samples, ThreadPoolExecutor(args.at_once) as threads:
        futures = [
            threads.submit(one_stream, server, KINDS[number % len(KINDS)], texts[number % len(texts)], args.speed)
            for number in range(args.streams)
        ]
        ended = [future.result() for future in futures]
    took, during = time.monotonic() - since, list(samples)
    time.sleep(12)  # in which the server closes what its client does not
    idle, after = server.cpu_share(), server.sample(since)
    faults = [*judge_streams(ended), *judge_usage(during), *judge_rest(server.left(), idle, server.log())]
    if still := metric(server.address, "lipscribe_streams"):
        faults.append(f"{still:g} streams are still open for the server")
    seconds = [each.seconds for each in ended if each.kind in ("crops", "frames")]
    return {
        "streams": len(ended),
        "at once": args.at_once,
        "took, s": round(took),
        "kinds": dict(Counter(each.kind for each in ended)),
        "streams with dropped frames": sum(each.dropped > 0 for each in ended),
        "from finish to the end, p50 and max, s": [round(float(np.median(seconds)), 2), round(max(seconds), 2)],
        "memory after the first quarter and at the end, MB": [
            round(during[len(during) // 4].rss_mb),
            round(during[-1].rss_mb),
        ],
        "descriptors, threads at the end": [after.descriptors, after.threads],
        "processor afterwards": f"{idle:.1%} of a core (bound {IDLE_SHARE:.0%})",
        "faults": faults,
    }


if __name__ == "__main__":
    main()
