"""Files of a newer version are refused in one line that says so; older ones, which carry no version, are read."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lipscribe.data.journal import ReadingJournal, open_journal
from lipscribe.data.manifest import Clip, load_manifest, save_manifest
from lipscribe.data.shard_index import read_index
from lipscribe.data.shards import PREPARE_FILE, check_crop
from lipscribe.errors import LipscribeError
from lipscribe.models.spec import SPEC_FILE, load_spec
from lipscribe.plain_data import check_format
from lipscribe.resumable import resumable
from lipscribe.server.enrolment_folder import RECORD, EnrolmentFolder
from lipscribe.transcript import Segment, Transcript, Word
from lipscribe.zoo.language_model_spec import load_language_model_spec
from lipscribe.zoo.registry import BUNDLED, LM_FILE

NEWER = r"was written by a newer Lipscribe \(format 99, this one reads up to \d\): update with `pip install -U"
ENROLMENT = {"kind": "person", "base": "grid", "prompts": ["red"], "recordings": {}}
CLIP = {"id": "a", "path": "a.mp4", "text": "red"}
TRANSCRIPT = Transcript((Segment("red", 0.0, 1.0, (Word("red", 0.0, 1.0, 0.9),)),)).to_dict()


def use_record(folder: Path) -> None:
    with resumable(folder, "made.json", {"codec": "lossless"}):
        pass


def use_journal(folder: Path) -> None:
    with open_journal(ReadingJournal, folder / "read", {"model": "grid"}):
        pass


def read_transcript(folder: Path) -> Transcript:
    return Transcript.from_dict(json.loads((folder / "t.json").read_text()))


READERS: dict[str, tuple[str, dict[str, Any], Callable[[Path], Any]]] = {
    "spec": (SPEC_FILE, json.loads((BUNDLED / "talkers" / SPEC_FILE).read_text()), load_spec),
    "language model": (LM_FILE, {"name": "x", "vocab_size": 9}, load_language_model_spec),
    "record": ("made.json", {"codec": "lossless"}, use_record),
    "prepared": (PREPARE_FILE, {"codec": "lossless"}, lambda folder: check_crop(folder, "lipscribe")),
    "journal": ("read", {"model": "grid"}, use_journal),
    "manifest": ("clips.jsonl", CLIP, lambda folder: load_manifest(folder / "clips.jsonl")),
    "enrolment": (RECORD, ENROLMENT, lambda folder: EnrolmentFolder(folder.parent, folder.name).load()),
    "transcript": ("t.json", TRANSCRIPT, read_transcript),
}


@pytest.mark.parametrize("name", READERS)
def test_a_file_of_a_newer_version_is_refused_by_name_and_one_without_a_version_is_read(name: str, tmp_path: Path):
    file, record, read = READERS[name]
    folder = tmp_path / "me"
    folder.mkdir()
    (folder / file).write_text(json.dumps(record | {"format_version": 99}) + "\n")
    with pytest.raises(LipscribeError, match=NEWER):
        read(folder)
    record = {field: value for field, value in record.items() if field != "format_version"}
    for older in (record, record | {"format_version": 1}):
        (folder / file).write_text(json.dumps(older) + "\n")
        read(folder)


def test_an_index_of_a_newer_version_is_not_used(tmp_path: Path):
    shard = tmp_path / "train-000000.tar"
    for version, found in ((99, None), (1, [])):
        shard.with_suffix(".index").write_text(json.dumps({"size": 10, "format_version": version}) + "\n")
        assert read_index(shard, 10) == found


def test_what_is_written_has_the_version_that_is_read(tmp_path: Path):
    save_manifest(tmp_path / "clips.jsonl", [Clip("a", "a.mp4", "red")])
    assert check_format(json.loads((tmp_path / "clips.jsonl").read_text()), 1, "it", LipscribeError) == 1
    assert check_format([], 1, "no mapping", LipscribeError) == 1


def test_a_state_of_a_newer_version(tmp_path: Path):
    torch = pytest.importorskip("torch", reason="needs lipscribe[train]")
    from lipscribe.training.checkpoints import Checkpoints
    from lipscribe.training.run_folder import RESUME_FILE

    torch.save({"format_version": 99, "what": "ever"}, tmp_path / RESUME_FILE)
    with pytest.raises(LipscribeError, match=NEWER):
        Checkpoints(None, tmp_path, {}, sharded=False).load()


def test_a_model_whose_migration_was_interrupted_is_read(tmp_path: Path):
    """Its weights are under today's names already, its spec still says version 1."""
    torch = pytest.importorskip("torch", reason="needs lipscribe[train]")
    from lipscribe.zoo.checkpoint import load_checkpoint, save_checkpoint

    spec, reader = load_checkpoint(BUNDLED / "talkers")
    save_checkpoint(tmp_path, spec, reader.state_dict(), torch.float32)
    record = json.loads((tmp_path / SPEC_FILE).read_text())
    (tmp_path / SPEC_FILE).write_text(json.dumps(record | {"format_version": 1}))
    again = load_checkpoint(tmp_path)[1].state_dict()
    assert all(torch.equal(again[name], tensor) for name, tensor in reader.state_dict().items())
