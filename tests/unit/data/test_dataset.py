"""Batches: every clip once an epoch, an order that the seed alone decides, and targets that follow the pictures."""

import pickle
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from lipscribe.data.batches import Batch, BatchSizes, Sample, Shares, batches_of_similar_length, collate
from lipscribe.data.dataset import ShardDataset, frame_tokens
from lipscribe.data.manifest import Clip, WordTime
from lipscribe.data.shards import PreparedClip, write_shard
from lipscribe.errors import ManifestError
from lipscribe.tokenizer import CharacterTokenizer, WordTokenizer
from lipscribe.transforms import Augment, AugmentConfig

TOKENIZER = WordTokenizer(["red", "green", "blue"])
ALL = [f"s1/clip{n:02d}" for n in range(11)]


def dataset(folder: Path | dict, split: str = "train", varied: bool = True, **options: Any) -> ShardDataset:
    augment = Augment(AugmentConfig(), 32, 48) if varied else None
    return ShardDataset(folder, split, TOKENIZER, 32, 48, augment=augment, **options)


def ids(batches: list[Batch]) -> list[str]:
    return [clip.id for batch in batches for clip in batch.clips]


def epoch_ids(data: ShardDataset, epoch: int = 0) -> list[str]:
    return ids(list(data.batches(4, epoch)))


def same(one: Batch, other: Batch) -> bool:
    pairs = zip(vars(one).values(), vars(other).values(), strict=True)
    return all(torch.equal(a, b) if isinstance(a, torch.Tensor) else a == b for a, b in pairs)


@pytest.mark.parametrize("options", [{}, {"cache": False}, {"shuffle_buffer": 3}])
def test_every_clip_once_an_epoch_each_in_another_order(prepared: Path, options: dict[str, Any]):
    data = dataset(prepared, **options)
    orders = [epoch_ids(data, epoch) for epoch in range(4)]
    assert all(sorted(order) == ALL for order in orders)
    assert len({tuple(order) for order in orders}) > 1
    assert len(data) == 11


def test_without_augmentation_the_order_is_that_of_the_shards(prepared: Path):
    assert epoch_ids(dataset(prepared, varied=False), epoch=3) == ALL


def test_the_same_seed_and_epoch_give_the_same_batches_with_and_without_a_cache(prepared: Path):
    one, other = (list(dataset(prepared, seed=5, cache=cache).batches(4, epoch=2)) for cache in (True, False))
    assert all(map(same, one, other))
    assert not same(one[0], next(dataset(prepared, seed=6).batches(4, epoch=2)))
    assert not same(one[0], next(dataset(prepared, seed=5).batches(4, epoch=3)))


def test_words_are_exchanged_in_the_epochs_of_the_config_only(prepared: Path):
    config = AugmentConfig(splice=1.0, splice_from=2, splice_until=3)
    data = ShardDataset(prepared, "train", TOKENIZER, 32, 48, augment=Augment(config, 32, 48))
    own = {clip.id: clip for batch in dataset(prepared, varied=False).batches(4) for clip in batch.clips}
    changed = [any(clip != own[clip.id] for b in data.batches(4, epoch) for clip in b.clips) for epoch in range(4)]
    assert changed == [False, True, True, False]


def test_an_epoch_can_be_read_alone(prepared: Path):
    straight, fresh = dataset(prepared), dataset(prepared)
    list(straight.batches(4, epoch=0))
    assert all(map(same, straight.batches(4, epoch=1), fresh.batches(4, epoch=1)))


