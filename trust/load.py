"""Clients that ask at a given rate, whatever the server does: an open loop, as strangers are."""

import random
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import httpx

from trust.clips import Clip, ask, said
from trust.judging import Answer

TIMEOUT = 240.0  # s; a request that takes longer is lost
MAX_CLIENTS = 300
RECENT = 30.0  # s


def new_client() -> httpx.Client:
    """Without connections that are kept: closing one while the next request is sent would be a loss of the client's."""
    return httpx.Client(timeout=TIMEOUT, limits=httpx.Limits(max_keepalive_connections=0))


def one_request(client: httpx.Client, address: str, clip: Clip, since: float) -> Answer:
    """Asks once."""
    sent = time.monotonic() - since
    try:
        answer = ask(client, address, clip)
    except httpx.HTTPError as error:
        return Answer(sent, time.monotonic() - since, 0, detail=repr(error))
    answered = time.monotonic() - since
    if answer.status_code != 200:
        return Answer(sent, answered, answer.status_code, False, answer.headers.get("retry-after"), answer.text)
    words = said(answer)
    return Answer(sent, answered, 200, words == clip.alone, detail=words)


def capacity(address: str, clips: Sequence[Clip], workers: int, seconds: float) -> float:
    """Requests a second that are read when there is always one more than workers."""
    numbers = iter(range(10**9))
    begun = time.monotonic()

    def work() -> int:
        done = 0
        with new_client() as client:
            while time.monotonic() - begun < seconds:
                done += ask(client, address, clips[next(numbers) % len(clips)]).status_code == 200
        return done

    with ThreadPoolExecutor(workers + 1) as threads:
        done = sum(future.result() for future in [threads.submit(work) for _ in range(workers + 1)])
    return done / (time.monotonic() - begun)


def offer(
    address: str,
    clips: Sequence[Clip],
    rate: float,
    times: float,
    seconds: float,
    since: float,
    on_answer: Callable[[Answer], None] | None = None,
) -> list[Answer]:
    """Sends requests at random moments, and waits for all answers.

    Args:
        rate: Requests a second that the server reads, as measured; more where it reads more by now.
        times: So many times that rate is offered.
        since: The monotonic moment from which times count.
    """
    answers: list[Answer] = []
    read: deque[float] = deque()  # moments of the last answers
    lock = threading.Lock()
    rng = random.Random(1)

    def work(clip: Clip) -> None:
        answer = one_request(client, address, clip, since)
        with lock:
            answers.append(answer)
            if answer.status == 200:
                read.append(answer.answered)
        if on_answer is not None:
            on_answer(answer)

    def now() -> float:
        """Requests a second that are read, over the last half minute."""
        with lock:
            while read and read[0] < time.monotonic() - since - RECENT:
                read.popleft()
            return max(rate, len(read) / RECENT)

    with new_client() as client, ThreadPoolExecutor(MAX_CLIENTS) as threads:
        begun = due = time.monotonic()
        futures = []
        while due - begun < seconds:
            time.sleep(max(due - time.monotonic(), 0))
            futures.append(threads.submit(work, rng.choice(clips)))
            due += rng.expovariate(times * now())
        for future in futures:
            future.result()
    return answers
