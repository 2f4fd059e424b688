"""What is right of a server under load: pure functions of what was observed, which tests plant faults in.

Each returns a line for each fault; no line means that all is well.
"""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from trust.server_process import Sample

MAX_SLOPE = 2.0  # MB a minute, after the warm-up
MAX_GROWTH = 0.10  # of the memory after the warm-up
WARM_UP = 0.25  # of the samples
MIN_SPAN = 600.0  # s of samples for a slope to mean something: in the first minutes memory grows by single steps
REFUSED_WITHIN = 1.0  # s for 99 of 100 refusals, in short runs for 95: of the last some wait for a processor
# A request may wait for so many times the queue's places: workers end in another order than they begin.
OVERTAKEN = 1.25
IDLE_SHARE = 0.15  # of one core, afterwards


@dataclass(frozen=True)
class Answer:
    """One request: moments in s; status 0 if there was no answer."""

    sent: float
    answered: float
    status: int
    right: bool = False
    retry_after: str | None = None
    detail: str = ""

    @property
    def seconds(self) -> float:
        return self.answered - self.sent


def judge_answers(answers: Sequence[Answer], places: int) -> list[str]:
    """Every request is read, with the words that its file has alone, or refused rightly.

    Args:
        places: Requests that the server takes at once, workers and queue.
    """
    faults = []
    for status, name in ((0, "without an answer"), (None, "with another status than 200 and 429")):
        lost = [each for each in answers if (each.status == 0) == (status == 0) and each.status not in (200, 429)]
        if lost:
            faults.append(f"{len(lost)} requests {name}, the first: {lost[0].status} {lost[0].detail[:200]}")
    wrong = [each for each in answers if each.status == 200 and not each.right]
    if wrong:
        faults.append(f"{len(wrong)} answers with other words than alone, the first: {wrong[0].detail[:200]}")
    return faults + _judge_refusals(answers, places)


def _judge_refusals(answers: Sequence[Answer], places: int) -> list[str]:
    faults = []
    refused = [each for each in answers if each.status == 429]
    if unnamed := [each for each in refused if not (each.retry_after or "").isdecimal() or each.retry_after == "0"]:
        faults.append(f"{len(unnamed)} refusals without a usable Retry-After, the first: {unnamed[0].retry_after!r}")
    read = [each for each in answers if each.status == 200]
    sent, answered = sorted(each.sent for each in read), sorted(each.answered for each in read)
    # The queue can have been full only if so many requests were open at some moment of the refused one.
    early = [each for each in refused if bisect_left(sent, each.answered) - bisect_left(answered, each.sent) < places]
    if early:
        faults.append(f"{len(early)} refusals while fewer than {places} requests were open")
    is_long = max(each.answered for each in answers) - min(each.sent for each in answers) >= MIN_SPAN
    late = 1 if is_long else 5  # of 100; in a short run one of 100 is a matter of few
    if refused and (seconds := float(np.percentile([each.seconds for each in refused], 100 - late))) > REFUSED_WITHIN:
        faults.append(f"{late} of 100 refusals took over {seconds:.2f} s, wanted at most {REFUSED_WITHIN:g} s")
    return faults


def waits(answers: Sequence[Answer]) -> list[int]:
    """How many others were read while each request waited: its place in the queue, on a machine of any speed."""
    read = [each for each in answers if each.status == 200]
    answered = sorted(each.answered for each in read)
    return [bisect_left(answered, each.answered) - bisect_left(answered, each.sent) for each in read]


def judge_latency(answers: Sequence[Answer], places: int) -> list[str]:
    """No request that was taken waits for many more than the whole queue before it holds."""
    bound = OVERTAKEN * places + 2
    late = [number for number in waits(answers) if number > bound]
    return [f"{len(late)} requests waited for over {bound:.0f} others, one for {max(late)}"] if late else []


def slope(samples: Sequence[Sample]) -> float:
    """MB a minute after the warm-up: the median of the slopes of pairs, which single steps do not bend."""
    settled = samples[int(WARM_UP * len(samples)) :]
    times, sizes = np.array([each.time for each in settled]) / 60, np.array([each.rss_mb for each in settled])
    if len(settled) < 3:
        return 0.0
    first, second = np.triu_indices(len(settled), len(settled) // 3)
    return float(np.median((sizes[second] - sizes[first]) / np.maximum(times[second] - times[first], 1e-9)))


def judge_usage(samples: Sequence[Sample], with_memory: bool = True) -> list[str]:
    """Memory, descriptors and threads stay as they are after the warm-up."""
    settled = samples[int(WARM_UP * len(samples)) :]
    if len(settled) < 4:
        return [f"{len(samples)} samples of memory are too few: run longer"]
    part = max(len(settled) // 5, 1)
    before, after = settled[:part], settled[-part:]
    faults = []
    grown = np.mean([each.rss_mb for each in after]) / np.mean([each.rss_mb for each in before]) - 1
    if with_memory and grown > MAX_GROWTH:
        faults.append(f"memory grew by {grown:.1%}, wanted at most {MAX_GROWTH:.0%}")
    if with_memory and settled[-1].time - settled[0].time >= MIN_SPAN and (per_minute := slope(samples)) > MAX_SLOPE:
        faults.append(f"memory grows by {per_minute:.2f} MB a minute, wanted at most {MAX_SLOPE:g}")
    for name in ("descriptors", "threads", "processes"):
        # The least of each part: what all requests that come and go leave behind.
        first, last = (min(getattr(each, name) for each in some) for some in (before, after))
        if last > first + 8 and last > 1.3 * first:
            faults.append(f"{name} grew from {first} to {last}")
    return faults


def judge_rest(left: Sequence[str], cpu_share: float, log: str) -> list[str]:
    """Afterwards nothing is left, nothing computes, and nothing unexpected is in the log."""
    faults = [f"left in the folder: {', '.join(left[:5])}"] if left else []
    if cpu_share > IDLE_SHARE:
        faults.append(f"{cpu_share:.0%} of a core is used after all requests, wanted at most {IDLE_SHARE:.0%}")
    if "Traceback" in log or "unexpected" in log:
        faults.append(f"the log has what nobody expected: {log[-300:]}")
    return faults