@pytest.mark.parametrize("sizes", [BatchSizes(4), BatchSizes(1, frames=60)])
@pytest.mark.parametrize("world_size", [1, 2, 3, 4])
def test_every_clip_is_in_one_share_of_one_step_for_any_number_of_processes(
    prepared: Path, sizes: BatchSizes, world_size: int
):
    data = dataset(prepared)  # 11 clips, which nothing divides
    counted: list[int] = []
    for numbers in data.plan(sizes, 1):
        for rank in range(world_size):
            shares = Shares(12, rank, world_size)
            for share, counts in zip(shares.of(numbers), shares.counts(numbers), strict=True):
                assert share  # no process is without a batch
                counted += share if counts else []
    assert sorted(counted) == list(range(11))
    steps = [dealt for numbers in data.plan(sizes, 1) for dealt in [Shares(12).of(numbers)]]
    for number, step in enumerate(data.plan(sizes, 1)):
        for rank in range(world_size):
            assert Shares(12, rank, world_size).of(step) == steps[number][rank::world_size]


@pytest.mark.parametrize("seed", range(20))
def test_batches_by_frames_cover_all_clips_within_the_budget_for_any_lengths_and_shares(seed: int):
    rng = np.random.default_rng(seed)
    lengths = rng.integers(1, int(rng.integers(2, 500)), size=int(rng.integers(1, 300)))
    budget, number = int(rng.integers(1, 3000)), int(rng.integers(1, 9))
    batches = batches_of_similar_length(lengths, budget)
    dealt = [Shares(number, rank, number).of(batch) for batch in batches for rank in range(number)]
    there = [Shares(number, rank, number).counts(batch) for batch in batches for rank in range(number)]
    counted = [
        i
        for own, counts in zip(dealt, there, strict=True)
        for part, c in zip(own, counts, strict=True)
        for i in part
        if c
    ]
    assert sorted(counted) == list(range(len(lengths)))
    assert all(len(batch) == 1 or len(batch) * lengths[batch].max() <= budget for batch in batches)


def test_a_clip_is_varied_alike_on_however_many_ranks(prepared: Path):
    alone = {i: b.video[0] for b in dataset(prepared).batches(1) for i in ids([b])}
    shared = {i: b.video[0] for r in (0, 1) for b in dataset(prepared).batches(2, 0, Shares(2, r, 2)) for i in ids([b])}
    assert alone.keys() == shared.keys()
    assert all(torch.equal(video, alone[clip_id]) for clip_id, video in shared.items())


def test_an_epoch_goes_on_from_any_step(prepared: Path):
    data = dataset(prepared)
    assert all(map(same, list(data.batches(4, 2))[1:], data.batches(4, 2, first=1)))


def test_clips_are_shuffled_among_neighbouring_shards_alone(toy_clip: Callable[..., PreparedClip], tmp_path: Path):
    for shard in range(6):
        write_shard(tmp_path / f"train-{shard:06d}.tar", [toy_clip(f"{shard}/{n}", seed=n) for n in range(4)])
    data = dataset(tmp_path, shuffle_buffer=8)
    for epoch in range(3):
        order = epoch_ids(data, epoch)
        for first in (0, 8, 16):  # two shards at a time
            assert len({clip.split("/")[0] for clip in order[first : first + 8]}) == 2
            assert order[first : first + 8] != sorted(order[first : first + 8])


def test_limit_takes_the_same_clips_every_epoch(prepared: Path):
    data = dataset({str(prepared): 5}, seed=1)
    first = sorted(epoch_ids(data))
    assert len(first) == len(data) == 5
    assert all(sorted(epoch_ids(data, epoch)) == first for epoch in range(3))
    assert sorted(epoch_ids(dataset({str(prepared): 5}, seed=2))) != first
    with pytest.raises(ManifestError, match="limit is 12 clips, the split has 11"):
        len(dataset({str(prepared): 12}))


def test_the_clips_of_a_folder_may_come_several_times_each_time_varied_anew(prepared: Path):
    data, plain = dataset(prepared), dataset(prepared, varied=False)
    data.repeat = plain.repeat = {str(prepared): 3}
    batches = list(data.batches(4))
    assert sorted(ids(batches)) == sorted(ALL * 3)
    assert len(data) == 11
    videos = [v for b in batches for v, clip in zip(b.video, b.clips, strict=True) if clip.id == ALL[0]]
    assert len(videos) == 3
    assert not torch.equal(videos[0][:3], videos[1][:3])
    assert epoch_ids(plain) == ALL


