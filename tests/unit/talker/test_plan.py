"""Who says what in a corpus of talkers, and in which split."""

from collections import Counter
from pathlib import Path

import pytest

from lipscribe.data.corpora.grid import SLOTS, sentence_of_name
from lipscribe.errors import ConfigError
from lipscribe.talker.plan import load_sentences, plan_grid, plan_sentences, split_of


def sentence_file(tmp_path: Path, text: str | bytes) -> Path:
    path = tmp_path / "sentences.txt"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_grid_sentences_are_random_and_none_comes_twice_for_a_speaker():
    plan = plan_grid(2003, 4, seed=1)
    assert Counter(clip.speaker for clip in plan) == {1: 501, 2: 501, 3: 501, 4: 500}
    assert len({clip.id for clip in plan}) == 2003
    assert all(sentence_of_name(clip.name) == clip.text for clip in plan)
    assert [clip.take for clip in plan if clip.speaker == 4] == list(range(500))
    counts = [Counter(clip.text.split()[place] for clip in plan) for place in range(6)]
    for slot, count in zip(SLOTS, counts, strict=True):
        assert set(count) == set(slot)
        expected = 2003 / len(slot)
        assert all(abs(number - expected) < 5 * expected**0.5 for number in count.values())
    texts = [{clip.text for clip in plan if clip.speaker == speaker} for speaker in (1, 2)]
    assert len(texts[0] & texts[1]) < 30


def test_the_seed_decides_the_sentences_and_more_speakers_change_none():
    assert plan_grid(20, 2, seed=1) == plan_grid(20, 2, seed=1)
    assert plan_grid(20, 2, seed=1) != plan_grid(20, 2, seed=2)
    assert plan_grid(20, 2, seed=1)[:10] == plan_grid(40, 4, seed=1)[:10]


def test_sentences_of_a_file_are_shared_out_in_turn():
    plan = plan_sentences(["a", "b", "c"], 7, 2)
    assert [(clip.speaker, clip.take, clip.name, clip.text) for clip in plan] == [
        (1, 0, "0001", "a"),
        (1, 1, "0003", "c"),
        (1, 2, "0005", "b"),
        (1, 3, "0007", "a"),
        (2, 0, "0002", "b"),
        (2, 1, "0004", "a"),
        (2, 2, "0006", "c"),
    ]
    again = plan_sentences(["a", "b"], 4, 2)
    assert {(clip.speaker, clip.text) for clip in again} == {(1, "a"), (2, "b"), (2, "a"), (1, "b")}


@pytest.mark.parametrize(
    ("speakers", "train", "dev", "test"),
    [(1, 1, 0, 0), (2, 2, 0, 0), (3, 2, 1, 0), (4, 2, 1, 1), (10, 8, 1, 1), (50, 40, 5, 5), (101, 81, 10, 10)],
)
def test_whole_speakers_go_to_asplit_of(speakers: int, train: int, dev: int, test: int):
    counts = Counter(split_of(speaker, speakers) for speaker in range(1, speakers + 1))
    assert (counts["train"], counts["dev"], counts["test"]) == (train, dev, test)


def test_lines_of_a_file(tmp_path: Path):
    path = sentence_file(tmp_path, "\ufeffHello,  world!\r\n\n Second line \nCafé no. 3")
    assert load_sentences(path) == ["Hello, world!", "Second line", "Café no. 3"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", r"sentences.txt is empty, wanted a sentence a line"),
        ("\n \n", r"sentences.txt is empty"),
        (
            "fine\n你好\n...\n",
            r"sentences.txt: 2 bad lines: line 2: the text has '你' .*; line 3: the text is '...', without a letter",
        ),
        (b"fine\nna\xefve\n", "sentences.txt: 1 bad line: line 2: not UTF-8 text"),
        ("sp is silence", "1 bad line: line 1: 'sp' means silence in .align files"),
        ("!\n" * 8, r"8 bad lines: line 1: .*; line 5: .*; and 3 more"),
    ],
)
def test_files_that_cannot_be_said(tmp_path: Path, content: str | bytes, message: str):
    with pytest.raises(ConfigError, match=message) as caught:
        load_sentences(sentence_file(tmp_path, content))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["absent.txt", "."])
def test_no_file(tmp_path: Path, name: str):
    with pytest.raises(ConfigError, match=r"cannot be read \(.*\): give `grid`, or a text file with a sentence a line"):
        load_sentences(tmp_path / name)
