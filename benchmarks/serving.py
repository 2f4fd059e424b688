"""How a server holds up: many clients at once, its memory before and after, and what it does beyond its queue.

python benchmarks/serving.py                    # 500 requests by 16 clients
python benchmarks/serving.py --requests 50 --clients 4
python benchmarks/serving.py --workers 1 --folder ../shared/grid/s1 --model grid  # your own clips

Clips are synthetic talkers, unless a folder is given. An answer is right with the words that `lipscribe.transcribe`
reads.
"""

import argparse
import os
import random
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path

import httpx
import numpy as np
import uvicorn

import lipscribe
from lipscribe.data.corpora.grid import SLOTS
from lipscribe.server.run import configure, listen
from lipscribe.server.settings import Settings
from lipscribe.talker import Talker

PATH = "/v1/audio/transcriptions"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=500)
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--clips", type=int, default=8, help="different ones")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--model", default="talkers")
    parser.add_argument("--folder", type=Path, help="of videos")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.environ["LIPSCRIBE_CACHE"] = folder
        clips = _clips(args.folder, Path(folder), args.clips)
        model = lipscribe.load_model(args.model, threads=1)
        texts = [model.transcribe(clip).text for clip in clips]
        print(f"{len(clips)} clips, load of the machine {os.getloadavg()[0]:.1f} on {os.cpu_count()} CPUs")
        settings = Settings(model=args.model, port=0, workers=args.workers)
        listening = listen(settings.host, settings.port)
        server = uvicorn.Server(configure(settings))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        try:
            _measure(f"http://127.0.0.1:{listening.getsockname()[1]}", clips, texts, settings, args)
        finally:
            server.should_exit = True
            thread.join()


def _measure(address: str, clips: list[Path], texts: list[str], settings: Settings, args: argparse.Namespace) -> None:
    while not _is_ready(address):
        time.sleep(0.2)
    contents = [clip.read_bytes() for clip in clips]
    _ask(address, contents, texts, 40, min(args.clients, 4))  # memory grows with the first clips
    before = _memory_mb()
    begun = time.perf_counter()
    seconds, answers = _ask(address, contents, texts, args.requests, args.clients)
    wall = time.perf_counter() - begun
    after = _memory_mb()
    print(f"{args.requests} requests by {args.clients} clients, {args.workers} workers: {dict(answers)}")
    print(f"{args.requests / wall:.2f} requests a second")
    print("latency  " + ", ".join(f"{part}th percentile {np.percentile(seconds, part):.2f} s" for part in (50, 90, 99)))
    change = sum(after.values()) / sum(before.values()) - 1
    print(f"memory   {_listed(before)} before, {_listed(after)} after: {change:+.1%}")
    room = settings.workers + settings.queue
    seconds, answers = _ask(address, contents, texts, 3 * room, 3 * room)
    print(f"{3 * room} requests at once, room for {room}: {dict(answers)}")


def _ask(
    address: str, contents: list[bytes], texts: list[str], number: int, clients: int
) -> tuple[list[float], Counter[str]]:
    """Seconds of each request, and how many of each kind of answer."""
    seconds: list[float] = []
    answers: Counter[str] = Counter()
    numbers = iter(range(number))
    lock = threading.Lock()

    def work() -> None:
        with httpx.Client(timeout=600) as client:
            while True:
                with lock:
                    if (idx := next(numbers, None)) is None:
                        return
                clip = idx % len(contents)
                begun = time.perf_counter()
                answer = client.post(address + PATH, files={"file": ("clip.mp4", contents[clip])})
                kind = str(answer.status_code)
                if answer.status_code == 200:
                    kind = "right" if answer.json()["text"] == texts[clip] else "wrong"
                with lock:
                    seconds.append(time.perf_counter() - begun)
                    answers[kind] += 1

    threads = [threading.Thread(target=work) for _ in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return seconds, answers


def _memory_mb() -> dict[str, float]:
    """Resident memory of this process, which is the server too, and of its workers."""
    import multiprocessing

    pids = {"server": os.getpid()} | {
        f"worker {number}": child.pid for number, child in enumerate(multiprocessing.active_children()) if child.pid
    }
    return {name: _resident_mb(pid) for name, pid in pids.items()}


def _resident_mb(pid: int) -> float:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) / 1024


def _listed(memory: dict[str, float]) -> str:
    return ", ".join(f"{name} {value:.0f} MB" for name, value in memory.items())


def _is_ready(address: str) -> bool:
    try:
        return httpx.get(f"{address}/readyz").status_code == 200
    except httpx.TransportError:
        return False


def _clips(given: Path | None, folder: Path, number: int) -> list[Path]:
    if given is not None:
        return sorted(path for path in given.iterdir() if path.is_file())[:number]
    rng = random.Random(1)
    clips = []
    for seed in range(number):
        clips.append(folder / f"{seed}.mp4")
        text = " ".join(rng.choice(slot) for slot in SLOTS)
        Talker(910_000 + seed).say(text, duration=3.0).save(clips[-1])
    return clips


if __name__ == "__main__":
    main()
