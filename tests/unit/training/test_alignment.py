"""Clips without word times: a guess from movement, what a model finds, and a training that uses both."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from lipscribe.data.dataset import ShardDataset
from lipscribe.data.manifest import Clip, WordTime
from lipscribe.data.shards import PreparedClip, read_shard, write_shard
from lipscribe.tokenizer import WordTokenizer
from lipscribe.training import alignment
from lipscribe.training.alignment import WordTimes, guess_word_times, moving_stretch, realign_epochs
from lipscribe.training.config import TrainConfig
from lipscribe.training.fabric import Fabric
from lipscribe.training.loop import train

MakeConfig = Callable[..., TrainConfig]
WORDS = ["red", "green", "blue"]


@pytest.fixture
def untimed(prepared: Path, tmp_path: Path) -> Path:
    """The toy corpus without word times, but for its first clip."""
    folder = tmp_path / "untimed"
    folder.mkdir()
    for shard in prepared.glob("*.tar"):
        clips = [
            prepared
            if prepared.clip.id == "s1/clip00"
            else PreparedClip(replace(prepared.clip, words=()), prepared.crops)
            for prepared in read_shard(shard)
        ]
        write_shard(folder / shard.name, clips)
    return folder


def dataset(folder: Path) -> ShardDataset:
    return ShardDataset(folder, "train", WordTokenizer(WORDS), 32, 48)


def noise(moves: list[float], seed: int = 0) -> np.ndarray:
    """Crops whose frames differ from a grey picture by as much noise as `moves` says."""
    rng = np.random.default_rng(seed)
    return np.stack([rng.normal(120, move, (96, 96)).clip(0, 255) for move in moves]).astype(np.uint8)


def test_the_moving_stretch_is_found():
    start, stop = moving_stretch(noise([1] * 20 + [12] * 30 + [1] * 25))
    assert abs(start - 20) <= 1
    assert abs(stop - 50) <= 1


@pytest.mark.parametrize("num_frames", [1, 2, 40])
def test_a_mouth_that_never_moves_may_speak_all_the_time(num_frames: int):
    assert moving_stretch(np.full((num_frames, 96, 96), 100, np.uint8)) == (0, num_frames)


def test_words_share_the_stretch_by_their_letters():
    crops = noise([1] * 20 + [12] * 30 + [1] * 25)
    words = guess_word_times(PreparedClip(Clip("a", "a.mp4", "a seven"), crops))
    start, stop = moving_stretch(crops)
    assert [word.text for word in words] == ["a", "seven"]
    assert (words[0].start, words[-1].end) == pytest.approx((start / 25, stop / 25))
    assert words[0].end == words[1].start == pytest.approx((start + (stop - start) * 3 / 10) / 25)


def test_only_clips_without_word_times_get_some(untimed: Path):
    clips = dataset(untimed)
    WordTimes(clips)
    assert len(clips.word_times) == 10
    assert (str(untimed), "s1/clip00") not in clips.word_times
    (first,) = (batch for batch in clips.batches(100))
    for clip in first.clips:
        assert [word.text for word in clip.words] == clip.text.split()
    assert first.frame_tokens[0].max() > 0


class Oracle:
    """A reader that says in each frame what the clip's first pixel says, nine times as likely as each other token."""

    def eval(self) -> None:
        pass

    def encode(self, video: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        return video[:, :, 0, 0, 0]

    def ctc(self, states: torch.Tensor) -> torch.Tensor:
        said = torch.nn.functional.one_hot(states.round().long().clamp(0, 3), 4)
        return (said * 8.0 + 1).div(12).log()


@pytest.fixture
def planted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, dict[str, list[tuple[float, float]]]]:
    """18 clips of different lengths whose pictures tell `Oracle` the tokens, and when each word is said."""
    rng, clips, truth = np.random.default_rng(3), [], {}
    for number in range(18):
        tokens = rng.integers(1, 4, size=rng.integers(1, 4)).tolist()
        rows, times = [0] * int(rng.integers(1, 9)), []
        for token in tokens:
            begin = len(rows) + 1
            rows += [0] + [token] * int(rng.integers(1, 6))
            times.append((begin / 25, len(rows) / 25))
        rows += [0] * int(rng.integers(1, 9))
        crops = np.zeros((len(rows), 96, 96), np.uint8)
        crops[:] = np.array(rows)[:, None, None]
        text = " ".join(WORDS[token - 1] for token in tokens)
        clips.append(PreparedClip(Clip(f"p{number:02d}", "x.mp4", text), crops))
        truth[f"p{number:02d}"] = times
    write_shard(tmp_path / "train-000000.tar", clips)
    monkeypatch.setattr(
        alignment, "crops_to_video", lambda crops, *size: torch.from_numpy(crops).float()[:, None, :32, :48]
    )
    return tmp_path, truth


def found(clips: ShardDataset) -> dict[str, list[tuple[float, float]]]:
    return {clip: [(word.start, word.end) for word in words] for (_, clip), words in clips.word_times.items()}


