"""Word times of each corpus are in seconds of its clip, whatever its unit."""

from pathlib import Path

import pytest
from corpus_trees import DEV_TALK, OTHER_TALK, TREES, Talkers, write

from lipscribe.data.captions import MAX_PAUSE
from lipscribe.data.corpora.folder import MARGIN, prepare_folder
from lipscribe.data.corpora.registry import find_corpus
from lipscribe.data.manifest import Clip


def clips_of(root: Path, name: str) -> dict[str, Clip]:
    TREES[name](root, Talkers())
    return {clip.id: clip for clip in find_corpus(name).prepare(root)[0]}


def times(clip: Clip) -> list[tuple[str, float, float]]:
    return [(word.text, round(word.start, 3), round(word.end, 3)) for word in clip.words]


DRAWN = [(word.text, round(word.start, 3), round(word.end, 3)) for word in Talkers().words]


@pytest.mark.parametrize(
    ("corpus", "clip_id"),
    [
        ("grid", "s3/bbaf2n"),
        ("lombard-grid", "lombard-s3/s3_l_bbaf2n"),
        ("lrs2", "pretrain/100/00001"),
        ("lrs3", f"pretrain/{OTHER_TALK}/00001"),
        ("folder", "val/a"),
        ("folder", "test/c"),
    ],
)
def test_times_in_seconds(tmp_path: Path, corpus: str, clip_id: str):
    clip = clips_of(tmp_path, corpus)[clip_id]
    assert [(text, pytest.approx(s, abs=1e-3), pytest.approx(e, abs=1e-3)) for text, s, e in times(clip)] == [
        (text, start - clip.start, end - clip.start) for text, start, end in DRAWN
    ]


@pytest.mark.parametrize(
    ("corpus", "clip_id"),
    [
        ("lombard-grid", "lombard-s3/s3_l_lrbc9s"),
        ("lombard-grid", "lombard-s5/s5_l_bbaf2n"),
        ("lrs2", "main/200/00002"),
        ("lrs3", f"trainval/{DEV_TALK}/00001"),
        ("lrs3", f"pretrain/{OTHER_TALK}/00002"),
        ("tcd-timit", "24M/sa1"),
        ("multivsr", "ABCDEFGHIJK/00001"),
        ("folder", "test/b"),
        ("folder", "train/film/0001"),
    ],
)
def test_clips_without_times(tmp_path: Path, corpus: str, clip_id: str):
    assert clips_of(tmp_path, corpus)[clip_id].words == ()


def test_a_word_of_lrw_is_in_the_middle_of_its_clip(tmp_path: Path):
    clip = clips_of(tmp_path, "lrw")["ABOUT/train/ABOUT_00001"]
    assert times(clip) == [("about", 0.33, 0.83)]  # 29 frames at 25 a second, 0.5 s in their middle


def test_a_sentence_of_cmlr_is_one_word_from_its_first_phrase_to_its_last(tmp_path: Path):
    (clip,) = [clip for clip in clips_of(tmp_path, "cmlr").values() if clip.split == "train"]
    assert times(clip) == [("国务院总理李克强", 0.3, 1.5)]


def test_parts_of_videos_are_in_seconds(tmp_path: Path):
    clips = clips_of(tmp_path / "a", "multivsr")
    parts = {key: (clip.start, clip.end) for key, clip in clips.items()}
    assert parts["abcdefghijk/00001_0000.20"] == (0.2, 1.8)  # frame 5, 40 frames
    assert parts["ABCDEFGHIJK/00001"] == (0.0, None)
    film = clips_of(tmp_path / "b", "folder")
    assert (film["train/film/0001"].start, film["train/film/0001"].end) == (0.2, 2.0)
    assert (film["train/film/0002"].start, film["train/film/0002"].end) == (2.0, 3.8)
    assert not film["test/b"].is_part


def test_parts_with_word_times_have_a_margin_without_other_words(tmp_path: Path):
    Talkers().put(tmp_path / "film.mp4")
    rows = [(0.1, "Hello,"), (1.0, "twenty-one"), (1.3 + MAX_PAUSE + 0.1, "<unk>"), (3.0, "bye"), (4.1, "now")]
    write(tmp_path / "film.ctm", "".join(f"film 1 {start} 0.3 {word} 0.9\n" for start, word in rows))
    clips, left_out = prepare_folder(tmp_path)
    assert not left_out
    assert [(clip.text, clip.start, clip.end) for clip in clips] == [
        ("hello twenty one", 0.0, 1.3 + MARGIN),
        ("bye now", 3.0 - MARGIN, 4.4 + MARGIN),
    ]
    assert times(clips[0]) == [("hello", 0.1, 0.4), ("twenty", 1.0, 1.15), ("one", 1.15, 1.3)]
    assert times(clips[1]) == [("bye", 0.25, 0.55), ("now", 1.35, 1.65)]


def test_times_that_run_backwards_are_refused_with_their_file(tmp_path: Path):
    Talkers().put(tmp_path / "a.mp4")
    write(tmp_path / "a.vtt", "WEBVTT\n\n00:01.000 --> 00:01.000\nhello\n\n00:02.000 --> 00:03.000\nyou\n")
    clips, left_out = prepare_folder(tmp_path)
    assert [clip.text for clip in clips] == ["you"]
    assert left_out == {f"{tmp_path / 'a.vtt'}, segment 1": "it ends at 1 s, not after its start at 1 s"}


def test_a_speaker_is_known_where_a_text_names_several(tmp_path: Path):
    Talkers().put(tmp_path / "a.mp4")
    cue = "00:0{}.000 --> 00:0{}.500\n<v {}>hello\n\n"
    write(tmp_path / "a.vtt", "WEBVTT\n\n" + cue.format(1, 1, "Ann") + cue.format(2, 2, "Bob"))
    assert [clip.speaker for clip in prepare_folder(tmp_path)[0]] == ["a/Ann", "a/Bob"]
