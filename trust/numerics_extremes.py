"""Extreme sizes and numbers through the command line: each command ends in a result or one clear line.

Read by `trust.numerics`. Each case is a command in a process of its own, with its time and memory.
"""

import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import torch
import yaml

from lipscribe.data.manifest import Clip
from lipscribe.data.shards import PreparedClip, write_shard
from lipscribe.models.builders import build_reader
from lipscribe.models.spec import ModelSpec
from lipscribe.schema import from_dict
from lipscribe.talker import Talker
from lipscribe.zoo.checkpoint import load_checkpoint, save_checkpoint
from lipscribe.zoo.registry import find_model

ROOT = Path(__file__).parents[1]
WORDS = ("red", "green", "blue")
LIMIT_S = 300
FAULTS = ("Traceback (most recent call last)", "unexpected ", "Warning:", "Segmentation", "core dumped")


@dataclass(frozen=True)
class Case:
    """A command and how it is to end: "result", "line", or "either" of them."""

    area: str
    name: str
    command: Sequence[str]
    wanted: str = "either"


@dataclass(frozen=True)
class Ending:
    """How a command ended: "result" (exit code 0), "line" (refused with its reason), or a fault."""

    area: str
    name: str
    ending: str
    said: str
    seconds: float
    megabytes: int
    ok: bool


def run(case: Case, folder: Path) -> Ending:
    """Runs a case in the folder."""
    env = os.environ | {"COLUMNS": "200", "PYTHONWARNINGS": "default::RuntimeWarning", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "lipscribe", *case.command]
    started = time.monotonic()
    with (folder / "stdout").open("wb") as out, (folder / "stderr").open("wb") as err:
        process = subprocess.Popen(command, cwd=folder, env=env, stdout=out, stderr=err)
        while (waited := os.wait4(process.pid, os.WNOHANG))[0] == 0 and time.monotonic() - started < LIMIT_S:
            time.sleep(0.01)
        if waited[0] == 0:
            process.kill()
            waited = os.wait4(process.pid, 0)
            return Ending(case.area, case.name, "hang", f"over {LIMIT_S} s", LIMIT_S, 0, False)
    seconds, code = time.monotonic() - started, os.waitstatus_to_exitcode(waited[1])
    stdout = (folder / "stdout").read_text(errors="replace")
    stderr = (folder / "stderr").read_text(errors="replace")
    ending, said = judged(code, stdout, stderr)
    ok = ending in ("result", "line") and case.wanted in ("either", ending)
    return Ending(case.area, case.name, ending, said, round(seconds, 1), waited[2].ru_maxrss // 1024, ok)


def judged(code: int, stdout: str, stderr: str) -> tuple[str, str]:
    """Kind of an ending, and its last line or what is wrong with it."""
    fault = next((line for line in stderr.splitlines() if any(sign in line for sign in FAULTS)), None)
    if code < 0:
        return "crash", f"signal {-code}"
    if fault is not None:
        return "fault", fault
    if code == 0:
        if re.search(r"\b(nan|inf|Infinity)\b", stdout, re.IGNORECASE):
            return "fault", f"a number that is none in the result: {stdout[:80]!r}"
        lines = stdout.strip().splitlines() or [""]
        return "result", lines[-1][:100]
    errors = [line for line in stderr.splitlines() if line.startswith(("error", "Error", "│", "note", "warning"))]
    lines = [line.strip("│ ") for line in errors] or stderr.strip().splitlines()
    if not lines:
        return "fault", f"exit code {code} without a word"
    return "line", lines[-1]


def write_video(path: Path, frames: Iterator[np.ndarray], codec: str, pixels: str, fps: int = 25) -> None:
    """Frames (H, W, 3) uint8 RGB as a video file."""
    with av.open(str(path), "w") as container:
        stream: Any = None
        for frame in frames:
            if stream is None:
                stream = container.add_stream(codec, rate=Fraction(fps))
                stream.height, stream.width, stream.pix_fmt = *frame.shape[:2], pixels
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, "rgb24")))
        if stream is None:  # a stream without a frame
            stream = container.add_stream(codec, rate=Fraction(fps))
            stream.height, stream.width, stream.pix_fmt = 64, 64, pixels
            container.start_encoding()
        container.mux(stream.encode(None))


