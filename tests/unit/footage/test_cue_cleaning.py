"""What is left of subtitles, and what is dropped."""

from pathlib import Path

import pytest

from lipscribe.errors import ConfigError
from lipscribe.footage.subtitles import chosen_subtitles, clean_text, find_subtitles, load_utterances


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Good evening.", "good evening"),
        ("I'M GOING HOME, don't wait!", "i'm going home don't wait"),
        ("[sighs] Yes (laughs), of course *cough*", "yes of course"),
        ("- Only one of us speaks.", "only one of us speaks"),
        (">> And now the news.", "and now the news"),
        ("MR. O'HARA: Come in.", "come in"),
        ("Well - perhaps not", "well perhaps not"),
        ("Note: this is mine", "note this is mine"),
        ("¿Qué pasa? … “Nada”", "qué pasa nada"),
    ],
)
def test_words_are_kept_and_the_rest_is_not(text: str, said: str) -> None:
    assert clean_text(text) == (said, "")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("- Are you coming? - No.", "several people"),
        ("Are you coming? - No.", "several people"),
        (">> Yes. >> No.", "several people"),
        ("ANNA: Yes. BEN: No.", "several people"),
        ("[music]", "nothing is said"),
        ("(applause)", "nothing is said"),
        ("...", "nothing is said"),
        ("\N{EIGHTH NOTE} la la la \N{EIGHTH NOTE}", "music"),
        ("It was built in 1987.", "digits or symbols"),
        ("R&D costs", "digits or symbols"),
        ("(they both", "a note that does not end"),
    ],
)
def test_what_nobody_can_know_is_dropped_with_its_reason(text: str, reason: str) -> None:
    assert clean_text(text) == ("", reason)


def test_a_file_is_cleaned_cue_by_cue(tmp_path: Path) -> None:
    path = tmp_path / "a.srt"
    path.write_text(
        "1\n00:00:01,000 --> 00:00:02,500\n<i>Good\nevening.</i>\n\n"
        "2\n00:00:03,000 --> 00:00:04,000\n- Hello.\n- Who is it?\n\n3\n00:00:05,000 --> 00:00:06,000\n[door]\n"
    )
    utterances, dropped = load_utterances(path, 10.0)
    assert [(one.start, one.end, one.text) for one in utterances] == [(1.0, 2.5, "good evening")]
    assert [(one.start, one.reason) for one in dropped] == [(3.0, "several people"), (5.0, "nothing is said")]


def test_what_begins_after_the_end_of_the_film_has_a_reason_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "a.srt"
    path.write_text("1\n00:00:01,000 --> 00:00:09,000\nGood.\n\n2\n00:00:03,000 --> 00:00:04,000\nGone.\n")
    utterances, dropped = load_utterances(path, 3.0)
    assert [one.text for one in utterances] == ["good"]
    assert [(one.start, one.text, one.reason) for one in dropped] == [(3.0, "gone", "past the end of the film")]


def test_two_voices_of_a_cue_are_several_people(tmp_path: Path) -> None:
    path = tmp_path / "a.vtt"
    path.write_text(
        "WEBVTT\n\n00:01.000 --> 00:02.000\n<v Ann>Yes\n<v Ben>no\n\n00:03.000 --> 00:04.000\n<v Ann>Well\n"
    )
    utterances, dropped = load_utterances(path, 10.0)
    assert [one.text for one in utterances] == ["well"]
    assert [one.reason for one in dropped] == ["several people"]


def test_subtitles_are_found_beside_the_film(tmp_path: Path) -> None:
    film = tmp_path / "talk.mp4"
    assert find_subtitles(film) is None
    (tmp_path / "other.srt").touch()
    (tmp_path / "talk.two.en.srt").touch()
    assert find_subtitles(film) is None
    (tmp_path / "talk.en.vtt").touch()
    assert find_subtitles(film) == tmp_path / "talk.en.vtt"
    (tmp_path / "talk.srt").touch()
    assert chosen_subtitles(film, "auto") == tmp_path / "talk.srt"
    assert chosen_subtitles(film, "none") is None
    with pytest.raises(ConfigError, match="is no file: give auto, none, or subtitles"):
        chosen_subtitles(film, str(tmp_path / "missing.srt"))
