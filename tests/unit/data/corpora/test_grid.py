"""The GRID reader: every layout it is published in, its odd unit of time, and a reason for each file left out."""

import json
from pathlib import Path

import pytest

from lipscribe.data.corpora.grid import (
    SLOTS,
    name_of_sentence,
    prepare_grid,
    read_align,
    sentence_of_name,
    write_align,
)
from lipscribe.data.manifest import WordTime
from lipscribe.errors import ManifestError

ALIGN = "0 23750 sil\n23750 29500 bin\n29500 34000 blue\n34000 35500 sp\n35500 37000 at\n37000 41000 f\n" + (
    "41000 47250 two\n47250 53000 now\n53000 74500 sil\n"
)
WORDS = (
    WordTime("bin", 0.95, 1.18),
    WordTime("blue", 1.18, 1.36),
    WordTime("at", 1.42, 1.48),
    WordTime("f", 1.48, 1.64),
    WordTime("two", 1.64, 1.89),
    WordTime("now", 1.89, 2.12),
)


def corpus(root: Path, *files: str) -> Path:
    """Empty videos, and alignments that all say ALIGN."""
    for file in files:
        path = root / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(ALIGN if path.suffix == ".align" else "")
    return root


def align_file(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "x.align"
    path.write_text(text)
    return path


def test_times_are_thousandths_of_a_video_frame_and_silence_is_no_word(tmp_path: Path):
    assert read_align(align_file(tmp_path, ALIGN)) == WORDS
    (tmp_path / "bom.align").write_bytes(b"\xef\xbb\xbf" + ALIGN.encode())
    assert read_align(tmp_path / "bom.align") == WORDS


@pytest.mark.parametrize(
    "files",
    [
        ("s1/video/bbaf2n.mpg", "s1/align/bbaf2n.align"),  # as the authors publish it
        ("s1/bbaf2n.mpg", "align/s1/bbaf2n.align"),
        ("video/s1/bbaf2n.mpg", "align/s1/bbaf2n.align"),
        ("s1/bbaf2n.MP4", "s1/bbaf2n.align"),
        ("s2/video/mpg_6000/s1/bbaf2n.mpg", "s1/align/bbaf2n.align"),
    ],
)
def test_every_layout_is_read(tmp_path: Path, files: tuple[str, str]):
    clips, skipped = prepare_grid(corpus(tmp_path, *files))
    assert not skipped
    (clip,) = clips
    assert (clip.id, clip.speaker, clip.path) == ("s1/bbaf2n", "s1", str(tmp_path / files[0]))
    assert (clip.text, clip.words) == ("bin blue at f two now", WORDS)


def test_the_root_may_be_a_speakers_folder_and_folders_above_it_name_nobody(tmp_path: Path):
    clips, _ = prepare_grid(corpus(tmp_path / "s7", "video/bbaf2n.mpg", "align/bbaf2n.align"))
    assert (clips[0].id, len(clips[0].words)) == ("s7/bbaf2n", 6)
    clips, _ = prepare_grid(corpus(tmp_path / "s8" / "grid", "bbaf2n.mpg"))
    assert clips[0].id == "s0/bbaf2n"


def test_speakers_are_kept_apart(tmp_path: Path):
    corpus(tmp_path, "s3/bbaf2n.mpg", "s4/bbaf2n.mpg", "s4/bbaf2n.align")
    clips, skipped = prepare_grid(tmp_path)
    assert [(clip.id, len(clip.words)) for clip in clips] == [("s3/bbaf2n", 0), ("s4/bbaf2n", 6)]
    assert not skipped


def test_without_an_alignment_the_name_spells_the_sentence(tmp_path: Path):
    clips, _ = prepare_grid(corpus(tmp_path, "s1/lrwhzs.mpg", "s1/pgiz9p.mpg"))
    assert [clip.text for clip in clips] == ["lay red with h zero soon", "place green in z nine please"]
    assert [clip.words for clip in clips] == [(), ()]


@pytest.mark.parametrize("name", ["bbaf2", "bbaf2nn", "xbaf2n", "bbaw2n", "bbaf0n", "", "._bbaf2n"])
def test_names_that_spell_no_sentence(name: str):
    with pytest.raises(ManifestError, match=r"no .align file, and the name spells no GRID sentence"):
        sentence_of_name(name)


def test_names_spell_every_word():
    digits = "z123456789"
    for slot_idx, slot in enumerate(SLOTS):
        for word_idx, word in enumerate(slot):
            name = list("bbaf2n")
            name[slot_idx] = digits[word_idx] if slot_idx == 4 else word[0]
            assert sentence_of_name("".join(name)).split()[slot_idx] == word
            assert name_of_sentence(sentence_of_name("".join(name))) == "".join(name)


@pytest.mark.parametrize(
    "sentence", ["", "bin", "bin blue at w two now", "now two f at blue bin", "bin blue at f two now now"]
)
def test_what_is_no_grid_sentence_has_no_name(sentence: str):
    with pytest.raises(ManifestError, match=r"is not a GRID sentence, wanted one such as 'bin blue at f two now'"):
        name_of_sentence(sentence)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("0 100 bin\n100 blue\n", r"line 2: '100 blue', wanted `start end word`"),
        ("0.5 100 bin\n", "line 1: '0.5 100 bin', wanted `start end word`"),
        ("0 100 bin\n50 40 blue\n", "line 2: '50 40 blue' runs backwards in time"),
        ("100 200 bin\n50 300 blue\n", "line 2: '50 300 blue' runs backwards in time"),
        ("-1 100 bin\n", "runs backwards"),
        ("", "is empty, wanted lines of `start end word`"),
    ],
)
def test_a_bad_alignment_is_refused_by_its_line(tmp_path: Path, text: str, message: str):
    with pytest.raises(ManifestError, match=message):
        read_align(align_file(tmp_path, text))


