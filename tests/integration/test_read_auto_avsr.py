"""A model of the Auto-AVSR kind as its users run it: from a folder with the published units, by the command line.

Its weights are drawn, so that what it reads is nonsense; checked is that all of it arrives where it belongs.
"""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from auto_avsr_golden import GOLDEN, VOCAB, needs_golden, video, write_model
from typer.testing import CliRunner

from lipscribe.cli.app import app
from lipscribe.encoded import Encoded
from lipscribe.model import Model
from lipscribe.pipeline import load_model
from lipscribe.search import SearchOptions
from lipscribe.talker import Talker

pytestmark = needs_golden

END = VOCAB - 1


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("models") / "small"
    write_model(path, "small")
    return path


@pytest.fixture(scope="module")
def model(folder: Path) -> Model:
    return load_model(folder, "cpu")


@pytest.fixture(scope="module")
def golden_states(model: Model) -> np.ndarray:
    """(T, views, D), what the encoder makes of the golden clip."""
    with torch.inference_mode():
        return model.reader.encode(video()[None, :, None], torch.tensor([32])).transpose(0, 1).numpy()


@pytest.mark.slow
def test_a_video_from_file_to_words(folder: Path, tmp_path: Path):
    said = Talker(900_000).say("place red at c", duration=1.6)
    said.save(tmp_path / "clip.mp4")
    flags = ["--model", str(folder), "--format", "json", "--nbest", "3", "--beam-size", "4", "--device", "cpu"]
    result = CliRunner().invoke(app, ["transcribe", str(tmp_path / "clip.mp4"), *flags])
    assert result.exit_code == 0, result.output
    read = json.loads(result.stdout)
    words = [word for segment in read["segments"] for word in segment["words"]]
    assert read["text"] == " ".join(word["text"] for word in words) != ""
    assert "<" not in read["text"]
    assert read["text"] == read["text"].lower()
    times = [time for word in words for time in (word["start"], word["end"])]
    assert times == sorted(times)
    assert times[0] >= 0
    assert times[-1] <= read["duration"] == pytest.approx(1.6, abs=0.1)
    assert all(0 <= word["probability"] <= 1 for word in words)
    (ranked,) = read["nbest"]
    assert ranked["texts"][0]["text"] == read["text"]
    assert len({text["text"] for text in ranked["texts"]}) == len(ranked["texts"]) == 3
    scores = [text["score"] for text in ranked["texts"]]
    assert scores == sorted(scores, reverse=True)
    assert sum(text["probability"] for text in ranked["texts"]) <= 1


@pytest.mark.parametrize("precision", ["float32", "bfloat16", "int8"])
def test_the_golden_clip_is_read_as_the_reference_reads_it(folder: Path, precision: str):
    model = load_model(folder, "cpu", precision)
    with torch.inference_mode():
        states = model.reader.encode(video()[None, :, None], torch.tensor([32])).transpose(0, 1).numpy()
    options = model.default_search
    assert (options.method, options.beam_size, options.ctc_weight) == ("joint", 10, 0.1)
    cases = json.loads((GOLDEN / "beam_small.json").read_text())["cases"]
    wanted = ("base", options.beam_size, options.ctc_weight, 32, 0)
    told = ("variant", "beam_size", "ctc_weight", "T", "maxlenratio")
    (case,) = [case for case in cases if tuple(case[name] for name in told) == wanted]
    best = model.search(Encoded(states, None))[0]
    reference = tuple(token for token in case["nbest_f32"][0]["yseq"] if token != END)
    if precision == "float32":
        assert best.tokens == reference
        assert best.score == pytest.approx(case["nbest_scores_f64"][0], abs=3e-4)
    else:  # drawn weights have many sentences that are nearly as good
        assert best.score == pytest.approx(case["nbest_scores_f64"][0], abs=1 if precision == "bfloat16" else 5)


def test_no_crops_and_few(model: Model):
    assert model.transcribe(np.zeros((0, 96, 96), np.uint8)).text == ""
    one = model.transcribe(np.full((1, 96, 96), 90, np.uint8))
    assert one.duration == pytest.approx(0.04)
    assert all(0 <= word.start <= word.end <= 0.04 for word in one.words)


def test_views_are_averaged(model: Model, golden_states: np.ndarray):
    twice = model.search(Encoded(np.concatenate([golden_states, golden_states], axis=1), None))[0]
    once = model.search(Encoded(golden_states, None))[0]
    assert twice.tokens == once.tokens
    assert twice.score == pytest.approx(once.score, abs=1e-3)


@pytest.mark.slow
def test_a_long_run_is_read_in_windows(model: Model, monkeypatch: pytest.MonkeyPatch):
    seen, encode = [], model.encode_lean

    def counted(crops: np.ndarray) -> Encoded:
        seen.append(len(crops))
        return encode(crops)

    monkeypatch.setattr(model, "encode_lean", counted)
    crops = np.random.default_rng(0).integers(0, 255, (1000, 96, 96), dtype=np.uint8)
    transcript = model.transcribe(crops, options=SearchOptions(beam_size=2, nbest=2))
    assert len(seen) > 1
    assert max(seen) <= 400
    assert transcript.duration == 40
    times = [time for word in transcript.words for time in (word.start, word.end)]
    assert times == sorted(times)
    assert times[-1] <= 40
    assert len(transcript.nbest) > 2
    assert [stretch.start for stretch in transcript.nbest][1:] == [stretch.end for stretch in transcript.nbest][:-1]
