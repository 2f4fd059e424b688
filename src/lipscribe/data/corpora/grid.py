"""The GRID corpus: 34 people, each saying 1000 six-word commands, as its authors publish it.

Cooke, Barker, Cunningham, Shao: An audio-visual corpus for speech perception and automatic speech recognition,
J. Acoust. Soc. Am. 120 (2006); Zenodo record 3625687, CC BY 4.0.
"""

import json
import re
import zlib
from collections.abc import Sequence
from pathlib import Path

from lipscribe.atomic import write_text
from lipscribe.data.manifest import Clip, WordTime, split_faults
from lipscribe.errors import ManifestError
from lipscribe.text import read_text
from lipscribe.units import Seconds

SLOTS: tuple[tuple[str, ...], ...] = (
    ("bin", "lay", "place", "set"),
    ("blue", "green", "red", "white"),
    ("at", "by", "in", "with"),
    tuple("abcdefghijklmnopqrstuvxyz"),
    ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"),
    ("again", "now", "please", "soon"),
)
DIGITS = "z123456789"  # how file names write the words of the digit slot
SLOT_NAMES = ("command", "colour", "preposition", "letter", "digit", "adverb")
assert sum(map(len, SLOTS)) == 51

UNSEEN_SPEAKERS = ("s1", "s2", "s20", "s22")  # the canonical test speakers of the unseen-speaker protocol
VIDEO_SUFFIXES = (".mpg", ".mpeg", ".mp4", ".avi", ".mov", ".mkv")
NOT_WORDS = ("sil", "sp")  # silence and short pause
ALIGN_UNITS_PER_SECOND = 25_000  # .align files count thousandths of a video frame, at 25 frames a second


def prepare_grid(root: Path | str) -> tuple[list[Clip], dict[str, str]]:
    """Finds the clips of a GRID folder.

    Supports any layout in which a clip's path names its speaker (`s1` ... `s34`): the official one
    (`s1/video/*.mpg`, `s1/align/*.align`), `video/s1` with `align/s1`, or plain folders. A file `splits.json`
    (`{"train": [names], "dev": [names]}`) decides the splits; without it the canonical unseen speakers are the test
    split, and of every other speaker a tenth, drawn by name, is the dev split.

    Returns:
        The clips, sorted by id, and the reason for each file that is left out, by path.

    Raises:
        ManifestError: The folder is missing or holds no clip.
    """
    root = Path(root)
    if not root.is_dir():
        raise ManifestError(f"{root} is not a folder: give the root of the GRID corpus")
    files = sorted(path for path in root.rglob("*") if path.is_file())
    aligns = {_key(path, root): path for path in files if path.suffix == ".align"}
    videos = [path for path in files if path.suffix.lower() in VIDEO_SUFFIXES]
    if not videos:
        raise ManifestError(f"{root} holds no video ({', '.join(VIDEO_SUFFIXES)}): give the root of the GRID corpus")
    splits = _load_splits(root)
    clips: dict[str, Clip] = {}
    skipped: dict[str, str] = {}
    for video in videos:
        speaker, name = _key(video, root)
        clip_id = f"{speaker}/{name}"
        try:
            if clip_id in clips:
                raise ManifestError(f"a second video of {clip_id}, the first is {clips[clip_id].path}")
            words = read_align(aligns[speaker, name]) if (speaker, name) in aligns else ()
            text = " ".join(word.text for word in words) or sentence_of_name(name)
            split = _split(speaker, name, splits)
        except ManifestError as error:
            skipped[str(video)] = str(error)
            continue
        clips[clip_id] = Clip(clip_id, str(video), text, words, speaker, split)
    return sorted(clips.values(), key=lambda clip: clip.id), skipped


def read_align(path: Path | str) -> tuple[WordTime, ...]:
    """Reads a GRID `.align` file: the words with their times in seconds, without silence.

    Raises:
        ManifestError: A line is not `start end word`, or times run backwards.
    """
    words: list[WordTime] = []
    before: Seconds = 0.0
    try:
        lines = read_text(path).splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ManifestError(f"{path} cannot be read ({error})") from None
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            start, end, word = line.split()
            start_s, end_s = int(start) / ALIGN_UNITS_PER_SECOND, int(end) / ALIGN_UNITS_PER_SECOND
        except ValueError:
            raise ManifestError(f"{path}, line {number}: {line!r}, wanted `start end word`") from None
        if start_s < before or end_s < start_s:
            raise ManifestError(f"{path}, line {number}: {line!r} runs backwards in time")
        before = start_s
        if word not in NOT_WORDS:
            words.append(WordTime(word, start_s, end_s))
    if not words:
        raise ManifestError(f"{path} holds no word")
    return tuple(words)


