"""The GRID corpus: 34 people, each saying 1000 six-word commands, as its authors publish it; of s21 there is no video.

Cooke, Barker, Cunningham, Shao: An audio-visual corpus for speech perception and automatic speech recognition,
J. Acoust. Soc. Am. 120 (2006). Layout and downloads: https://zenodo.org/records/3625687 and
https://spandh.dcs.shef.ac.uk/gridcorpus/, CC BY 4.0. In Zenodo's alignments.zip many folders have the alignments of
another speaker (https://github.com/lhotse-speech/lhotse/pull/1502), which is told by their names.
"""

import re
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from lipscribe.atomic import write_text
from lipscribe.data.corpora.fetching import Download, fetch_zenodo
from lipscribe.data.corpora.findings import Corpus, Findings, is_held_out, listed_names
from lipscribe.data.manifest import Clip, WordTime, split_faults
from lipscribe.errors import ManifestError
from lipscribe.plain_data import parse_json
from lipscribe.text import read_any_text, read_text
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

UNSEEN_SPEAKERS = ("s1", "s2", "s20", "s22")  # LipNet's test speakers (Assael et al. 2016, section 4.1)
# LipNet drew 255 sentences of each speaker for its other protocol and published no list. These two are in use, of
# VIPL's LipNet-PyTorch and of Visual_Speech_Recognition_for_Multiple_Languages.
OVERLAPPED_LISTS = (("overlap_train.txt", "overlap_val.txt"), ("overlapped_train.ref", "overlapped_test.ref"))
ZENODO_RECORD = "3625687"
MIN_NAMES = 10  # so many videos of a speaker tell whose alignments a folder has
NOT_WORDS = ("sil", "sp")  # silence and short pause
ALIGN_UNITS_PER_SECOND = 25_000  # .align files count thousandths of a video frame, at 25 frames a second


def download_grid(download: Download) -> None:
    """Downloads the videos and the alignments, 16 GB: `s1.zip` ... `s34.zip` and `alignments.zip`.

    Raises:
        LipscribeError: See `fetch_zenodo`.
    """
    fetch_zenodo(ZENODO_RECORD, download, ("s*.zip", "alignments.zip"))


def prepare_grid(root: Path | str, protocol: str = "unseen") -> Corpus:
    """Finds the clips of a GRID folder.

    Supports any layout in which a clip's path names its speaker (`s1` ... `s34`): the official one
    (`s1/video/*.mpg`, `s1/align/*.align`), `video/s1` with `align/s1`, or plain folders. A file `splits.json`
    (`{"train": [names], "dev": [names]}`) decides the splits; without it the protocol does.

    Args:
        protocol: "unseen": the test split is LipNet's four unseen speakers; "overlapped": it is that of a list in the
            folder (see `OVERLAPPED_LISTS`). Of the other clips a tenth, drawn by name, is the dev split.

    Returns:
        The clips, sorted by id, and the reason for each file that is left out, by path.

    Raises:
        ManifestError: The folder is missing or holds no clip, or the protocol's list is missing.
    """
    found = Findings(root, "the GRID corpus")
    videos = found.videos()
    splits = _load_splits(found.root)
    if splits is None and protocol == "overlapped":
        splits = _overlapped_splits(found)
    aligns = _aligns(found, videos)
    for video in videos:
        with found.one(video):
            speaker, name = _key(video, found.root)
            words = read_align(aligns[speaker, name]) if (speaker, name) in aligns else ()
            silent = (speaker, name) in aligns and not words
            text = _without_words(name) if silent else " ".join(w.text for w in words) or sentence_of_name(name)
            split = _split(speaker, name, splits)
            found.add(Clip(f"{speaker}/{name}", str(video), text, words, speaker, split, silent=silent))
    return found.result()


