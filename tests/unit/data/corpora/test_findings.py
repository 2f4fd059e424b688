"""What is in a folder is seen, through links too, and what cannot be read is listed."""

import os
from pathlib import Path

import pytest
from corpus_trees import Talkers, write

from lipscribe.data.corpora.findings import Findings, plain_words, text_of
from lipscribe.data.corpora.folder import prepare_folder
from lipscribe.data.manifest import Clip, WordTime
from lipscribe.errors import ManifestError


def test_links_to_folders_are_followed_once(tmp_path: Path):
    Talkers().put(tmp_path / "disk" / "s1" / "a.mp4")
    (tmp_path / "root").mkdir()
    (tmp_path / "root" / "s1").symlink_to(tmp_path / "disk" / "s1")
    (tmp_path / "root" / "again").symlink_to(tmp_path / "root")
    assert Findings(tmp_path / "root", "x").files == [tmp_path / "root" / "s1" / "a.mp4"]


def test_a_link_to_a_video_that_is_gone(tmp_path: Path):
    Talkers().put(tmp_path / "a.mp4")
    write(tmp_path / "a.txt", "hello")
    (tmp_path / "b.mp4").symlink_to(tmp_path / "gone.mp4")
    clips, left_out = prepare_folder(tmp_path)
    assert [clip.id for clip in clips] == ["a"]
    assert left_out == {str(tmp_path / "b.mp4"): "no file, but a link to one that is gone"}


@pytest.mark.skipif(os.geteuid() == 0 if hasattr(os, "geteuid") else True, reason="root may read everything")
def test_a_folder_that_cannot_be_read(tmp_path: Path):
    (tmp_path / "locked").mkdir(mode=0o000)
    assert Findings(tmp_path, "x").left_out == {
        str(tmp_path / "locked"): "the folder cannot be read (Permission denied)"
    }


def test_a_folder_that_the_system_refuses_is_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def refuse(top, onerror, followlinks):
        onerror(PermissionError(13, "Permission denied", str(tmp_path / "locked")))
        return iter(())

    monkeypatch.setattr(os, "walk", refuse)
    found = Findings(tmp_path, "x")
    assert found.left_out == {str(tmp_path / "locked"): "the folder cannot be read (Permission denied)"}


def test_a_fault_of_a_clip_is_the_reason_and_the_next_one_is_found(tmp_path: Path):
    found = Findings(tmp_path, "x")
    for clip_id, text in (("../a", "hello"), ("b", ""), ("c", "hello"), ("c", "again")):
        with found.one(f"{clip_id} {text}"):
            found.add(Clip(clip_id, "a.mp4", text))
    clips, left_out = found.result()
    assert [(clip.id, clip.text) for clip in clips] == [("c", "hello")]
    assert left_out["../a hello"].startswith("the id is '../a', wanted a relative name")
    assert left_out["b "] == "the text is empty, wanted what is said (or `silent: true`)"
    assert left_out["c again"] == "a second video of c, the first is a.mp4"


def test_several_reasons_of_one_file_and_counted_ones(tmp_path: Path):
    found = Findings(tmp_path, "x")
    found.leave_out("a", "one")
    found.leave_out("a", "two")
    for _ in range(3):
        found.leave_out_of(tmp_path, "of nobody")
    assert found.result()[1] == {"a": "one; two", str(tmp_path): "3 clips of nobody"}
    assert found.result()[1][str(tmp_path)] == "3 clips of nobody"


def test_words_are_as_texts_have_them():
    assert plain_words([("Twenty-one,", 0.0, 1.0), ("...", 1.0, 1.5), ("DON'T", 1.5, 2.0)]) == (
        WordTime("twenty", 0.0, 0.5),
        WordTime("one", 0.5, 1.0),
        WordTime("don't", 1.5, 2.0),
    )


@pytest.mark.parametrize(
    "words",
    [[("a", 1.0, 0.5)], [("a", -1.0, 0.5)], [("a", 1.0, 2.0), ("b", 0.5, 3.0)], [("a", 0.0, float("inf"))]],
)
def test_words_at_impossible_times(words: list):
    with pytest.raises(ManifestError, match="wanted words one after the other from 0"):
        plain_words(words)


def test_a_text_that_is_none(tmp_path: Path):
    (tmp_path / "a.txt").write_bytes(b"\x81\x8d\x00\x00\x00")
    for name in ("a.txt", "absent.txt", "."):
        with pytest.raises(ManifestError, match="cannot be read"):
            text_of(tmp_path / name)
    write(tmp_path / "b.txt", " \r\n")
    with pytest.raises(ManifestError, match=r"b.txt is empty, wanted the text of its video"):
        text_of(tmp_path / "b.txt")