def write_align(path: Path | str, words: Sequence[WordTime], duration: Seconds) -> None:
    """Writes a GRID `.align` file: `sil` before and after the words, `sp` between words with a pause between them.

    The file is written atomically. Times are rounded to GRID's unit, 0.04 ms.

    Args:
        path: Output file; an older one is replaced.
        words: In order of time.
        duration: Of the clip in seconds; the last line ends there.

    Raises:
        ManifestError: There are no words, words overlap each other or the end of the clip, or the format cannot
            represent one; or the file cannot be written.
    """
    path, end_of_clip = Path(path), int(duration * ALIGN_UNITS_PER_SECOND + 1e-6)
    if not words:
        raise ManifestError(f"{path}: there are no words, wanted at least one: a clip without text teaches nothing")
    lines: list[tuple[int, int, str]] = []
    now = 0
    for word in words:
        if word.text in NOT_WORDS or len(word.text.split()) != 1:
            raise ManifestError(f"{path}: {word.text!r} cannot be written, wanted one word, and not {NOT_WORDS}")
        start, end = (round(seconds * ALIGN_UNITS_PER_SECOND) for seconds in (word.start, word.end))
        if word.end <= duration:
            end = min(end, end_of_clip)  # the last unit of the clip may not be whole
        if not now <= start <= end <= end_of_clip:
            raise ManifestError(
                f"{path}: {word.text!r} lasts from {word.start:.3f} to {word.end:.3f} s, wanted words one after the "
                f"other from 0 to {duration:.3f} s"
            )
        if start > now:
            lines.append((now, start, "sp" if lines else "sil"))
        lines.append((start, end, word.text))
        now = end
    if end_of_clip > now:
        lines.append((now, end_of_clip, "sil"))
    try:
        write_text(path, "".join(f"{start} {end} {text}\n" for start, end, text in lines))
    except OSError as error:
        raise ManifestError(f"{path} cannot be written ({error.strerror}): give another folder") from None


def name_of_sentence(sentence: str) -> str:
    """The GRID file name of a sentence, the reverse of `sentence_of_name`: "bin blue at f two now" -> "bbaf2n".

    Raises:
        ManifestError: It is not a sentence of GRID.
    """
    words = sentence.split()
    if len(words) != len(SLOTS) or any(word not in slot for word, slot in zip(words, SLOTS, strict=True)):
        raise ManifestError(f"{sentence!r} is not a GRID sentence, wanted one such as 'bin blue at f two now'")
    return "".join(
        DIGITS[slot.index(word)] if slot is SLOTS[4] else word[0] for word, slot in zip(words, SLOTS, strict=True)
    )


def sentence_of_name(name: str) -> str:
    """The sentence that a GRID file name spells: "bbaf2n" -> "bin blue at f two now"; z in the digit's place is zero.

    Raises:
        ManifestError: The name does not spell a sentence.
    """
    digits = dict(zip(DIGITS, SLOTS[4], strict=True))
    words = []
    for slot, letter in zip(SLOTS, name, strict=False):
        found = digits.get(letter) if slot is SLOTS[4] else next((w for w in slot if w.startswith(letter)), None)
        if found is None:
            break
        words.append(found)
    if len(words) != len(SLOTS) or len(name) != len(SLOTS):
        raise ManifestError(f"{name} has no .align file, and the name spells no GRID sentence")
    return " ".join(words)


def _key(path: Path, root: Path) -> tuple[str, str]:
    """Speaker and clip name of a file: the last folder that is called s1 ... s34, from the root (itself too) on."""
    folders = [root.resolve().name, *path.relative_to(root).parent.parts]
    speaker = next((part for part in reversed(folders) if re.fullmatch(r"s\d+", part)), "s0")
    return speaker, path.stem


def _load_splits(root: Path) -> dict[str, str] | None:
    path = root / "splits.json"
    if not path.exists():
        return None
    try:
        lists = json.loads(read_text(path))
    except (OSError, ValueError) as error:
        raise ManifestError(f"{path} cannot be read ({error})") from None
    if not isinstance(lists, dict) or not all(isinstance(names, list) for names in lists.values()):
        raise ManifestError(f'{path} is damaged, wanted {{"train": [names], "dev": [names]}}')
    if faults := [fault for split in lists for fault in split_faults(split)]:
        raise ManifestError(f"{path}: {'; '.join(faults)}")
    splits: dict[str, str] = {}
    for split, names in lists.items():
        for name in names:
            if splits.setdefault(str(name), split) != split:
                raise ManifestError(f"{path}: {name} is in {splits[name]} and in {split}, wanted in one only")
    return splits


def _split(speaker: str, name: str, splits: dict[str, str] | None) -> str:
    if splits is not None:
        split = splits.get(f"{speaker}/{name}") or splits.get(name)
        if split is None:
            raise ManifestError(f"{speaker}/{name} is in no split of splits.json")
        return split
    if speaker in UNSEEN_SPEAKERS:
        return "test"
    return "dev" if zlib.crc32(f"{speaker}/{name}".encode()) % 10 == 0 else "train"
