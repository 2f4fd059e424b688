"""Preparing on a Ray cluster, into an object store, and onto a disk that is full: the same folder, or nothing of it."""

import errno
import functools
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from object_store import ObjectStore, running_store
from ray_here import running_ray

import lipscribe.data.prepare
from lipscribe import storage
from lipscribe.data import parts
from lipscribe.data.manifest import Clip, load_manifest
from lipscribe.data.parts import ClipStatus
from lipscribe.data.prepare import prepare
from lipscribe.data.shards import PreparedClip, clip_members, read_members, read_shard
from lipscribe.engines import Engine
from lipscribe.errors import ManifestError, VideoError
from lipscribe.storage import AnyPath, StorageError, location

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def ray() -> Iterator[Engine]:
    with running_ray() as engine:
        yield engine


@pytest.fixture(scope="module")
def store() -> Iterator[ObjectStore]:
    with running_store() as running:
        yield running


def drawn(clip: Clip, codec: str, crop: str):
    """Takes the place of `_work`: the content of the clip's file, in its crops, or an error that it names."""
    try:
        with storage.local_copy(clip.path) as copy:
            content = Path(copy).read_bytes()
    except VideoError as error:
        return [], ClipStatus(clip.id, clip.split, "skipped", str(error))
    if content == b"full":
        raise OSError(errno.ENOSPC, "No space left on device")
    if content == b"skip":
        return [], ClipStatus(clip.id, clip.split, "skipped", f"{clip.path}: no face")
    crops = np.full((2, 96, 96), content[0], np.uint8)
    return clip_members(PreparedClip(clip, crops), codec), ClipStatus(clip.id, clip.split, "ok", "", 2, 1.0, 50.0)


@pytest.fixture(autouse=True)
def small_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lipscribe.data.prepare, "_work", drawn)
    monkeypatch.setattr(lipscribe.data.prepare, "CLIPS_PER_SHARD", 3)


def clips_in(folder: AnyPath, **contents: str) -> list[Clip]:
    """Clips c0 to c6; `c1="skip"` is the content of one."""
    folder.mkdir(parents=True, exist_ok=True)
    names = [f"c{n}" for n in range(7)]
    for name in names:
        storage.write_text(folder / f"{name}.mp4", contents.get(name, name[1]))
    return [Clip(name, str(folder / f"{name}.mp4"), "one") for name in names]


def contents(output: AnyPath) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in output.iterdir() if path.name != ".lock"}


def test_a_cluster_makes_the_same_folder(ray, tmp_path):
    clips = clips_in(tmp_path / "in", c1="skip")
    assert prepare(clips, tmp_path / "here", workers=1) == prepare(clips, tmp_path / "there", engine=ray, workers=2)
    assert contents(tmp_path / "here") == contents(tmp_path / "there")


def test_a_store_holds_the_same_folder_and_only_what_changed_is_done_again(store, tmp_path):
    videos, output = location(f"{store.url}/in"), location(f"{store.url}/out")
    clips = clips_in(videos, c1="skip")
    clips.append(Clip("gone", f"{videos}/gone.mp4", "one"))
    statuses = prepare(clips, str(output), workers=1)
    assert [s.reason for s in statuses if s.status != "ok"] == [
        f"{videos}/c1.mp4: no face",
        f"{videos}/gone.mp4: no such file; check its name and bucket",
    ]
    assert sorted(contents(output)) == [
        "manifest.jsonl",
        "prepare.json",
        "status.jsonl",
        *[f"train-{n:06d}.{kind}" for n in range(3) for kind in ("index", "jsonl", "tar")],
    ]
    assert [clip.id for clip, _ in read_members(output / "train-000000.tar")] == ["c0", "c2"]
    assert load_manifest(output / "manifest.jsonl")[0].path == f"{videos}/c0.mp4"

    storage.write_text(videos / "c4.mp4", "9")
    before = contents(output)
    again = prepare(clips, str(output), workers=1)
    changed = {name for name, content in contents(output).items() if content != before[name]}
    assert changed == {"train-000001.tar", "train-000001.jsonl", "status.jsonl"}
    assert [s.id for s, old in zip(again, statuses, strict=True) if s != old] == ["c4"]


