"""The Lombard GRID corpus: 54 people, each saying 100 GRID sentences, half of them in noise, seen from front and side.

Alghamdi, Maddock, Marxer, Barker, Brown: A corpus of audio-visual Lombard speech with frontal and profile views,
J. Acoust. Soc. Am. 143 (2018). Layout and downloads: https://zenodo.org/records/3736465 and
https://spandh.dcs.shef.ac.uk/avlombard/, CC BY 4.0: `front/s2_l_bbim3a.mov` (l is Lombard speech, p plain),
`side/`, and `alignment/s2_l_bbim3a.json`, `{"s2_l_bbim3a": [{"offset": 0.48, "duration": 0.07, "phone": "B_B"}, ...]}`
in seconds. A name such as `s46_p_gbszs_WRONG_sgbszs` gives what was said instead.
"""

import re
from pathlib import Path
from typing import Any

from lipscribe.data.corpora.fetching import Download, fetch_zenodo
from lipscribe.data.corpora.findings import Corpus, Findings, text_of
from lipscribe.data.corpora.grid import sentence_of_name
from lipscribe.data.manifest import Clip, WordTime
from lipscribe.errors import ManifestError
from lipscribe.plain_data import parse_json

ZENODO_RECORD = "3736465"
# The speakers of benchmarks/LombardGRID/labels/unseen_fp_valid.ref and unseen_sp_test.ref in the repository
# mpc001/Visual_Speech_Recognition_for_Multiple_Languages (Ma, Petridis, Pantic 2022).
DEV_SPEAKERS = ("s2", "s10", "s22", "s29", "s40", "s48")
TEST_SPEAKERS = ("s4", "s7", "s8", "s12", "s13", "s24", "s30", "s31", "s45", "s49", "s51", "s55")
_NAME = re.compile(r"(s\d+)_(?:([lp])|\d+_\d+_\d+_r)_([a-z0-9]+?)(?:_WRONG_(.+))?", re.IGNORECASE)


def download_lombard_grid(download: Download) -> None:
    """Downloads the frontal videos and the alignments, 0.8 GB.

    Raises:
        LipscribeError: See `fetch_zenodo`.
    """
    fetch_zenodo(ZENODO_RECORD, download, ("lombardgrid_front.zip", "lombardgrid_alignment.zip"))


def prepare_lombard_grid(root: Path | str) -> Corpus:
    """Finds the frontal clips of a Lombard GRID folder, with its unseen speakers as dev and test splits.

    Speakers are called lombard-s2 and so on: they are other people than GRID's.

    Returns:
        The clips, sorted by id, and the reason for each file that is left out, by path.

    Raises:
        ManifestError: The folder is missing or holds no video in `front/`.
    """
    found = Findings(root, "the Lombard GRID corpus")
    aligned = {
        path.stem: path for path in found.files if path.suffix.lower() == ".json" and path.parent.name == "alignment"
    }
    for video in found.videos("front/*", others={"side": "from the side, where a mouth cannot be read"}):
        with found.one(video):
            speaker, text = _said(video.stem)
            words = _words(found, aligned.get(video.stem), text)
            split = "dev" if speaker in DEV_SPEAKERS else "test" if speaker in TEST_SPEAKERS else "train"
            found.add(Clip(f"lombard-{speaker}/{video.stem}", str(video), text, words, f"lombard-{speaker}", split))
    return found.result()


def _said(name: str) -> tuple[str, str]:
    """The speaker and the sentence of a file's name."""
    parts = _NAME.fullmatch(name)
    if parts is None:
        raise ManifestError(f"{name} is no name of Lombard GRID, wanted one such as s2_l_bbim3a")
    code = (parts[4] or parts[3]).lower()
    try:
        return parts[1].lower(), sentence_of_name(code)
    except ManifestError:
        raise ManifestError(f"{name}: {code!r} spells no GRID sentence") from None


def _words(found: Findings, path: Path | None, text: str) -> tuple[WordTime, ...]:
    """The times of the words by the alignment's phones; none if it is missing or says something else."""
    if path is None:
        return ()
    try:
        spans = _word_spans(parse_json(text_of(path)))
        words = text.split()
        if len(spans) != len(words):
            raise ManifestError(f"{len(spans)} words are aligned, {len(words)} are said")
    except (ManifestError, ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:
        found.leave_out(path, f"its word times are not used ({error})")
        return ()
    return tuple(WordTime(word, start, end) for word, (start, end) in zip(words, spans, strict=True))


def _word_spans(record: dict[str, Any]) -> list[tuple[float, float]]:
    """Start and end of each word: phones are marked B, I and E within a word, and S where they are one alone."""
    spans: list[tuple[float, float]] = []
    for item in next(iter(record.values()), []):
        phone, _, place = item["phone"].rpartition("_")
        start, end = float(item["offset"]), float(item["offset"]) + float(item["duration"])
        if phone.upper().startswith("SIL") or place.upper().startswith("SIL"):
            continue
        if place in ("B", "S"):
            spans.append((start, end))
        elif not spans:
            raise ManifestError(f"phone {item['phone']!r} is in no word")
        else:
            spans[-1] = (spans[-1][0], end)
    return spans
