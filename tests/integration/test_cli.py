"""The command line as a user runs it: results on stdout, one clear line for whatever goes wrong, and the exit code."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from lipscribe.cli import main
from lipscribe.cli.app import app
from lipscribe.video import Video, save_video

SENTENCE = "bin blue at l seven soon"  # of bbal7s


def run(*arguments: object) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of one command."""
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert "Traceback" not in result.output
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return result.exit_code, result.stdout, result.stderr


def error_line(*arguments: object, code: int = 2) -> str:
    """The one line of stderr that starts with `error:`."""
    exit_code, stdout, stderr = run(*arguments)
    assert exit_code == code, stderr
    assert stdout == ""
    lines = [line for line in stderr.splitlines() if line.startswith("error:")]
    assert len(lines) == 1, stderr
    return lines[0]


def start(arguments: list[str], **streams) -> subprocess.CompletedProcess[str]:
    """One command as a process of its own."""
    command = [sys.executable, "-m", "lipscribe", *arguments]
    return subprocess.run(command, stderr=subprocess.PIPE, text=True, **streams)


@pytest.fixture
def clip(grid_root: Path) -> Path:
    return grid_root / "video" / "s1" / "bbal7s.mpg"


@pytest.fixture(scope="module")
def faceless(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("faceless") / "noise.mp4"
    noise = np.random.default_rng(0).integers(0, 255, (25, 120, 160, 3), dtype=np.uint8)
    save_video(path, noise, 25)
    return path


def test_text_of_a_real_clip_goes_to_stdout(clip):
    code, stdout, stderr = run("transcribe", clip)
    assert code == 0
    assert len(stdout.split()) == 6
    right = sum(a == b for a, b in zip(stdout.split(), SENTENCE.split(), strict=True))
    assert right >= 4, stdout
    assert "error" not in stderr


@pytest.mark.parametrize("format", ["txt", "json", "srt", "vtt", "tsv"])
def test_one_result_a_file_in_each_format(clip, tmp_path, format):
    code, stdout, _ = run("transcribe", clip, "--format", format, "--output", tmp_path / "out")
    assert code == 0
    assert stdout == ""
    written = (tmp_path / "out" / f"bbal7s.{format}").read_text(encoding="utf-8")
    assert "soon" in written or len(written.split()) >= 6


def test_one_bad_file_among_many_does_not_stop_the_rest(clip, tmp_path):
    bad = tmp_path / "bad.mp4"
    bad.write_text("this is no video")
    code, stdout, stderr = run("transcribe", bad, clip, tmp_path / "missing.mp4")
    assert code == 1
    assert len(stdout.split()) == 7  # its name and six words
    assert "2 of 3 videos could not be read" in stderr


@pytest.mark.slow
def test_several_videos_on_stdout_can_be_told_apart(clip, faceless):
    _, stdout, _ = run("transcribe", clip, clip)
    assert [line.split(": ")[0] for line in stdout.splitlines()] == [str(clip)] * 2
    _, stdout, _ = run("transcribe", clip, clip, "--format", "json")
    assert [json.loads(line)["source"] for line in stdout.splitlines()] == [str(clip)] * 2


def test_what_cannot_be_evaluated_is_named(clip, tmp_path):
    rows = [{"id": f"me/{n}", "path": str(path), "text": SENTENCE} for n, path in ((1, clip), (2, "missing.mp4"))]
    (tmp_path / "clips.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    code, stdout, stderr = run("evaluate", tmp_path / "clips.jsonl", "--split", "train")
    assert code == 1
    assert "could not be read: me/2: " in stderr
    assert "1 of 2 clips could not be read" in stdout


@pytest.mark.slow
def test_a_full_disk_behind_stdout_is_told(clip):
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full on this system")
    with Path("/dev/full").open("w") as full:
        command = [sys.executable, "-m", "lipscribe.cli", "transcribe", str(clip), "--format", "json"]
        result = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True)
    assert result.returncode == 2
    assert "error: cannot write to stdout: No space left on device" in result.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    "command",
    [
        ["models"],
        ["models", "--json"],
        ["transcribe", "CLIP"],
        ["transcribe", "CLIP", "CLIP"],
        ["--help"],
        ["transcribe", "--help"],
        ["--version"],
    ],
)
def test_a_full_disk_behind_any_command_is_told(clip, command):
    with Path("/dev/full").open("w") as full:
        result = start([str(clip) if word == "CLIP" else word for word in command], stdout=full)
    assert result.returncode == 2
    assert "error: the disk is full" in result.stderr
    assert "Traceback" not in result.stderr
    assert "Exception ignored" not in result.stderr


