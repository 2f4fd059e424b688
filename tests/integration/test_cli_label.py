"""`lipscribe label`: what a model reads becomes the text that another one learns from."""

import re
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import pytest
from typer.testing import CliRunner

from lipscribe.cli.app import app
from lipscribe.data.manifest import Clip, load_manifest, save_manifest
from lipscribe.errors import VideoError
from lipscribe.resumable import locked
from lipscribe.talker import Talker
from lipscribe.transcript import Segment, Transcript, Word


def run(*arguments: object) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, ["label", *map(str, arguments)])
    assert "Traceback" not in result.output
    return result.exit_code, result.stdout, result.stderr


@dataclass
class Planted:
    """Reads "lay red" in every video but those whose name says otherwise, as surely as the name's last digit says."""

    spec = SimpleNamespace(name="planted")

    def transcribe(self, path: str, face: str, progress: bool) -> Transcript:
        name = Path(path).stem
        if "broken" in name:
            raise VideoError(f"{path} is no video")
        if "odd" in name:
            raise IndexError("tuple index out of range")
        if "still" in name:
            return Transcript()
        sure = int(name[-1]) / 10
        words = Word("lay", 0.1, 0.4, sure), Word("red", 0.5, 0.9, sure)
        return Transcript((Segment("lay", 0.1, 0.4, words[:1]), Segment("red", 0.5, 0.9, words[1:])))


@pytest.fixture
def manifest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("lipscribe.pipeline.load_model", lambda name, device: Planted())
    clips = [Clip(name, f"videos/{name}.mp4", "?") for name in ("good9", "poor2", "still", "broken")]
    save_manifest(tmp_path / "clips.jsonl", [*clips, Clip("dev1", "videos/dev1.mp4", "set blue", split="dev")])
    return tmp_path / "clips.jsonl"


def test_training_clips_get_what_was_read_and_all_others_keep_their_text(manifest: Path, tmp_path: Path):
    code, stdout, stderr = run(manifest, "-o", tmp_path / "elsewhere" / "labelled.jsonl")
    assert code == 1  # one could not be read
    assert stdout == f"{tmp_path / 'elsewhere' / 'labelled.jsonl'}\n"
    clips = {clip.id: clip for clip in load_manifest(tmp_path / "elsewhere" / "labelled.jsonl")}
    assert {name: clip.text for name, clip in clips.items()} == {
        "good9": "lay red",
        "poor2": "lay red",
        "dev1": "set blue",
    }
    assert [(word.text, word.start, word.end) for word in clips["good9"].words] == [
        ("lay", 0.1, 0.4),
        ("red", 0.5, 0.9),
    ]
    assert Path(clips["good9"].path) == tmp_path / "videos" / "good9.mp4"  # found from the other folder too
    assert "error: broken: " in stderr
    assert "note: still is left out: no words" in stderr
    assert "2 of 4 clips of train have the text that planted reads" in stderr