def test_an_alignment_that_is_no_text(tmp_path: Path):
    path = tmp_path / "x.align"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ManifestError, match=r"x.align cannot be read"):
        read_align(path)


def test_alignments_are_written_as_they_are_read(tmp_path: Path):
    path = tmp_path / "x.align"
    write_align(path, WORDS, 74500 / 25_000)
    assert path.read_text() == ALIGN
    assert read_align(path) == WORDS
    assert [file.name for file in tmp_path.iterdir()] == ["x.align"]


def test_a_real_alignment_is_written_as_it_was(grid_root: Path, tmp_path: Path):
    for real in sorted((grid_root / "align" / "s1").iterdir())[:50]:
        write_align(tmp_path / "x.align", read_align(real), 74500 / 25_000)
        assert (tmp_path / "x.align").read_text() == real.read_text()


def test_times_that_are_no_whole_units_are_rounded(tmp_path: Path):
    words = (WordTime("don't", 0.1234567, 0.5), WordTime("go", 0.50001, 1.00001))
    write_align(tmp_path / "x.align", words, 1.00001)
    assert (tmp_path / "x.align").read_text() == "0 3086 sil\n3086 12500 don't\n12500 25000 go\n"
    for word, read in zip(words, read_align(tmp_path / "x.align"), strict=True):
        assert (read.start, read.end) == pytest.approx((word.start, word.end), abs=0.5 / 25_000)


def test_words_may_fill_the_clip(tmp_path: Path):
    for duration in (0.1, 0.10003):  # neither is a word rounded beyond the end
        write_align(tmp_path / "x.align", [WordTime("go", 0.0, duration)], duration)
        assert (tmp_path / "x.align").read_text() == "0 2500 go\n"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([WordTime("go", 0.5, 1.2)], "'go' lasts from 0.500 to 1.200 s, wanted words .* from 0 to 1.000 s"),
        ([WordTime("go", -0.1, 0.2)], "'go' lasts from -0.100 to 0.200 s"),
        ([WordTime("go", 0.5, 0.4)], "'go' lasts from 0.500 to 0.400 s"),
        ([WordTime("go", 0.1, 0.4), WordTime("on", 0.3, 0.5)], "'on' lasts from 0.300 to 0.500 s"),
        ([WordTime("sp", 0.1, 0.4)], "'sp' cannot be written, wanted one word, and not"),
        ([WordTime("go on", 0.1, 0.4)], "'go on' cannot be written, wanted one word"),
        ([WordTime("", 0.1, 0.4)], "'' cannot be written, wanted one word"),
    ],
)
def test_what_an_alignment_cannot_hold_is_refused(tmp_path: Path, words: list[WordTime], message: str):
    with pytest.raises(ManifestError, match=message):
        write_align(tmp_path / "x.align", words, 1.0)
    assert not list(tmp_path.iterdir())


def test_a_clip_of_silence_has_no_words_unless_its_name_spells_some(tmp_path: Path):
    write_align(tmp_path / "x.align", [], 1.0)
    assert (tmp_path / "x.align").read_text() == "0 25000 sil\n"
    assert read_align(tmp_path / "x.align") == ()
    corpus(tmp_path, "s1/chewing-1.mp4", "s1/bbaf2n.mp4", "s1/chewing-1.align", "s1/bbaf2n.align")
    for name in ("chewing-1", "bbaf2n"):
        write_align(tmp_path / "s1" / f"{name}.align", [], 3.0)
    clips, skipped = prepare_grid(tmp_path)
    assert [(clip.id, clip.silent, clip.text) for clip in clips] == [("s1/chewing-1", True, "")]
    assert list(skipped.values()) == [
        "the .align file of bbaf2n holds no word, wanted those of 'bin blue at f two now'"
    ]


