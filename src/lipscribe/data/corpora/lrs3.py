"""LRS3-TED: sentences from TED and TEDx talks, 438 hours.

Afouras, Chung, Zisserman: LRS3-TED: a large-scale dataset for visual speech recognition,
https://arxiv.org/abs/1809.00496. Its section 2 has layout and splits: `pretrain/VIDEO/00001.mp4`, `trainval/VIDEO/...`
and `test/VIDEO/...` with a `.txt` beside each (see `lrs`). VIDEO is the talk's id on YouTube; nobody of test is in the
others.
"""

from pathlib import Path

from lipscribe.data.corpora.findings import Corpus, Findings, is_held_out, listed_names
from lipscribe.data.corpora.lrs import add_clip

DEV_VIDEOS = 25  # one talk of trainval in so many is the dev split, about 1200 clips
DEV_LIST = "lrs3-valid.id"  # AV-HuBERT's validation clips, in its repository: `trainval/VIDEO/00001` a line
INSTRUCTIONS = """\
TED talks are licensed CC BY-NC-ND 4.0, and the authors of LRS3 took their download back; its pages are
https://mmai.io/datasets/lip_reading/ and https://www.robots.ox.ac.uk/~vgg/data/lip_reading/lrs3.html.
1. Look there whether it is available again, or ask its authors by the address there.
2. Unpack what you have or get into {folder}:
     {folder}/pretrain/VIDEO/00001.mp4 and .txt
     {folder}/trainval/VIDEO/00001.mp4 and .txt
     {folder}/test/VIDEO/00001.mp4 and .txt
3. lipscribe prepare lrs3 --root {folder} --output prepared-lrs3/"""


def prepare_lrs3(root: Path | str, protocol: str = "all") -> Corpus:
    """Finds the clips of an LRS3 folder. LRS3 has no dev split: this one is of talks that are in no other split.

    It is one talk of `trainval` in 25, drawn by id; clips of these talks in `pretrain` are left out. With AV-HuBERT's
    list in the folder (see `DEV_LIST`) it is that instead, whose talks are in the train split too.

    Args:
        protocol: "all" (433 hours to train on); or "trainval" without the pretraining part (30 hours).

    Returns:
        The clips, sorted by id, and the reason for each file that is left out, by path.

    Raises:
        ManifestError: The folder is missing or holds no video in `pretrain/`, `trainval/` or `test/`.
    """
    found = Findings(root, "LRS3")
    path = found.find_list(DEV_LIST)
    listed = {name.removesuffix(".mp4") for name in listed_names(path)} if path else None
    videos = found.videos("pretrain/*/*", "trainval/*/*", "test/*/*", text=".txt")
    dev_talks = {
        video.parent.name
        for video in videos
        if listed is None and video.parents[1].name == "trainval" and is_held_out(video.parent.name, DEV_VIDEOS)
    }
    for video in videos:
        part, talk = video.parents[1].name, video.parent.name
        key = f"{part}/{talk}/{video.stem}"
        if part == "pretrain" and protocol == "trainval":
            found.leave_out_of(video.parents[1], "not of protocol trainval")
        elif part == "pretrain" and talk in dev_talks:
            found.leave_out_of(video.parent, "of a talk of the dev split")
        else:
            is_dev = key in listed if listed is not None else part == "trainval" and talk in dev_talks
            add_clip(found, video, key, talk, "test" if part == "test" else "dev" if is_dev else "train")
    return found.result()