def make_videos(folder: Path, long: int) -> None:
    """The videos: a talker, and extremes of size and length.

    Args:
        long: Frames of the longest.
    """
    frames = np.asarray(Talker(7).say("place red at c seven please").frames)
    small = [av.VideoFrame.from_ndarray(frame, "rgb24") for frame in frames[:3]]
    large = [frame.reformat(7680, 4320).to_ndarray(format="rgb24") for frame in small]
    black = np.zeros((1, 1, 3), np.uint8)
    turn = [*frames, *frames[::-1]]
    videos: dict[str, tuple[Any, str, str]] = {
        "talker.mp4": (frames, "libx264", "yuv420p"),
        "one-frame.mp4": (frames[40:41], "libx264", "yuv420p"),
        "two-frames.mp4": (frames[40:42], "libx264", "yuv420p"),
        "no-frame.mkv": ([], "ffv1", "bgr0"),
        "1x1.mkv": ([black] * 30, "ffv1", "bgr0"),
        "2x1000.mp4": ([np.zeros((1000, 2, 3), np.uint8)] * 5, "libx264", "yuv420p"),
        "16x16.mp4": ([frame[:16, :16] for frame in frames[:30]], "libx264", "yuv420p"),
        "8k.mp4": (large, "mpeg4", "yuv420p"),
        "long.mp4": ((turn[i % len(turn)] for i in range(long)), "libx264", "yuv420p"),
    }
    for name, (pictures, codec, pixels) in videos.items():
        write_video(folder / name, iter(pictures), codec, pixels)
    (folder / "empty.mp4").write_bytes(b"")


def make_files(folder: Path) -> None:
    """Grammars and phrase lists without a word, and a corpus of extreme videos."""
    texts = {"empty": "", "comment": "# nothing\n", "nothing": "<sentence> = [ ]\n", "hole": "<sentence> = <word>\n"}
    for name, text in texts.items():
        (folder / f"{name}.txt").write_text(text)
    corpus = folder / "corpus"
    corpus.mkdir()
    for name in ("one-frame.mp4", "1x1.mkv", "no-frame.mkv", "empty.mp4", "8k.mp4", "talker.mp4"):
        (corpus / name).write_bytes((folder / name).read_bytes())
        (corpus / name).with_suffix(".txt").write_text("place red at c seven please\n")


def drawn(clip_id: str, split: str, num_frames: int, text: str) -> PreparedClip:
    rng = np.random.default_rng(num_frames)
    crops = rng.integers(0, 256, (num_frames, 96, 96)).astype(np.uint8)
    return PreparedClip(Clip(clip_id, f"{clip_id}.mp4", text, (), "s1", split), crops)


def make_clips(folder: Path, long: int) -> None:
    """Prepared folders: ordinary ones, and those of extreme lengths."""
    for name, lengths in {"plain": (30, 40, 25), "short": (1, 2, 30), "none": (0, 30), "long": (long,)}.items():
        clips = folder / f"clips-{name}"
        clips.mkdir()
        for split in ("train", "dev"):
            each = [drawn(f"s1/{split}{n}", split, length, "red") for n, length in enumerate(lengths)]
            write_shard(clips / f"{split}-000000.tar", each)


def settings(output: str, data: str = "clips-plain", words: Sequence[str] = WORDS, **sections: Any) -> dict[str, Any]:
    """A training that takes a second or two."""
    model = {
        "name": "toy",
        "tokenizer": {"kind": "words", "words": list(words)},
        "input": {"height": 32, "width": 48},
        "frontend": {"channels": [6, 8], "stem_frames": 3, "features": 16},
        "encoder": {"hidden": 12, "layers": 1},
    }
    optim = {"epochs": 2, "batch_size": 4, "precision": "32-true", "frame_weight": 0} | sections.pop("optim", {})
    return {"output": output, "data": {"folder": data, "workers": 0}, "model": model, "optim": optim} | sections


