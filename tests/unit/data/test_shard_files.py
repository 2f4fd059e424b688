"""Shards in an object store: the same batches as from disk, within a bounded folder of copies."""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from object_store import ObjectStore, running_store

from lipscribe.data.batches import Batch
from lipscribe.data.dataset import ShardDataset
from lipscribe.data.shard_files import ShardFiles
from lipscribe.data.shard_index import INDEX_SUFFIX, entries_on_disk, read_index
from lipscribe.data.shards import PreparedClip, read_shard, write_shard
from lipscribe.errors import ConfigError, ManifestError
from lipscribe.storage import RemotePath, write_bytes
from lipscribe.tokenizer import WordTokenizer
from lipscribe.training.config import TrainConfig
from lipscribe.training.loop import train
from lipscribe.transforms import Augment, AugmentConfig

DrawClip = Callable[..., PreparedClip]


@pytest.fixture(scope="module")
def store() -> Iterator[ObjectStore]:
    with running_store() as running:
        yield running


@pytest.fixture(scope="module")
def remote(store: ObjectStore, prepared: Path) -> str:
    """The toy clips in a bucket."""
    for path in prepared.iterdir():
        write_bytes(f"{store.url}/toy/{path.name}", path.read_bytes())
    return f"{store.url}/toy"


def dataset(folder: Path | str, **options: Any) -> ShardDataset:
    augment = Augment(AugmentConfig(splice=0.5, splice_from=0, splice_until=9), 32, 48)
    tokenizer = WordTokenizer(["red", "green", "blue"])
    return ShardDataset(folder, "train", tokenizer, 32, 48, augment, cache=False, **options)


def same(one: Batch, other: Batch) -> bool:
    pairs = zip(vars(one).values(), vars(other).values(), strict=True)
    return all(torch.equal(a, b) if isinstance(a, torch.Tensor) else a == b for a, b in pairs)


def test_an_index_says_what_the_headers_of_a_shard_do(toy_clip: DrawClip, tmp_path: Path):
    for codec in ("lossless", "compact"):
        shard = tmp_path / f"train-{codec}.tar"
        names = ["s1/a.b", "ä" * 40, *(f"{'long' * 40}/{n}" for n in range(12))]  # longer than a tar header holds
        write_shard(shard, [toy_clip(name, seed=n) for n, name in enumerate(names)], codec)
        by_index = read_index(shard, shard.stat().st_size)
        shard.with_suffix(INDEX_SUFFIX).unlink()
        assert by_index == entries_on_disk(shard)
        assert [entry.num_frames for entry in by_index] == [len(clip.crops) for clip in read_shard(shard)]


def test_an_index_of_another_shard_is_not_believed(prepared: Path, tmp_path: Path):
    shutil.copy(prepared / "train-000000.tar", tmp_path / "train-000000.tar")
    index = tmp_path / "train-000000.index"
    for content in ("", "hello", (prepared / "train-000001.index").read_text(), '{"size": 1}\n'):
        index.write_text(content)
        assert len(entries_on_disk(tmp_path / "train-000000.tar")) == 6


@pytest.mark.slow
def test_batches_are_those_of_shards_on_disk(remote: str, prepared: Path, tmp_path: Path):
    data, here = dataset(remote), dataset(prepared)
    data.files.folder = tmp_path / "copies"
    assert [found.clip.id for found in data.scan()] == [found.clip.id for found in here.scan()]
    assert not list(tmp_path.glob("copies/*.tar"))  # the indices are enough to begin
    for epoch in range(2):
        assert all(map(same, data.batches(4, epoch), here.batches(4, epoch)))
    assert len(list(tmp_path.glob("copies/*.tar"))) == 2


@pytest.mark.slow
def test_copies_take_no_more_room_than_they_may(remote: str, prepared: Path, tmp_path: Path):
    data, here = dataset(remote), dataset(prepared)
    size = max(path.stat().st_size for path in prepared.glob("train-*.tar"))
    data.files.folder, data.files.limit = tmp_path / "copies", size  # one at a time, though both are in use
    seen = 0
    for batch, wanted in zip(data.batches(2, 1), here.batches(2, 1), strict=True):
        assert same(batch, wanted)
        seen = max(seen, sum(path.stat().st_size for path in tmp_path.glob("copies/*.tar")))
    assert 0 < seen <= size


@pytest.mark.slow
def test_without_an_index_the_shard_is_read(remote: str, store: ObjectStore, prepared: Path, tmp_path: Path):
    for path in prepared.glob("train-*.tar"):
        write_bytes(f"{store.url}/bare/{path.name}", path.read_bytes())
    data = dataset(f"{store.url}/bare")
    data.files.folder = tmp_path / "copies"
    assert len(data) == 11


@pytest.mark.slow
def test_what_is_wrong_with_shards_far_away_is_said_in_one_line(remote: str, store: ObjectStore, tmp_path: Path):
    with pytest.raises(ManifestError, match=r"s3://clips/none is not a folder: run `lipscribe prepare` first"):
        dataset(f"{store.url}/none")
    write_bytes(f"{store.url}/bad/train-000000.tar", b"no shard")
    data = dataset(f"{store.url}/bad")
    data.files.folder = tmp_path / "copies"
    with pytest.raises(ManifestError, match=r"cannot be read \(.*\): prepare it again"):
        len(data)
    (tmp_path / "file").touch()
    data = dataset(remote)
    data.files.folder = tmp_path / "file"
    with pytest.raises(ConfigError, match=r"file cannot keep copies of shards \(.*\): give another data.shard_cache"):
        list(data.batches(4))


@pytest.mark.slow
def test_a_model_is_trained_from_a_bucket(
    toy_config: Callable[..., TrainConfig], remote: str, prepared: Path, tmp_path: Path
):
    copies = {"cache": False, "shard_cache": str(tmp_path / "copies")}
    for name, folder in (("far", remote), ("near", str(prepared))):
        train(toy_config(tmp_path / name, data={"folder": folder, **copies, "workers": 1}, optim={"epochs": 1}))
    weights = [(tmp_path / name / "last" / "model.safetensors").read_bytes() for name in ("far", "near")]
    assert weights[0] == weights[1]


def test_a_copy_that_is_removed_meanwhile_is_made_again(
    prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    shard = RemotePath("memory://toy/train-000000.tar")
    monkeypatch.setattr(RemotePath, "open", lambda path: (prepared / path.name).open("rb"))
    monkeypatch.setattr(RemotePath, "fingerprints", lambda path: {"train-000000.tar": "1000-x"})
    files = ShardFiles([shard], tmp_path)
    copy = files.on_disk(shard)
    assert copy.read_bytes() == (prepared / shard.name).read_bytes()
    before = copy.stat().st_mtime_ns
    os.utime(copy, (1, 1))
    assert files.on_disk(shard) == copy
    assert copy.stat().st_mtime_ns >= before - 10**10  # it counts as used now
    copy.unlink()
    assert files.on_disk(shard).exists()