def test_a_store_that_refuses_or_has_no_bucket_gets_nothing(store, tmp_path):
    clips = clips_in(tmp_path / "in")
    with pytest.raises(StorageError, match="create the bucket"):
        prepare(clips, "s3://no-such-bucket/out", workers=1)
    store.check_rights(on=True)
    try:
        with pytest.raises(StorageError, match="give credentials that may"):
            prepare(clips, f"{store.url}/refused", workers=1)
        with pytest.raises(StorageError, match="give credentials that may"):  # no reason to skip every clip
            prepare([Clip("a", f"{store.url}/in/a.mp4", "one")], tmp_path / "out", workers=1)
    finally:
        store.check_rights(on=False)
    assert list(location(f"{store.url}/refused").iterdir()) == []
    assert not list((tmp_path / "out").glob("*.tar"))


def test_a_full_disk_stops_the_run_and_it_resumes(tmp_path):
    clips = clips_in(tmp_path / "in", c4="full")
    with pytest.raises(OSError, match="No space left"):
        prepare(clips, tmp_path / "out", workers=1)
    whole = list((tmp_path / "out").glob("*.tar"))
    assert not (tmp_path / "out" / "status.jsonl").exists()
    assert all(len(list(read_shard(shard))) == 3 for shard in whole)
    clips_in(tmp_path / "in", c4="4")
    assert [status.status for status in prepare(clips, tmp_path / "out", workers=1)] == ["ok"] * 7


def test_a_part_that_is_there_is_not_made_again_unless_it_is_damaged(tmp_path):
    calls = []
    work = functools.partial(_counted, calls=calls)
    clip = Clip("a", "a.mp4", "one")
    task = parts.ClipTask(clip, "inputs", tmp_path / parts.part_name(clip, "inputs"), there=False)
    first = parts.make_part(task, work)
    assert first.inputs == "inputs"
    again = task._replace(there=True)
    assert parts.make_part(again, work) == first
    assert len(calls) == 1
    task.part.write_bytes(task.part.read_bytes()[:1500])
    assert parts.make_part(again, work) == first
    assert len(calls) == 2


def _counted(clip: Clip, calls: list[Clip]):
    calls.append(clip)
    return clip_members(PreparedClip(clip, np.zeros((2, 96, 96), np.uint8)), "lossless"), ClipStatus("a", "train", "ok")


def test_a_shard_that_was_damaged_is_made_again_by_the_next_run(tmp_path):
    clips = clips_in(tmp_path / "in")
    prepare(clips, tmp_path / "out", workers=1)
    shard = tmp_path / "out" / "train-000001.tar"
    whole = contents(tmp_path / "out")
    shard.write_bytes(shard.read_bytes()[:3000])
    storage.write_text(tmp_path / "in" / "c4.mp4", "8")
    with pytest.raises(ManifestError, match=r"train-000001.tar was damaged and is removed: run"):
        prepare(clips, tmp_path / "out", workers=1)
    prepare(clips, tmp_path / "out", workers=1)
    assert [int(clip.crops[0, 0, 0]) for clip in read_shard(shard)] == [ord(c) for c in "385"]
    lines = (tmp_path / "out" / "status.jsonl").read_text().splitlines()
    assert [json.loads(line)["id"] for line in lines] == [clip.id for clip in clips]
    assert contents(tmp_path / "out").keys() == whole.keys()


def test_parts_of_a_run_that_was_killed_are_used(tmp_path):
    clips = clips_in(tmp_path / "in")
    inputs = [status.inputs for status in prepare(clips, tmp_path / "whole", workers=1)]
    output = tmp_path / "out"
    prepare(clips[:1], output, workers=1)
    (output / ".parts").mkdir()
    part = output / ".parts" / parts.part_name(clips[4], inputs[4])
    planted, status = drawn(replace(clips[0], id="c4"), "lossless", "lipscribe")  # with the crops of another
    parts.write_part(parts.ClipTask(clips[4], inputs[4], part, there=False), planted, status)
    assert prepare(clips, output, workers=1)[4].status == "ok"
    assert [int(clip.crops[0, 0, 0]) for clip in read_shard(output / "train-000001.tar")] == [ord(c) for c in "305"]
    assert contents(output).keys() == contents(tmp_path / "whole").keys()
