"""Small trees in the exact layouts of the corpora, dirt included, of a few synthetic talkers that are drawn once.

Each function writes one tree and returns what `prepare_x` has to find: text and split by clip id, and by the last part
of its path a piece of the reason for each thing that is left out.
"""

import json
import os
from dataclasses import dataclass, field
from pathlib import Path

from lipscribe.data.manifest import WordTime

Wanted = tuple[dict[str, tuple[str, str]], dict[str, str]]


@dataclass
class Talkers:
    """Videos to put into trees: `command` says a GRID sentence, `word` one word, `film` two sentences.

    Without files, empty ones take their place: `prepare_x` reads no video.
    """

    command: Path | None = None
    word: Path | None = None
    film: Path | None = None
    words: tuple[WordTime, ...] = field(default_factory=lambda: drawn_words("bin blue at f two now"))
    film_words: tuple[WordTime, ...] = field(
        default_factory=lambda: drawn_words("bin blue at f two now lay red by c nine soon")
    )

    def put(self, path: Path, video: Path | None = None) -> Path:
        """Puts a video at a path, by default the command's."""
        path.parent.mkdir(parents=True, exist_ok=True)
        if source := video or self.command:
            os.link(source, path)
        else:
            path.write_bytes(b"")
        return path


def drawn_words(text: str) -> tuple[WordTime, ...]:
    return tuple(WordTime(word, 0.2 + n * 0.3, 0.5 + n * 0.3) for n, word in enumerate(text.split()))


def write(path: Path, text: str, encoding: str = "utf-8") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode(encoding))
    return path


def corrupt(path: Path) -> Path:
    """A file that is no video, which only `prepare` notices."""
    return write(path, "no video")


def hidden(path: Path) -> Path:
    """What macOS writes beside a file on other systems' disks."""
    return write(path.with_name(f"._{path.name}"), "Mac OS X")


def align_of(talkers: Talkers, unit: int = 25_000) -> str:
    return "0 1 sil\n" + "".join(f"{w.start * unit:.0f} {w.end * unit:.0f} {w.text}\n" for w in talkers.words)


def grid_tree(root: Path, talkers: Talkers) -> Wanted:
    for speaker in ("s1", "s3", "s4"):
        talkers.put(root / speaker / "bbaf2n.mpg")
        write(root / "alignments" / speaker / "bbaf2n.align", align_of(talkers))
    corrupt(root / "s3" / "lrbc9s.mpg")
    write(root / "alignments" / "s3" / "lrbc9s.align", "0 1000 lay\n2000 x red\n")
    talkers.put(root / "s4" / "video" / "bbaf2n.MPG")  # a second one
    talkers.put(root / "s4" / "holiday.mpg")
    write(root / "alignments" / "s4" / "lrbc9s.align", align_of(talkers))
    write(root / "s21" / "readme.txt", "no video of s21")
    hidden(root / "s3" / "bbaf2n.mpg")
    text = "bin blue at f two now"
    wanted = {"s1/bbaf2n": (text, "test"), "s3/bbaf2n": (text, "train"), "s4/bbaf2n": (text, "train")}
    return wanted, {
        "lrbc9s.mpg": "line 2: '2000 x red'",
        "bbaf2n.MPG": "a second video of s4/bbaf2n",
        "holiday.mpg": "spells no GRID sentence",
        "alignments/s4": "1 clip whose video is missing",
        "._bbaf2n.mpg": "a hidden file",
    }


def lombard_phones(talkers: Talkers) -> list[dict]:
    """Two phones a word, with silence around."""
    items = [{"phone": "SIL", "offset": 0.0, "duration": 0.1}]
    for word in talkers.words:
        half = (word.end - word.start) / 2
        items += [
            {"phone": f"X_{place}", "offset": word.start + n * half, "duration": half} for n, place in enumerate("BE")
        ]
    return [*items, {"phone": "SIL_S", "offset": 9.0, "duration": 0.1}]


