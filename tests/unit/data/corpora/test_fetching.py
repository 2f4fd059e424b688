"""Downloads of corpora from a server that plays Zenodo, breaks off, and lies."""

import hashlib
import io
import json
import zipfile
from collections import namedtuple
from pathlib import Path

import pytest
from local_server import Server

from lipscribe import download as download_module
from lipscribe.data.corpora import fetching
from lipscribe.data.corpora.fetching import Download, fetch_zenodo
from lipscribe.data.corpora.grid import prepare_grid
from lipscribe.data.corpora.registry import find_corpus
from lipscribe.errors import LipscribeError
from lipscribe.resumable import locked

ALIGN = "0 25000 bin\n25000 50000 blue\n"


def zip_of(**files: str) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return stream.getvalue()


ARCHIVES = {
    "s1.zip": zip_of(**{"s1/bbaf2n.mpg": "video 1", "s1/bbaf3s.mpg": "video 2" * 10_000}),
    "s2.zip": zip_of(**{"s2/bbaf2n.mpg": "video 3"}),
    "alignments.zip": zip_of(**{"alignments/s1/bbaf2n.align": ALIGN}),
    "audio_25k.zip": zip_of(**{"audio_25k/s1/bbaf2n.wav": "sound"}),
    "jasagrid.pdf": b"a paper",
}


@pytest.fixture(autouse=True)
def zenodo(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download_module, "PAUSES", (0.0, 0.0))
    monkeypatch.setattr(fetching, "ZENODO", server.url)
    publish(server, ARCHIVES)


def publish(server: Server, archives: dict[str, bytes], record: str = "3625687", **other: object) -> None:
    """The record as Zenodo's API describes it, and its files."""
    files = []
    for name, content in archives.items():
        path = f"/api/records/{record}/files/{name}/content"
        server.files[path] = content
        checksum = f"md5:{hashlib.md5(content).hexdigest()}"
        item = {"key": name, "size": len(content), "checksum": checksum, "links": {"self": server.url + path}}
        files.append({**item, **other})
    server.files[f"/api/records/{record}"] = json.dumps({"id": int(record), "files": files}).encode()


def tree(folder: Path) -> set[str]:
    """The visible files."""
    paths = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    return {path.as_posix() for path in paths if not path.parts[0].startswith(".")}


def fetched(server: Server) -> list[str]:
    """The archives asked for since the last call."""
    names = [path.split("/")[-2] for path, _ in server.log if path.endswith("/content")]
    server.log.clear()
    return names


GRID = {"s1/bbaf2n.mpg", "s1/bbaf3s.mpg", "s2/bbaf2n.mpg", "alignments/s1/bbaf2n.align"}


def test_a_corpus_is_fetched_unpacked_and_found(server, tmp_path):
    said, told = [], []
    folder = tmp_path / "new" / "GRID"
    find_corpus("grid").download(Download(folder, (), said.append, lambda *step: told.append(step)))
    assert tree(folder) == GRID
    assert sorted(fetched(server)) == ["alignments.zip", "s1.zip", "s2.zip"]
    assert [line.split(" (")[0] for line in said] == ["fetching s1.zip", "fetching s2.zip", "fetching alignments.zip"]
    assert ("s1.zip (files)", 2, 2) in told
    assert ("s1.zip (bytes)", len(ARCHIVES["s1.zip"]), len(ARCHIVES["s1.zip"])) in told
    clips, _ = prepare_grid(folder)
    assert [clip.id for clip in clips] == ["s1/bbaf2n", "s1/bbaf3s", "s2/bbaf2n"]


def test_what_is_there_is_not_fetched_again_and_new_versions_are(server, tmp_path):
    fetch_zenodo("3625687", Download(tmp_path, ("s2.zip",)), ("s*.zip", "alignments.zip"))
    assert fetched(server) == ["s2.zip"]
    said = []
    fetch_zenodo("3625687", Download(tmp_path, say=said.append), ("s*.zip", "alignments.zip"))
    assert fetched(server) == ["s1.zip", "alignments.zip"]
    assert said[0] == "s2.zip is there already"
    fetch_zenodo("3625687", Download(tmp_path), ("s*.zip", "alignments.zip"))
    assert fetched(server) == []
    publish(server, {**ARCHIVES, "s2.zip": zip_of(**{"s2/bbaf2n.mpg": "video 3, corrected"})})
    fetch_zenodo("3625687", Download(tmp_path), ("s*.zip", "alignments.zip"))
    assert fetched(server) == ["s2.zip"]
    assert (tmp_path / "s2" / "bbaf2n.mpg").read_text() == "video 3, corrected"