def make_models(folder: Path) -> None:
    """Models whose numbers are at the end of their range, and `talkers` with such weights."""
    spec = from_dict(ModelSpec, settings("")["model"], "toy")
    torch.manual_seed(0)
    for name, part, value in (("plain", "nothing", 0.0), ("overflow", "frontend", 3e38), ("head", "ctc", 3e38)):
        reader = build_reader(spec)
        with torch.no_grad():
            for own, weights in reader.named_parameters():
                if own.startswith(part):
                    weights.copy_(torch.where(weights < 0, -value, value))
        save_checkpoint(folder / f"model-{name}", spec, reader.state_dict(), torch.float32)
    one = from_dict(ModelSpec, settings("", words=["red"])["model"], "toy")
    save_checkpoint(folder / "model-one-word", one, build_reader(one).state_dict())
    bundled, reader = load_checkpoint(find_model("talkers"))
    with torch.no_grad():
        for name, weights in reader.named_parameters():
            if name.startswith("frontend"):
                weights.copy_(torch.where(weights < 0, -3e38, 3e38))
    save_checkpoint(folder / "talkers-overflow", bundled, reader.state_dict(), torch.float32)


def transcribe_cases(full: bool) -> Iterator[Case]:
    short, sizes = ("one-frame.mp4", "two-frames.mp4", "no-frame.mkv"), ("1x1.mkv", "2x1000.mp4", "16x16.mp4", "8k.mp4")
    for runtime in ("onnx", "torch"):
        own = ["--model", "talkers", "--runtime", runtime, "--format", "json"]
        for name in (*short, *sizes, "empty.mp4", "long.mp4"):
            yield Case("transcribe", f"{name}, {runtime}", ["transcribe", name, *own])
        for size in (1, 10_000):
            for search in ("joint", "beam") if full or size == 1 else ("beam",):
                command = ["transcribe", "talker.mp4", *own, "--search", search, "--beam-size", str(size)]
                yield Case("transcribe", f"{search}, beam size {size}, {runtime}", command)
        name = f"weights that overflow, {runtime}"
        model = "talkers-overflow-onnx" if runtime == "onnx" else "talkers-overflow"
        yield Case("transcribe", name, ["transcribe", "talker.mp4", "--model", model, "--runtime", runtime], "line")
    plain = ["transcribe", "talker.mp4", "--model", "talkers"]
    for precision in ("bfloat16", "int8"):
        overflow = ["transcribe", "talker.mp4", "--model", "talkers-overflow", "--precision", precision]
        yield Case("transcribe", f"weights that overflow, {precision}", overflow, "line")
        yield Case("transcribe", f"8k.mp4, {precision}", ["transcribe", "8k.mp4", *plain[2:], "--precision", precision])
    for size in (0, 10_001):
        yield Case("transcribe", f"beam size {size}", [*plain, "--search", "beam", "--beam-size", str(size)], "line")
    for name in ("empty", "comment", "nothing", "hole"):
        yield Case("transcribe", f"grammar file: {name}", [*plain, "--grammar", f"{name}.txt"])
        yield Case("transcribe", f"phrase list: {name}", [*plain, "--phrases", f"{name}.txt"])
    yield Case("transcribe", "start beyond the end", [*plain, "--start", "1e9"], "line")
    yield Case("transcribe", "nbest 1 000", [*plain, "--search", "grammar", "--nbest", "1000", "--format", "json"])