def _aligns(found: Findings, videos: Sequence[Path]) -> dict[tuple[str, str], Path]:
    """The alignment of each speaker and name; that of a folder whose names are another speaker's goes to that one."""
    spoken: defaultdict[str, set[str]] = defaultdict(set)
    folders: defaultdict[str, dict[str, Path]] = defaultdict(dict)
    for video in videos:
        speaker, name = _key(video, found.root)
        spoken[speaker].add(name)
    for path in found.files:
        if path.suffix.lower() == ".align":
            speaker, name = _key(path, found.root)
            folders[speaker][name] = path
    aligns: dict[tuple[str, str], Path] = {}
    for speaker, names in spoken.items():
        whose, own = speaker, folders.get(speaker, {})
        if len(names) >= MIN_NAMES and _shared(names, own) < 0.5:
            best = max(folders, key=lambda other: _shared(names, folders[other]), default=speaker)
            whose = best if _shared(names, folders.get(best, {})) >= 0.9 else ""
            if own:
                whose_are_theirs = f"whose own are in the folder of {whose}" if whose else "whose words have no times"
                folder = next(iter(own.values())).parent
                found.leave_out(folder, f"alignments of somebody else than {speaker}, {whose_are_theirs}")
        for name, path in folders.get(whose, {}).items():
            if name in names:
                aligns[speaker, name] = path
            else:
                found.leave_out_of(path.parent, "whose video is missing")
    return aligns


def _shared(names: set[str], aligned: dict[str, Path]) -> float:
    """How well the names of videos and of alignments agree, 0 to 1; either may be incomplete."""
    return len(names & aligned.keys()) / max(min(len(names), len(aligned)), 1)


def _overlapped_splits(found: Findings) -> dict[str, str]:
    for train, test in OVERLAPPED_LISTS:
        paths = [found.find_list(name) for name in (train, test)]
        if paths[0] is not None and paths[1] is not None:
            keys = [
                [f"{speaker}/{name}" for speaker, name in map(_listed_key, listed_names(path))]
                for path in paths
                if path
            ]
            splits = {key: "dev" if is_held_out(key) else "train" for key in keys[0]}
            return splits | dict.fromkeys(keys[1], "test")
    names = " or ".join(" and ".join(pair) for pair in OVERLAPPED_LISTS)
    raise ManifestError(
        f"{found.root} has no lists of the overlapped protocol, wanted {names}: docs/corpora.md says where they are"
    )


def _listed_key(entry: str) -> tuple[str, str]:
    """Speaker and name of an entry such as "s5/video/mpg_6000/lrwp9a" or "s5/lrwp9a"."""
    return _key(Path(entry.lstrip("/")), Path())


def read_align(path: Path | str) -> tuple[WordTime, ...]:
    """Reads a GRID `.align` file: the words with their times in seconds, without silence; none if all is silence.

    Raises:
        ManifestError: There is no line, one is not `start end word`, or times run backwards.
    """
    words: list[WordTime] = []
    before: Seconds = 0.0
    try:
        lines = read_any_text(path).splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ManifestError(f"{path} cannot be read ({error})") from None
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            start, end, word = line.split()
            start_s, end_s = int(start) / ALIGN_UNITS_PER_SECOND, int(end) / ALIGN_UNITS_PER_SECOND
        except (ValueError, OverflowError):
            raise ManifestError(f"{path}, line {number}: {line!r}, wanted `start end word`") from None
        if start_s < before or end_s < start_s:
            raise ManifestError(f"{path}, line {number}: {line!r} runs backwards in time")
        before = start_s
        if word not in NOT_WORDS:
            words.append(WordTime(word, start_s, end_s))
    if not any(map(str.strip, lines)):
        raise ManifestError(f"{path} is empty, wanted lines of `start end word`")
    return tuple(words)


def write_align(path: Path | str, words: Sequence[WordTime], duration: Seconds) -> None:
    """Writes a GRID `.align` file: `sil` before and after the words, `sp` between words with a pause between them.

    The file is written atomically. Times are rounded to GRID's unit, 0.04 ms.

    Args:
        path: Output file; an older one is replaced.
        words: In order of time; none for a clip of silence.
        duration: Of the clip in seconds; the last line ends there.

    Raises:
        ManifestError: Words overlap each other or the end of the clip, or the format cannot
            represent one; or the file cannot be written.
    """
    path, end_of_clip = Path(path), int(duration * ALIGN_UNITS_PER_SECOND + 1e-6)
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


def _without_words(name: str) -> str:
    """The text of a clip whose alignment is all silence: none, unless its name says that words were spoken."""
    try:
        said = sentence_of_name(name)
    except ManifestError:
        return ""
    raise ManifestError(f"the .align file of {name} holds no word, wanted those of {said!r}")


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
        lists = parse_json(read_text(path))
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
            raise ManifestError(f"{speaker}/{name} is in no split of the lists")
        return split
    if speaker in UNSEEN_SPEAKERS:
        return "test"
    return "dev" if is_held_out(f"{speaker}/{name}") else "train"