def test_a_download_that_breaks_off_goes_on_and_one_that_ends_is_resumed(server, tmp_path):
    record = len(server.files["/api/records/3625687"])
    server.break_after = [record, 100, 0, 50]
    fetch_zenodo("3625687", Download(tmp_path / "a", ("s1.zip",)), ("s*.zip",))
    assert tree(tmp_path / "a") == {"s1/bbaf2n.mpg", "s1/bbaf3s.mpg"}
    server.break_after = [record, 100, 0, 0, 0]
    with pytest.raises(LipscribeError, match=r"it ended after 100 of .* the same command resumes there"):
        fetch_zenodo("3625687", Download(tmp_path / "b", ("s1.zip",)), ("s*.zip",))
    assert tree(tmp_path / "b") == {"s1.zip.partial", "s1.zip.partial.version"}
    server.log.clear()
    server.break_after = []
    fetch_zenodo("3625687", Download(tmp_path / "b", ("s1.zip",)), ("s*.zip",))
    assert server.log[1][1] == "bytes=100-"
    assert tree(tmp_path / "b") == {"s1/bbaf2n.mpg", "s1/bbaf3s.mpg"}


def test_unpacking_that_was_interrupted_goes_on(server, tmp_path):
    (tmp_path / "s1").mkdir()
    (tmp_path / "s1" / "bbaf2n.mpg").write_text("video 1")
    (tmp_path / "s1" / "bbaf3s.mpg").write_text("vid")  # of an older version
    (tmp_path / "s1.zip").write_bytes(ARCHIVES["s1.zip"])
    before = (tmp_path / "s1" / "bbaf2n.mpg").stat().st_mtime_ns
    fetch_zenodo("3625687", Download(tmp_path, ("s1.zip",)), ("s*.zip",))
    assert fetched(server) == []
    assert (tmp_path / "s1" / "bbaf3s.mpg").read_text() == "video 2" * 10_000
    assert (tmp_path / "s1" / "bbaf2n.mpg").stat().st_mtime_ns == before
    assert not (tmp_path / "s1.zip").exists()


@pytest.mark.parametrize(
    "published", ["md5:00", f"sha256:{hashlib.sha256(ARCHIVES['s1.zip'][:-1]).hexdigest()}"], ids=["md5", "sha256"]
)
def test_another_checksum_than_the_published_one(server, tmp_path, published):
    publish(server, {"s1.zip": ARCHIVES["s1.zip"]}, checksum=published)
    with pytest.raises(LipscribeError, match=r"s1.zip came with .*, wanted .*: it was deleted, fetch it again"):
        fetch_zenodo("3625687", Download(tmp_path), ("s*.zip",))
    assert tree(tmp_path) == set()


@pytest.mark.parametrize(
    ("archives", "other", "message"),
    [
        ({"s1.zip": b"no archive"}, {}, r"s1.zip is damaged \(.*\): delete it and run the same command again"),
        ({"s1.zip": zip_of(**{"../../x": "out"})}, {}, r"holds a file called '../../x', which leads out of the folder"),
        ({"s1.zip": zip_of(**{"/etc/x": "out"})}, {}, r"holds a file called '/etc/x', which leads out of the folder"),
        ({"s1.zip": zip_of(**{"C:\\x": "out"})}, {}, r"leads out of the folder"),
        ({"s1.zip": ARCHIVES["s1.zip"]}, {"checksum": "abc"}, "s1.zip has the checksum 'abc', wanted one such as md5"),
        ({"s1.zip": ARCHIVES["s1.zip"]}, {"key": "s1/../s2.zip"}, "a file called 's1/../s2.zip', wanted a plain name"),
        ({"s1.zip": ARCHIVES["s1.zip"]}, {"links": {}}, "is no record of files .*: its API has changed"),
        ({"s1.zip": ARCHIVES["s1.zip"]}, {"size": 10**18}, r"GB free, and 2000000000.1 GB are needed: make room"),
    ],
)
def test_what_a_server_may_have_wrong(server, tmp_path, archives, other, message):
    publish(server, archives, **other)
    with pytest.raises(LipscribeError, match=message):
        fetch_zenodo("3625687", Download(tmp_path / "in"), ("s*.zip",))
    assert tree(tmp_path) <= {"in/s1.zip", "in/.downloaded/zenodo-3625687.json", "in/.lock"}


