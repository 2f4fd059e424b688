"""Storage: the same methods for a folder on disk and for one in an object store; what a store refuses is one line."""

import pickle
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from object_store import ObjectStore, running_store

from lipscribe import storage
from lipscribe.errors import MissingExtraError, VideoError
from lipscribe.storage import RemotePath, StorageError, location


@pytest.fixture(scope="module")
def store() -> Iterator[ObjectStore]:
    with running_store() as running:
        yield running


@pytest.fixture(params=["disk", "s3"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> storage.AnyPath:
    if request.param == "disk":
        return location(tmp_path)
    return location(f"{request.getfixturevalue('store').url}/{tmp_path.name}/")


def test_a_file_is_written_read_listed_and_removed(folder):
    assert not (folder / "a.txt").exists()
    storage.write_text(folder / "a.txt", "one\ntwo")
    with storage.writing(folder / "b.tar") as file:
        file.write(b"0123456789")
    assert (folder / "a.txt").read_text() == "one\ntwo"
    assert sorted(path.name for path in folder.iterdir()) == ["a.txt", "b.tar"]
    assert list(folder.glob("*.tar")) == [folder / "b.tar"]
    with (folder / "b.tar").open("rb") as file:
        assert file.seek(-3, 2) == 7
        assert file.read() == b"789"
        file.seek(2)
        assert file.read(3) == b"234"
    storage.remove([folder / "a.txt", folder / "never"])
    assert [path.name for path in folder.iterdir()] == ["b.tar"]
    with pytest.raises(FileNotFoundError):
        (folder / "a.txt").open("rb")
    (folder / "a.txt").unlink(missing_ok=True)


def test_an_error_while_writing_keeps_the_old_file(folder):
    storage.write_text(folder / "a.txt", "old")
    with pytest.raises(RuntimeError), storage.writing(folder / "a.txt") as file:
        file.write(b"new")
        raise RuntimeError
    assert (folder / "a.txt").read_text() == "old"


def test_a_folder_that_is_missing_is_empty(store):
    assert list(location(f"{store.url}/nowhere").iterdir()) == []
    assert not location(f"{store.url}/nowhere").exists()


def test_a_fingerprint_changes_with_the_content(store):
    folder = location(f"{store.url}/prints")
    storage.write_text(folder / "a", "one")
    before = folder.fingerprints()
    storage.write_text(folder / "a", "two")
    assert folder.fingerprints().keys() == before.keys() == {"a"}
    assert folder.fingerprints() != before


def test_an_object_has_a_copy_on_disk_for_a_while(store):
    storage.write_bytes(f"{store.url}/videos/one.mp4", b"picture")
    with storage.local_copy(f"{store.url}/videos/one.mp4") as copy:
        assert Path(copy).read_bytes() == b"picture"
        assert Path(copy).suffix == ".mp4"
    assert not Path(copy).exists()
    with pytest.raises(VideoError, match="no such file"), storage.local_copy(f"{store.url}/videos/two.mp4"):
        pass


@pytest.mark.parametrize("where", ["clip.mp4", "https://example.org/clip.mp4"])
def test_a_file_and_a_stream_need_no_copy(where):
    with storage.local_copy(where) as copy:
        assert copy == where


def test_the_parts_of_a_path_are_those_of_pathlib():
    remote, local = location("s3://bucket/set/train-000000.tar"), Path("bucket/set/train-000000.tar")
    assert isinstance(remote, RemotePath)
    assert (remote.name, remote.stem, remote.suffix) == (local.name, local.stem, local.suffix)
    assert str(remote.with_suffix(".jsonl")) == "s3://bucket/set/train-000000.jsonl"
    assert remote.with_name("other") == remote.parent / "other"
    assert location("s3://bucket/").parent == RemotePath("s3://bucket")
    assert location("file:///tmp/x") == Path("/tmp/x")
    assert pickle.loads(pickle.dumps(remote)) == remote
    assert sorted([remote, remote.parent / "dev-000000.tar"])[1] is remote


def test_a_bucket_that_does_not_exist(store):
    where = location("s3://no-such-bucket/set")
    with pytest.raises(StorageError, match=r"s3://no-such-bucket/set/x .*create the bucket, or correct its name"):
        storage.write_text(where / "x", "")
    with pytest.raises(StorageError, match="create the bucket"):
        list(where.iterdir())


def test_a_bucket_without_rights(store):
    store.check_rights(on=True)
    try:
        for refused in (lambda p: storage.write_text(p, ""), lambda p: p.read_bytes(), lambda p: list(p.iterdir())):
            with pytest.raises(StorageError, match="give credentials that may") as caught:
                refused(location(f"{store.url}/a"))
            assert "\n" not in str(caught.value)
    finally:
        store.check_rights(on=False)


def test_an_address_of_an_unknown_kind():
    pytest.importorskip("fsspec")
    with pytest.raises(StorageError, match=r"nothing://x .*give one such as s3://"):
        location("nothing://x").exists()


def test_a_package_that_is_not_installed(monkeypatch):
    monkeypatch.setitem(sys.modules, "fsspec", None)
    with pytest.raises(MissingExtraError, match=r"s3://b/x: .*pip install 'lipscribe\[s3\]'"):
        location("s3://b/x").exists()


@pytest.mark.slow
def test_a_store_that_is_lost():
    with running_store() as store:
        where = location(f"{store.url}/a")
        storage.write_text(where, "")
        store.stop()
        with pytest.raises(StorageError, match=r"out of reach .*run it again to resume"):
            where.read_bytes()