def test_several_corpora_are_one_dataset_each_with_its_own_limit(prepared: Path, tmp_path: Path):
    other = tmp_path / "other"
    shutil.copytree(prepared, other)  # the same ids: what is limited is a corpus, not a name
    both = dataset({str(prepared): None, str(other): 4})
    found = epoch_ids(both)
    assert len(found) == len(both) == 15
    assert set(found) == set(ALL)
    assert len(dataset({str(prepared): 3, str(other): None})) == 14


def test_a_batch_is_its_clips_padded(prepared: Path, toy_clip: Callable[..., PreparedClip]):
    batch = next(dataset(prepared, varied=False).batches(3))
    assert batch.video.shape == (3, int(batch.video_lengths.max()), 1, 32, 48)
    for row, clip in enumerate(batch.clips):
        length = batch.video_lengths[row]
        assert TOKENIZER.decode(batch.targets[row, : batch.target_lengths[row]].tolist()) == clip.text
        assert not batch.targets[row, batch.target_lengths[row] :].any()
        assert batch.video[row, :length].flatten(1).any(1).all()
        assert not batch.video[row, length:].any()
        assert (batch.frame_tokens[row, :length] >= 0).all()
        assert (batch.frame_tokens[row, length:] == -1).all()


def test_frame_tokens_are_the_words_at_their_times():
    clip = Clip("a", "a", "red blue", (WordTime("red", 0.08, 0.16), WordTime("blue", 0.2, 0.28)))
    assert frame_tokens(clip, np.arange(9.0), TOKENIZER).tolist() == [0, 0, 1, 1, 0, 3, 3, 0, 0]
    assert frame_tokens(clip, np.array([1.4, 1.6, 3.4, 3.6]), TOKENIZER).tolist() == [0, 1, 1, 0]


def test_frame_tokens_beside_a_boundary_are_left_open_by_a_margin():
    clip = Clip("a", "a.mp4", "red blue", (WordTime("red", 0.08, 0.28), WordTime("blue", 0.28, 0.32)))
    assert frame_tokens(clip, np.arange(10.0), TOKENIZER).tolist() == [0, 0, 1, 1, 1, 1, 1, 3, 0, 0]
    # One frame to either side; of a word that lasts one frame nothing is left.
    assert frame_tokens(clip, np.arange(10.0), TOKENIZER, 1).tolist() == [0, -1, -1, 1, 1, 1, -1, -1, -1, 0]


def test_frame_tokens_are_unknown_without_word_times_and_within_words_of_several_tokens():
    clip = Clip("a", "a", "red", ())
    assert frame_tokens(clip, np.arange(3.0), TOKENIZER).tolist() == [-1, -1, -1]
    timed = replace(clip, words=(WordTime("red", 0.04, 0.12),))
    assert frame_tokens(timed, np.arange(4.0), CharacterTokenizer()).tolist() == [0, -1, -1, 0]


def test_frame_tokens_follow_the_time_warp(tmp_path: Path):
    """Each frame shows the word that is said in it as the row of a bright line."""
    said = [0] * 8 + [1] * 9 + [3] * 7 + [0] * 4 + [2] * 10 + [0] * 6
    rows = np.array([36, 44, 52, 60])
    crops = np.zeros((len(said), 96, 96), np.uint8)
    crops[np.arange(len(said)), rows[said]] = 255
    words = (WordTime("red", 0.32, 0.68), WordTime("blue", 0.68, 0.96), WordTime("green", 1.12, 1.52))
    clip = Clip("a", "a", "red blue green", words)
    write_shard(tmp_path / "train-000000.tar", [PreparedClip(clip, crops)])
    config = AugmentConfig(rotation=0, scale=0, shift=0, time_warp=0.5, time_masks=0, cutout=0, noise=0)
    data = ShardDataset(tmp_path, "train", TOKENIZER, 48, 48, augment=Augment(config, 48, 48))
    lengths = set()
    for epoch in range(20):
        batch = next(data.batches(1, epoch))
        seen = batch.video[0, :, 0].mean(-1).argmax(-1) + 24
        assert torch.equal(torch.from_numpy(rows)[batch.frame_tokens[0]], seen)
        lengths.add(int(batch.video_lengths))
    assert len(lengths) > 5


