"""`lipscribe align`: when the words of known texts are said, found by a model that knows them."""

import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from lipscribe.alignment import align_video
from lipscribe.cli.app import app
from lipscribe.data.manifest import Clip, WordTime, load_manifest, save_manifest
from lipscribe.errors import LipscribeError, NoFaceError
from lipscribe.pipeline import load_model
from lipscribe.talker import Talker
from lipscribe.video import save_video

TEXT = "place red at c seven please"


def run(*arguments: object) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, ["align", *map(str, arguments)])
    assert "Traceback" not in result.output
    return result.exit_code, result.stdout, result.stderr


@pytest.fixture(scope="module")
def spoken(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, tuple[WordTime, ...]]:
    """A talker's clip, and when each word of TEXT is said in it."""
    clip = Talker(900_003).say(TEXT, duration=3.0)
    path = tmp_path_factory.mktemp("spoken") / "clip.mp4"
    clip.save(path)
    return path, clip.words


@pytest.fixture
def manifest(tmp_path: Path, spoken: tuple[Path, tuple[WordTime, ...]]) -> Path:
    """Clips that can be aligned, that need not be, and that cannot be."""
    shutil.copy(spoken[0], tmp_path / "clip.mp4")
    clips = [
        Clip("good", "clip.mp4", TEXT),
        Clip("timed", "clip.mp4", "red", (WordTime("red", 0.5, 0.9),)),
        Clip("unknown", "clip.mp4", "place a violin"),
        Clip("missing", "nowhere.mp4", TEXT, split="dev"),
    ]
    save_manifest(tmp_path / "clips.jsonl", clips)
    return tmp_path / "clips.jsonl"


def errors_of(found: tuple[WordTime, ...], true: tuple[WordTime, ...]) -> list[float]:
    assert [word.text for word in found] == [word.text for word in true]
    pairs = zip(found, true, strict=True)
    return [abs(got - wanted) for a, b in pairs for got, wanted in ((a.start, b.start), (a.end, b.end))]


def test_word_times_are_written_and_what_has_none_is_listed(
    manifest: Path, tmp_path: Path, spoken: tuple[Path, tuple[WordTime, ...]]
):
    output = tmp_path / "elsewhere" / "timed.jsonl"
    code, stdout, stderr = run(manifest, "-o", output, "--model", "talkers")
    assert code == 1  # two could not be aligned
    (line,) = stdout.splitlines()
    assert line.split("\t")[0] == "good"
    assert float(line.split("\t")[1]) > 0.5
    assert "error: unknown: words 'violin' of 'place a violin' are not among the 51" in stderr
    assert "error: missing: " in stderr
    assert f"1 of 4 clips aligned, 2 not: {output}" in stderr
    assert "1 had word times, which --again replaces" in stderr
    clips = {clip.id: clip for clip in load_manifest(output)}
    assert {name: bool(clip.words) for name, clip in clips.items()} == {
        "good": True,
        "timed": True,
        "unknown": False,
        "missing": False,
    }
    assert clips["timed"].words == (WordTime("red", 0.5, 0.9),)
    assert clips["missing"].split == "dev"
    off = errors_of(clips["good"].words, spoken[1])
    assert sum(off) / len(off) < 0.04
    assert max(off) < 0.15
    assert not list(output.parent.glob("*.aligned"))


def test_clips_of_low_confidence_stay_as_they_were(manifest: Path, tmp_path: Path):
    code, _, stderr = run(manifest, "-o", tmp_path / "out.jsonl", "--model", "talkers", "--sure-above", 1)
    assert code == 1
    assert "note: good is unchanged: confidence 0." in stderr
    assert not load_manifest(tmp_path / "out.jsonl")[0].words


def test_times_that_are_there_can_be_found_again(manifest: Path, tmp_path: Path):
    run(manifest, "-o", tmp_path / "out.jsonl", "--model", "talkers", "--again")
    timed = load_manifest(tmp_path / "out.jsonl")[1]
    assert timed.words[0].text == "red"
    assert timed.words[0].start != 0.5


def test_an_interrupted_run_resumes(manifest: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    head = json.dumps({"model": "talkers", "face": "moving"})
    path = str(manifest.parent.absolute() / "clip.mp4")
    words = [[word, 0.1 * n, 0.1 * n + 0.1, 0.9] for n, word in enumerate(TEXT.split())]
    line = json.dumps([f"{path}\t{TEXT}", words])
    (tmp_path / "out.jsonl.aligned").write_text(f"{head}\n{line}\n")
    monkeypatch.setattr("lipscribe.alignment.align_video", lambda *args: pytest.fail("it was aligned before"))
    save_manifest(manifest, [Clip("good", path, TEXT)])
    code, stdout, _ = run(manifest, "-o", tmp_path / "out.jsonl", "--model", "talkers")
    assert (code, stdout) == (0, "good\t0.90\n")
    assert load_manifest(tmp_path / "out.jsonl")[0].words[1] == WordTime("red", 0.1, 0.2)


def test_everybody_cannot_say_one_text(manifest: Path, tmp_path: Path):
    code, _, stderr = run(manifest, "-o", tmp_path / "out.jsonl", "--face", "all")
    assert code == 2
    assert "one person says a text" in stderr


def test_a_face_that_is_there_for_half_of_the_clip_is_refused(
    spoken: tuple[Path, tuple[WordTime, ...]], tmp_path: Path
):
    frames = Talker(900_003).say(TEXT, duration=3.0).frames
    frames[: len(frames) // 2] = 90
    save_video(tmp_path / "half.mp4", frames, 25)
    with pytest.raises(NoFaceError, match=r"one face is there for \d+% of the frames without a break, wanted 90%"):
        align_video(tmp_path / "half.mp4", TEXT, load_model("talkers"))


def test_a_text_too_long_for_its_clip_is_refused(spoken: tuple[Path, tuple[WordTime, ...]]):
    with pytest.raises(LipscribeError, match="do not fit into 75 frames"):
        align_video(spoken[0], " ".join(["red blue"] * 50), load_model("talkers"))


def test_where_nothing_can_be_aligned_the_exit_code_says_so(tmp_path: Path):
    line = {"id": "me/1", "path": "none.mp4", "text": TEXT, "speaker": "me", "split": "train"}
    (tmp_path / "clips.jsonl").write_text(json.dumps(line) + "\n", encoding="utf-8")
    code, _, stderr = run(tmp_path / "clips.jsonl", "--model", "talkers", "-o", tmp_path / "out.jsonl")
    assert code == 2
    assert "0 of 1 clips aligned, 1 not" in stderr
