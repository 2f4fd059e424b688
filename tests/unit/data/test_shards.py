"""Shards: what goes in comes out, other programs read them, and no damage passes for a shorter shard."""

import gc
import io
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from lipscribe.data.shards import (
    PreparedClip,
    check_crop,
    clip_members,
    find_shards,
    read_members,
    read_shard,
    write_members,
    write_shard,
)
from lipscribe.errors import ConfigError, ManifestError, MissingExtraError

DrawClip = Callable[..., PreparedClip]


@pytest.fixture
def clips(toy_clip: DrawClip) -> list[PreparedClip]:
    return [toy_clip(f"s1/clip{n}", seed=n) for n in range(3)]


def without(monkeypatch: pytest.MonkeyPatch, *packages: str) -> None:
    for package in packages:
        monkeypatch.setitem(sys.modules, package, None)


def test_lossless_round_trip_is_exact(tmp_path: Path, clips: list[PreparedClip]):
    noise = np.random.default_rng(0).integers(0, 256, size=(5, 96, 96), dtype=np.uint8)  # steps of more than 127 too
    clips.append(PreparedClip(clips[0].clip, noise))
    write_shard(tmp_path / "a-0.tar", clips)
    back = list(read_shard(tmp_path / "a-0.tar"))
    assert [found.clip for found in back] == [clip.clip for clip in clips]
    for found, clip in zip(back, clips, strict=True):
        assert found.crops.dtype == np.uint8
        np.testing.assert_array_equal(found.crops, clip.crops)


def test_lossless_crops_are_an_archive_of_numpy(tmp_path: Path, clips: list[PreparedClip]):
    """Earlier versions read them by numpy, and wrote them by it."""
    record, (name, content) = clip_members(clips[0], "lossless")
    with np.load(io.BytesIO(content), allow_pickle=False) as archive:
        assert archive.files == ["delta"]
        delta = archive["delta"]
    np.testing.assert_array_equal(np.cumsum(delta, axis=0, dtype=np.uint8), clips[0].crops)

    by_numpy = io.BytesIO()
    np.savez_compressed(by_numpy, delta=delta)
    write_members(tmp_path / "a.tar", [record, (name, by_numpy.getvalue())])
    (found,) = read_shard(tmp_path / "a.tar")
    np.testing.assert_array_equal(found.crops, clips[0].crops)
    assert len(content) < 1.05 * by_numpy.tell()


def test_compact_is_near_and_small(tmp_path: Path, clips: list[PreparedClip]):
    write_shard(tmp_path / "lossless.tar", clips)
    write_shard(tmp_path / "compact.tar", clips, "compact")
    for found, clip in zip(read_shard(tmp_path / "compact.tar"), clips, strict=True):
        assert found.crops.shape == clip.crops.shape
        assert abs(found.crops.astype(int) - clip.crops).mean() < 4  # the pictures' noise has a deviation of 4
    assert (tmp_path / "compact.tar").stat().st_size < (
        tmp_path / "lossless.tar"
    ).stat().st_size / 2  # noise packs badly


def test_compact_keeps_every_grey_from_black_to_white(tmp_path: Path, clips: list[PreparedClip]):
    ramp = np.broadcast_to(np.linspace(0, 255, 96).round().astype(np.uint8), (3, 96, 96))
    write_shard(tmp_path / "a.tar", [PreparedClip(clips[0].clip, ramp)], "compact")
    found = next(iter(read_shard(tmp_path / "a.tar"))).crops
    np.testing.assert_allclose(found.astype(int), ramp, atol=6)


def test_cv2_reads_compact_shards_as_av_does(
    tmp_path: Path, clips: list[PreparedClip], monkeypatch: pytest.MonkeyPatch
):
    write_shard(tmp_path / "a.tar", clips, "compact")
    by_av = [found.crops for found in read_shard(tmp_path / "a.tar")]
    without(monkeypatch, "av")
    by_cv2 = [found.crops for found in read_shard(tmp_path / "a.tar")]
    for one, other in zip(by_av, by_cv2, strict=True):
        np.testing.assert_allclose(one.astype(int), other, atol=1)


def test_compact_shards_without_a_decoder(tmp_path: Path, clips: list[PreparedClip], monkeypatch: pytest.MonkeyPatch):
    write_shard(tmp_path / "a.tar", clips, "compact")
    without(monkeypatch, "av", "cv2")
    with pytest.raises(MissingExtraError, match="pip install av"):
        list(read_shard(tmp_path / "a.tar"))


# 2026-11, webdataset 1.0.2: it leaves closing the shard to the garbage collector.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_webdataset_reads_our_shards(tmp_path: Path, clips: list[PreparedClip]):
    webdataset = pytest.importorskip("webdataset", reason="needs webdataset, the oracle of the layout")
    write_shard(tmp_path / "a.tar", clips)
    samples = list(webdataset.WebDataset(str(tmp_path / "a.tar"), shardshuffle=False).decode())
    assert [sample["__key__"] for sample in samples] == [clip.clip.id for clip in clips]
    for sample, clip in zip(samples, clips, strict=True):
        assert sample["json"]["text"] == clip.clip.text
        delta = sample["crops.npz"]["delta"]
        np.testing.assert_array_equal(np.cumsum(delta, axis=0, dtype=np.uint8), clip.crops)
    gc.collect()


