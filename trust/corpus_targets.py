"""Folders of corpora as their authors publish them: names and texts, of which videos are empty files."""

import json
from pathlib import Path

from trust.file_seeds import CTM, SRT, WHISPER
from trust.target import Target, put


def _corpus(corpus: str, file: str, content: str, others: dict[str, str], protocol: str | None = None) -> Target:
    def make(folder: Path) -> None:
        for name, text in {**others, file: content}.items():
            put(folder / name, text)

    def read(folder: Path) -> None:
        from lipscribe.data.corpora.registry import CORPORA
        from lipscribe.data.manifest import clip_record, load_manifest, save_manifest

        clips, left_out = next(entry for entry in CORPORA if entry.name == corpus).prepare(folder, protocol)
        for reason in left_out.values():
            assert "\n" not in reason, f"a reason of several lines: {reason[:200]!r}"
        if clips:
            json.dumps([clip_record(clip) for clip in clips], allow_nan=False)
            save_manifest(folder / "again.jsonl", clips)
            assert len(load_manifest(folder / "again.jsonl", parts=True)) == len(clips)

    module = f"lipscribe.data.corpora.{corpus.replace('-', '_')}"
    name = f"{corpus} {Path(file).name}"
    return Target(name, file, make, read, (module, "lipscribe.data.corpora.findings"), (), ("again.jsonl",))


ALIGN = (
    "0 12500 sil\n12500 20000 bin\n20000 27500 blue\n27500 30000 at\n30000 40000 f\n40000 50000 two\n50000 60000 now\n"
)
LRS = "Text:  BIN BLUE {NS} AT F\nConf:  4\n\n"
LRS += "WORD START END ASDSCORE\nBIN 0.10 0.40 6.5\nBLUE 0.40 0.90 3.1\nAT 0.9 1.0 2\nF 1.0 1.3 2\n"
PHONES = {
    "s2_l_bbim3a": [
        {"phone": "SIL_S", "offset": 0.0, "duration": 0.3},
        *(
            {"phone": f"{phone}_{place}", "offset": 0.3 + 0.1 * at, "duration": 0.1}
            for at, (phone, place) in enumerate([("B", "B"), ("IH", "I"), ("N", "E"), *[("AH", "S")] * 5])
        ),
    ]
}
ROWS = [{"video_id": "V/00001", "transcript": "good morning", "start": 10, "length": 50, "language": "en"}]
CORPORA = (
    _corpus("grid", "s1/align/bbaf2n.align", ALIGN, {"s1/video/bbaf2n.mpg": "", "s1/video/lbaf2n.mpg": ""}),
    _corpus(
        "grid",
        "splits.json",
        json.dumps({"train": ["bbaf2n"], "dev": ["s1/lbaf2n"]}),
        {"s1/video/bbaf2n.mpg": "", "s1/video/lbaf2n.mpg": ""},
    ),
    _corpus(
        "grid",
        "overlap_train.txt",
        "s1/video/mpg_6000/bbaf2n\ns1/lbaf2n 3\n",
        {"s1/bbaf2n.mpg": "", "s2/lbaf2n.mpg": "", "overlap_val.txt": "s2/lbaf2n\n"},
        "overlapped",
    ),
    _corpus("lombard-grid", "alignment/s2_l_bbim3a.json", json.dumps(PHONES), {"front/s2_l_bbim3a.mov": ""}),
    _corpus("lrw", "ABOUT/train/ABOUT_00001.txt", "Duration: 0.43 seconds\n", {"ABOUT/train/ABOUT_00001.mp4": ""}),
    _corpus(
        "lrs2",
        "mvlrs_v1/pretrain/1/00001.txt",
        LRS,
        {"mvlrs_v1/pretrain/1/00001.mp4": "", "pretrain.txt": "1/00001\n", "train.txt": "1/2\n", "val.txt": "1/3\n"}
        | {"test.txt": "1/4 NF\n"},
    ),
    _corpus(
        "lrs2",
        "test.txt",
        "1/00001 NF\n1/00002 MV\n",
        {
            "main/1/00001.mp4": "",
            "main/1/00001.txt": LRS,
            "train.txt": "1/2\n",
            "val.txt": "1/3\n",
            "pretrain.txt": "1/4\n",
        },
    ),
    _corpus("lrs3", "trainval/t1/50001.txt", LRS, {"trainval/t1/50001.mp4": "", "test/t2/50001.mp4": ""}),
    _corpus(
        "tcd-timit",
        "volunteers/01M/straightcam/sa1.txt",
        "0 61440 She had.\n",
        {"volunteers/01M/straightcam/sa1.mp4": ""},
    ),
    _corpus(
        "cmlr",
        "text/s5/20151009/section_3_030.36_032.65.txt",
        "我们 在\n0.10 0.50 我们\n0.50 0.90 在\n",
        {"video/s5/20151009/section_3_030.36_032.65.mp4": "", "val.csv": "x", "test.csv": "x"}
        | {"train.csv": "s5/20151009_section_3_030.36_032.65\n"},
    ),
    _corpus(
        "multivsr",
        "train_en.csv",
        "file_path,transcript,start,length,language\nV/00001.mp4,good morning,10,50,en\n",
        {"V/00001.mp4": ""},
    ),
    _corpus(
        "multivsr",
        "train_en.tsv",
        "video\ttext\tstart\tend\tspeaker\nV/00001\tgood night\t0.5\t2\tAnn\n",
        {"V/00001.mp4": ""},
    ),
    _corpus("multivsr", "list.json", json.dumps({"clips": ROWS}), {"V/00001.mp4": ""}),
    _corpus("multivsr", "val.jsonl", "".join(json.dumps(row) + "\n" for row in ROWS), {"V/00001.mp4": ""}),
    _corpus("folder", "talk.txt", "Good morning, everybody.\n", {"talk.mp4": ""}),
    _corpus("folder", "talk.en.srt", SRT, {"talk.mp4": ""}),
    _corpus("folder", "all.ctm", CTM.replace("talk", "a") + CTM, {"talk.mp4": "", "a.mp4": ""}),
    _corpus("folder", "talk.json", json.dumps(WHISPER), {"talk.mp4": ""}),
)