def lombard_grid_tree(root: Path, talkers: Talkers) -> Wanted:
    root = root / "lombardgrid"
    for name in ("s3_l_bbaf2n", "s2_p_bbaf2n", "s4_l_bbaf2n", "s3_p_xbaf2n_WRONG_bbaf2n"):
        talkers.put(root / "front" / f"{name}.mov")
        talkers.put(root / "side" / f"{name}.mov")
        write(root / "alignment" / f"{name}.json", json.dumps({name: lombard_phones(talkers)}))
    talkers.put(root / "front" / "s3_l_lrbc9s.MOV")  # without an alignment
    talkers.put(root / "front" / "s5_l_bbaf2n.mov")
    write(root / "alignment" / "s5_l_bbaf2n.json", json.dumps({"s5_l_bbaf2n": lombard_phones(talkers)[:-3]}))
    talkers.put(root / "front" / "s27_l_bah2s_WRONG_#sil.mov")
    hidden(root / "front" / "s3_l_bbaf2n.mov")
    text = "bin blue at f two now"
    wanted = {
        "lombard-s3/s3_l_bbaf2n": (text, "train"),
        "lombard-s2/s2_p_bbaf2n": (text, "dev"),
        "lombard-s4/s4_l_bbaf2n": (text, "test"),
        "lombard-s3/s3_p_xbaf2n_WRONG_bbaf2n": (text, "train"),
        "lombard-s3/s3_l_lrbc9s": ("lay red by c nine soon", "train"),
        "lombard-s5/s5_l_bbaf2n": (text, "train"),
    }
    return wanted, {
        "side": "4 clips from the side",
        "s5_l_bbaf2n.json": r"5 words are aligned, 6 are said",
        "s27_l_bah2s_WRONG_#sil.mov": "'#sil' spells no GRID sentence",
        "._s3_l_bbaf2n.mov": "a hidden file",
    }


def lrw_tree(root: Path, talkers: Talkers) -> Wanted:
    def clip(word: str, part: str, number: int, duration: str | None = "0.50 seconds") -> Path:
        path = root / "lipread_mp4" / word / part / f"{word}_{number:05d}.mp4"
        talkers.put(path, talkers.word)
        if duration is not None:
            write(path.with_suffix(".txt"), f"Disk reference: 6\r\nChannel: BBC\r\nDuration: {duration}\r\n")
        return path

    clip("ABOUT", "train", 1)
    clip("ABOUT", "val", 1)
    clip("ABOUT", "test", 1)
    clip("SEVERAL", "train", 1)
    clip("ABOUT", "train", 2, None)
    clip("ABOUT", "train", 3, "480 ms")
    clip("ABOUT", "train", 4, "unknown")
    talkers.put(root / "lipread_mp4" / "ABOUT" / "train" / "SEVERAL_00009.mp4", talkers.word)
    clip("ABOUT", "test", 5).unlink()
    talkers.put(root / "lipread_mp4" / "extras" / "trailer.mp4", talkers.word)
    hidden(root / "lipread_mp4" / "ABOUT" / "train" / "ABOUT_00001.mp4")
    wanted = {
        "ABOUT/train/ABOUT_00001": ("about", "train"),
        "ABOUT/val/ABOUT_00001": ("about", "dev"),
        "ABOUT/test/ABOUT_00001": ("about", "test"),
        "SEVERAL/train/SEVERAL_00001": ("several", "train"),
    }
    return wanted, {
        "ABOUT_00002.mp4": "ABOUT_00002.txt is missing beside it",
        "ABOUT_00003.mp4": "its word lasts 480 s, its clip 1.16 s: is the unit right",
        "ABOUT_00004.mp4": "has no line such as `Duration: 0.43 seconds`",
        "SEVERAL_00009.mp4": "it lies in the folder of ABOUT, but is called SEVERAL_00009",
        "ABOUT/test": "1 clip whose video is missing",
        "extras": "1 clip elsewhere than in */train/* or */val/* or */test/*",
        "._ABOUT_00001.mp4": "a hidden file",
    }


def lrs_text(talkers: Talkers, table: bool = False, mark: bool = False) -> str:
    said = " ".join(word.text.upper() for word in talkers.words)
    text = f"Text:  {said}{' {NS}' if mark else ''}\nConf:   4\n"
    if table:
        lines = [f"{word.text.upper()} {word.start:.2f} {word.end:.2f} 6.1\n" for word in talkers.words]
        text += "\nWORD START END ASDSCORE\n" + "".join(lines) + ("{NS} 2.90 2.95 1.0\n" if mark else "")
    return text


