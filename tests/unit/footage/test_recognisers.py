"""A recogniser is a function of the caller's, or faster-whisper."""

import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from lipscribe.errors import ConfigError, MissingExtraError
from lipscribe.footage.recognisers import load_recogniser


def test_a_function_is_found_by_its_dotted_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "my_asr.py").write_text("def read(samples, rate):\n    yield 0.0, len(samples) / rate, 'hello'\n")
    monkeypatch.chdir(tmp_path)
    before = list(sys.path)
    assert list(load_recogniser("my_asr:read")(np.zeros(32_000, np.float32), 16_000)) == [(0.0, 2.0, "hello")]
    assert sys.path == before


@pytest.mark.parametrize(
    "name", ["whisper", "no_such_module:read", "json:no_such_name", "json:decoder", ":read", "json:"]
)
def test_what_is_no_function_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match="want"):
        load_recogniser(name)


def test_without_faster_whisper_its_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "faster_whisper", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'lipscribe\[asr\]'"):
        load_recogniser("faster-whisper")


def test_faster_whisper_is_asked_for_word_times(monkeypatch: pytest.MonkeyPatch) -> None:
    class WhisperModel:
        def __init__(self, size: str, cpu_threads: int):
            assert (size, cpu_threads) == ("tiny", 1)

        def transcribe(self, samples: np.ndarray, word_timestamps: bool, vad_filter: bool):
            assert samples.dtype == np.float32
            assert word_timestamps
            word = SimpleNamespace(start=0.4, end=0.9)
            return iter([SimpleNamespace(start=0.0, end=2.0, text=" Hello.", words=[word])]), None

    monkeypatch.setitem(sys.modules, "faster_whisper", SimpleNamespace(WhisperModel=WhisperModel))
    found = load_recogniser("faster-whisper:tiny")(np.zeros(100, np.float32), 16_000)
    assert list(found) == [(0.4, 0.9, " Hello.")]
