"""What the harnesses of restarts and long streams judge: planted losses, drift and growth are seen."""

from dataclasses import replace
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

pytest.importorskip("httpx", reason="needs httpx: make setup")

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(autouse=True)
def harnesses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT))


@pytest.fixture
def restarts() -> ModuleType:
    return import_module("trust.restarts")


@pytest.fixture
def long_stream() -> ModuleType:
    return import_module("trust.long_stream")


def answer(sent: float, answered: float, status: int, **more: Any) -> Any:
    return import_module("trust.judging").Answer(sent, answered, status, **more)


def test_a_restart_without_a_fault(restarts: ModuleType):
    answers = [
        answer(1.0, 11.0, 200, right=True),
        answer(2.0, 15.0, 503, retry_after="5"),
        answer(9.8, 10.1, 0, detail="it was not taken"),
        answer(12.0, 12.1, 0, detail="nobody listens"),
        answer(16.0, 16.1, 429, retry_after="1"),
    ]
    assert restarts.judge_restart(answers, 10.0, 15.5, politely=True) == []


@pytest.mark.parametrize(
    ("planted", "told"),
    [
        ({"status": 0}, "that was taken 5.0 s before the end"),
        ({"status": 500}, "status 500"),
        ({"status": 503}, "503 without a usable Retry-After"),
        ({"status": 200, "right": False}, "other words"),
        ({"status": 0, "answered": 60.0}, "hung for 45.0 s"),
    ],
)
def test_what_a_restart_may_not_do(restarts: ModuleType, planted: dict[str, Any], told: str):
    answers = [replace(answer(5.0, 11.0, 200, right=True), **planted)]
    assert any(told in fault for fault in restarts.judge_restart(answers, 10.0, 15.0, politely=True))


def test_a_killed_server_may_lose_what_it_had(restarts: ModuleType):
    assert restarts.judge_restart([answer(5.0, 10.1, 0)], 10.0, 10.1, politely=False) == []


def test_a_request_that_hangs_into_the_next_round_is_told(restarts: ModuleType):
    """Each belongs to the signal after which it was sent no more, whenever it ended."""
    rounds = [{"signal": "SIGTERM", "sent": 10.0, "gone": 12.0}, {"signal": "SIGKILL", "sent": 30.0, "gone": 30.1}]
    good = [answer(5.0, 11.0, 200, right=True), answer(20.0, 30.05, 0), answer(40.0, 41.0, 200, right=True)]
    assert restarts.judge_rounds(good, rounds) == []
    told = restarts.judge_rounds([*good, answer(5.0, 35.0, 0), answer(50.0, 51.0, 200)], rounds)
    assert [fault.partition(":")[0] for fault in told] == [
        "a request that was taken 5.0 s before the end",
        "a request hung for 23.0 s after the server had gone",
        "an answer has other words than alone",
    ]


def test_a_client_that_cannot_read_an_answer_is_a_finding(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    fuzz_api = import_module("trust.fuzz_api")
    findings = fuzz_api.Findings()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(fuzz_api, "raw", lambda *_: None)
    monkeypatch.setattr(fuzz_api, "stream", lambda server, pictures, findings, seed: [][seed])
    fuzz_api.at_once(None, None, (), findings, 0)
    assert len(findings.faults) == fuzz_api.BATCH // 2
    assert findings.faults[0] == "stream, seed 1: IndexError('list index out of range')"


def test_a_metric_that_there_is_not_is_no_zero(monkeypatch: pytest.MonkeyPatch):
    server_process = import_module("trust.server_process")
    text = '# HELP a x\na_total{b="1"} 2.0\na_total{b="2"} 3.0\nc 0.0\n'
    monkeypatch.setattr(server_process.httpx, "get", lambda *_, **__: type("Answer", (), {"text": text}))
    assert (server_process.metric("", "a_total"), server_process.metric("", "c")) == (5.0, 0.0)
    with pytest.raises(LookupError, match="has no a"):
        server_process.metric("", "a")


def marks(grows: float = 0.0, slower: float = 0.0) -> list[dict[str, float]]:
    return [
        {"hours": at / 2, "rss_mb": 220 + grows * at, "cpu_s_an_hour": 80 + slower * at + at % 3} for at in range(1, 17)
    ]


def test_memory_and_work_of_a_long_stream(long_stream: ModuleType):
    assert long_stream.judge_marks(marks()) == []
    assert "memory grew" in long_stream.judge_marks(marks(grows=5.0))[0]
    assert "in the second" in long_stream.judge_marks(marks(slower=5.0))[0]


def test_words_and_times_of_a_long_stream(long_stream: ModuleType):
    first = [("place", 0.5, 0.8), ("red", 0.8, 1.0)]
    later = [(word, start + 0.01, end + 0.01) for word, start, end in first]
    assert long_stream.judge_words([first, [], later, []], 2) == []
    assert "over a frame" in long_stream.judge_words([first, [], [first[0], ("red", 0.8, 1.1)], []], 2)[0]
    assert "'place', at first 'place red'" in long_stream.judge_words([first, [], first[:1], []], 2)[0]


def test_a_few_minutes_of_a_long_stream(long_stream: ModuleType):
    """Made of frames that anything could have read: each cycle's words are kept apart."""

    class Told:
        def __init__(self, at: float):
            word = import_module("lipscribe.transcript").Word("red", at + 0.2, at + 0.5, 1.0)
            self.time, self.committed, self.segment = at + 1.0, (word,), type("Segment", (), {"words": (word,)})

    class Stream:
        def add_crop(self, crop: Any, time: float) -> list[Any]:
            return [Told(time)] if time % 24 == 0 else []

        def finish(self) -> list[Any]:
            return []

    texts = [import_module("numpy").zeros((3, 96, 96), "uint8")] * 4
    found, said, delays = long_stream.run(Stream(), texts, 0.2)
    assert len(said) == 30 and all(len(words) == 1 for words in said)
    assert long_stream.judge_words(said, 8) == []
    assert len(found) == long_stream.PARTS and max(delays) == pytest.approx(0.5)


def test_streams_that_end_and_those_that_do_not():
    streams = import_module("trust.streams")
    ended = [streams.Ended(kind, dropped=0, seconds=0.1) for kind in streams.KINDS]
    assert streams.judge_streams(ended) == []
    assert streams.judge_streams([*ended, streams.Ended("crops", "it did not end")]) == [
        "a stream (crops): it did not end"
    ]
    behind = [replace(each, dropped=3) for each in ended]
    assert "frames were dropped in 14 of 14" in streams.judge_streams(behind)[0]
