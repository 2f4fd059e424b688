"""Where the texts of recordings come from."""

from pathlib import Path

import pytest

from lipscribe.adaptation.phrase_sources import find_recordings
from lipscribe.errors import ManifestError


def folder_of(root: Path, **files: str) -> Path:
    """A folder of empty videos and of texts, by name; `__` is a slash, and a name without a dot is a video's."""
    for name, content in files.items():
        path = root / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")
    return root


def texts(folder: Path, prompts: Path | None = None) -> dict[str, str]:
    return {each.path.relative_to(folder).as_posix(): each.text for each in find_recordings(folder, prompts)}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("turn-on-the-light-1.mp4", "turn on the light"),
        ("turn on the light (2).MOV", "turn on the light"),
        ("turn_on_the_light_12.webm", "turn on the light"),
        ("Turn on the light!.mp4", "turn on the light"),
        ("yes.mp4", "yes"),
        ("route66.mp4", "route66"),
        ("yes/1.mp4", "yes"),
        ("call-my-sister/a.mp4", "call my sister"),
        ("room 5/1.mp4", "room 5"),
        ("größer-2.mp4", "größer"),
    ],
)
def test_names_say_what_is_said(tmp_path: Path, name: str, text: str):
    assert texts(folder_of(tmp_path, **{name: ""})) == {name: text}


def test_the_folder_may_lie_in_a_hidden_one(tmp_path: Path):
    folder = folder_of(tmp_path / ".cache" / "mine", **{"yes.mp4": "", ".trash__no.mp4": ""})
    assert texts(folder) == {"yes.mp4": "yes"}


def test_a_text_beside_the_video_comes_first(tmp_path: Path):
    folder_of(tmp_path, **{"yes/1.mp4": "", "yes/1.txt": "Of course.\n", "yes/2.mp4": ""})
    assert texts(tmp_path) == {"yes/1.mp4": "of course", "yes/2.mp4": "yes"}


def test_prompts_are_lines_in_the_order_of_the_videos(tmp_path: Path):
    folder_of(tmp_path, **{"take 10.mp4": "", "take 2.mp4": "", "prompts.txt": "\ufefffirst one\n\nSecond one.\n"})
    assert texts(tmp_path) == {"take 2.mp4": "first one", "take 10.mp4": "second one"}


def test_prompts_may_name_the_videos(tmp_path: Path):
    folder_of(tmp_path, **{"a.mp4": "", "sub/b.mp4": "", "other/list": "b.mp4\tyes\na\tno\n"})
    assert texts(tmp_path, tmp_path / "other" / "list") == {"a.mp4": "no", "sub/b.mp4": "yes"}
    (tmp_path / "other" / "list").write_text("# by name\nsub/b.mp4 Yes, of course\na no\n", encoding="utf-8")
    assert texts(tmp_path, tmp_path / "other" / "list") == {"a.mp4": "no", "sub/b.mp4": "yes of course"}


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"a.txt": ""}, "holds no video"),
        ({"a.mp4": "", "prompts.txt": "one\ntwo\n"}, r"prompts\.txt has 2 texts for 1 recording: give one for each"),
        ({"a.mp4": "", "b.mp4": "", "prompts.txt": "a.mp4\tyes\n"}, "has no text for b.mp4: add a line for each"),
        ({"a.mp4": "", "prompts.txt": "c.mp4\tyes\n"}, r"line 1: 'c\.mp4' is no recording: name each file as it is"),
        ({"a.mp4": "", "prompts.txt": "a.mp4\tyes\nno\n"}, r"line 2: 'no' is no recording"),
        ({"x/a.mp4": "", "y/a.mp4": "", "prompts.txt": "a.mp4\tyes\n"}, "is the name of several recordings"),
        ({"a.mp4": "", "a.txt": " \n"}, r"a\.txt has no words, wanted what is said"),
        ({"a.mp4": "", "prompts.txt": "...\n"}, r"the text of a\.mp4 in .*prompts\.txt has no words"),
    ],
)
def test_what_is_missing_is_told_in_one_line(tmp_path: Path, files: dict[str, str], message: str):
    with pytest.raises(ManifestError, match=message) as raised:
        texts(folder_of(tmp_path, **files))
    assert "\n" not in str(raised.value)


def test_other_faults_of_the_files(tmp_path: Path):
    with pytest.raises(ManifestError, match="is not a folder: give one"):
        find_recordings(tmp_path / "absent")
    (tmp_path / "a.mp4").touch()
    (tmp_path / "prompts.txt").write_bytes(b"\xff\xfe\xfa")
    with pytest.raises(ManifestError, match="not in UTF-8"):
        find_recordings(tmp_path)
    with pytest.raises(ManifestError, match=r"absent\.txt cannot be read"):
        find_recordings(tmp_path, tmp_path / "absent.txt")