# See above.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_ids_with_dots_are_clips_of_their_own_to_both_readers(tmp_path: Path, toy_clip: DrawClip):
    webdataset = pytest.importorskip("webdataset", reason="needs webdataset, the oracle of the layout")
    ids = ["talk.v1", "talk.v2", ".hidden", "s.1/a%2E.b", "s.1/a..b", "s1/plain", "ends."]
    write_shard(tmp_path / "a.tar", [toy_clip(clip_id, seed=n) for n, clip_id in enumerate(ids)])
    assert [prepared.clip.id for prepared in read_shard(tmp_path / "a.tar")] == ids
    samples = list(webdataset.WebDataset(str(tmp_path / "a.tar"), shardshuffle=False).decode())
    assert [sample["json"]["id"] for sample in samples] == ids
    assert all("delta" in sample["crops.npz"] for sample in samples)
    assert samples[5]["__key__"] == "s1/plain"
    gc.collect()


def test_shards_of_earlier_versions_with_dots_in_their_ids_are_read(tmp_path: Path, toy_clip: DrawClip):
    prepared = toy_clip("talk.v1")
    record, (_, crops) = clip_members(prepared, "lossless")
    write_members(tmp_path / "a.tar", [("talk.v1.json", record[1]), ("talk.v1.crops.npz", crops)])
    (found,) = read_shard(tmp_path / "a.tar")
    assert found.clip == prepared.clip
    np.testing.assert_array_equal(found.crops, prepared.crops)
    (members,) = (members for _, members in read_members(tmp_path / "a.tar"))
    assert members == clip_members(prepared, "lossless")  # under the names of today


def test_a_shard_that_fails_in_the_middle_is_not_there(tmp_path: Path, clips: list[PreparedClip]):
    def failing():
        yield from clip_members(clips[0], "lossless")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_members(tmp_path / "a-0.tar", failing())
    assert not list(tmp_path.glob("*.tar"))
    write_shard(tmp_path / "a-0.tar", clips)  # what was left behind is in nobody's way
    assert len(list(read_shard(tmp_path / "a-0.tar"))) == 3


def test_wherever_a_shard_is_cut_off_it_is_refused(tmp_path: Path, clips: list[PreparedClip]):
    path = tmp_path / "a.tar"
    write_shard(path, clips)
    whole = path.read_bytes()
    with tarfile.open(path) as tar:
        starts = [member.offset for member in tar]
        end = tar.offset
    for size in [0, 100, *starts, *[s + 300 for s in starts], *[s + 700 for s in starts], end - 1, end]:
        path.write_bytes(whole[:size])
        with pytest.raises(ManifestError, match=r"shard .*a.tar cannot be read .*: prepare it again"):
            list(read_shard(path))


def test_damaged_bytes_are_refused_and_never_crash(tmp_path: Path, clips: list[PreparedClip]):
    path = tmp_path / "a.tar"
    rng = np.random.default_rng(0)
    for codec in ("lossless", "compact"):
        write_shard(path, clips[:1], codec)
        whole = path.read_bytes()
        refused = 0
        for _ in range(60):
            damaged = bytearray(whole)
            for place in rng.integers(0, len(whole) - 10_240, size=20):
                damaged[place] = rng.integers(256)
            path.write_bytes(damaged)
            try:
                list(read_shard(path))
            except ManifestError:
                refused += 1
        assert refused > (50 if codec == "lossless" else 5)  # a video with wrong bytes is a video with wrong pictures


@pytest.mark.parametrize("keep", [slice(0, 1), slice(1, 2), slice(0, 3), slice(None, None, 2)])
def test_a_record_without_crops_is_refused(tmp_path: Path, clips: list[PreparedClip], keep: slice):
    members = [member for clip in clips[:2] for member in clip_members(clip, "lossless")]
    write_members(tmp_path / "a.tar", members[keep])
    with pytest.raises(ManifestError):
        list(read_shard(tmp_path / "a.tar"))


def test_a_folder_of_other_crops_than_the_models_is_refused(tmp_path: Path):
    check_crop(tmp_path, "lipscribe")  # shards from elsewhere
    (tmp_path / "prepare.json").write_text('{"codec": "lossless"}')  # older than the choice
    check_crop(tmp_path, "lipscribe")
    with pytest.raises(
        ConfigError,
        match=r"holds lipscribe crops, but the model reads auto-avsr crops \(input.crop of its spec\): "
        r"want a folder made by `lipscribe prepare --crop auto-avsr`$",
    ):
        check_crop(tmp_path, "auto-avsr")
    (tmp_path / "prepare.json").write_text('{"crop": "auto-avsr"}')
    check_crop(tmp_path, "auto-avsr")
    with pytest.raises(ConfigError, match="holds auto-avsr crops"):
        check_crop(tmp_path, "lipscribe")


@pytest.mark.parametrize("content", ["{", "[]"])
def test_a_damaged_record_of_the_crops(tmp_path: Path, content: str):
    (tmp_path / "prepare.json").write_text(content)
    with pytest.raises(ManifestError, match=r"prepare.json is damaged \(.*\): prepare the clips again"):
        check_crop(tmp_path, "lipscribe")


def test_missing_shard(tmp_path: Path):
    with pytest.raises(ManifestError, match="No such file"):
        list(read_shard(tmp_path / "none.tar"))


def test_find_shards_in_order_and_of_that_split_alone(tmp_path: Path):
    for name in ("train-000001", "train-000000", "train-clean-000000", "dev-000000"):
        (tmp_path / f"{name}.tar").touch()
    (tmp_path / "train-000002.tar.partial").touch()
    assert [path.name for path in find_shards(tmp_path, "train")] == ["train-000000.tar", "train-000001.tar"]
    with pytest.raises(ManifestError, match="has no split 'test': it has dev, train, train-clean"):
        find_shards(tmp_path, "test")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ManifestError, match="it holds no shards: run `lipscribe prepare` first"):
        find_shards(tmp_path / "empty", "train")
    with pytest.raises(ManifestError, match="absent is not a folder: run `lipscribe prepare` first"):
        find_shards(tmp_path / "absent", "train")
