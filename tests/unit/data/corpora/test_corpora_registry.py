"""All corpora by one contract: what is in their trees is found, and what is left out is listed with its reason."""

import inspect
from collections import Counter
from pathlib import Path

import pytest
from corpus_trees import TREES, Talkers

from lipscribe.data.corpora.fetching import Download, OnRequestError
from lipscribe.data.corpora.registry import CORPORA, CorpusEntry, find_corpus
from lipscribe.errors import ManifestError

ON_REQUEST = [entry for entry in CORPORA if not entry.gigabytes]


def test_every_corpus_has_a_tree():
    assert [entry.name for entry in CORPORA] == list(TREES)


@pytest.mark.parametrize("entry", CORPORA, ids=lambda entry: entry.name)
def test_what_is_in_a_tree_is_found_and_the_rest_is_listed(tmp_path: Path, entry: CorpusEntry):
    wanted, left_out = TREES[entry.name](tmp_path / "root", Talkers())
    clips, reasons = entry.prepare(tmp_path / "root")
    assert {clip.id: (clip.text, clip.split) for clip in clips} == wanted
    assert [clip.id for clip in clips] == sorted(wanted)
    assert all(not clip.faults() for clip in clips)
    found = {name: [reason for path, reason in reasons.items() if path.endswith(name)] for name in left_out}
    for name, reason in left_out.items():
        assert any(reason in text for text in found[name]), (name, reasons)
    assert len(reasons) == len(left_out), reasons


@pytest.mark.parametrize("entry", CORPORA, ids=lambda entry: entry.name)
def test_every_video_is_a_clip_or_has_a_reason(tmp_path: Path, entry: CorpusEntry):
    """Nothing is lost in silence: a video is a clip, or it is listed, or a folder above it."""
    TREES[entry.name](tmp_path / "root", Talkers())
    clips, reasons = entry.prepare(tmp_path / "root")
    used = {clip.path for clip in clips}
    suffixes = (".mp4", ".mpg", ".mov", ".mkv")
    for video in (path for path in (tmp_path / "root").rglob("*") if path.suffix.lower() in suffixes):
        names = [video, *video.parents]
        assert str(video) in used or any(str(name) in reasons for name in names), video


@pytest.mark.parametrize("entry", CORPORA, ids=lambda entry: entry.name)
def test_a_folder_that_is_none_or_holds_nothing(tmp_path: Path, entry: CorpusEntry):
    with pytest.raises(ManifestError, match="absent is not a folder: give the root of "):
        entry.prepare(tmp_path / "absent")
    for name in ("pretrain", "train", "val", "test"):  # the lists of LRS2 and CMLR
        (tmp_path / f"{name}.txt").write_text("a\n")
    with pytest.raises(ManifestError, match="holds no video"):
        entry.prepare(tmp_path)


@pytest.mark.parametrize("entry", CORPORA, ids=lambda entry: entry.name)
def test_protocols_are_those_of_the_function(tmp_path: Path, entry: CorpusEntry):
    module = inspect.getmodule(entry._function("prepare"))
    assert (module is not None and "http" in (module.__doc__ or "")) or entry.name == "folder"
    parameters = inspect.signature(entry._function("prepare")).parameters
    assert ("protocol" in parameters) == bool(entry.protocols)
    if entry.protocols:
        assert parameters["protocol"].default == entry.protocols[0]
    if not entry.takes_any_protocol:
        with pytest.raises(
            ManifestError, match=rf"{entry.name} has no protocol 'other', (wanted one of|it has one only)"
        ):
            entry.prepare(tmp_path, "other")


@pytest.mark.parametrize("entry", ON_REQUEST, ids=lambda entry: entry.name)
def test_what_is_given_on_request_has_instructions(tmp_path: Path, entry: CorpusEntry):
    with pytest.raises(OnRequestError, match=f"{entry.name} is given by its authors on request") as caught:
        entry.download(Download(tmp_path / "here"))
    text = caught.value.instructions
    assert f"lipscribe prepare {entry.name} --root {tmp_path / 'here'}" in text
    assert entry.name == "folder" or "https://" in text
    assert "{" not in text
    assert all(len(line) <= 120 + len(str(tmp_path)) for line in text.splitlines())


def test_an_unknown_corpus():
    with pytest.raises(ManifestError, match=r"no corpus 'lsr3': give one of grid, lombard-grid, lrw, lrs2, lrs3, "):
        find_corpus("lsr3")


def test_speakers_of_different_corpora_have_different_names(tmp_path: Path):
    speakers: Counter[str] = Counter()
    for name, tree in TREES.items():
        tree(tmp_path / name, Talkers())
        speakers.update({clip.speaker for clip in find_corpus(name).prepare(tmp_path / name)[0]} - {""})
    assert max(speakers.values()) == 1