def test_an_alignment_that_cannot_be_written(tmp_path: Path):
    with pytest.raises(ManifestError, match=r"x.align cannot be written \(No such file or directory\): give another"):
        write_align(tmp_path / "absent" / "x.align", WORDS, 3.0)


def test_each_file_left_out_has_its_reason_and_stops_no_other(tmp_path: Path):
    corpus(tmp_path, "a/s1/bbaf2n.mpg", "b/s1/bbaf2n.mp4", "s1/holiday.mp4", "s1/lrwhzs.mpg", "s1/lrwhzs.align")
    (tmp_path / "s1" / "lrwhzs.align").write_text("nonsense\n")
    clips, skipped = prepare_grid(tmp_path)
    assert [clip.id for clip in clips] == ["s1/bbaf2n"]
    reasons = {Path(path).name: reason for path, reason in skipped.items()}
    assert set(reasons) == {"bbaf2n.mp4", "holiday.mp4", "lrwhzs.mpg"}
    assert reasons["bbaf2n.mp4"].startswith("a second video of s1/bbaf2n, the first is ")
    assert "holiday has no .align file" in reasons["holiday.mp4"]
    assert "line 1: 'nonsense'" in reasons["lrwhzs.mpg"]


def test_splits_of_the_file(tmp_path: Path):
    corpus(tmp_path, "s3/bbaf2n.mpg", "s4/bbaf2n.mpg", "s3/lrwhzs.mpg", "s3/lrwhzp.mpg")
    text = '{"train": ["bbaf2n"], "dev": ["s4/bbaf2n", "lrwhzs"]}'
    (tmp_path / "splits.json").write_text(text, encoding="utf-8-sig")  # with a byte order mark
    clips, skipped = prepare_grid(tmp_path)
    found = {clip.id: clip.split for clip in clips}
    assert found == {"s3/bbaf2n": "train", "s4/bbaf2n": "dev", "s3/lrwhzs": "dev"}
    assert list(skipped.values()) == ["s3/lrwhzp is in no split of the lists"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "splits.json cannot be read"),
        (
            '{"train": [], "validation": []}',
            "splits.json: the split is 'validation', wanted 'dev'",
        ),
        ('["bbaf2n"]', "is damaged, wanted "),
        ('{"train": "bbaf2n"}', "is damaged, wanted "),
        ('{"train": ["bbaf2n"], "dev": ["bbaf2n"]}', "bbaf2n is in train and in dev, wanted in one only"),
    ],
)
def test_wrong_splits_are_refused(tmp_path: Path, text: str, message: str):
    corpus(tmp_path, "s1/bbaf2n.mpg")
    (tmp_path / "splits.json").write_text(text)
    with pytest.raises(ManifestError, match=message):
        prepare_grid(tmp_path)


def test_without_splits_the_canonical_speakers_are_the_test_and_a_tenth_of_the_others_is_dev(tmp_path: Path):
    letters, digits = SLOTS[3], "z123456789"
    names = [f"bba{letter}{digit}n.mpg" for letter in letters for digit in digits]
    clips, _ = prepare_grid(corpus(tmp_path, *[f"s3/{name}" for name in names], "s20/bbaf2n.mpg"))
    split = {clip.id: clip.split for clip in clips}
    assert split.pop("s20/bbaf2n") == "test"
    assert 10 < list(split.values()).count("dev") < 45  # of 250
    assert set(split.values()) == {"train", "dev"}
    assert {clip.id: clip.split for clip in prepare_grid(tmp_path)[0] if clip.speaker == "s3"} == split


@pytest.mark.parametrize(
    ("folder", "message"),
    [("absent", "is not a folder: give the root"), (".", "holds no video: give the root of the GRID corpus")],
)
def test_no_corpus(tmp_path: Path, folder: str, message: str):
    with pytest.raises(ManifestError, match=message):
        prepare_grid(tmp_path / folder)


def test_the_real_clips(grid_root: Path):
    clips, skipped = prepare_grid(grid_root)
    assert not skipped
    assert len(clips) == 900
    splits = json.loads((grid_root / "splits.json").read_text())
    assert [clip.id for clip in clips if clip.split == "dev"] == [f"s1/{name}" for name in sorted(splits["dev"])]
    for clip in clips:
        assert clip.text == sentence_of_name(clip.id.removeprefix("s1/"))
        assert len(clip.words) == 6
        assert clip.words[-1].end <= 3.0