def test_a_stopped_run_goes_on_where_it_was(manifest: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    output, journal, read = tmp_path / "labelled.jsonl", tmp_path / "labelled.jsonl.read", []

    class Stopped(Planted):
        def transcribe(self, path: str, face: str, progress: bool) -> Transcript:
            read.append(Path(path).stem)
            if len(read) == 3:
                raise KeyboardInterrupt
            return super().transcribe(path, face, progress)

    monkeypatch.setattr("lipscribe.pipeline.load_model", lambda name, device: Stopped())
    assert run(manifest, "-o", output)[0] != 0
    assert not output.exists()
    code, _, stderr = run(manifest, "-o", output, "--face", "largest")
    assert (code, "of a run with other options (face moving, now largest): delete it" in stderr) == (2, True)
    with journal.open("a") as file:
        file.write('["cut o')
    code, _, stderr = run(manifest, "-o", output)
    assert code == 1
    assert "note: 2 clips are already read" in stderr
    assert read == ["good9", "poor2", "still", "still", "broken"]
    assert [clip.text for clip in load_manifest(output)] == ["lay red", "lay red", "set blue"]
    assert not journal.exists()
    with locked(journal):
        code, _, stderr = run(manifest, "-o", output)
    assert (code, f"error: another process is writing to {journal}: wait" in stderr) == (2, True)
    assert {path.name for path in tmp_path.iterdir()} == {"clips.jsonl", "labelled.jsonl"}
    journal.write_text('{"model": "grid", "face": "moving"}\nnonsense\n')
    code, _, stderr = run(manifest, "-o", output)
    assert (code, "is damaged" in stderr) == (2, True)


def test_an_unexpected_error_ends_one_clip(manifest: Path, tmp_path: Path):
    save_manifest(tmp_path / "two.jsonl", [Clip(name, f"{name}.mp4", "?") for name in ("odd", "good9")])
    code, _, stderr = run(tmp_path / "two.jsonl", "-o", tmp_path / "labelled.jsonl")
    assert code == 1
    assert "error: odd: unexpected IndexError: tuple index out of range" in stderr
    assert "1 of 2 clips could not be read or written: odd" in stderr
    assert [clip.id for clip in load_manifest(tmp_path / "labelled.jsonl")] == ["good9"]


def test_unsure_clips_are_left_out(manifest: Path, tmp_path: Path):
    code, _, stderr = run(manifest, "-o", tmp_path / "labelled.jsonl", "--sure-above", 0.5)
    assert code == 1
    assert [clip.id for clip in load_manifest(tmp_path / "labelled.jsonl")] == ["good9", "dev1"]
    assert "note: poor2 is left out: 0.20 sure" in stderr


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--sure-above", "1"], "error: nothing was read in split train of .*: see above, or lower --sure-above"),
        (["--split", "test"], "error: .* has no clip of split test: give one of its splits with --split"),
        (["--face", "all"], "error: .*a clip has one text"),
    ],
)
def test_messages(manifest: Path, tmp_path: Path, flags: list[str], message: str):
    code, stdout, stderr = run(manifest, "-o", tmp_path / "labelled.jsonl", *flags)
    assert (code, stdout) == (2, "")
    assert re.search(message, stderr), stderr
    assert not (tmp_path / "labelled.jsonl").exists()


def test_a_real_clip(grid_root: Path, tmp_path: Path):
    save_manifest(tmp_path / "clips.jsonl", [Clip("a", str(grid_root / "video" / "s1" / "swbi7a.mpg"), "?")])
    code, _, stderr = run(tmp_path / "clips.jsonl", "-o", tmp_path / "labelled.jsonl")
    assert code == 0, stderr
    (clip,) = load_manifest(tmp_path / "labelled.jsonl")
    assert clip.text == "set white by i seven again"
    assert len(clip.words) == 6


@pytest.mark.slow
def test_clips_are_read_in_other_processes(tmp_path: Path):
    for number, said in enumerate(("place red at l seven please", "bin blue by f six now")):
        Talker(seed=7).say(said).save(tmp_path / f"{number}.mp4")
    (tmp_path / "bad.mp4").write_text("no video")
    clips = [Clip(name, str(tmp_path / f"{name}.mp4"), "?") for name in ("0", "bad", "1")]
    save_manifest(tmp_path / "clips.jsonl", clips)
    for jobs in (1, 2):
        output = tmp_path / f"by{jobs}.jsonl"
        code, _, stderr = run(tmp_path / "clips.jsonl", "-o", output, "--model", "talkers", "--jobs", jobs)
        assert code == 1
        assert "error: bad: " in stderr and "2 of 3 clips of train have the text that talkers reads" in stderr
    assert (tmp_path / "by1.jsonl").read_bytes() == (tmp_path / "by2.jsonl").read_bytes()
    assert [clip.text for clip in load_manifest(output)] == ["place red at l seven please", "bin blue by f six now"]


@pytest.mark.parametrize("name", ["clips.jsonl", "videos/good9.mp4"])
def test_what_is_read_is_no_output(manifest: Path, tmp_path: Path, name: str):
    before = manifest.read_bytes()
    code, _, stderr = run(manifest, "-o", tmp_path / name)
    assert (code, stderr) == (2, f"error: {tmp_path / name} is read by this command: give another --output\n")
    assert manifest.read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["clips.jsonl"]
