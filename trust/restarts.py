"""A server that is ended and started again on its port while its clients go on.

    python -m trust.restarts --rounds 5     # `make soak-restarts`

In each round it is ended by SIGTERM, then by SIGKILL, and started again at once. Requests that it had taken end in 200
with the right words or, by SIGTERM, in 503; it is ready within a bound although the queue is full at once; what SIGKILL
left in its folder is removed.
"""

import argparse
import json
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

from trust.clips import Clip, draw_clips, read_alone
from trust.judging import Answer
from trust.load import new_client, one_request
from trust.server_process import ServerProcess, family, free_port, start

RESULTS = Path("trust-results")
READY_WITHIN = 60.0  # s, with clients on the same two cores
ENDS_WITHIN = 15.0  # s: 5 for open requests, 5 for their last words
TAKEN = 1.0  # s after which a request that was sent has surely been taken
CLIENTS = 16
FLAGS = ("--workers", "2", "--queue", "6")
UNTIL_END = 4.0  # s of load before each signal


class Clients:
    """Threads that ask again and again, whatever happens."""

    def __init__(self, address: str, clips: list[Clip]):
        self.answers: list[Answer] = []
        self._address, self._clips = address, clips
        self._since = time.monotonic()
        self._ended = threading.Event()
        self._threads = [threading.Thread(target=self._work, args=(number,)) for number in range(CLIENTS)]

    def now(self) -> float:
        return time.monotonic() - self._since

    def _work(self, number: int) -> None:
        with new_client() as client:
            while not self._ended.is_set():
                answer = one_request(client, self._address, self._clips[number % len(self._clips)], self._since)
                self.answers.append(answer)
                if answer.status != 200:
                    time.sleep(0.2)

    def __enter__(self) -> "Clients":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        for thread in self._threads:
            thread.join()


def judge_restart(answers: list[Answer], ended_at: float, gone_at: float, politely: bool) -> list[str]:
    """Faults among the requests that were sent to a server which was ended then.

    Args:
        ended_at, gone_at: When the signal was sent, and when the process was gone.
        politely: Whether it was SIGTERM.
    """
    faults = []
    for each in answers:
        if each.status == 200 and not each.right:
            faults.append(f"an answer has other words than alone: {each.detail[:100]}")
        elif each.status not in (0, 200, 429, 503):
            faults.append(f"status {each.status}: {each.detail[:100]}")
        elif each.status in (429, 503) and not (each.retry_after or "").isdecimal():
            faults.append(f"status {each.status} without a usable Retry-After")
        was_taken = each.sent < ended_at - TAKEN and each.answered > ended_at
        if politely and was_taken and each.status == 0:
            faults.append(f"a request that was taken {ended_at - each.sent:.1f} s before the end: {each.detail[:100]}")
        if was_taken and each.answered > gone_at + TAKEN and each.status == 0:
            faults.append(f"a request hung for {each.answered - gone_at:.1f} s after the server had gone")
    return faults


def judge_rounds(answers: list[Answer], rounds: list[dict[str, Any]]) -> list[str]:
    """Faults of all rounds, once every request has ended, however long it hung; each belongs to the next signal."""
    faults, since = [], 0.0
    for each in [*rounds, {"signal": "none", "sent": float("inf"), "gone": float("inf")}]:
        own = [answer for answer in answers if since <= answer.sent < each["sent"]]
        faults += judge_restart(own, each["sent"], each["gone"], each["signal"] == "SIGTERM")
        since = each["sent"]
    return faults


def one_restart(server: ServerProcess, clients: Clients, number: int, faults: list[str]) -> tuple[ServerProcess, dict]:
    """Ends the server by a signal, and starts it again at once."""
    time.sleep(UNTIL_END)
    children, folders = family(server.process.pid), set(server.cache.glob("serve/run-*"))
    ended_at = clients.now()
    server.process.send_signal(number)
    again = start(server.cache, *FLAGS, port=server.port)
    try:
        server.process.wait(ENDS_WITHIN + 30)
    except subprocess.TimeoutExpired:
        faults.append(f"the server has not ended {ENDS_WITHIN + 30:g} s after {signal.Signals(number).name}")
        server.process.kill()
        server.process.wait()
    gone_at = clients.now()
    took = gone_at - ended_at
    try:
        ready = again.wait_until_ready(READY_WITHIN)
    except TimeoutError as error:
        faults.append(str(error))
        ready = float("inf")
    time.sleep(1)
    if took > ENDS_WITHIN:
        faults.append(f"the server took {took:.1f} s to end")
    if left := [path.name for path in folders if path.exists()]:
        faults.append(f"left of the server before: {', '.join(left)}")
    if alive := [pid for pid in children if Path(f"/proc/{pid}").exists() and not _is_dead(pid)]:
        faults.append(f"{len(alive)} processes of the server before are still there")
    found = {"signal": signal.Signals(number).name, "ended_s": round(took, 2), "ready_s": round(ready, 2)}
    return again, found | {"sent": ended_at, "gone": gone_at}


def _is_dead(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    faults: list[str] = []
    rounds: list[dict] = []
    with tempfile.TemporaryDirectory(prefix="restarts-") as folder:
        clips = draw_clips(Path(folder), 4)
        server = start(Path(folder), *FLAGS, port=free_port())
        try:
            server.wait_until_ready()
            clips = read_alone(server.address, clips)
            with Clients(server.address, clips) as clients:
                for number in (signal.SIGTERM, signal.SIGKILL) * args.rounds:
                    server, found = one_restart(server, clients, number, faults)
                    rounds.append(found)
                    print("{signal}: gone after {ended_s} s, ready after {ready_s} s".format(**found), flush=True)
                time.sleep(UNTIL_END)
            faults += judge_rounds(clients.answers, rounds)
            statuses = Counter(each.status for each in clients.answers if each.sent > rounds[-1]["gone"])
            server.end(signal.SIGTERM, ENDS_WITHIN + 30)
            if "Traceback" in server.log():
                faults.append(f"the log has a traceback: {server.log()[-300:]}")
            if server.left():
                faults.append(f"left in the folder: {server.left()[:3]}")
        finally:
            if server.process.poll() is None:
                server.process.kill()
    if not statuses[200]:
        faults.append(f"nothing was read after the last restart: {dict(statuses)}")
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "restarts.json").write_text(json.dumps({"rounds": rounds, "faults": faults}, indent=1))
    for fault in faults:
        print("FAULT", fault)
    print("all is well" if not faults else f"{len(faults)} faults")
    sys.exit(bool(faults))


if __name__ == "__main__":
    main()
