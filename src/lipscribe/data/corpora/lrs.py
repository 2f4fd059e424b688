"""What LRS2 and LRS3 share: the text files beside their clips.

`Text:  WHEN YOU'RE COOKING CHIPS AT HOME`, `Conf:  4` and perhaps other fields, then in the pretraining part an empty
line, `WORD START END ASDSCORE` and a line for each word, with its times in seconds of the clip.
"""

import re
from pathlib import Path

from lipscribe.data.corpora.findings import Findings, plain_words, text_of
from lipscribe.data.manifest import Clip
from lipscribe.errors import ManifestError
from lipscribe.text import normalise

TABLE = "WORD START END ASDSCORE"


def add_clip(found: Findings, video: Path, clip_id: str, speaker: str, split: str) -> None:
    """Adds the clip of a video and the text beside it; both are left out if something is wrong with them."""
    with found.one(video):
        path = found.beside(video, ".txt")
        said, table = read_text_file(path)
        words = plain_words(table)
        if words and " ".join(word.text for word in words) != said:
            found.leave_out(path, "its word times are not used: its words are others than its text")
            words = ()
        found.add(Clip(clip_id, str(video), said, words, speaker, split))


def read_text_file(path: Path) -> tuple[str, list[tuple[str, float, float]]]:
    """The text, in small letters without punctuation and marks such as {NS}, and the word table, if there is one.

    Raises:
        ManifestError: There is no text, or a line of the table is not `WORD START END ASDSCORE`.
    """
    lines = text_of(path).splitlines()
    said = next((line[5:] for line in lines if line.startswith("Text:")), None)
    if said is None:
        raise ManifestError(f"{path} has no line `Text: ...`")
    text = normalise(_without_marks(said))
    if not text:
        raise ManifestError(f"{path}: its text is empty")
    header = next((idx for idx, line in enumerate(lines) if line.split() == TABLE.split()), len(lines))
    words = []
    for number, line in enumerate(lines[header + 1 :], header + 2):
        if not line.strip():
            continue
        try:
            word, start, end = line.split()[:3]
            if _without_marks(word).strip():
                words.append((word, float(start), float(end)))
        except ValueError:
            raise ManifestError(f"{path}, line {number}: {line!r}, wanted `{TABLE}`") from None
    return text, words


def _without_marks(text: str) -> str:
    return re.sub(r"\{[^{}]*\}", " ", text)
