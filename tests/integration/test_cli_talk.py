"""`lipscribe talk` as a user runs it: the path on stdout, one clear line for whatever goes wrong, and the exit code."""

import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from lipscribe.cli.app import app
from lipscribe.data.corpora.grid import prepare_grid, read_align
from lipscribe.video import Video

SMALL = ("--size", "128x96")


def run(*arguments: object) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of one command."""
    result = CliRunner().invoke(app, ["talk", *[str(argument) for argument in arguments]])
    assert "Traceback" not in result.output
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return result.exit_code, result.stdout, result.stderr


def frames_of(path: Path) -> np.ndarray:
    return np.stack(list(Video(path)))


def test_a_sentence_becomes_a_video_with_captions(tmp_path: Path):
    path = tmp_path / "clip.mp4"
    code, stdout, _ = run("Red seven, please.", "-o", path, "--seed", 7, "--srt", *SMALL)
    assert (code, stdout) == (0, f"{path}\n")
    frames = frames_of(path)
    assert frames.shape[1:] == (96, 128, 3)
    assert 25 < len(frames) < 75
    captions = (tmp_path / "clip.srt").read_text()
    assert "red seven" in captions and "please" in captions
    assert sorted(file.name for file in tmp_path.iterdir()) == ["clip.mp4", "clip.srt"]


@pytest.mark.slow
def test_seed_take_rate_and_fps_change_what_they_say(tmp_path: Path):
    def talk(*options: object) -> np.ndarray:
        path = tmp_path / "clip.mp4"
        assert run("red", "-o", path, *SMALL, *options)[0] == 0
        return frames_of(path)

    first = talk()
    assert np.array_equal(first, talk())
    assert not np.array_equal(first[0], talk("--seed", 1)[0])
    assert not np.array_equal(first[0], talk("--take", 1)[0])
    assert len(talk("--rate", 0.5)) > len(first)
    path = tmp_path / "clip.mp4"
    assert run("red", "-o", path, *SMALL, "--fps", 50)[0] == 0
    assert Video(path).info.fps == 50


@pytest.mark.slow
def test_a_corpus_goes_through_prepare_grid(tmp_path: Path):
    folder = tmp_path / "corpus"
    options = ("--corpus", "grid", "--clips", 4, "--speakers", 4, "--workers", 1, "-o", folder, *SMALL)
    code, stdout, stderr = run(*options)
    assert (code, stdout) == (0, f"{folder}\n")
    assert "1 dev, 1 test, 2 train; 4 rendered, 0 failed" in stderr
    clips, skipped = prepare_grid(folder)
    assert not skipped
    assert Counter(clip.split for clip in clips) == {"train": 2, "dev": 1, "test": 1}
    assert frames_of(Path(clips[0].path)).shape == (75, 96, 128, 3)

    code, stdout, stderr = run(*options)
    assert (code, stdout) == (0, f"{folder}\n")
    assert "0 rendered, 4 were there, 0 failed" in stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("", "-o", "{}/clip.mp4"), "error: the text is empty, wanted something to say: give an English sentence"),
        (("...", "-o", "{}/clip.mp4"), "error: the text is '...', without a letter or digit"),
        (("你好", "-o", "{}/clip.mp4"), "error: the text has '你' (CJK UNIFIED IDEOGRAPH-4F60), wanted English"),
        (("red", "-o", "{}/absent/clip.mp4"), "clip.mp4: can't be written (No such file or directory)"),
        (("red", "-o", "{}/x.gif"), "x.gif: videos are written as MP4: give x.mp4"),
        (("red", "-o", "{}"), "a directory; name the video file to write in it"),
        (("red", "-o", "{}/clip.mp4", "--rate", "9"), "less than or equal to 4"),
        (("--corpus", "grid", "-o", "{}/c", "--clips", "2", "--speakers", "3"), "error: speakers is 3, wanted 1 to 2"),
        (("--corpus", "{}/absent.txt", "-o", "{}/c"), "absent.txt cannot be read (No such file or directory): give"),
        (("--corpus", "grid", "-o", "/dev/null/c"), "error: /dev/null/c cannot be used"),
        (("red", "-o", "{}/clip.mp4", "--size", "big"), "wanted WIDTHxHEIGHT"),
        (("red", "-o", "{}/clip.mp4", "--size", "2x2"), "error: "),
        (("red", "-o", "{}/clip.mp4", "--clips", "3"), "--clips"),
        (("--corpus", "grid", "-o", "{}/c", "--take", "3"), "--take"),
        (("-o", "{}/clip.mp4"), "give either a text or --corpus"),
        (("red", "--corpus", "grid", "-o", "{}/c"), "give either a text or --corpus"),
        (("red",), "--output"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line_and_leaves_nothing(tmp_path: Path, arguments, message: str):
    code, stdout, stderr = run(*[argument.format(tmp_path) for argument in arguments])
    assert (code, stdout) == (2, "")
    assert message in " ".join(stderr.split())
    if "error: " in stderr:
        assert len(stderr.splitlines()) == 1
    assert not list(tmp_path.iterdir())


def test_help_has_examples_and_imports_nothing_heavy():
    program = (
        "import sys; from lipscribe.cli.app import app\n"
        "try: app(['talk', '--help'])\n"
        "except SystemExit: print(*[n for n in ('torch', 'numpy', 'cv2', 'av') if n in sys.modules], 'end')"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout.splitlines()[-1].split() == ["end"]
    assert 'lipscribe talk "place red at c seven please" -o clip.mp4 --seed 7' in done.stdout
    assert "lipscribe talk --corpus grid --clips 2000 --speakers 50 -o corpus/" in done.stdout


def test_two_people_in_one_picture(tmp_path: Path):
    path = tmp_path / "two.mp4"
    code, _, _ = run(
        "Red.", "--beside", "Blue and green.", "-o", path, "--srt", "--size", "256x96", "--scene", "light=0.6"
    )
    assert code == 0
    captions = (tmp_path / "two.srt").read_text()
    assert "face 0: red" in captions.lower()
    assert "face 1: blue and green" in captions.lower()
    code, _, stderr = run("Red.", "--beside", "Blue.", "-o", path, "--align")
    assert code == 2
    assert "one person" in stderr


def test_word_times_in_grids_format(tmp_path: Path):
    assert run("lay red by c two now", "-o", tmp_path / "x.mp4", "--align", *SMALL)[0] == 0
    assert [word.text for word in read_align(tmp_path / "x.align")] == ["lay", "red", "by", "c", "two", "now"]


@pytest.mark.parametrize(
    ("given", "message"),
    [("light", "NAME=VALUE"), ("light=high", "light is high"), ("hat=1", "a scene has no hat")],
)
def test_scene_fields_that_cannot_be(given: str, message: str, tmp_path: Path):
    code, _, stderr = run("red", "-o", tmp_path / "x.mp4", "--scene", given)
    assert code == 2
    assert message in " ".join(stderr.split())


def test_manners_are_chosen_by_name(tmp_path: Path):
    for manner in ("natural", "careful", "clear"):
        assert run("red", "-o", tmp_path / f"{manner}.mp4", "--manner", manner, *SMALL)[0] == 0
    assert run("red", "-o", tmp_path / "default.mp4", *SMALL)[0] == 0
    natural, careful, clear, default = (
        frames_of(tmp_path / f"{name}.mp4") for name in ("natural", "careful", "clear", "default")
    )
    assert np.array_equal(clear, default)
    assert len(careful) > len(natural)
    assert not np.array_equal(natural[:20], clear[:20])
    code, _, stderr = run("red", "-o", tmp_path / "loud.mp4", "--manner", "loud", *SMALL)
    assert (code, stderr) == (2, "error: manner is 'loud', wanted one of: clear, natural, careful\n")
