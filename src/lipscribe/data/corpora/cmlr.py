"""CMLR: sentences of Mandarin from the television news, by 11 people, 102 072 clips, 61 hours.

Zhao, Xu, Song: A Cascade Sequence-to-Sequence Model for Chinese Mandarin Lip Reading, ACM MM Asia 2019. Terms and
downloads: https://www.vipazoo.cn/CMLR.html. `video/s5/20151009/section_3_030.36_032.65.mp4` (the numbers are its times
in the broadcast), the same path under `text/` with `.txt`: the sentence in the first line, then `START END PHRASE`
lines in seconds of the clip; and the lists `train.csv`, `val.csv` and `test.csv`, whose lines are
`s5/20151009_section_3_030.36_032.65`.
"""

from pathlib import Path

from lipscribe.data.corpora.findings import Corpus, Findings, listed_names, text_of
from lipscribe.data.manifest import Clip, WordTime
from lipscribe.errors import ManifestError

LISTS = {"train": "train", "val": "dev", "test": "test"}
INSTRUCTIONS = """\
CMLR is given to universities and research institutes, for research only.
1. Its page, https://www.vipazoo.cn/CMLR.html, has the links (Baidu Netdisk) and their extraction code.
2. Unpack video and text into {folder}, and put the lists beside them:
     {folder}/video/s1/20170121/section_2_003.17_004.99.mp4
     {folder}/text/s1/20170121/section_2_003.17_004.99.txt
     {folder}/train.csv  val.csv  test.csv
3. lipscribe prepare cmlr --root {folder} --output prepared-cmlr/"""


def prepare_cmlr(root: Path | str) -> Corpus:
    """Finds the clips of a CMLR folder, in the splits of its lists (of the same 11 people).

    A sentence has no spaces, so that to us it is one word: its time is from the first phrase to the last.

    Returns:
        The clips, sorted by id, and the reason for each file that is left out, by path.

    Raises:
        ManifestError: The folder is missing or holds no video in `video/SPEAKER/DATE/`, or a list is missing.
    """
    found = Findings(root, "CMLR")
    splits: dict[str, str] = {}
    for name, split in LISTS.items():
        path = found.find_list(f"{name}.csv", f"{name}.txt")
        if path is None:
            raise ManifestError(f"{root} has no {name}.csv, wanted the three lists of CMLR (`lipscribe download cmlr`)")
        splits |= dict.fromkeys((entry.rstrip(",") for entry in listed_names(path)), split)
    for video in found.videos("video/*/*/*"):
        speaker, date = video.parents[1].name, video.parent.name
        key = f"{speaker}/{date}_{video.stem}"
        if key not in splits:
            found.leave_out(video, "it is in none of the lists")
            continue
        split = splits.pop(key)
        with found.one(video):
            folder = video.parents[3] / "text" / speaker / date
            path = found.beside(video, ".txt", folder=folder)
            sentence, words = _sentence(found, path)
            found.add(Clip(key, str(video), sentence, words, f"cmlr-{speaker}", split))
    for key in splits:
        found.leave_out(key, "it is in a list, and its video is missing")
    return found.result()


def _sentence(found: Findings, path: Path) -> tuple[str, tuple[WordTime, ...]]:
    first, *lines = text_of(path, "gb18030").strip().splitlines()
    sentence = "".join(first.split())
    spans = []
    for number, line in enumerate(lines, 2):
        if not line.strip():
            continue
        try:
            start, end, phrase = line.split(maxsplit=2)
            spans.append((float(start), float(end), "".join(phrase.split())))
        except ValueError:
            raise ManifestError(f"{path}, line {number}: {line!r}, wanted `START END PHRASE`") from None
    spans = [span for span in spans if span[2] in sentence]  # not those of silence
    if not spans:
        return sentence, ()
    start, end = max(spans[0][0], 0.0), spans[-1][1]
    if end < start:
        found.leave_out(path, "its times are not used: they run backwards")
        return sentence, ()
    return sentence, (WordTime(sentence, start, end),)
