"""Lists of clips in videos, as MultiVSR has them: 12 000 hours of YouTube in 13 languages.

Prajwal, Hegde, Zisserman: Scaling Multilingual Visual Speech Recognition, ICASSP 2025. Downloads and layout:
https://github.com/Sindhu-Hegde/multivsr (dataset/README.md, dataloader.py) and
https://huggingface.co/datasets/sindhuhegde/multivsr. CSV files with the columns `file_path` (VIDEO/00001, without its
ending), `transcript`, `start` and `length` (in frames of 25 a second within the face track) and `language`; the tracks
that their script cuts are `VIDEO/00001.mp4`. Other lists (CSV, TSV, JSON, JSON Lines) have the columns of `COLUMNS`,
with `start` and `end` in seconds.
"""

import csv
import io
import math
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lipscribe.data.corpora.findings import Corpus, Findings, text_of
from lipscribe.data.manifest import OTHER_SPLIT_NAMES, SPLITS, Clip
from lipscribe.errors import ManifestError
from lipscribe.plain_data import parse_json
from lipscribe.text import normalise
from lipscribe.units import MODEL_FPS, Seconds
from lipscribe.video_files import is_video

COLUMNS = {  # what each is called in the lists that are met
    "video": ("file_path", "path", "video", "video_path", "video_id", "youtube_id", "ytid", "id"),
    "text": ("transcript", "text", "transcription", "sentence"),
    "start": ("start", "start_time", "start_sec"),
    "end": ("end", "end_time", "end_sec"),
    "length": ("length",),
    "language": ("language", "lang"),
    "split": ("split", "subset"),
    "speaker": ("speaker",),
}
INSTRUCTIONS = """\
MultiVSR is a list of clips on YouTube; the videos are their makers', and many are gone by now.
1. Log in with `hf auth login`, ask for access on https://huggingface.co/datasets/sindhuhegde/multivsr, and fetch the
   lists and the face tracks: `python download_metadata.py --save_folder {folder}`, a script of
   https://github.com/Sindhu-Hegde/multivsr in its folder `dataset`; unpack multivsr.tar there.
2. With its other scripts, download.py and preprocess.py, fetch the videos and cut the faces:
     {folder}/train.csv and the other lists
     {folder}/multivsr/VIDEO/00001.mp4
3. lipscribe prepare multivsr --root {folder} --protocol en --output prepared-multivsr/"""


def prepare_multivsr(root: Path | str, protocol: str = "all") -> Corpus:
    """Finds the clips of a folder of lists and videos; the splits are a column's, or in the names of the lists.

    Args:
        protocol: "all", or a language as the lists call it, such as "en".

    Returns:
        The clips, sorted by id, and the reason for each line and file that is left out, by path.

    Raises:
        ManifestError: The folder is missing, holds no list or no video, or has nothing in this language.
    """
    found = Findings(root, "MultiVSR or of other lists")
    videos = _named(found)
    lists = [path for path in found.files if path.suffix.lower() in (".csv", ".tsv", ".json", ".jsonl")]
    if not lists:
        raise ManifestError(f"{root} holds no list (.csv, .tsv, .json, .jsonl): see `lipscribe download multivsr`")
    languages: set[str] = set()
    listed: set[Path] = set()
    for path in lists:
        with found.one(path):
            for number, row in enumerate(_rows(path), 1):
                languages.add(str(_get(row, "language") or ""))
                name, those = _videos_of(row, videos)
                listed.update(those if len(those) == 1 else ())
                if protocol not in ("all", _get(row, "language")):
                    found.leave_out_of(path, f"in other languages than {protocol}")
                    continue
                with found.one(f"{path}, row {number}"):
                    found.add(_clip(row, path, name, those))
    if protocol not in ("all", *languages):
        known = ", ".join(sorted(languages - {""}))
        raise ManifestError(f"no clip of {root} is in {protocol!r}, wanted one of all, {known}")
    for video in sorted({path for group in videos.values() for path in group} - listed):
        found.leave_out_of(video.parent, "in none of the lists")
    return found.result()


