"""Official splits are exact, and each protocol is the one that papers compare."""

import zlib
from pathlib import Path

import pytest
from corpus_trees import DEV_TALK, OTHER_TALK, Talkers, lrs2_tree, lrs3_tree, multivsr_tree, write

from lipscribe.data.corpora.grid import prepare_grid
from lipscribe.data.corpora.lombard_grid import DEV_SPEAKERS as LOMBARD_DEV
from lipscribe.data.corpora.lombard_grid import TEST_SPEAKERS as LOMBARD_TEST
from lipscribe.data.corpora.lrs2 import prepare_lrs2
from lipscribe.data.corpora.lrs3 import prepare_lrs3
from lipscribe.data.corpora.multivsr import prepare_multivsr
from lipscribe.data.corpora.tcd_timit import DEV_SPEAKERS, TEST_SPEAKERS, TRAIN_SPEAKERS, prepare_tcd_timit
from lipscribe.data.manifest import Clip
from lipscribe.errors import ManifestError


def splits_of(clips: list[Clip]) -> dict[str, str]:
    return {clip.id: clip.split for clip in clips}


def grid_of(root: Path) -> None:
    """Ten clips of each of the 33 speakers."""
    for number in (*range(1, 21), *range(22, 35)):
        for digit in "z123456789":
            Talkers().put(root / f"s{number}" / f"bbaf{digit}n.mpg")


def test_the_unseen_speakers_of_grid_are_lipnets(tmp_path: Path):
    grid_of(tmp_path)
    clips, left_out = prepare_grid(tmp_path)
    assert not left_out
    assert len({clip.speaker for clip in clips}) == 33
    assert {clip.speaker for clip in clips if clip.split == "test"} == {"s1", "s2", "s20", "s22"}
    assert {clip.speaker for clip in clips if clip.split != "test"}.isdisjoint({"s1", "s2", "s20", "s22"})


@pytest.mark.parametrize("layout", ["vipl", "vsr-ml"])
@pytest.mark.parametrize("folder", [".", "lists"])
def test_the_overlapped_split_of_grid_is_that_of_a_list(tmp_path: Path, layout: str, folder: str):
    grid_of(tmp_path)
    tested = [f"s{number}" for number in range(1, 35) if number != 21]
    if layout == "vipl":
        names, form = ("overlap_train.txt", "overlap_val.txt"), "{}/video/mpg_6000/bbaf{}n\n"
    else:
        names, form = ("overlapped_train.ref", "overlapped_test.ref"), "{}/bbaf{}n BIN BLUE AT F ONE NOW\n"
    write(tmp_path / folder / names[0], "".join(form.format(s, digit) for s in tested for digit in "z1234567"))
    write(tmp_path / folder / names[1], "".join(form.format(s, "8") for s in tested))
    clips, left_out = prepare_grid(tmp_path, "overlapped")
    found = splits_of(clips)
    assert {key for key, split in found.items() if split == "test"} == {f"{s}/bbaf8n" for s in tested}
    assert len(found) == 33 * 9
    assert {Path(path).stem for path in left_out} == {"bbaf9n"}
    train = {key for key, split in found.items() if split != "test"}
    assert {key for key in train if found[key] == "dev"} == {k for k in train if zlib.crc32(k.encode()) % 10 == 0}


def test_without_its_list_the_overlapped_protocol_says_what_is_missing(tmp_path: Path):
    grid_of(tmp_path)
    with pytest.raises(
        ManifestError, match=r"wanted overlap_train.txt and overlap_val.txt or overlapped_train.ref and"
    ):
        prepare_grid(tmp_path, "overlapped")
    Talkers().put(tmp_path / "tcd" / "24M" / "straightcam" / "sa1.mp4")
    with pytest.raises(
        ManifestError, match=r"no list of the overlapped protocol, wanted test.scp or overlapped_test.ref"
    ):
        prepare_tcd_timit(tmp_path / "tcd", "overlapped")


def test_alignments_in_the_folder_of_somebody_else_are_found_by_their_names(tmp_path: Path):
    """As in Zenodo's alignments.zip: s5 and s6 are exchanged, s7's are of nobody here, s8 has no own folder."""
    letters = {"s5": "a", "s6": "b", "s7": "c", "s8": "d", "s9": "e"}
    for speaker, letter in letters.items():
        for digit in "z123456789":
            Talkers().put(tmp_path / speaker / f"bba{letter}{digit}n.mpg")
    aligned = {"s5": "b", "s6": "a", "s7": "x", "s10": "d", "s9": "e"}
    for speaker, letter in aligned.items():
        for digit in "z1234567" if speaker == "s9" else "z123456789":
            write(
                tmp_path / "alignments" / speaker / f"bba{letter}{digit}n.align", f"0 25000 bin\n25000 50000 {letter}\n"
            )
    write(tmp_path / "alignments" / "s5" / "bbaa1n.align", "0 25000 wrong\n")  # a name that both say
    clips, left_out = prepare_grid(tmp_path)
    words = {clip.id: [word.text for word in clip.words] for clip in clips}
    assert len(words) == 50
    assert words["s5/bbaa1n"] == ["bin", "a"]
    assert words["s6/bbab1n"] == ["bin", "b"]
    assert words["s7/bbac1n"] == []
    assert words["s8/bbad1n"] == ["bin", "d"]
    assert (words["s9/bbae1n"], words["s9/bbae9n"]) == (["bin", "e"], [])
    reasons = {Path(path).name: reason for path, reason in left_out.items()}
    assert reasons == {
        "s5": "alignments of somebody else than s5, whose own are in the folder of s6; 1 clip whose video is missing",
        "s6": "alignments of somebody else than s6, whose own are in the folder of s5",
        "s7": "alignments of somebody else than s7, whose words have no times",
    }