@pytest.mark.slow
def test_a_closed_stderr_does_not_mix_remarks_into_the_results(clip):
    command = ["sh", "-c", f'"{sys.executable}" -m lipscribe.cli transcribe "$0" 2>&-', str(clip)]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 0
    assert len(result.stdout.split()) == 6


@pytest.mark.parametrize(
    "where", ["sys.meta_path.insert(0, Interrupt())", "typer.core.TyperGroup.make_context = interrupt"]
)
def test_an_interrupt_while_starting_is_one_line(where):
    code = (
        "import sys, lipscribe.cli\n"
        "def interrupt(*args, **kwargs): raise KeyboardInterrupt\n"
        "class Interrupt: find_spec = interrupt\n"
        f"{'import typer.core; ' if 'typer' in where else ''}{where}\n"
        "sys.argv = ['lipscribe', 'models']\n"
        "lipscribe.cli.main()"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (result.returncode, result.stdout, result.stderr) == (1, "", "interrupted\n")


@pytest.mark.parametrize(("given", "taken"), [(None, "passive"), ("active", "active")])
def test_threads_wait_asleep_unless_told_otherwise(monkeypatch, given, taken):
    monkeypatch.setenv("OMP_WAIT_POLICY", given or "")
    if given is None:
        monkeypatch.delenv("OMP_WAIT_POLICY")
    monkeypatch.setattr(sys, "argv", ["lipscribe", "--version"])
    with pytest.raises(SystemExit):
        main()
    assert os.environ["OMP_WAIT_POLICY"] == taken


def test_equal_names_do_not_overwrite_each_other(clip, tmp_path):
    (tmp_path / "a").mkdir()
    copy = tmp_path / "a" / clip.name
    copy.write_bytes(clip.read_bytes())
    run("transcribe", clip, copy, "--output", tmp_path / "out")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["bbal7s-2.txt", "bbal7s.txt"]


def test_json_has_words_with_times_and_probabilities(clip):
    code, stdout, _ = run("transcribe", clip, "--format", "json")
    assert code == 0
    words = json.loads(stdout)["segments"][0]["words"]
    assert len(words) == 6
    assert all(0 <= word["start"] < word["end"] <= 3.0 and 0 <= word["probability"] <= 1 for word in words)


def test_missing_file(tmp_path):
    assert "no such file" in error_line("transcribe", tmp_path / "nothing.mp4")


def test_directory(tmp_path):
    assert "folder" in error_line("transcribe", tmp_path) or "director" in error_line("transcribe", tmp_path)


def test_text_file_named_mp4(tmp_path):
    path = tmp_path / "text.mp4"
    path.write_text("hello\n" * 100)
    assert str(path) in error_line("transcribe", path)


def test_empty_file(tmp_path):
    path = tmp_path / "empty.mp4"
    path.touch()
    assert "empty" in error_line("transcribe", path)


def test_audio_only(tmp_path):
    path = tmp_path / "sound.wav"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 8000), np.int16), format="s16", layout="mono")
        frame.sample_rate = 8000
        container.mux(stream.encode(frame))
        container.mux(stream.encode())
    assert "no video" in error_line("transcribe", path) or "audio" in error_line("transcribe", path)


def test_no_face(faceless):
    line = error_line("transcribe", faceless)
    assert str(faceless) in line
    assert "face" in line
    assert "lipscribe inspect" in line


