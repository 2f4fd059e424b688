"""TCD-TIMIT: 62 people, each reading about 98 TIMIT sentences, filmed from the front and from the side, 6 hours.

Harte, Gillen: TCD-TIMIT: An Audio-Visual Corpus of Continuous Speech, IEEE Trans. Multimedia 17 (2015). Terms and
downloads: https://sigmedia.tcd.ie; layout: https://github.com/matthijsvk/TCDTIMITprocessing.
`volunteers/01M/Clips/straightcam/sa1.mp4` and `lipspeakers/Lipspkr1/Clips/straightcam/`, with or without `Clips`, a
`.txt` beside each with the sentence behind two sample numbers (`0 61440 She had your dark suit ...`), and `30degcam/`.
The files `volunteer_labelfiles.mlf` and `lipspeaker_labelfiles.mlf` time phones, not words, and are not read.
"""

import re
from pathlib import Path

from lipscribe.data.corpora.findings import Corpus, Findings, is_held_out, listed_names, text_of
from lipscribe.data.manifest import Clip
from lipscribe.errors import ManifestError
from lipscribe.text import normalise

# Gillen's speaker-independent protocol, as in pyVSR/tcdtimit/files.py of https://github.com/georgesterpu/pyVSR: 39
# volunteers to train on, 17 to test on; 27M, 35M and 53M are left out for their accents.
TRAIN_SPEAKERS = (  # noqa: SIM905
    "24M 04M 26M 02M 32F 47M 06M 50F 59F 23M 19M 05F 31F 22M 01M 39M 46F 11F 42M 57M 43F 29M 17F 37F 21M 12M 38F 48M "
    "16M 52M 40F 13F 14M 03F 20M 51F 30F 10M 07F"
).split()
TEST_SPEAKERS = "28M 55F 25M 56M 49F 44F 33F 09F 18M 54M 45F 36F 34M 15F 58F 08F 41M".split()  # noqa: SIM905
DEV_SPEAKERS = ("10M", "20M", "30F", "40F")  # ours: of the 39, for a dev split of other people
# The speaker-dependent protocol: 31 sentences of each to test on, of a list in one of these repositories.
OVERLAPPED_LISTS = ("test.scp", "overlapped_test.ref")  # pyVSR; Visual_Speech_Recognition_for_Multiple_Languages
INSTRUCTIONS = """\
TCD-TIMIT is given for research that is not commercial.
1. Ask for an account on https://sigmedia.tcd.ie, with the address of your university or institute.
2. Fetch `straightcam.zip` of each volunteer and lipspeaker, and unpack them into {folder}:
     {folder}/volunteers/01M/Clips/straightcam/sa1.mp4 and sa1.txt
     {folder}/lipspeakers/Lipspkr1/Clips/straightcam/sa1.mp4 and sa1.txt
   For the protocol `overlapped`, put pyVSR/tcdtimit/splits/speaker-dependent/test.scp of
   https://github.com/georgesterpu/pyVSR beside them.
3. lipscribe prepare tcd-timit --root {folder} --output prepared-tcd-timit/"""


def prepare_tcd_timit(root: Path | str, protocol: str = "unseen") -> Corpus:
    """Finds the frontal clips of a TCD-TIMIT folder.

    Args:
        protocol: "unseen": 35 volunteers to train on, 4 of the train split's 39 for dev, 17 to test on, and the
            lipspeakers left out; "overlapped": everybody, and the test split is a list's in the folder (see
            `OVERLAPPED_LISTS`); a tenth of the other clips, drawn by name, is the dev split.

    Returns:
        The clips, sorted by id, and the reason for each file that is left out, by path.

    Raises:
        ManifestError: The folder is missing or holds no video in `straightcam/`, or the protocol's list is missing.
    """
    found = Findings(root, "TCD-TIMIT")
    tested = _listed(found) if protocol == "overlapped" else None
    others = {"30degcam": "from the side, where a mouth cannot be read"}
    for video in found.videos("straightcam/*", others=others, text=".txt"):
        speaker = _speaker(video)
        key = f"{speaker}/{video.stem.lower()}"
        split = (
            _split(speaker) if tested is None else "test" if key in tested else "dev" if is_held_out(key) else "train"
        )
        if split is None:
            found.leave_out_of(video.parent, f"of {speaker}, who is not in the protocol unseen")
            continue
        with found.one(video):
            text = _sentence(found.beside(video, ".txt"))
            found.add(Clip(key, str(video), text, (), f"tcd-{speaker}", split))
    return found.result()


def _speaker(video: Path) -> str:
    """The folder above `Clips/straightcam`, or above `straightcam`."""
    above = video.parents[1]
    return (above.parent if above.name.lower() == "clips" else above).name


def _sentence(path: Path) -> str:
    text = normalise(re.sub(r"^\s*\d+\s+\d+\b", "", text_of(path)))
    if not text:
        raise ManifestError(f"{path} holds no sentence")
    return text


def _split(speaker: str) -> str | None:
    if speaker in DEV_SPEAKERS:
        return "dev"
    return "train" if speaker in TRAIN_SPEAKERS else "test" if speaker in TEST_SPEAKERS else None


def _listed(found: Findings) -> set[str]:
    path = found.find_list(*OVERLAPPED_LISTS)
    if path is None:
        raise ManifestError(
            f"{found.root} has no list of the overlapped protocol, wanted {' or '.join(OVERLAPPED_LISTS)}: "
            "`lipscribe download tcd-timit` says where it is"
        )
    clips = [Path(f"{name.removesuffix('.mp4')}.mp4") for name in listed_names(path)]
    return {f"{_speaker(clip)}/{clip.stem.lower()}" for clip in clips}
