"""Any videos with their texts beside them: subtitles, TextGrids, CTM, the JSON of a speech recogniser, or plain text.

`talk.mp4` has its text in a file of its name: talk.json, talk.TextGrid, talk.ctm, talk.vtt, talk.srt or talk.txt, or
with a language between (talk.en.srt). Where there are several, the first of this order is read: it has the most times.
A CTM file of another name may have the words of many videos. Each segment of a text is a clip; a .txt is that of the
whole video. Texts are in small letters without punctuation; those with digits or symbols are left out, as in
`lipscribe clips`.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from lipscribe.data.captions import READERS, read_captions, read_ctm, segments_of
from lipscribe.data.corpora.findings import Corpus, Findings, is_held_out, plain_words, text_of
from lipscribe.data.manifest import OTHER_SPLIT_NAMES, SPLITS, Clip, WordTime
from lipscribe.errors import ManifestError
from lipscribe.text import normalise, unsayable
from lipscribe.transcript import Segment, Word
from lipscribe.units import Seconds
from lipscribe.video_files import is_video

SUFFIXES = (*READERS, ".txt")
MARGIN: Seconds = 0.25  # what is read before the first word and after the last, where words have times
_NOT_SAID = re.compile(r"\[[^\[\]]*\]|\{[^{}]*\}|<[^<>]*>|[♪♫#]+")  # [music], {laughs}, <unk>, notes around a song
INSTRUCTIONS = """\
There is nothing to download: put your own videos into a folder, and the text of each beside it, under its name.
     {folder}/talk.mp4 and talk.srt (or .vtt, .json of whisper, .TextGrid, .ctm, .txt)
Then: lipscribe prepare folder --root {folder} --output prepared/"""


def prepare_folder(root: Path | str) -> Corpus:
    """Finds the clips of a folder of videos and texts, and of the folders in it.

    A folder called train, dev or test (or val, valid, ...) is that split; of other videos a tenth, drawn by name, is
    the dev split. A speaker is who the text says, where it names several; else the one folder that a video lies in,
    but for that of its split. In the root and in folders within folders nobody is known.

    Returns:
        The clips, sorted by id, and the reason for each file and segment that is left out, by path.

    Raises:
        ManifestError: The folder is missing or holds no video.
    """
    found = Findings(root, "the corpus")
    videos = found.videos()
    texts, tables = _texts(found)
    recordings = _recordings(found, tables)
    for video in videos:
        with found.one(video):
            mine = sorted(texts.pop((video.parent, video.stem.lower()), []), key=_rank)
            for other in mine[1:]:
                found.leave_out(other, f"{mine[0].name} is read instead")
            _add_video(found, video, mine[0] if mine else None, recordings)
    for path in sorted(path for group in texts.values() for path in group):
        found.leave_out(path, "a text without a video of its name")
    for name in recordings.keys() - {video.stem for video in videos}:
        found.leave_out(f"{recordings[name][0]}, {name}", "words without a video of this name")
    return found.result()


def _texts(found: Findings) -> tuple[dict[tuple[Path, str], list[Path]], list[Path]]:
    """The texts by the folder and the name of their videos; and the CTM files that no video is called like."""
    videos = {(path.parent, path.stem.lower()) for path in found.files if is_video(path)}
    texts: dict[tuple[Path, str], list[Path]] = {}
    tables: list[Path] = []
    for path in found.files:
        if path.suffix.lower() not in SUFFIXES:
            continue
        key = path.parent, path.stem.lower()
        shorter = path.parent, path.stem.lower().rpartition(".")[0]  # talk.en.srt, talk.mp4.srt
        key = shorter if key not in videos and shorter in videos else key
        if path.suffix.lower() == ".ctm" and key not in videos:
            tables.append(path)
        else:
            texts.setdefault(key, []).append(path)
    return texts, tables


def _rank(path: Path) -> int:
    return SUFFIXES.index(path.suffix.lower())


def _recordings(found: Findings, tables: list[Path]) -> dict[str, tuple[Path, list[Word]]]:
    """The words of each recording in CTM files of many, and the file."""
    recordings: dict[str, tuple[Path, list[Word]]] = {}
    for table in tables:
        with found.one(table):
            recordings |= {name: (table, words) for name, words in read_ctm(text_of(table)).items()}
    return recordings


def _add_video(
    found: Findings, video: Path, path: Path | None, recordings: Mapping[str, tuple[Path, list[Word]]]
) -> None:
    name = video.relative_to(found.root).with_suffix("").as_posix()
    folders = Path(name).parts[:-1]
    split, person = _split(folders, name), _speaker(folders)
    if path is not None and path.suffix.lower() == ".txt":
        found.add(Clip(name, str(video), _said(text_of(path)), speaker=person, split=split))
        return
    if path is not None:
        segments = read_captions(path)
    elif video.stem in recordings:
        segments = segments_of(recordings[video.stem][1])
    else:
        raise ManifestError(f"it has no text beside it, wanted {video.stem} with the ending {', '.join(SUFFIXES)}")
    speakers = {segment.speaker for segment in segments if segment.speaker}
    for number, (segment, start, end) in enumerate(_with_margins(segments), 1):
        with found.one(f"{path or video}, segment {number}" if len(segments) > 1 else path or video):
            text = _said(segment.text)
            if not text:
                raise ManifestError(f"no words are said ({segment.text!r})")
            clip_id = f"{name}/{number:04d}" if len(segments) > 1 else name
            speaker = f"{name}/{segment.speaker}" if len(speakers) > 1 and segment.speaker else person
            found.add(Clip(clip_id, str(video), text, _words(segment, text, start), speaker, split, start, end))


def _said(text: str) -> str:
    text = _NOT_SAID.sub(" ", text)
    if word := unsayable(text):
        raise ManifestError(f"digits or symbols ({word!r}): write them as they are said")
    return normalise(text)


def _with_margins(segments: list[Segment]) -> Iterator[tuple[Segment, Seconds, Seconds]]:
    """Each segment and its part of the video: where words have times a little more, without other words."""
    befores = [0.0, *(segment.end for segment in segments)]
    afters = [*(segment.start for segment in segments[1:]), float("inf")]
    for segment, before, after in zip(segments, befores, afters, strict=False):
        start, end = segment.start, segment.end
        if segment.words:
            start = min(start, max(before, start - MARGIN))
            end = max(end, min(after, end + MARGIN))
        yield segment, round(start, 3), round(end, 3)


def _words(segment: Segment, text: str, start: Seconds) -> tuple[WordTime, ...]:
    """The times of the words from the start of the clip; none where they are not those of the text."""
    timed = [(_NOT_SAID.sub(" ", word.text), max(word.start - start, 0.0), word.end - start) for word in segment.words]
    words = plain_words(timed)
    return words if [word.text for word in words] == text.split() else ()


def _split(folders: tuple[str, ...], name: str) -> str:
    splits = [split for folder in folders if (split := _as_split(folder)) in SPLITS]
    return splits[-1] if splits else "dev" if is_held_out(name) else "train"


def _speaker(folders: tuple[str, ...]) -> str:
    people = [folder for folder in folders if _as_split(folder) not in SPLITS]
    return people[0] if len(people) == 1 else ""


def _as_split(folder: str) -> str:
    return OTHER_SPLIT_NAMES.get(folder.lower(), folder.lower())
