"""Videos and their texts, from a folder, a list of prompts, texts beside the videos, or a manifest."""

from pathlib import Path

import pytest

from lipscribe.adaptation.recordings import NO_TEXT, find_recordings
from lipscribe.data.manifest import Clip, save_manifest
from lipscribe.errors import ManifestError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "videos").mkdir()
    for name in ("b.mp4", "a.mp4", "c.MOV", "notes.md"):
        (tmp_path / "videos" / name).touch()
    return tmp_path / "videos"


def prompts(tmp_path: Path, text: str) -> Path:
    (tmp_path / "prompts.txt").write_text(text, encoding="utf-8")
    return tmp_path / "prompts.txt"


def found(*arguments: Path | None, **options: bool) -> dict[str, str]:
    return {clip.id: clip.text for clip in find_recordings(*arguments, **options)}


@pytest.mark.parametrize(
    "text",
    [
        "b.mp4\tLay red.\na two\nc.MOV  three, four\n",
        "# in the order of the files\ntwo\nlay red\n\nthree four\n",
        "two\nlay red\nc.MOV three\n",
    ],
    ids=["by name", "in order", "in order, one begins with a name by chance"],
)
def test_prompts(folder: Path, tmp_path: Path, text: str):
    third = "c mov three" if "\nc.MOV three" in text else "three four"
    assert found(folder, prompts(tmp_path, text)) == {"a": "two", "b": "lay red", "c": third}


def test_texts_beside_the_videos(folder: Path):
    for name, text in {"a": "two", "b": "Lay  red!", "c": "four"}.items():
        (folder / f"{name}.txt").write_text(text)
    assert found(folder) == {"a": "two", "b": "lay red", "c": "four"}


def test_a_manifest_and_videos_without_texts(folder: Path, tmp_path: Path):
    save_manifest(tmp_path / "clips.jsonl", [Clip("me/1", "videos/a.mp4", "two"), Clip("me/2", "videos/b.mp4", "six")])
    clips = find_recordings([tmp_path / "clips.jsonl"])
    assert [(clip.id, clip.text, clip.path) for clip in clips] == [
        ("me/1", "two", str(folder / "a.mp4")),
        ("me/2", "six", str(folder / "b.mp4")),
    ]
    assert set(found(folder, None, untranscribed=True).values()) == {NO_TEXT}


def test_ids_are_unique(folder: Path):
    (folder / "sub").mkdir()
    (folder / "sub" / "a.mp4").touch()
    clips = find_recordings([folder / "a.mp4", folder / "sub"], untranscribed=True)
    assert [clip.id for clip in clips] == ["a", "a-2"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("one\ntwo\n", "has 2 texts for 3 recordings: give one for each"),
        ("a one\nb two\n", r"has no text for c.MOV: add a line for each, the name, a tab, and what"),
        (
            "a one\nb two\nd three\n",
            r"line 3: 'd' is no recording: name each file as it is, with a tab or space before",
        ),
        ("a one\nb ...\nc three\n", r"the text of b.mp4 is empty"),
    ],
)
def test_prompts_that_do_not_fit(folder: Path, tmp_path: Path, text: str, message: str):
    with pytest.raises(ManifestError, match=message):
        find_recordings(folder, prompts(tmp_path, text))


def test_what_is_missing(folder: Path, tmp_path: Path):
    with pytest.raises(ManifestError, match=r"3 of 3 recordings have no text .*: give --prompts FILE, a text beside"):
        find_recordings(folder)
    with pytest.raises(ManifestError, match=r"gone does not exist: give a folder of videos"):
        find_recordings(tmp_path / "gone")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ManifestError, match="holds no video file"):
        find_recordings(tmp_path / "empty")
    with pytest.raises(ManifestError, match="cannot be read"):
        find_recordings(folder, tmp_path / "no-prompts.txt")
    with pytest.raises(ManifestError, match="no recordings are given"):
        find_recordings([])
    save_manifest(tmp_path / "clips.jsonl", [Clip("1", "videos/a.mp4", "two")])
    with pytest.raises(ManifestError, match="a manifest has its own texts"):
        find_recordings(tmp_path / "clips.jsonl", prompts(tmp_path, "one"))
