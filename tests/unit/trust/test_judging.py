"""The judgement of the load harness: it sees a planted loss, growth and wrong refusal, and nothing in a good run."""

from dataclasses import replace
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

pytest.importorskip("httpx", reason="needs httpx: make setup")

ROOT = Path(__file__).resolve().parents[3]
PLACES = 4


@pytest.fixture
def judging(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(ROOT))
    return import_module("trust.judging")


@pytest.fixture
def good(judging: ModuleType) -> list[Any]:
    """A request a second that takes four, and one that finds them open."""
    read = [judging.Answer(float(at), at + 4.5, 200, right=True) for at in range(60)]
    refused = [judging.Answer(at + 0.2, at + 0.21, 429, retry_after="2") for at in range(10, 60)]
    return read + refused


def samples(judging: ModuleType, grows: float = 0.0, **more: float) -> list[Any]:
    """Half an hour of memory, with what grows in a minute."""
    kinds = {"descriptors": 0.0, "threads": 0.0, **more}
    make = import_module("trust.server_process").Sample
    return [
        make(
            float(at),
            600 + 5 * (at % 7) + grows * at / 60,
            int(40 + kinds["descriptors"] * at / 60),
            int(16 + kinds["threads"] * at / 60),
            4,
            at / 2,
        )
        for at in range(0, 1800, 2)
    ]


def test_a_good_run_has_no_fault(judging: ModuleType, good: list[Any]):
    assert judging.judge_answers(good, PLACES) == judging.judge_latency(good, PLACES) == []
    assert judging.judge_usage(samples(judging)) == []
    assert judging.judge_rest([], 0.01, "serving http://127.0.0.1:1\n") == []


@pytest.mark.parametrize(
    ("planted", "told"),
    [
        ({"status": 0, "detail": "ReadTimeout"}, "1 requests without an answer, the first: 0 ReadTimeout"),
        ({"status": 500}, "another status"),
        ({"status": 422}, "another status"),
        ({"right": False, "detail": "lay blue"}, "1 answers with other words than alone, the first: lay blue"),
    ],
)
def test_a_lost_or_wrong_answer(judging: ModuleType, good: list[Any], planted: dict[str, Any], told: str):
    good[30] = replace(good[30], **planted)
    (fault,) = judging.judge_answers(good, PLACES)
    assert told in fault


def test_a_wrong_refusal(judging: ModuleType, good: list[Any]):
    early = judging.Answer(1.5, 1.6, 429, retry_after="2")  # two are open then
    assert "while fewer than 4 requests" in judging.judge_answers([*good, early], PLACES)[0]
    for header in (None, "0", "soon"):
        silent = [replace(each, retry_after=header) if each.status == 429 else each for each in good]
        assert "50 refusals without a usable Retry-After" in judging.judge_answers(silent, PLACES)[0]
    slow = [replace(each, answered=each.sent + 2) if each.status == 429 else each for each in good]
    assert any("5 of 100 refusals took over 2.00 s" in fault for fault in judging.judge_answers(slow, PLACES))


def test_a_slow_refusal_in_fifty_is_a_fault_of_a_long_run_alone(judging: ModuleType, good: list[Any]):
    slow = replace(good[-1], answered=good[-1].sent + 2)
    assert judging.judge_answers([*good[:-1], slow], PLACES) == []
    later = judging.Answer(600.0, 604.5, 200, right=True)
    assert any("1 of 100 refusals" in fault for fault in judging.judge_answers([*good[:-1], slow, later], PLACES))


def test_a_request_that_waits_too_long(judging: ModuleType, good: list[Any]):
    late = judging.Answer(0.0, 40.0, 200, right=True)
    (fault,) = judging.judge_latency([*good, late], PLACES)
    assert "1 requests waited for over 7 others" in fault


@pytest.mark.parametrize(
    ("growth", "told"),
    [
        ({"grows": 3.0}, "memory grows by 3"),
        ({"grows": 6.0}, "memory grew by"),
        ({"descriptors": 2.0}, "descriptors grew"),
        ({"threads": 2.0}, "threads grew"),
    ],
)
def test_growth(judging: ModuleType, growth: dict[str, float], told: str):
    assert any(told in fault for fault in judging.judge_usage(samples(judging, **growth)))
    without_memory = judging.judge_usage(samples(judging, **growth), with_memory=False)
    assert bool(without_memory) == ("grows" not in growth)


def test_growth_before_the_end_of_the_warm_up_is_none(judging: ModuleType):
    early = [replace(each, rss_mb=each.rss_mb - 300) if each.time < 400 else each for each in samples(judging)]
    assert judging.judge_usage(early) == []


def test_what_is_left(judging: ModuleType):
    assert "upload-1" in judging.judge_rest(["serve/run-1/upload-1"], 0.0, "")[0]
    assert "90% of a core" in judging.judge_rest([], 0.9, "")[0]
    assert "nobody expected" in judging.judge_rest([], 0.0, "Traceback (most recent call last)")[0]