def test_collate_one_clip_of_one_frame_without_targets():
    sample = Sample(torch.ones(1, 1, 8, 8), [], np.array([-1]), Clip("a", "a", "x"))
    batch = collate([sample])
    assert (batch.video_lengths.tolist(), batch.target_lengths.tolist()) == ([1], [0])


def test_a_word_outside_the_vocabulary_names_the_clip(prepared: Path):
    data = ShardDataset(prepared, "train", WordTokenizer(["red", "green"]), 32, 48)
    with pytest.raises(ManifestError, match="clip s1/clip01: words 'blue' of 'blue' are not among the 2"):
        list(data.batches(4))


def test_a_split_without_a_clip(tmp_path: Path):
    write_shard(tmp_path / "train-000000.tar", [])
    with pytest.raises(ManifestError, match=r"hold no clip: status.jsonl beside them says why"):
        len(dataset(tmp_path))


def test_a_damaged_shard_stops_the_epoch(prepared: Path, tmp_path: Path):
    shutil.copytree(prepared, tmp_path / "copy")
    shard = tmp_path / "copy" / "train-000001.tar"
    shard.write_bytes(shard.read_bytes()[:5000])
    with pytest.raises(ManifestError, match=r"train-000001.tar cannot be read"):
        list(dataset(tmp_path / "copy").batches(4))


def test_clips_of_similar_length_go_together_and_no_batch_has_too_many_frames():
    rng = np.random.default_rng(0)
    lengths = rng.integers(20, 400, size=500)
    counts = set()
    for _ in range(5):
        batches = batches_of_similar_length(lengths.tolist(), 2000)
        assert sorted(i for batch in batches for i in batch) == list(range(500))
        padded = [len(batch) * lengths[batch].max() for batch in batches]
        assert max(padded) <= 2000
        assert lengths.sum() > 0.8 * sum(padded)
        counts.add(len(batches))
        rng.shuffle(lengths)
    assert len(counts) == 1  # the learning rate follows the number of steps
    assert batches_of_similar_length([75] * 10, 300) == [[0, 1, 2], [3, 4, 5], [6, 7, 8], [9]]
    assert batches_of_similar_length([900, 10], 100) == [[1], [0]]  # a clip that is too long is alone


def test_batches_by_frames_have_every_clip_once_an_epoch_and_come_in_another_order(prepared: Path):
    data, sizes = dataset(prepared), BatchSizes(1, frames=60)
    plans = [data.plan(sizes, epoch) for epoch in range(4)]
    orders = [ids(list(data.batches(sizes, epoch))) for epoch in range(4)]
    assert all(sorted(order) == ALL for order in orders)
    assert len({tuple(order) for order in orders}) > 1
    assert len({len(plan) for plan in plans}) == 1
    plain = dataset(prepared, varied=False)
    frames = {clip.clip.id: clip.num_frames for clip in plain.scan()}
    for batch in plain.batches(sizes):
        assert len(batch.clips) * max(frames[clip.id] for clip in batch.clips) <= 60


def test_a_dataset_is_sent_to_another_process_with_its_clips(prepared: Path):
    data = dataset(prepared)
    data.share()
    sent = pickle.loads(pickle.dumps(data))
    assert all(map(same, sent.batches(4, 1), data.batches(4, 1)))