def _named(found: Findings) -> dict[str, list[Path]]:
    """The videos by all that lists may call them: VIDEO/00001 with or without what is above it, and VIDEO."""
    videos: defaultdict[str, list[Path]] = defaultdict(list)
    for path in found.videos():
        parts = path.relative_to(found.root).with_name(path.stem).parts
        for first in range(len(parts)):
            videos["/".join(parts[first:])].append(path)
    return videos


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    text = text_of(path)
    try:
        if path.suffix.lower() in (".csv", ".tsv"):
            yield from csv.DictReader(io.StringIO(text), delimiter="\t" if path.suffix.lower() == ".tsv" else ",")
            return
        items = (
            map(parse_json, filter(str.strip, text.split("\n")))
            if path.suffix.lower() == ".jsonl"
            else parse_json(text)
        )
        if isinstance(items, dict):  # by id, or under one name
            values = list(items.values())
            items = values[0] if len(values) == 1 and isinstance(values[0], list) else _with_ids(items)
        for item in items:
            if not isinstance(item, dict):
                raise ManifestError(f"an entry is {item!r:.40}, wanted one with a video and a text")
            yield item
    except (ValueError, csv.Error, TypeError) as error:
        raise ManifestError(f"it is no list that can be read ({error})") from None


def _with_ids(items: dict[str, Any]) -> list[Any]:
    return [{"video_id": key, **item} if isinstance(item, dict) else item for key, item in items.items()]


def _videos_of(row: dict[str, Any], videos: dict[str, list[Path]]) -> tuple[str, list[Path]]:
    """The name of a row's video, without its ending, and the videos that are called so."""
    name = str(_get(row, "video") or "").strip().replace("\\", "/").strip("/")
    if name not in videos and is_video(Path(name)):
        name = name.rpartition(".")[0]
    return name, videos.get(name, [])


def _clip(row: dict[str, Any], path: Path, name: str, those: list[Path]) -> Clip:
    text = normalise(str(_get(row, "text") or ""))
    if not name or not text:
        raise ManifestError(f"it has no {'text' if name else 'video'}, wanted columns file_path and transcript")
    if not those:
        raise ManifestError(f"the video of {name} is missing")
    if len(those) > 1:
        raise ManifestError(f"{name} is the name of several videos, such as {those[0]} and {those[1]}")
    start, end = _part(row)
    clip_id = f"{name}_{start:07.2f}" if start or end is not None else name
    return Clip(clip_id, str(those[0]), text, (), str(_get(row, "speaker") or ""), _split(row, path), start, end)


def _part(row: dict[str, Any]) -> tuple[Seconds, Seconds | None]:
    """The part of the video: by frames where the list has a length, else in seconds."""
    try:
        start, length, end = (
            None if (cell := _get(row, name)) is None else float(cell) for name in ("start", "length", "end")
        )
    except (TypeError, ValueError, OverflowError):
        raise ManifestError("its start, end or length is no number") from None
    if not all(number is None or (math.isfinite(number) and number >= 0) for number in (start, length, end)):
        raise ManifestError("its start, end or length is below 0 or no number")
    if length is not None and end is None:
        return (start or 0.0) / MODEL_FPS, ((start or 0.0) + length) / MODEL_FPS
    return start or 0.0, end


def _split(row: dict[str, Any], path: Path) -> str:
    """The split of the row's column, else of the list's name, such as train_en.csv."""
    named = str(_get(row, "split") or "").lower()
    names = [named] if named else [part for part in re.split(r"[^a-z]+", path.stem.lower()) if part]
    for name in names:
        if (split := OTHER_SPLIT_NAMES.get(name, name)) in SPLITS:
            return split
    if named:
        raise ManifestError(f"its split is {named!r}, wanted train, dev or test")
    return "train"


def _get(row: dict[str, Any], column: str) -> Any:
    """The cell of a column under any of its names; None where it is missing or empty."""
    for name, cell in row.items():
        if isinstance(name, str) and name.strip().lower() in COLUMNS[column] and cell not in (None, ""):
            return cell
    return None