def lrs2_tree(root: Path, talkers: Talkers) -> Wanted:
    parts = {"pretrain": "100/00001", "train": "200/00002", "val": "300/00003", "test": "400/00004"}
    for name, key in parts.items():
        video = root / "mvlrs_v1" / ("pretrain" if name == "pretrain" else "main") / f"{key}.mp4"
        talkers.put(video)
        write(video.with_suffix(".txt"), lrs_text(talkers, table=name == "pretrain"))
        write(root / f"{name}.txt", f"{key} NF\r\n" if name == "test" else f"{key}\n")
    main = root / "mvlrs_v1" / "main"
    write(root / "train.txt", "".join(f"200/0000{n}\n" for n in (2, 5, 6, 7, 8, 9)))
    for number in (5, 6, 7, 9):
        talkers.put(main / "200" / f"0000{number}.mp4")
    write(main / "200" / "00005.txt", "Conf: 4\n")
    write(main / "200" / "00006.txt", "")
    write(main / "200" / "00007.txt", "\ufeffText:  CAF\u00c9 NA\u00cfVE\r\nConf:  3\r\n", "utf-16-le")
    talkers.put(main / "500" / "00001.mp4")  # in no list
    hidden(main / "200" / "00002.mp4")
    text = "bin blue at f two now"
    wanted = {
        "pretrain/100/00001": (text, "train"),
        "main/200/00002": (text, "train"),
        "main/200/00007": ("café naïve", "train"),
        "main/300/00003": (text, "dev"),
        "main/400/00004": (text, "test"),
    }
    return wanted, {
        "00005.mp4": "has no line `Text: ...`",
        "00006.mp4": "is empty",
        "00008": "it is in a list, and its video is missing",
        "00009.mp4": "00009.txt is missing beside it",
        "00001.mp4": "it is in none of the lists",
        "._00002.mp4": "a hidden file",
    }


# Talks whose crc32 is, and is not, a multiple of 25 (see `is_held_out`).
DEV_TALK, OTHER_TALK = "talk18", "talk0"


def lrs3_tree(root: Path, talkers: Talkers) -> Wanted:
    def clip(part: str, talk: str, number: int, text: str) -> None:
        talkers.put(root / part / talk / f"{number:05d}.mp4")
        write(root / part / talk / f"{number:05d}.txt", text)

    clip("pretrain", OTHER_TALK, 1, lrs_text(talkers, table=True, mark=True))
    clip("pretrain", DEV_TALK, 1, lrs_text(talkers, table=True))
    clip("trainval", OTHER_TALK, 1, lrs_text(talkers, mark=True))
    clip("trainval", DEV_TALK, 1, lrs_text(talkers))
    clip("test", "exam", 1, lrs_text(talkers))
    clip("pretrain", OTHER_TALK, 2, lrs_text(talkers, table=True).replace("BLUE 0", "GREEN 0"))
    clip("pretrain", OTHER_TALK, 3, lrs_text(talkers, table=True).replace(" 6.1\n", "\n").replace("BIN", "BIN x", 2))
    clip("pretrain", OTHER_TALK, 4, "Text:  HELLO\n\nWORD START END ASDSCORE\nHELLO 0.9 0.1 5\n")
    clip("trainval", OTHER_TALK, 5, "Text:  {LG} {NS}\n")
    write(root / "test" / "exam" / "00002.txt", lrs_text(talkers))
    write(root / "README.txt", "about LRS3")
    talkers.put(root / "demo.mp4")
    text = "bin blue at f two now"
    wanted = {
        f"pretrain/{OTHER_TALK}/00001": (text, "train"),
        f"pretrain/{OTHER_TALK}/00002": (text, "train"),
        f"trainval/{OTHER_TALK}/00001": (text, "train"),
        f"trainval/{DEV_TALK}/00001": (text, "dev"),
        "test/exam/00001": (text, "test"),
    }
    return wanted, {
        DEV_TALK: "1 clip of a talk of the dev split",
        "00002.txt": "its word times are not used: its words are others than its text",
        "00003.mp4": "wanted `WORD START END ASDSCORE`",
        "00004.mp4": "'HELLO' lasts from 0.9 to 0.1 s",
        "00005.mp4": "its text is empty",
        "test/exam": "1 clip whose video is missing",
        "root": "1 clip elsewhere than in pretrain/*/*",
    }


