"""Manifests: what is written comes back, and what is wrong is refused at the door, by line."""

import json
from pathlib import Path
from typing import Any

import pytest

from lipscribe.data.manifest import Clip, WordTime, load_manifest, save_manifest
from lipscribe.errors import ManifestError

CLIP = Clip("s1/a", "/clips/a.mpg", "bin blue", (WordTime("bin", 0.5, 0.8), WordTime("blue", 0.8, 1.0)), "s1", "dev")


def write_lines(path: Path, *records: Any) -> Path:
    path.write_text("".join((r if isinstance(r, str) else json.dumps(r)) + "\n" for r in records), encoding="utf-8")
    return path


def test_round_trip(tmp_path: Path):
    clips = [CLIP, Clip("s1/b", "/clips/b.mpg", "réd")]
    save_manifest(tmp_path / "m.jsonl", clips)
    assert load_manifest(tmp_path / "m.jsonl") == clips
    assert [path.name for path in tmp_path.iterdir()] == ["m.jsonl"]


def test_relative_paths_start_at_the_manifest(tmp_path: Path):
    path = write_lines(tmp_path / "m.jsonl", {"id": "a", "path": "clips/a.mp4", "text": "bin"})
    assert load_manifest(path)[0].path == str(tmp_path / "clips" / "a.mp4")


@pytest.mark.parametrize(
    ("clip_id", "better"),
    [
        ("../../x", "x"),
        ("/etc/x", "etc/x"),
        ("s1/../../x", "s1/x"),
        ("s1//x", "s1/x"),
        ("./x", "x"),
        ("..", "clip-1"),
        ("..\\x", "x"),
        ("C:x", "C/x"),
        ("a\nb", "a-b"),
        ("a\x00b", "a-b"),
    ],
)
def test_an_id_that_would_lead_out_of_its_folder_is_refused(tmp_path: Path, clip_id: str, better: str):
    path = write_lines(tmp_path / "m.jsonl", {"id": clip_id, "path": "a.mp4", "text": "bin"})
    with pytest.raises(ManifestError) as caught:
        load_manifest(path)
    assert "line 1: 1 fault: the id is" in str(caught.value)
    assert f"such as {better!r}" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert Clip(better, "a.mp4", "bin").faults() == []


@pytest.mark.parametrize("clip_id", ["s1/bbaf2n", "a b", "..x", "x..", "é-1_2.mp4", "12:30"])
def test_other_ids_are_the_users_choice(clip_id: str):
    assert Clip(clip_id, "a.mp4", "bin").faults() == []


def test_blank_lines_and_odd_line_ends_are_no_clips(tmp_path: Path):
    record = '{"id": "%s", "path": "/a", "text": "one\u2028two"}'  # a line separator within a text ends no line
    (tmp_path / "m.jsonl").write_bytes(f"{record % 'a'}\r\n\r\n{record % 'b'}\n".encode())
    assert [clip.text.split() for clip in load_manifest(tmp_path / "m.jsonl")] == [["one", "two"]] * 2


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"text": " "}, "the text is empty, wanted what is said"),
        ({"id": ""}, "the id is empty"),
        ({"id": None}, "id is None, wanted text"),
        ({"split": "a/b"}, "the split is 'a/b', wanted a name such as train"),
        ({"speker": "s1"}, "speker is unknown; did you mean speaker?"),
        ({"words": [{"text": "bin", "start": 0, "end": 1}]}, "the word times are of 'bin', the text is 'bin blue'"),
        ({"words": [{"text": "bin", "start": 2, "end": 1}]}, r"words\[0\]: 'bin' ends at 1.0 s, before its start"),
        ({"words": [{"text": "bin", "start": -1, "end": 1}]}, r"words\[0\].start is -1.0, wanted at least 0"),
        (
            {"words": [{"text": "bin", "start": 2, "end": 3}, {"text": "blue", "start": 1, "end": 2}]},
            "the word times run backwards",
        ),
    ],
)
def test_a_wrong_record_is_refused(tmp_path: Path, change: dict[str, Any], message: str):
    record = {"id": "a", "path": "/a.mp4", "text": "bin blue"}
    path = write_lines(tmp_path / "m.jsonl", record, record | {"id": "b"} | change)
    with pytest.raises(ManifestError, match=rf"m.jsonl: 1 bad line: line 2: .*{message}"):
        load_manifest(path)


