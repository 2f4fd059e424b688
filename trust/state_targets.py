"""What Lipscribe keeps itself and reads again: shards, indices, journals, records, states of trainings."""

import io
import json
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from trust.target import Target, put

RECORD = {"codec": "lossless", "crop": "lipscribe", "scene": {"light": 1.0}}
HOW = {"model": "grid", "search": {"method": "ctc"}}


def _clips(number: int = 2) -> list[Any]:
    import numpy as np

    from lipscribe.data.manifest import Clip, WordTime
    from lipscribe.data.shards import PreparedClip

    rng = np.random.default_rng(0)
    words = (WordTime("red", 0.0, 0.1), WordTime("green", 0.1, 0.2))
    return [
        PreparedClip(Clip(f"s1/a.{n}", "a.mp4", "red green", words, "s1"), rng.integers(0, 255, (6, 96, 96), np.uint8))
        for n in range(number)
    ]


def _make_shard(folder: Path, codec: Any = "lossless") -> None:
    from lipscribe.data.shards import write_shard

    write_shard(folder / "train-000000.tar", _clips(), codec)


def _read_shard(folder: Path) -> None:
    """From front to end, and by its index or headers in any order."""
    from lipscribe.data.clip_store import ClipStore
    from lipscribe.data.shard_files import ShardFiles
    from lipscribe.data.shards import find_shards, read_shard
    from lipscribe.errors import LipscribeError

    shard = folder / "train-000000.tar"
    refused = None
    try:
        for prepared in read_shard(shard):
            assert prepared.crops.dtype == "uint8" and prepared.crops.shape[1:] == (96, 96), "crops of another shape"
    except LipscribeError as error:
        refused = error
    shards = find_shards(folder, "train")
    store = ClipStore(shards, False, ShardFiles(shards))
    for place in store.places():
        assert store.read(place).crops.shape[1:] == (96, 96), "crops of another shape"
    list(store.records())
    if refused is not None:
        raise refused


def _make_part(folder: Path) -> None:
    from lipscribe.data.parts import ClipStatus, ClipTask, write_part
    from lipscribe.data.shards import clip_members

    (clip,) = _clips(1)
    task = ClipTask(clip.clip, "x", folder / "part.tar", False)
    write_part(task, clip_members(clip, "lossless"), ClipStatus(clip.clip.id, "train", "ok", num_frames=6))


def _read_part(folder: Path) -> None:
    from lipscribe.data.parts import ClipStatus, ClipTask, PackTask, make_part, pack
    from lipscribe.data.shards import clip_members, read_shard

    (clip,) = _clips(1)
    task = ClipTask(clip.clip, "x", folder / "part.tar", True)
    made = make_part(task, lambda _: (clip_members(clip, "lossless"), ClipStatus(clip.clip.id, "train", "ok")))
    pack(PackTask(folder / "train-000000.tar", (made,), {made.id: folder / "part.tar"}))
    list(read_shard(folder / "train-000000.tar"))


def _make_statuses(folder: Path) -> None:
    from lipscribe.data.parts import ClipStatus, write_statuses

    statuses = [ClipStatus("s1/a", "train", "ok", "", 6, 1.0, 30.0, "x"), ClipStatus("s1/b", "dev", "skipped", "dark")]
    write_statuses(folder / "status.jsonl", statuses)


def _read_statuses(folder: Path) -> None:
    from lipscribe.data.parts import read_statuses
    from lipscribe.evaluation import evaluate

    for status in read_statuses(folder / "status.jsonl"):
        json.dumps(asdict(status))
    evaluate._left_out(folder, "dev")


def _read_record(folder: Path) -> None:
    from lipscribe.data.shards import check_crop
    from lipscribe.resumable import resumable

    check_crop(folder, "lipscribe")
    with resumable(folder, "prepare.json", RECORD):
        pass


def _make_webp(folder: Path) -> None:
    from PIL import Image

    pictures = [Image.new("RGB", (32, 24), (40 * n, 90, 200 - 40 * n)) for n in range(4)]
    pictures[0].save(folder / "face.webp", save_all=True, append_images=pictures[1:], duration=40)


def _read_webp(folder: Path) -> None:
    from lipscribe.video import Video

    for number, _ in enumerate(Video(folder / "face.webp")):
        if number > 200:
            break