def test_people_of_the_lombard_corpus_are_in_one_split():
    assert len(set(LOMBARD_DEV) | set(LOMBARD_TEST)) == len(LOMBARD_DEV) + len(LOMBARD_TEST) == 18


def test_gillens_people_of_tcd_timit_are_in_one_split():
    assert (len(set(TRAIN_SPEAKERS)), len(set(TEST_SPEAKERS))) == (39, 17)
    assert set(TRAIN_SPEAKERS).isdisjoint(TEST_SPEAKERS)
    assert set(DEV_SPEAKERS) <= set(TRAIN_SPEAKERS)
    volunteers = {int(speaker[:2]) for speaker in (*TRAIN_SPEAKERS, *TEST_SPEAKERS)}
    assert volunteers == set(range(1, 60)) - {27, 35, 53}


def test_the_overlapped_split_of_tcd_timit_is_that_of_a_list(tmp_path: Path):
    for speaker in ("24M", "27M", "28M"):
        for name in ("sa1", "sa2", "sx3"):
            video = Talkers().put(tmp_path / "volunteers" / speaker / "Clips" / "straightcam" / f"{name}.mp4")
            write(video.with_suffix(".txt"), "0 5 hello")
    lines = [f"volunteers/{speaker}/Clips/straightcam/sa2.mp4\n" for speaker in ("24M", "27M", "28M")]
    write(tmp_path / "test.scp", "".join(lines))
    found = splits_of(prepare_tcd_timit(tmp_path, "overlapped")[0])
    assert {key for key, split in found.items() if split == "test"} == {"24M/sa2", "27M/sa2", "28M/sa2"}
    assert len(found) == 9
    (tmp_path / "test.scp").unlink()
    write(tmp_path / "overlapped_test.ref", "".join(line.replace(".mp4", " HELLO") for line in lines))
    assert splits_of(prepare_tcd_timit(tmp_path, "overlapped")[0]) == found


def test_lrs2_without_its_pretraining_part(tmp_path: Path):
    wanted, _ = lrs2_tree(tmp_path, Talkers())
    clips, left_out = prepare_lrs2(tmp_path, "main")
    assert {clip.id for clip in clips} == {key for key in wanted if key.startswith("main/")}
    assert left_out[str(tmp_path / "mvlrs_v1" / "pretrain")] == "1 clip not of protocol main"
    (tmp_path / "pretrain.txt").unlink()
    assert prepare_lrs2(tmp_path, "main")[0] == clips
    with pytest.raises(ManifestError, match=r"has no pretrain.txt, wanted the four lists of LRS2"):
        prepare_lrs2(tmp_path)


def test_lrs3_without_its_pretraining_part_and_with_the_list_of_others(tmp_path: Path):
    wanted, _ = lrs3_tree(tmp_path, Talkers())
    clips, left_out = prepare_lrs3(tmp_path, "trainval")
    assert {clip.id for clip in clips} == {key for key in wanted if not key.startswith("pretrain/")}
    assert left_out[str(tmp_path / "pretrain")] == "5 clips not of protocol trainval"
    write(tmp_path / "lrs3-valid.id", f"trainval/{OTHER_TALK}/00001\n")
    found = splits_of(prepare_lrs3(tmp_path)[0])
    assert {key for key, split in found.items() if split == "dev"} == {f"trainval/{OTHER_TALK}/00001"}
    assert found[f"pretrain/{DEV_TALK}/00001"] == "train"


def test_the_dev_split_of_lrs3_is_of_talks_that_are_in_no_other(tmp_path: Path):
    for part, number in (("pretrain", 400), ("trainval", 300), ("test", 20)):
        for talk in range(number):
            name = f"{'exam' if part == 'test' else 'talk'}{talk}"
            Talkers().put(tmp_path / part / name / "00001.mp4")
            write(tmp_path / part / name / "00001.txt", "Text:  HELLO\n")
    clips, _ = prepare_lrs3(tmp_path)
    talks = {split: {clip.speaker for clip in clips if clip.split == split} for split in ("train", "dev", "test")}
    assert talks["dev"].isdisjoint(talks["train"])
    assert 5 < len(talks["dev"]) < 25
    assert len(talks["test"]) == 20


def test_one_language_of_multivsr(tmp_path: Path):
    multivsr_tree(tmp_path, Talkers())
    clips, left_out = prepare_multivsr(tmp_path, "fr")
    assert [clip.text for clip in clips] == ["très bien"]
    assert left_out[str(tmp_path / "train_en.csv")] == "6 clips in other languages than fr"
    with pytest.raises(ManifestError, match=r"no clip of .* is in 'de', wanted one of all, en, fr"):
        prepare_multivsr(tmp_path, "de")