def test_five_faults_are_named_and_all_are_counted(tmp_path: Path):
    good = {"id": "a", "path": "/a.mp4", "text": "bin"}
    path = write_lines(tmp_path / "m.jsonl", good, "{", good, *[{}] * 5)
    with pytest.raises(ManifestError) as caught:
        load_manifest(path)
    message = str(caught.value)
    assert "7 bad lines: line 2: not JSON" in message
    assert "line 3: id 'a' is not unique" in message
    assert message.count("line ") == 5
    assert message.endswith("; and 2 more")


@pytest.mark.parametrize(
    ("content", "message"), [(b"\n", "holds no clip"), (b"\xff\xfe", "cannot be read .*: give a JSONL manifest")]
)
def test_a_file_that_is_no_manifest(tmp_path: Path, content: bytes, message: str):
    (tmp_path / "m.jsonl").write_bytes(content)
    with pytest.raises(ManifestError, match=message):
        load_manifest(tmp_path / "m.jsonl")


@pytest.mark.parametrize("name", ["absent.jsonl", "."])
def test_no_file(tmp_path: Path, name: str):
    with pytest.raises(ManifestError, match="cannot be read"):
        load_manifest(tmp_path / name)


def test_a_byte_order_mark_is_no_part_of_a_manifest(tmp_path: Path):
    save_manifest(tmp_path / "m.jsonl", [CLIP])
    text = (tmp_path / "m.jsonl").read_bytes().replace(b"\n", b"\r\n")  # as Windows programs save it
    (tmp_path / "m.jsonl").write_bytes(b"\xef\xbb\xbf" + text)
    assert load_manifest(tmp_path / "m.jsonl") == [CLIP]


@pytest.mark.parametrize(("split", "wanted"), [("validation", "dev"), ("Valid", "dev"), ("TRAIN", "train")])
def test_a_split_under_another_name_is_refused_with_ours(tmp_path: Path, split: str, wanted: str):
    path = write_lines(tmp_path / "m.jsonl", {"id": "a", "path": "a.mp4", "text": "bin", "split": split})
    with pytest.raises(ManifestError, match=f"line 1: 1 fault: the split is '{split}', wanted '{wanted}'"):
        load_manifest(path)


@pytest.mark.parametrize("split", ["train", "dev", "test", "train-clean", "seen_speakers"])
def test_other_splits_are_the_users_choice(split: str):
    assert Clip("a", "a.mp4", "bin", split=split).faults() == []


def test_a_clip_may_be_a_part_of_its_video(tmp_path: Path):
    part = Clip("a", "/clips/film.mp4", "bin", start=61.5, end=64.0)
    save_manifest(tmp_path / "m.jsonl", [part, CLIP])
    assert load_manifest(tmp_path / "m.jsonl", parts=True) == [part, CLIP]
    with pytest.raises(ManifestError, match=r"1 clip with a start or an end, such as a, are parts .* whole videos"):
        load_manifest(tmp_path / "m.jsonl")


def test_whole_videos_are_written_as_before_there_were_parts(tmp_path: Path):
    save_manifest(tmp_path / "m.jsonl", [CLIP])
    record = json.loads((tmp_path / "m.jsonl").read_text())
    assert list(record) == ["id", "path", "text", "words", "speaker", "split"]


@pytest.mark.parametrize(
    ("times", "message"),
    [
        ({"start": 2, "end": 2}, "it ends at 2 s, not after its start at 2 s"),
        ({"start": 3, "end": 2}, "it ends at 2 s, not after its start at 3 s"),
        ({"start": -1}, "start is -1.0, wanted at least 0"),
        ({"end": "1:20"}, "end is '1:20', wanted a number"),
    ],
)
def test_impossible_parts_are_refused(tmp_path: Path, times: dict, message: str):
    path = write_lines(tmp_path / "m.jsonl", {"id": "a", "path": "a.mp4", "text": "bin", **times})
    with pytest.raises(ManifestError, match=message):
        load_manifest(path, parts=True)
