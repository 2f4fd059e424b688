"""A folder of one's own videos: which texts are taken, and who speaks."""

from pathlib import Path

from corpus_trees import Talkers, write

from lipscribe.data.corpora.folder import prepare_folder


def test_texts_that_cannot_be_said_are_left_out_with_the_word(tmp_path: Path):
    for name, text in {"a": "Built in 1987.", "b": "R&D costs", "c": "Five hundred, all told \u2026"}.items():
        Talkers().put(tmp_path / f"{name}.mp4")
        write(tmp_path / f"{name}.txt", text)
    Talkers().put(tmp_path / "d.mp4")
    write(tmp_path / "d.srt", "00:01,000 --> 00:02,000\nOf 5 %\n\n00:03,000 --> 00:04,000\nI know [all 3]\n")
    clips, left_out = prepare_folder(tmp_path)
    assert {clip.id: clip.text for clip in clips} == {"c": "five hundred all told", "d/0002": "i know"}
    assert left_out == {
        f"{tmp_path}/a.mp4": "digits or symbols ('1987.'): write them as they are said",
        f"{tmp_path}/b.mp4": "digits or symbols ('R&D'): write them as they are said",
        f"{tmp_path}/d.srt, segment 1": "digits or symbols ('5'): write them as they are said",
    }


def test_the_one_folder_of_a_video_names_its_speaker(tmp_path: Path):
    wanted = {
        "alone": "",
        "anna/a": "anna",
        "train/ben/b": "ben",
        "ben/val/c": "ben",
        "train/d": "",
        "talks/2024/e": "",
    }
    for name in wanted:
        Talkers().put(tmp_path / f"{name}.mp4")
        write(tmp_path / f"{name}.txt", "hello")
    clips, _ = prepare_folder(tmp_path)
    assert {clip.id: clip.speaker for clip in clips} == wanted


def test_speakers_that_the_text_names_are_told_apart(tmp_path: Path):
    Talkers().put(tmp_path / "anna" / "a.mp4")
    write(
        tmp_path / "anna" / "a.vtt", "WEBVTT\n\n00:01.000 --> 00:02.000\n<v A>Yes\n\n00:03.000 --> 00:04.000\n<v B>No\n"
    )
    clips, _ = prepare_folder(tmp_path)
    assert [clip.speaker for clip in clips] == ["anna/a/A", "anna/a/B"]