def _label_journal(folder: Path) -> None:
    from lipscribe.data.journal import ReadingJournal, open_journal
    from lipscribe.transcript import Word

    with open_journal(ReadingJournal, folder / "label.journal", HOW) as journal:
        for words in journal.words.values():
            assert all(isinstance(word.start, float | int) and isinstance(word.text, str) for word in words)
        journal.add("b.mp4", (Word("red", 0.0, 0.5, 0.9),))
    with open_journal(ReadingJournal, folder / "label.journal", HOW) as journal:
        assert "b.mp4" in journal.words, "what was added is lost"


def _found() -> Any:
    import numpy as np

    from lipscribe.data.manifest import WordTime
    from lipscribe.footage.analysis import Found, FoundClip
    from lipscribe.footage.subtitles import Dropped

    clip = FoundClip(1.0, 2.0, "red", 0, (0.5, 0.5), "sound", (WordTime("red", 0.1, 0.4),), 0.8, 0.9)
    return Found([clip], [Dropped(3.0, 4.0, "x", "music")], {0: np.ones((2, 1280), np.float32)})


def _make_footage(folder: Path) -> None:
    from lipscribe.data.journal import open_journal
    from lipscribe.footage.journal import FootageJournal

    with open_journal(FootageJournal, folder / "clips.journal", HOW) as journal:
        journal.add("film.mp4", "0-300", _found())


def _read_footage(folder: Path) -> None:
    from lipscribe.data.journal import open_journal
    from lipscribe.footage.journal import FootageJournal

    with open_journal(FootageJournal, folder / "clips.journal", HOW) as journal:
        for film, piece in list(journal._lines):
            found = journal.read(film, piece)
            assert all(clip.start <= clip.end for clip in found.clips)
        journal.add("film.mp4", "300-600", _found())
        assert len(journal.read("film.mp4", "300-600").clips) == 1


class _Saved:
    """Has a state, as a network and an optimizer have."""

    def __init__(self) -> None:
        import torch

        self.layer = torch.nn.Linear(3, 2)
        self.optimizer = torch.optim.AdamW(self.layer.parameters())

    def parts(self) -> dict[str, Any]:
        return {"model": self.layer, "optimizer": self.optimizer}


def _checkpoints(folder: Path) -> Any:
    from lipscribe.training.checkpoints import Checkpoints
    from lipscribe.training.fabric import Fabric

    return Checkpoints(Fabric(accelerator="cpu", devices=1), folder, _Saved().parts(), sharded=False)


def _make_state(folder: Path) -> None:
    import torch

    from lipscribe.training.checkpoints import Position

    _checkpoints(folder).save(Position(1, 2, 0.5, torch.ones(1, 3)))


def _read_state(folder: Path) -> None:
    import math

    position = _checkpoints(folder).load()
    assert isinstance(position.epoch, int) and isinstance(position.step, int), "a place that is no number"
    assert not math.isnan(position.best), "the best rate is no number"


def _make_run(folder: Path) -> None:
    import yaml

    from lipscribe.schema import to_dict

    put(folder / "last.ckpt", b"x")
    put(folder / "config.yaml", yaml.safe_dump(to_dict(_run_config(folder)), sort_keys=False))


def _run_config(folder: Path) -> Any:
    from dataclasses import replace

    from lipscribe.training.config import load_config

    return replace(load_config("few-clips"), output=str(folder))


def _read_run(folder: Path) -> None:
    from lipscribe.training.run_folder import run_folder

    with run_folder(_run_config(folder), resume=True):
        pass


def _make_trial(folder: Path) -> None:
    from lipscribe.adaptation.trials import Look, Outcome

    put(folder / "all.json", json.dumps(asdict(Outcome((Look(10, 0.5, ("red",)),), 3.5))))


def _read_trial(folder: Path) -> None:
    import math

    from lipscribe.adaptation import trials

    outcome = trials._load(folder, trials.Trial("all", (0,), ()))
    for look in () if outcome is None else outcome.looks:
        assert isinstance(look.step, int) and math.isfinite(look.loss), "a loss that is no number"
        assert all(isinstance(text, str) for text in look.texts), "a text that is none"


