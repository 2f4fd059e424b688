"""LRW, Lip Reading in the Wild: 500 words, up to 1000 clips of each, from BBC television, 173 hours.

Chung, Zisserman: Lip Reading in the Wild, ACCV 2016. Layout and terms:
https://www.robots.ox.ac.uk/~vgg/data/lip_reading/lrw1.html. `lipread_mp4/ABOUT/train/ABOUT_00001.mp4`, and `val` and
`test`. A clip has 29 frames (1.16 s), in the middle of which its word is said; the `.txt` beside it says for how long
(`Duration: 0.43 seconds`).
"""

import re
from pathlib import Path

from lipscribe.data.corpora.findings import Corpus, Findings, text_of
from lipscribe.data.manifest import Clip, WordTime
from lipscribe.errors import ManifestError
from lipscribe.text import normalise
from lipscribe.units import MODEL_FPS, Seconds

SPLITS = {"train": "train", "val": "dev", "test": "test"}
CLIP_SECONDS: Seconds = 29 / MODEL_FPS
INSTRUCTIONS = """\
LRW belongs to the BBC and is given to universities and research institutes, for research that is not commercial.
1. Fill in and sign the agreement of https://www.bbc.co.uk/rd/projects/lip-reading-datasets and send it to the address
   there; the BBC answers with a user name and a password.
2. With these, fetch the parts from https://www.robots.ox.ac.uk/~vgg/data/lip_reading/lrw1.html, put them together and
   unpack them into {folder}:
     {folder}/lipread_mp4/ABOUT/train/ABOUT_00001.mp4 and .txt, and so on for val, test and 499 other words
3. lipscribe prepare lrw --root {folder} --output prepared-lrw/"""


def prepare_lrw(root: Path | str) -> Corpus:
    """Finds the clips of an LRW folder, in the splits of its folders. The words before and after are not transcribed.

    Returns:
        The clips, sorted by id, and the reason for each file that is left out, by path.

    Raises:
        ManifestError: The folder is missing or holds no video in `WORD/train/`, `val/` or `test/`.
    """
    found = Findings(root, "LRW")
    for video in found.videos(*(f"*/{folder}/*" for folder in SPLITS), text=".txt"):
        with found.one(video):
            part, word = video.parent.name.lower(), video.parents[1].name
            if not video.stem.upper().startswith(f"{word.upper()}_"):
                raise ManifestError(f"it lies in the folder of {word}, but is called {video.stem}")
            text = normalise(word)
            start, end = _middle(_duration(found.beside(video, ".txt")))
            clip_id = f"{word}/{part}/{video.stem}"
            found.add(Clip(clip_id, str(video), text, (WordTime(text, start, end),), "", SPLITS[part]))
    return found.result()


def _duration(path: Path) -> Seconds:
    """How long the word is said, of a file with a line such as `Duration: 0.43 seconds`."""
    line = re.search(r"^\s*Duration:\s*([0-9.]+)", text_of(path), re.MULTILINE | re.IGNORECASE)
    try:
        duration = float(line[1]) if line else -1.0
    except ValueError:
        duration = -1.0
    if duration <= 0:
        raise ManifestError(f"{path} has no line such as `Duration: 0.43 seconds`")
    if duration > CLIP_SECONDS:
        raise ManifestError(f"{path}: its word lasts {duration:g} s, its clip {CLIP_SECONDS:.2f} s: is the unit right?")
    return duration


def _middle(duration: Seconds) -> tuple[Seconds, Seconds]:
    return (CLIP_SECONDS - duration) / 2, (CLIP_SECONDS + duration) / 2