def test_a_model_that_knows_finds_every_word_to_the_frame(planted: tuple[Path, dict]):
    folder, truth = planted
    clips = dataset(folder)
    times = WordTimes(clips)
    assert found(clips) != truth
    assert times.realign(Oracle(), Fabric(accelerator="cpu")) == 18
    assert found(clips) == {clip: [pytest.approx(word) for word in words] for clip, words in truth.items()}


def test_a_model_that_is_not_sure_enough_moves_nothing(planted: tuple[Path, dict]):
    clips = dataset(planted[0])
    times = WordTimes(clips)
    guessed = found(clips)
    assert times.realign(Oracle(), Fabric(accelerator="cpu"), sure_above=0.9) == 0  # a word has 9 of 12
    assert found(clips) == guessed
    assert times.realign(Oracle(), Fabric(accelerator="cpu"), sure_above=0.3) == 18


def test_a_clip_too_short_for_its_text_keeps_its_guess(tmp_path: Path):
    write_shard(tmp_path / "train-000000.tar", [PreparedClip(Clip("a", "a", "red red red"), noise([3, 3, 3, 3]))])
    clips = dataset(tmp_path)
    times = WordTimes(clips)
    guessed = found(clips)
    oracle = SimpleNamespace(
        eval=lambda: None, encode=lambda video, lengths: video, ctc=lambda states: torch.zeros(1, states.shape[1], 4)
    )
    assert times.realign(oracle, Fabric(accelerator="cpu")) == 0
    assert found(clips) == guessed


def test_word_times_are_saved_and_taken_up(untimed: Path):
    one, other = dataset(untimed), dataset(untimed)
    times, resumed = WordTimes(one), WordTimes(other)
    key = next(iter(one.word_times))
    one.word_times[key] = tuple(WordTime(word.text, 0.0, 0.04) for word in one.word_times[key])
    resumed.load_state_dict(times.state_dict())
    assert other.word_times == one.word_times


def test_clips_of_one_name_in_two_folders_have_their_own_times(untimed: Path, tmp_path: Path):
    clip = next(read_shard(untimed / "train-000001.tar"))
    write_shard(tmp_path / "train-000000.tar", [PreparedClip(replace(clip.clip, text="blue"), clip.crops)])
    both = ShardDataset({str(untimed): None, str(tmp_path): None}, "train", WordTokenizer(WORDS), 32, 48)
    WordTimes(both)
    (batch,) = both.batches(100)
    assert all([word.text for word in clip.words] == clip.text.split() for clip in batch.clips)
    assert len(both.word_times) == 11


@pytest.mark.parametrize(
    ("epochs", "expected"), [(1, []), (2, [1]), (4, [1, 2, 3]), (10, [2, 4, 6, 8]), (62, [12, 25, 37, 50])]
)
def test_how_often_the_model_aligns(epochs: int, expected: list[int]):
    assert realign_epochs(epochs) == expected


def test_a_training_says_what_it_does_and_realigns(
    untimed: Path,
    toy_config: MakeConfig,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
):
    calls: list[float] = []
    lines: list[str] = []
    realign = WordTimes.realign

    def counting(self: WordTimes, reader: Any, fabric: Fabric, sure_above: float = 0.0) -> int:
        calls.append(sure_above)
        return realign(self, reader, fabric, sure_above)

    monkeypatch.setattr(WordTimes, "realign", counting)
    first = train(toy_config(tmp_path / "first", data={"folder": str(untimed)}, evaluate_every=4), say=lines.append)
    assert calls == [0.0, 0.0, 0.0]
    line = next(line for line in lines if "word times" in line)
    assert line == (
        "10 of 11 training clips have no word times: guessed from the movement of the mouth, then found by the model "
        "itself after epochs 1, 2, 3"
    )
    calls.clear()
    train(toy_config(tmp_path / "second", data={"folder": str(untimed)}, optim={"epochs": 1}, start_from=str(first)))
    assert calls == [alignment.SURE]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"optim": {"epochs": 1, "frame_weight": 0}}, "expect thousands of steps before it reads at all"),
        ({"optim": {"epochs": 1, "ctc_weight": 0}}, "expect thousands of steps before it reads at all"),
    ],
)
def test_a_training_that_cannot_use_word_times_says_what_to_expect(
    changes: dict, expected: str, untimed: Path, toy_config: MakeConfig, tmp_path: Path
):
    lines: list[str] = []
    train(toy_config(tmp_path / "run", data={"folder": str(untimed)}, **changes), say=lines.append)
    assert expected in lines[0]


def test_with_all_word_times_nothing_is_said(toy_config: MakeConfig, tmp_path: Path):
    lines: list[str] = []
    train(toy_config(tmp_path / "run", optim={"epochs": 1}), say=lines.append)
    assert not any("word times" in line for line in lines)


def test_resumed_equals_uninterrupted_without_word_times(
    untimed: Path, toy_config: MakeConfig, straight_and_resumed: Callable[..., list[dict[str, Any]]]
):
    straight, resumed = straight_and_resumed(
        lambda folder: toy_config(folder, data={"folder": str(untimed)}, optim={"epochs": 2})
    )
    assert straight["word_times"].keys() == resumed["word_times"].keys()
    for part in ("word_times", "model"):
        assert all(torch.equal(straight[part][name], tensor) for name, tensor in resumed[part].items())
