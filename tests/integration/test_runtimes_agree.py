"""ONNX Runtime and torch read the same: all dev clips of GRID, and talkers."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")

from lipscribe.export import compare
from lipscribe.faces import choose_faces, track_faces
from lipscribe.model import Model
from lipscribe.mouth import crop_mouth
from lipscribe.pipeline import load_model
from lipscribe.search import SearchOptions
from lipscribe.talker import Talker
from lipscribe.video import Video
from lipscribe.zoo.registry import find_model

SENTENCES = (
    "place red at c seven please",
    "lay white with z zero again",
    "bin blue by k two now",
    "set green in o nine soon",
)
SAME = 1e-4  # of log-probabilities


def cropped(frames: Video | np.ndarray) -> np.ndarray:
    return crop_mouth(frames, choose_faces(track_faces(frames))[0].runs()[0])


@pytest.fixture(scope="module")
def models() -> list[Model]:
    return [load_model("grid", runtime=runtime) for runtime in ("torch", "onnx")]


def assert_same(models: list[Model], crops: np.ndarray, options: SearchOptions | None = None) -> None:
    by_torch, by_onnx = (model.encode(crops) for model in models)
    np.testing.assert_allclose(by_onnx.log_probs, by_torch.log_probs, atol=SAME)
    (first, second) = (
        model.search(encoded, options)[0] for model, encoded in zip(models, (by_torch, by_onnx), strict=True)
    )
    assert second.text == first.text
    assert [(word.start, word.end) for word in second.words] == [(word.start, word.end) for word in first.words]
    probabilities = [[word.probability for word in found.words] for found in (first, second)]
    np.testing.assert_allclose(*probabilities, atol=1e-3)
    assert second.score == pytest.approx(first.score, abs=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["grid", "talkers"])
def test_bundled_exports_are_those_of_their_weights(name: str):
    folder = find_model(name)
    noise = np.random.default_rng(0).integers(0, 255, (60, 96, 96)).astype(np.uint8)
    parity = compare(
        folder, folder, [cropped(Talker(seed).say(SENTENCES[seed % 4]).frames) for seed in (3, 4)] + [noise]
    )
    assert parity.same_words == parity.num_clips == 3
    assert parity.difference < SAME


@pytest.mark.slow
@pytest.mark.parametrize("search", [None, "joint", "attention", "grammar", "beam", "greedy"])
def test_talkers_are_read_alike_by_every_search(models: list[Model], search: str | None):
    options = SearchOptions(search, alternatives=0) if search else None
    for seed, text in enumerate(SENTENCES):
        assert_same(models, cropped(Talker(seed).say(text).frames), options)


def dev_clips(root: Path) -> Iterator[Path]:
    yield from sorted((root / "video").rglob("*.mpg"))


@pytest.mark.slow
def test_all_dev_clips_are_read_alike(models: list[Model], grid_root: Path):
    clips = list(dev_clips(grid_root))
    assert len(clips) == 100
    for clip in clips:
        assert_same(models, cropped(Video(clip)))


@pytest.mark.slow
def test_a_long_run_is_read_alike(models: list[Model]):
    crops = np.concatenate([cropped(Talker(2).say(text).frames) for text in SENTENCES * 2])
    texts = [" ".join(segment.text for segment in model.transcribe(crops).segments) for model in models]
    assert texts[0] == texts[1]
    assert len(texts[0].split()) > 30
