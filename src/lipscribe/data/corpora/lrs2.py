"""LRS2-BBC: sentences from BBC television, 224 hours.

Afouras, Chung, Senior, Vinyals, Zisserman: Deep Audio-Visual Speech Recognition, TPAMI 2018. Layout, lists and terms:
https://www.robots.ox.ac.uk/~vgg/data/lip_reading/lrs2.html. `mvlrs_v1/main/ID/00011.mp4` and `mvlrs_v1/pretrain/ID/...`
with a `.txt` beside each (see `lrs`), and the lists `pretrain.txt`, `train.txt`, `val.txt` and `test.txt`, whose lines
are `ID/00011`; those of test.txt have a marker behind (`NF`, as in `6330311066473698535/00011 NF`).
"""

from pathlib import Path

from lipscribe.data.corpora.findings import Corpus, Findings, listed_names
from lipscribe.data.corpora.lrs import add_clip
from lipscribe.errors import ManifestError

LISTS = {"pretrain": "train", "train": "train", "val": "dev", "test": "test"}  # a list's name and the split it makes
INSTRUCTIONS = """\
LRS2 belongs to the BBC and is given to universities and research institutes, for research that is not commercial.
1. Fill in and sign the agreement of https://www.bbc.co.uk/rd/projects/lip-reading-datasets and send it to the address
   there; the BBC answers with a user name and a password.
2. With these, fetch the parts and the four lists (pretrain.txt, train.txt, val.txt, test.txt) from
   https://www.robots.ox.ac.uk/~vgg/data/lip_reading/lrs2.html, put the parts together and unpack them into {folder}:
     {folder}/pretrain.txt  train.txt  val.txt  test.txt
     {folder}/mvlrs_v1/pretrain/ID/00001.mp4 and .txt
     {folder}/mvlrs_v1/main/ID/00001.mp4 and .txt
3. lipscribe prepare lrs2 --root {folder} --output prepared-lrs2/"""


def prepare_lrs2(root: Path | str, protocol: str = "all") -> Corpus:
    """Finds the clips of an LRS2 folder, in the splits of its lists.

    Args:
        protocol: "all"; or "main" without the pretraining part, whose clips are long and have word times.

    Returns:
        The clips, sorted by id, and the reason for each file that is left out, by path.

    Raises:
        ManifestError: The folder is missing, holds no video in `main/` or `pretrain/`, or a list is missing.
    """
    found = Findings(root, "LRS2")
    splits: dict[str, str] = {}
    for name, split in LISTS.items():
        path = found.find_list(f"{name}.txt")
        if path is None and not (name == "pretrain" and protocol == "main"):
            raise ManifestError(f"{root} has no {name}.txt, wanted the four lists of LRS2 (`lipscribe download lrs2`)")
        if path is not None:
            part = "pretrain" if name == "pretrain" else "main"
            splits |= {f"{part}/{entry}": split for entry in listed_names(path)}
    videos = found.videos("main/*/*", "pretrain/*/*")
    for video in videos:
        key = f"{video.parent.parent.name}/{video.parent.name}/{video.stem}"
        if key.startswith("pretrain/") and protocol == "main":
            found.leave_out_of(video.parents[1], "not of protocol main")
        elif key not in splits:
            found.leave_out(video, "it is in none of the lists")
        else:
            add_clip(found, video, key, "", splits.pop(key))
    for key in splits if protocol == "all" else [key for key in splits if key.startswith("main/")]:
        found.leave_out(key, "it is in a list, and its video is missing")
    return found.result()