@pytest.fixture(scope="module")
def upside_down(grid_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("turned") / "turned.mp4"
    frames = Video(grid_root / "video" / "s1" / "bbal7s.mpg").read()
    save_video(path, np.ascontiguousarray(frames[:, ::-1, ::-1]), 25)
    return path


def test_an_upside_down_picture_is_read_the_right_way_up(upside_down):
    _, stdout, stderr = run("transcribe", upside_down)
    assert stdout == "bin blue at l seven soon\n"
    assert "upside down in the picture (179 degrees): it was read the right way up" in stderr
    _, stdout, _ = run("inspect", upside_down)
    assert "turned.mp4: good" in stdout
    assert "note: the face is upside down in the picture (179 degrees)" in stdout


@pytest.mark.slow
def test_inspect_shows_the_crops_that_a_model_reads(upside_down, tmp_path):
    from lipscribe.zoo.registry import find_model

    model = tmp_path / "model"
    shutil.copytree(find_model("talkers"), model)
    record = json.loads((model / "spec.json").read_text())
    record["input"]["crop"] = "auto-avsr"
    (model / "spec.json").write_text(json.dumps(record))
    code, _, _ = run("inspect", upside_down, "--model", model, "-o", tmp_path / "report")
    assert code == 0
    assert json.loads((tmp_path / "report" / "inspection.json").read_text())["crop"] == "auto-avsr"


def test_unknown_model_names_those_at_hand(faceless):
    line = error_line("transcribe", faceless, "--model", "grid-s99")
    assert "grid-s99" in line
    assert "grid" in line


def test_corrupt_checkpoint(faceless, tmp_path):
    pytest.importorskip("torch", reason="needs lipscribe[train]")
    from lipscribe.zoo.registry import find_model

    for file in find_model("grid").iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes()[: 1000 if file.suffix == ".safetensors" else None])
    assert "damaged" in error_line("transcribe", faceless, "--model", tmp_path)


def test_config_with_three_faults_tells_all(tmp_path):
    pytest.importorskip("torch", reason="needs lipscribe[train]")
    config = tmp_path / "config.yaml"
    config.write_text(
        "output: runs/x\nsed: 3\ndata: {folder: prepared}\n"
        "model: {name: x, tokenizer: {kind: characters}, encoder: {layers: 0}}\noptim: {epochs: many}\n"
    )
    line = error_line("train", config)
    assert "sed is unknown; did you mean seed?" in line
    assert "model.encoder.layers is 0" in line
    assert "optim.epochs is 'many'" in line


def test_unwritable_output(clip, tmp_path):
    (tmp_path / "file").touch()
    assert "cannot be written" in error_line("transcribe", clip, "--output", tmp_path / "file" / "out")


def test_prepare_without_a_corpus(tmp_path):
    (tmp_path / "empty").mkdir()
    assert "no video" in error_line("prepare", "grid", "--root", tmp_path / "empty", "--output", tmp_path / "out")
    assert "is not a folder" in error_line("prepare", "grid", "--root", tmp_path / "x", "--output", tmp_path / "out")


def test_evaluate_without_prepared_clips(tmp_path):
    assert "prepare" in error_line("evaluate", tmp_path, "--split", "dev")


def test_several_subtitles_need_a_folder(faceless):
    code, _, stderr = run("transcribe", faceless, faceless, "--format", "srt")
    assert code == 2
    assert "--output" in stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["transcrib", "x.mp4"], "No such command 'transcrib'. Did you mean 'transcribe'?"),
        (["transcribe"], "Missing argument 'videos'"),
        (["transcribe", "x.mp4", "--format", "doc"], "'--format': 'doc' is not one of 'txt', 'json'"),
        (["transcribe", "x.mp4", "--bean-size", "3"], "No such option: --bean-size"),
        (["transcribe", "x.mp4", "--beam-size", "0"], "'--beam-size'"),
        (["transcribe", "x.mp4", "--beam-size"], "'--beam-size' requires an argument"),
        (["models", "extra"], "No such command 'extra'"),
        (["models", "remove", "a", "b"], "unexpected extra argument"),
        (["models", "import", "x.pth"], "Missing option '--name'"),
    ],
)
def test_wrong_usage_is_one_line_and_no_box(arguments, message):
    code, stdout, stderr = run(*arguments)
    assert (code, stdout) == (2, "")
    assert stderr.count("\n") == 1, stderr
    assert stderr.startswith("error: ")
    assert message in stderr
    assert stderr.rstrip().endswith("--help`)")


def test_no_command_shows_the_help():
    code, stdout, _ = run()
    assert code == 2
    assert "transcribe" in stdout


def test_models_lists_the_bundled_one():
    code, stdout, _ = run("models", "--json")
    assert code == 0
    bundled = {row["name"]: row for row in json.loads(stdout)}["grid"]
    assert "closed" in bundled["vocabulary"]
    assert float(bundled["size"].split()[0]) <= 10