def tcd_timit_tree(root: Path, talkers: Talkers) -> Wanted:
    def clip(folder: str, name: str, text: str = "0 61440 She had your dark suit.", encoding: str = "utf-8") -> Path:
        video = talkers.put(root / folder / f"{name}.mp4")
        return write(video.with_name(f"{name.upper()}.txt"), text, encoding)

    clip("volunteers/24M/Clips/straightcam", "sa1")
    clip("volunteers/24M/Clips/straightcam", "si5", "0 5\r\nDon't ask me; it\x92s late.\r\n", "latin-1")
    clip("volunteers/10M/straightcam", "sa1")
    clip("volunteers/28M/Clips/straightcam", "sa1")
    clip("volunteers/27M/Clips/straightcam", "sa1")
    clip("lipspeakers/Lipspkr1/Clips/straightcam", "sa1")
    clip("volunteers/24M/Clips/30degcam", "sa1")
    clip("volunteers/24M/Clips/straightcam", "sx9", "0 61440")
    clip("volunteers/24M/Clips/straightcam", "sx8").unlink()
    clip("volunteers/24M/straightcam", "sa1")  # the same clip once more
    write(root / "volunteer_labelfiles.mlf", '#!MLF!#\n"Q:/volunteers/24M/Clips/straightcam/sa1.rec"\n0 100 sil\n.\n')
    hidden(root / "volunteers/24M/Clips/straightcam/sa1.mp4")
    text = "she had your dark suit"
    wanted = {
        "24M/sa1": (text, "train"),
        "24M/si5": ("don't ask me it's late", "train"),
        "10M/sa1": (text, "dev"),
        "28M/sa1": (text, "test"),
    }
    return wanted, {
        "30degcam": "1 clip from the side",
        "27M/Clips/straightcam": "1 clip of 27M, who is not in the protocol unseen",
        "Lipspkr1/Clips/straightcam": "1 clip of Lipspkr1, who is not",
        "sx9.mp4": "holds no sentence",
        "sx8.mp4": "sx8.txt is missing beside it",
        "24M/straightcam/sa1.mp4": "a second video of 24M/sa1",
        "._sa1.mp4": "a hidden file",
    }


def cmlr_tree(root: Path, talkers: Talkers) -> Wanted:
    sentence, phrases = "国务院总理李克强", ("国务院", "总理", "李克强")
    table = "".join(f"{0.3 + n * 0.4:.2f} {0.7 + n * 0.4:.2f} {phrase}\n" for n, phrase in enumerate(phrases))
    for speaker, number in ((1, 1), (2, 2), (3, 3), (1, 4), (1, 5), (1, 6)):
        name = f"s{speaker}/20170121/section_{number}_003.17_004.99"
        talkers.put(root / "video" / f"{name}.mp4")
        encoding = "gb18030" if number == 2 else "utf-8-sig"
        if number != 4:
            write(
                root / "text" / f"{name}.txt",
                f"{sentence}\n{table}" if number != 5 else f"{sentence}\nx y z\n",
                encoding,
            )
    lines = {"train": (1, 4, 5, 7), "val": (2,), "test": (3,)}
    speakers = {2: 2, 3: 3}
    for part, numbers in lines.items():
        keys = [f"s{speakers.get(n, 1)}/20170121_section_{n}_003.17_004.99" for n in numbers]
        write(root / f"{part}.csv", "\r\n".join(keys) + "\r\n")
    ids = {n: f"s{speakers.get(n, 1)}/20170121_section_{n}_003.17_004.99" for n in range(1, 8)}
    return {ids[1]: (sentence, "train"), ids[2]: (sentence, "dev"), ids[3]: (sentence, "test")}, {
        "section_4_003.17_004.99.mp4": "section_4_003.17_004.99.txt is missing in",
        "section_5_003.17_004.99.mp4": "line 2: 'x y z', wanted `START END PHRASE`",
        "section_6_003.17_004.99.mp4": "it is in none of the lists",
        "20170121_section_7_003.17_004.99": "it is in a list, and its video is missing",
    }