def train_cases(folder: Path, long: int) -> Iterator[Case]:
    """Each with its config, which is written."""
    configs: dict[str, tuple[dict[str, Any], str]] = {
        "clips of 1 and 2 frames": (settings("", "clips-short"), "result"),
        "a clip without a frame": (settings("", "clips-none"), "either"),
        f"one clip of {long} frames": (settings("", "clips-long", optim={"epochs": 1}), "result"),
        "batches of 1": (settings("", optim={"batch_size": 1}), "result"),
        "batches of 10 000": (settings("", optim={"batch_size": 10_000}), "result"),
        "batches of 1 frame": (settings("", optim={"batch_frames": 1}), "result"),
        "batches of 0": (settings("", optim={"batch_size": 0}), "line"),
        "no word": (settings("", words=[]), "line"),
        "one word": (settings("", words=["red"]), "result"),
        "10 000 words": (settings("", words=["red", *(f"w{'abcdefghij'[i % 10]}{i}" for i in range(9999))]), "either"),
        "bfloat16": (settings("", optim={"precision": "bf16-mixed"}), "result"),
        "float16": (settings("", optim={"precision": "16-mixed"}), "line"),
        "learning rate 1": (settings("", optim={"learning_rate": 1.0, "clip_norm": 1e9, "epochs": 20}), "either"),
        "weights that overflow": (settings("", start_from="model-overflow"), "line"),
        "weights that overflow, bfloat16": (
            settings("", start_from="model-overflow", optim={"precision": "bf16-mixed"}),
            "line",
        ),
        "a decoder alone": (
            settings("", "clips-short", optim={"ctc_weight": 0.0}) | {"seed": 2},
            "result",
        ),
    }
    for number, (name, (config, wanted)) in enumerate(configs.items()):
        path = folder / f"train{number}.yaml"
        path.write_text(yaml.safe_dump(config | {"output": f"run{number}"}))
        yield Case("train", name, ["train", path.name], wanted)


def other_cases(long: int) -> Iterator[Case]:
    yield Case("prepare", "extreme videos", ["prepare", "folder", "--root", "corpus", "--output", "prepared"])
    yield Case("export", "plain", ["export", "model-plain", "--output", "model-plain-onnx"], "result")
    yield Case("export", "one word", ["export", "model-one-word", "--output", "model-one-word-onnx"], "result")
    for name in ("overflow", "head"):
        yield Case("export", f"weights that overflow: {name}", ["export", f"model-{name}", "--output", f"out-{name}"])
    yield Case("export", "int8", ["export", "model-plain", "--int8", "--output", "model-plain-int8"], "result")
    clips = ["export", "model-plain", "--output", "model-short-onnx", "--clips", "clips-short"]
    yield Case("export", "compared on clips of 1 and 2 frames", clips)
    for model in ("model-plain", "model-plain-onnx", "model-plain-int8"):
        for data in ("short", "none", "long"):
            name = f"{model}, clips-{data}" + (f" ({long} frames)" if data == "long" else "")
            yield Case("evaluate", name, ["evaluate", f"clips-{data}", "--split", "dev", "--model", model])
        for size in (1, 10_000):
            command = ["evaluate", "clips-plain", "--split", "dev", "--model", model, "--search", "beam"]
            yield Case("evaluate", f"{model}, beam size {size}", [*command, "--beam-size", str(size)])
    for name in ("overflow", "head", "one-word"):
        yield Case(
            "evaluate", f"model-{name}", ["evaluate", "clips-plain", "--split", "dev", "--model", f"model-{name}"]
        )


def measure(folder: Path, full: bool, tell: Callable[[str], None], only: str = "") -> list[dict[str, Any]]:
    """Makes the inputs in a new folder and runs all cases.

    Args:
        full: With 10 000 frames, where else there are 1 000.
        only: Part of the names of those that are run.
    """
    long = 10_000 if full else 1_000
    make_videos(folder, long)
    make_files(folder)
    make_clips(folder, long)
    make_models(folder)
    overflow = ["export", "talkers-overflow", "--output", "talkers-overflow-onnx"]
    cases = [
        Case("export", "talkers with weights that overflow", overflow),
        *transcribe_cases(full),
        *train_cases(folder, long),
        *other_cases(long),
    ]
    rows = []
    for case in cases:
        if only not in f"{case.area} {case.name}" and case.area != "export":  # whose results others read
            continue
        ending = run(case, folder)
        tell(f"{'ok ' if ending.ok else 'BAD'} {case.area}: {case.name}: {ending.ending}: {ending.said[:110]}")
        rows.append(asdict(ending) | {"command": " ".join(case.command)})
    return rows
