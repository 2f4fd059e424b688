"""`lipscribe live` and `lipscribe caption` as a user runs them, on a talker."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from lipscribe.cli.app import app
from lipscribe.talker import Talker
from lipscribe.transcript import Transcript
from lipscribe.video import Video

TEXT = "place red at c seven please"


def run(*arguments: object) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of one command."""
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert "Traceback" not in result.output
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return result.exit_code, result.stdout, result.stderr


@pytest.fixture(scope="module")
def talker(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("talker") / "talker.mp4"
    Talker(7).say(TEXT).save(path)
    return path


@pytest.fixture(scope="module")
def sentences(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A grammar file whose sentences differ early: what is told apart needs no luck."""
    path = tmp_path_factory.mktemp("phrases") / "phrases.txt"
    path.write_text(f"{TEXT}\nbin blue by z two again\nlay white with k nine soon\n", encoding="utf-8")
    return path


@pytest.mark.slow
def test_a_talker_is_read_live_as_afterwards(talker, sentences, tmp_path):
    output, captions = tmp_path / "said.json", tmp_path / "captions.txt"
    code, afterwards, _ = run("transcribe", talker, "--phrases", sentences)
    assert (code, afterwards) == (0, f"{TEXT}\n")
    code, stdout, stderr = run(
        "live", "--camera", talker, "--phrases", sentences, "-o", output, "--captions-file", captions
    )
    assert code == 0, stderr
    assert stdout == afterwards
    assert "6 words in 1 utterance" in stderr
    transcript = Transcript.from_dict(json.loads(output.read_text(encoding="utf-8")))
    assert transcript.text == TEXT
    assert transcript.model == "grid-live"
    said = Talker(7).say(TEXT).words
    assert [word.start for word in transcript.words] == pytest.approx([word.start for word in said], abs=0.2)
    assert captions.read_text(encoding="utf-8") == ""


@pytest.mark.slow
def test_json_has_an_object_for_each_change_whose_committed_words_are_the_utterance(talker, sentences):
    code, stdout, _ = run("live", "--camera", talker, "--phrases", sentences, "--format", "json", "--quiet")
    assert code == 0
    updates = [json.loads(line) for line in stdout.splitlines()]
    committed = [word for update in updates for word in update["committed"]]
    assert " ".join(word["text"] for word in committed) == TEXT
    assert updates[-1]["segment"]["words"] == committed
    assert any(update["tentative"] for update in updates)
    assert [update["time"] for update in updates] == sorted(update["time"] for update in updates)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="signals differ")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_ends_cleanly_with_what_was_said(talker, sentences, tmp_path, number):
    """A camera that goes on for long: the talker's video again and again, in real time."""
    import av

    long = tmp_path / "long.mp4"
    with av.open(str(long), "w") as out:
        stream, offset = None, 0
        for _ in range(100):
            with av.open(str(talker)) as source:
                video = source.streams.video[0]
                stream = stream or out.add_stream_from_template(video)
                end = 0
                for packet in source.demux(video):
                    if packet.dts is not None:
                        end = max(end, packet.pts + packet.duration)
                        packet.pts, packet.dts, packet.stream = packet.pts + offset, packet.dts + offset, stream
                        out.mux(packet)
                offset += end
    output = tmp_path / "said.txt"
    options = ["--phrases", str(sentences), "--format", "json", "-o", str(output)]
    command = [sys.executable, "-m", "lipscribe", "live", "--camera", str(long), *options]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    first = next(line for line in process.stdout if json.loads(line)["segment"])
    os.kill(process.pid, number)
    rest, stderr = process.communicate(timeout=120)
    assert process.returncode == 0, stderr
    assert "Traceback" not in stderr
    updates = [json.loads(line) for line in [first, *rest.splitlines()]]
    said = [update["segment"]["text"] for update in updates if update["segment"]]
    assert output.read_text(encoding="utf-8").splitlines() == said
    assert len(said) < 100


@pytest.mark.slow
def test_captioning_is_transcribing_to_mp4(talker, sentences, tmp_path):
    code, _, stderr = run("caption", talker, "-o", tmp_path / "a.mp4", "--phrases", sentences)
    assert code == 0, stderr
    assert run("transcribe", talker, "-o", tmp_path / "b.mp4", "--phrases", sentences)[0] == 0
    captioned, same, plain = (Video(path).read() for path in (tmp_path / "a.mp4", tmp_path / "b.mp4", talker))
    np.testing.assert_array_equal(captioned, same)
    assert captioned.shape != plain.shape or not np.array_equal(captioned, plain)
    assert Video(tmp_path / "a.mp4").info.duration == pytest.approx(Video(talker).info.duration, abs=0.05)
    code, _, _ = run("caption", talker, "-o", tmp_path / "many", "--phrases", sentences)
    assert (code, [path.name for path in (tmp_path / "many").iterdir()]) == (0, ["talker.captioned.mp4"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["live", "--camera", "no-such.mp4"], "no-such.mp4: no such file"),
        (["live", "--camera", "123"], "camera 123"),
        (["live", "--camera", "no-such.mp4", "-o", "said.mp4"], "give a file whose name ends in .txt, .json, .srt"),
        (["live", "--camera", "no-such.mp4", "--model", "no-such"], "no-such"),
        (["live", "--camera", "no-such.mp4", "--phrases", "no-such.txt"], "no-such.txt"),
        (["caption", "no-such.mp4", "-o", "said.srt"], "give said.mp4"),
        (["caption", "no-such.mp4", "-o", "said.mp4"], "no-such.mp4: no such file"),
    ],
)
def test_what_cannot_be_done_is_one_line(arguments, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, stdout, stderr = run(*arguments)
    assert (code, stdout) == (2, "")
    assert [message in line for line in stderr.splitlines() if line.startswith("error:")] == [True]