def _make_checked(folder: Path) -> None:
    import numpy as np

    judged = json.dumps({"faults": ["dark"], "notes": []})
    made = io.BytesIO()
    np.savez(made, crops=np.zeros((3, 96, 96), np.uint8), looks=np.zeros((2, 8), np.float16), judged=judged)
    put(folder / "a.npz", made.getvalue())


def _read_checked(folder: Path) -> None:
    from lipscribe.adaptation import checking

    found = checking._load(folder / "a.npz", _clips(1)[0].clip)
    if found is not None:
        assert found.crops.shape[1:] == (96, 96) and found.crops.dtype == "uint8", "crops of another shape"
        assert all(isinstance(fault, str) for fault in (*found.faults, *found.notes)), "a fault that is no text"


def _enrolment(folder: Path, name: str = "me") -> Any:
    from lipscribe.server.enrolment_folder import EnrolmentFolder

    return EnrolmentFolder(folder, name)


def _make_enrolment(folder: Path) -> None:
    put(folder / "me" / "prompts.txt")
    record = {"kind": "phrases", "base": "grid", "prompts": ["yes", "no"], "recordings": {}}
    record["recordings"] = {"1": {"file": "001.webm", "text": "yes", "verdict": "fine", "lines": []}}
    _enrolment(folder).save(record)


def _read_enrolment(folder: Path) -> None:
    found = _enrolment(folder)
    found.check_place(1, None)
    found.obstacle()
    _ = found.command
    found.update(result=None)


def _read_index(folder: Path) -> None:
    _read_shard(folder)


def _zenodo(folder: Path) -> None:
    """What Zenodo answers, as if it had just been downloaded."""
    from lipscribe.data.corpora import fetching

    content = (folder / "answer.json").read_bytes()
    fetching.download_file = lambda url, path, *_: path.write_bytes(content)  # type: ignore[assignment]
    (folder / fetching.DONE_FOLDER).mkdir(exist_ok=True)
    try:
        archives = fetching._archives_of("1", folder)
        fetching._wanted(archives, (), ("*.zip",))
    finally:
        (folder / fetching.DONE_FOLDER / "zenodo-1.json").unlink(missing_ok=True)


ARCHIVE = {"key": "s1.zip", "links": {"self": "https://zenodo.org/s1.zip"}, "size": 10, "checksum": "md5:" + "0" * 32}


def _text(name: str, file: str, content: str, read: Callable[[Path], Any], *modules: str, **more: Any) -> Target:
    return Target(name, file, lambda folder: put(folder / file, content), read, modules, **more)


_SHARDS = ("lipscribe.data.shard_index", "lipscribe.data.shards", "lipscribe.data.crop_codecs")
STATES = (
    Target("shard, lossless", "train-000000.tar", _make_shard, _read_shard, _SHARDS),
    Target("shard, compact", "train-000000.tar", partial(_make_shard, codec="compact"), _read_shard),
    Target("index of a shard", "train-000000.index", _make_shard, _read_index, _SHARDS),
    Target(
        "part of a shard", "part.tar", _make_part, _read_part, _SHARDS, (), ("train-000000.tar", ".index", ".jsonl")
    ),
    Target("statuses of clips", "status.jsonl", _make_statuses, _read_statuses),
    _text("record of a folder", "prepare.json", json.dumps(RECORD), _read_record),
    Target("animated WebP", "face.webp", _make_webp, _read_webp),
    _text(
        "journal of label",
        "label.journal",
        json.dumps(HOW) + '\n["a.mp4", [["red", 0.1, 0.5, 0.9]]]\n',
        _label_journal,
        "lipscribe.data.journal",
    ),
    Target("journal of clips", "clips.journal", _make_footage, _read_footage),
    Target("state of a training", "last.ckpt", _make_state, _read_state),
    Target("config of a run", "config.yaml", _make_run, _read_run),
    Target("trial of an adaptation", "all.json", _make_trial, _read_trial),
    Target("checked recording", "a.npz", _make_checked, _read_checked),
    Target("enrolment", "me/enrolment.json", _make_enrolment, _read_enrolment),
    _text("answer of Zenodo", "answer.json", json.dumps({"files": [ARCHIVE]}), _zenodo),
)