def helps(group, path: str = "lipscribe") -> Iterator[tuple[str, str]]:
    """Each command by the words that call it, with its help."""
    for name, command in group.commands.items():
        yield f"{path} {name}", command.help
        yield from helps(command, f"{path} {name}") if hasattr(command, "commands") else ()


def test_every_help_has_examples():
    found = dict(helps(typer.main.get_command(app)))
    assert {"lipscribe transcribe", "lipscribe models import", "lipscribe configs copy"} <= set(found)
    assert [name for name, text in found.items() if not re.search(rf"Examples:\s+{name}\b", text)] == []


def test_no_help_imports_what_is_heavy():
    program = (
        "import sys, typer\n"
        "from lipscribe.cli.app import app\n"
        "def show(command):\n"
        "    command.main(['--help'], standalone_mode=False)\n"
        "    for each in getattr(command, 'commands', {}).values(): show(each)\n"
        "show(typer.main.get_command(app))\n"
        "print(*[name for name in ('torch', 'numpy', 'av', 'cv2') if name in sys.modules], 'end')"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert result.stdout.splitlines()[-1] == "end", result.stderr
    assert "lipscribe models import" in result.stdout


@pytest.mark.slow
def test_interrupt_keeps_what_is_done_and_says_so(clip, tmp_path):
    command = [str(Path(sys.executable).with_name("lipscribe")), "transcribe", *[str(clip)] * 200]
    process = subprocess.Popen(
        [*command, "--output", str(tmp_path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a runner in the background ignores it
    )
    deadline = time.monotonic() + 60
    while not list(tmp_path.glob("*.txt")) and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    try:
        _, stderr = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 1
    assert "interrupted" in stderr
    assert "Traceback" not in stderr
    assert list(tmp_path.glob("*.txt"))


def test_only_the_phrases_given_are_read(clip, tmp_path):
    phrases = tmp_path / "phrases.txt"
    phrases.write_text("set white with p four please\nbin blue at l seven soon\n")
    code, stdout, _ = run("transcribe", clip, "--phrases", phrases)
    assert (code, stdout) == (0, "bin blue at l seven soon\n")


def test_initials_narrow_what_is_read(clip, faceless, tmp_path):
    code, stdout, _ = run("transcribe", clip, "--initials", "B b ? ? s s")
    assert (code, stdout) == (0, f"{SENTENCE}\n")
    assert "word 2 cannot begin with 'x' there, but with b, g, r, w: correct it, or give ? for it" in error_line(
        "transcribe", faceless, "--initials", "b x a l s s"
    )
    assert "initials are given, but method 'greedy' has no use for it" in error_line(
        "transcribe", faceless, "--initials", "b", "--search", "greedy"
    )
    manifest = tmp_path / "clips.jsonl"
    manifest.write_text(json.dumps({"id": "me", "path": str(clip), "text": SENTENCE}) + "\n")
    code, stdout, _ = run("evaluate", manifest, "--split", "train", "--initials")
    assert code == 0 and stdout.startswith("WER 0.0 %")


def test_a_grammar_with_a_fault_is_told_by_its_line(faceless, tmp_path):
    rules = tmp_path / "rules.txt"
    rules.write_text("<sentence> = bin (blue | red\n")
    assert error_line("transcribe", faceless, "--grammar", rules).endswith(
        "rules.txt: line 1: '(' is not closed by ')'"
    )
    rules.write_text("<sentence> = bin purple\n")
    assert "grammar: 'purple' cannot be spelt in the model's" in error_line("transcribe", faceless, "--grammar", rules)
    assert "grammar is given, but method 'beam'" in error_line(
        "transcribe", faceless, "--grammar", "grid", "--search", "beam"
    )
    assert "--grammar and --phrases are both given" in error_line(
        "transcribe", faceless, "--grammar", "grid", "--phrases", rules
    )


def test_a_search_that_the_model_cannot_do_is_told(faceless):
    line = error_line("transcribe", faceless, "--model", "talkers", "--search", "joint")
    assert "model talkers has no decoder for method 'joint': want one of greedy, beam, grammar" in line
    line = error_line("transcribe", faceless, "--model", "talkers", "--search", "attention", "--grammar", "grid")
    assert "model talkers has no decoder for method 'attention'" in line


def test_a_language_model_of_other_words_is_told(faceless, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "kenlm", None)
    assert "pip install 'lipscribe[lm]'" in error_line("transcribe", faceless, "--lm", "words.arpa")
    assert "--grammar and --lm are both given" in error_line(
        "transcribe", faceless, "--lm", "words.arpa", "--grammar", "grid"
    )


def test_a_language_model_in_the_beam(clip, tmp_path):
    pytest.importorskip("kenlm", reason="needs KenLM: pip install 'lipscribe[lm]'")
    arpa = tmp_path / "words.arpa"
    arpa.write_text(
        "\\data\\\nngram 1=4\nngram 2=1\n\n\\1-grams:\n0\t<s>\t0\n-1\t</s>\n-0.3\tsoon\t0\n-9\tzebra\t0\n\n"
        "\\2-grams:\n-0.1\t<s> soon\n\n\\end\\\n"
    )
    plain = run("transcribe", clip, "--search", "beam")
    code, stdout, stderr = run("transcribe", clip, "--lm", arpa, "--lm-weight", 0.0)
    assert (code, stdout) == plain[:2]
    assert "note: language model: 1 of its words cannot be read by this model: zebra" in stderr
    assert "note: language model: it lacks 50 of the reader's words: a, again, at" in stderr


def test_json_has_other_readings_and_what_words_were_chosen_over(clip):
    code, stdout, _ = run("transcribe", clip, "--format", "json", "--nbest", 3, "--alternatives", 2)
    assert code == 0
    record = json.loads(stdout)
    texts = record["nbest"][0]["texts"]
    assert texts[0]["text"] == record["text"]
    assert len({text["text"] for text in texts}) == 3
    assert [text["score"] for text in texts] == sorted((text["score"] for text in texts), reverse=True)
    words = record["segments"][0]["words"]
    assert all(len(word["alternatives"]) <= 2 for word in words)
    found = [alternative for word in words for alternative in word["alternatives"]]
    assert found
    assert all(each["homophene"] in (True, False) and 0 <= each["probability"] <= 1 for each in found)


def test_unsure_words_are_marked(clip):
    code, stdout, _ = run("transcribe", clip, "--mark-unsure", "--unsure-below", 1)
    assert code == 0
    assert "[l?]" in stdout


def test_a_model_is_calibrated_in_place(prepared, toy_spec, tmp_path):
    from lipscribe.models.builders import build_reader
    from lipscribe.models.spec import load_spec
    from lipscribe.zoo.checkpoint import save_checkpoint

    save_checkpoint(tmp_path, toy_spec, build_reader(toy_spec).state_dict())
    line = error_line("calibrate", prepared, "--model", tmp_path)
    assert "words were read, too few to fit a temperature: want at least 50" in line
    assert load_spec(tmp_path).temperatures == {}


def test_a_bundled_model_is_calibrated_in_a_copy_only(prepared, tmp_path, monkeypatch):
    from lipscribe.evaluation.temperature import Fit
    from lipscribe.zoo.registry import BUNDLED

    fit = Fit(1.5, 0.2, 0.1, 80, 0.4)
    monkeypatch.setattr("lipscribe.evaluation.calibrate_prepared", lambda *arguments: fit)
    before = (BUNDLED / "talkers" / "spec.json").read_bytes()
    for name in ("talkers", BUNDLED / "talkers"):
        line = error_line("calibrate", prepared, "--model", name)
        assert "is part of the package and stays as it is: give --output FOLDER for a copy" in line
    code, stdout, stderr = run("calibrate", prepared, "--model", "talkers", "-o", tmp_path / "mine")
    assert code == 0
    assert "temperature 1.5 for search grammar, from 80 words of dev" in stdout
    assert f"written to {tmp_path / 'mine'}" in stderr
    assert json.loads((tmp_path / "mine" / "spec.json").read_text())["temperatures"]["grammar"] == 1.5
    assert "surprise limit 0.4" in stdout
    assert json.loads((tmp_path / "mine" / "spec.json").read_text())["surprise_limit"] == 0.4
    assert (BUNDLED / "talkers" / "spec.json").read_bytes() == before
    assert "exists: give another --output" in error_line(
        "calibrate", prepared, "--model", "talkers", "-o", tmp_path / "mine"
    )