def multivsr_tree(root: Path, talkers: Talkers) -> Wanted:
    for name in ("abcdefghijk/00001", "abcdefghijk/00002", "ABCDEFGHIJK/00001"):
        talkers.put(root / "multivsr" / f"{name}.mp4", talkers.film)
    header = "file_path,transcript,length,language,start\n"
    write(
        root / "train_en.csv",
        header
        + 'abcdefghijk/00001,"Hello, my ""friend"".",40,en,5\n'
        + "abcdefghijk/00001,and more,25,en,50\n"
        + "abcdefghijk/00001,and more,25,en,50\n"
        + "abcdefghijk/00009,gone,25,en,0\n"
        + "abcdefghijk/00002,,25,en,0\n"
        + "abcdefghijk/00002,late,x,en,0\n"
        + "ABCDEFGHIJK/00001,très bien,30,fr,0\n",
        "utf-8-sig",
    )
    write(root / "test.csv", header + "abcdefghijk/00002,good bye,30,en,0\r\n", "utf-16")
    for folder in ("x", "y"):
        talkers.put(root / "multivsr" / folder / "00007.mp4", talkers.film)
    write(root / "valid.tsv", "path\ttext\n00007.mp4\ttwo of this name\n")
    write(root / "val.json", json.dumps([{"video": "ABCDEFGHIJK/00001.mp4", "text": "whole"}]))
    write(root / "other.json", '{"a": 3}')
    wanted = {
        "abcdefghijk/00001_0000.20": ("hello my friend", "train"),
        "abcdefghijk/00001_0002.00": ("and more", "train"),
        "ABCDEFGHIJK/00001_0000.00": ("très bien", "train"),
        "abcdefghijk/00002_0000.00": ("good bye", "test"),
        "ABCDEFGHIJK/00001": ("whole", "dev"),
    }
    return wanted, {
        "train_en.csv, row 3": "a second video of abcdefghijk/00001_0002.00",
        "train_en.csv, row 4": "the video of abcdefghijk/00009 is missing",
        "train_en.csv, row 5": "it has no text",
        "train_en.csv, row 6": "its start, end or length is no number",
        "valid.tsv, row 1": "00007 is the name of several videos",
        "multivsr/x": "1 clip in none of the lists",
        "multivsr/y": "1 clip in none of the lists",
        "other.json": "an entry is 3, wanted one with a video and a text",
    }


def srt_of(words: tuple[WordTime, ...]) -> str:
    """Two subtitles, of the first and the second half of the words."""
    cues = []
    for number, part in enumerate((words[: len(words) // 2], words[len(words) // 2 :]), 1):
        start, end = (f"00:00:{time:06.3f}".replace(".", ",") for time in (part[0].start, part[-1].end))
        cues.append(f"{number}\r\n{start} --> {end}\r\n<i>{' '.join(word.text for word in part)}</i>.\r\n\r\n")
    return "".join(cues)


def whisper_of(words: tuple[WordTime, ...]) -> str:
    items = [{"word": f" {w.text}", "start": w.start, "end": w.end, "probability": 0.9} for w in words]
    text = "".join(item["word"] for item in items)
    return json.dumps({"segments": [{"start": words[0].start, "end": words[-1].end, "text": text, "words": items}]})


def folder_tree(root: Path, talkers: Talkers) -> Wanted:
    talkers.put(root / "train" / "film.MP4", talkers.film)
    write(root / "train" / "film.srt", srt_of(talkers.film_words), "utf-16")
    write(root / "train" / "film.txt", "not read")
    talkers.put(root / "val" / "a.mkv")
    write(root / "val" / "a.json", whisper_of(talkers.words))
    talkers.put(root / "test" / "b.mp4")
    write(root / "test" / "b.en.txt", "Bin blue, at F two (now)!\n", "latin-1")
    table = "".join(f"c A {w.start} {w.end - w.start:.3f} {w.text} 1.0\n" for w in talkers.words)
    talkers.put(root / "test" / "c.mp4")
    write(root / "test" / "all.ctm", table + "gone A 0.1 0.2 hello\n")
    talkers.put(root / "train" / "silent.mp4")
    talkers.put(root / "train" / "music.mp4")
    write(
        root / "train" / "music.vtt", "WEBVTT\n\n00:00.000 --> 00:01.000\n[Music] ♪\n\n00:01.000 --> 00:01.500\nbin\n"
    )
    write(root / "train" / "orphan.srt", srt_of(talkers.words))
    hidden(root / "train" / "film.MP4")
    wanted = {
        "train/film/0001": ("bin blue at f two now", "train"),
        "train/film/0002": ("lay red by c nine soon", "train"),
        "val/a": ("bin blue at f two now", "dev"),
        "test/b": ("bin blue at f two now", "test"),
        "test/c": ("bin blue at f two now", "test"),
        "train/music/0002": ("bin", "train"),
    }
    return wanted, {
        "film.txt": "film.srt is read instead",
        "silent.mp4": "it has no text beside it",
        "music.vtt, segment 1": "no words are said",
        "orphan.srt": "a text without a video of its name",
        "all.ctm, gone": "words without a video of this name",
        "._film.MP4": "a hidden file",
    }


TREES = {
    "grid": grid_tree,
    "lombard-grid": lombard_grid_tree,
    "lrw": lrw_tree,
    "lrs2": lrs2_tree,
    "lrs3": lrs3_tree,
    "tcd-timit": tcd_timit_tree,
    "cmlr": cmlr_tree,
    "multivsr": multivsr_tree,
    "folder": folder_tree,
}