@pytest.mark.parametrize("kind", ["size", "number"])
def test_an_archive_that_unpacks_to_far_more_than_it_is(server, tmp_path, monkeypatch, kind):
    if kind == "number":
        monkeypatch.setattr(fetching, "MAX_FILES", 1)
    files = {"s1/a.mpg": "0" * 150_000_000} if kind == "size" else {"s1/a.mpg": "1", "s1/b.mpg": "2"}
    publish(server, {"s1.zip": zip_of(**files)})
    with pytest.raises(LipscribeError, match=r"s1.zip unpacks to . files of .* GB together.*: it was not unpacked"):
        fetch_zenodo("3625687", Download(tmp_path), ("s*.zip",))
    assert not (tmp_path / "s1").exists()


def test_a_link_in_the_folder_leads_no_file_out(server, tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "out").mkdir()
    (tmp_path / "in" / "s1").symlink_to(tmp_path / "out")
    with pytest.raises(LipscribeError, match="leads out of the folder"):
        fetch_zenodo("3625687", Download(tmp_path / "in"), ("s1.zip",))
    assert not list((tmp_path / "out").iterdir())


def test_a_record_that_is_no_json(server, tmp_path):
    server.files["/api/records/3625687"] = b"<html>"
    with pytest.raises(LipscribeError, match=r"/api/records/3625687 is no record of files"):
        fetch_zenodo("3625687", Download(tmp_path), ("s*.zip",))


def test_a_part_that_there_is_not(tmp_path):
    with pytest.raises(
        LipscribeError, match=r"--only s9\* fits no archive: give some of s1.zip, s2.zip, alignments.zip"
    ):
        find_corpus("grid").download(Download(tmp_path, ("s9*",)))


def test_no_network(dead_url, tmp_path, monkeypatch):
    monkeypatch.setattr(fetching, "ZENODO", dead_url)
    with pytest.raises(LipscribeError, match=r"cannot be read .*: check the network, the same command tries again"):
        find_corpus("grid").download(Download(tmp_path))


def test_two_processes_do_not_download_into_one_folder(tmp_path):
    with locked(tmp_path), pytest.raises(LipscribeError, match="another process is writing to"):
        find_corpus("grid").download(Download(tmp_path))


def test_a_folder_that_cannot_be_written(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(LipscribeError, match=r"file/GRID cannot be written \(Not a directory\): give another --output"):
        find_corpus("grid").download(Download(tmp_path / "file" / "GRID"))


def test_a_disk_without_room(server, tmp_path, monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(fetching.shutil, "disk_usage", lambda folder: usage(10, 10, 0))
    with pytest.raises(LipscribeError, match=r"0.0 GB free, and 0.1 GB are needed: .* fetch a part with --only"):
        find_corpus("grid").download(Download(tmp_path))
    assert fetched(server) == []


def test_lombard_grid_comes_from_its_own_record(server, tmp_path):
    front = zip_of(**{"lombardgrid/front/s2_l_bbaf2n.mov": "video"})
    alignment = zip_of(**{"lombardgrid/alignment/s2_l_bbaf2n.json": "{}"})
    archives = {"lombardgrid_front.zip": front, "lombardgrid_side.zip": b"", "lombardgrid_alignment.zip": alignment}
    publish(server, archives, "3736465")
    find_corpus("lombard-grid").download(Download(tmp_path))
    assert tree(tmp_path) == {"lombardgrid/front/s2_l_bbaf2n.mov", "lombardgrid/alignment/s2_l_bbaf2n.json"}
    (clip,), _ = find_corpus("lombard-grid").prepare(tmp_path)
    assert (clip.text, clip.split) == ("bin blue at f two now", "dev")
