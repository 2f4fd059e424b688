"""Whether the same is read again, with other threads, in other batches, by the other runtime, on other processors.

Read by `trust.numerics`; as a program it reads clips once, in a process whose environment the caller has set:

    python -m trust.numerics_reading CLIPS.npz OUT.npz MODEL --runtime onnx --threads 2 --batch 4
"""

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from lipscribe.model import Model
from lipscribe.pipeline import load_model

ROOT = Path(__file__).parents[1]
SENTENCES = (
    *(
        "place red at c seven please",
        "bin blue by f two now",
        "lay green with m nine soon",
        "set white in z zero again",
    ),
    *("bin white at k four please", "lay blue in p one now", "place green by s three soon", "set red with g six again"),
)
AVX2 = {"ONEDNN_MAX_CPU_ISA": "AVX2", "ATEN_CPU_CAPABILITY": "avx2", "MKL_ENABLE_INSTRUCTIONS": "AVX2"}


def make_clips(path: Path) -> None:
    """Mouth crops of eight talkers, one sentence each."""
    from lipscribe.faces import load_face_detector
    from lipscribe.talker import Talker
    from trust.calibration import mouth_of

    detector, clips = load_face_detector(), {}
    for number, text in enumerate(SENTENCES):
        clip = Talker(7000 + number).say(text)
        crops = mouth_of(clip.frames, clip.fps, detector)
        assert crops is not None
        clips[f"clip{number}"] = crops
    np.savez(path, **clips)


def read(model: Model, crops: np.ndarray, batch: int) -> tuple[np.ndarray, str, list[float]]:
    """Log-probabilities by CTC (T, V), the text, and the words' probabilities.

    Args:
        batch: Clips that the network computes at once: this one and copies of it backwards.
    """
    encoded = model.encode(crops)
    log_probs = encoded.log_probs
    if batch > 1:
        video = model.views(crops)
        others = np.concatenate([video, *[video[:, ::-1]] * (batch - 1)])
        log_probs = model.runtime.log_probs(model.runtime.encode(others)[: len(video)])
    assert log_probs is not None
    found = model.search(encoded)[0]
    return log_probs, found.text, [word.probability for word in found.words]


def run(clips: Path, model: str, folder: Path, env: Mapping[str, str], *options: str) -> dict[str, Any] | str:
    """Reads the clips in a process of its own; what it read, or why it could not."""
    out = folder / "reading.npz"
    out.unlink(missing_ok=True)
    command = [sys.executable, "-m", "trust.numerics_reading", str(clips), str(out), model, *options]
    done = subprocess.run(command, cwd=ROOT, env=os.environ | env, capture_output=True, text=True, timeout=600)
    if done.returncode:
        return (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
    with np.load(out) as found:
        return {name: found[name] for name in found.files} | {"words": json.loads(done.stdout)}


def compare(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    """The largest differences of two readings: CTC's and words' probabilities, and the number of other texts."""
    names = sorted(name for name in one if name.startswith("clip"))
    ctc = float(np.max([np.abs(np.exp(one[name]) - np.exp(other[name])).max() for name in names]))  # NaN stays
    texts = sum(one["words"][name][0] != other["words"][name][0] for name in names)
    pairs = [
        (a, b)
        for name in names
        if one["words"][name][0] == other["words"][name][0]
        for a, b in zip(one["words"][name][1], other["words"][name][1], strict=True)
    ]
    words = float(np.max([0.0, *(abs(a - b) for a, b in pairs)]))
    same = all(np.array_equal(one[name], other[name]) for name in names)
    return {"clips": len(names), "texts_differ": texts, "ctc": ctc, "words": words, "to_the_bit": same and words == 0}


def readings(clips: Path, folder: Path, model: str, mask: Path | None) -> list[dict[str, Any]]:
    """Each way of reading against one thread of ONNX Runtime."""
    hidden = {"LD_PRELOAD": str(mask)} if mask else {}
    ways: list[tuple[str, dict[str, str], list[str]]] = [
        ("again", {}, ["--threads", "1"]),
        ("2 threads", {}, ["--threads", "2"]),
        ("4 threads", {}, ["--threads", "4"]),
        ("in a batch of 2", {}, ["--threads", "1", "--batch", "2"]),
        ("in a batch of 5", {}, ["--threads", "1", "--batch", "5"]),
        ("in a worker process", {}, ["--threads", "1", "--worker"]),
        *([("without AVX-512 and AMX", hidden, ["--threads", "1"])] if mask else []),
        ("torch, 1 thread", {}, ["--runtime", "torch", "--threads", "1"]),
        ("torch, 2 threads", {}, ["--runtime", "torch", "--threads", "2"]),
        ("torch, 4 threads", {}, ["--runtime", "torch", "--threads", "4"]),
        ("torch, oneDNN, ATen and MKL limited to AVX2", AVX2, ["--runtime", "torch", "--threads", "1"]),
        *([("torch, without AVX-512 and AMX", hidden, ["--runtime", "torch", "--threads", "1"])] if mask else []),
        ("torch, bfloat16", {}, ["--runtime", "torch", "--threads", "1", "--precision", "bfloat16"]),
        ("torch, int8", {}, ["--runtime", "torch", "--threads", "1", "--precision", "int8"]),
    ]
    base = run(clips, model, folder, {}, "--threads", "1")
    if isinstance(base, str):
        return [{"model": model, "way": "1 thread", "failed": base}]
    rows = []
    for way, env, options in ways:
        found = run(clips, model, folder, env, *options)
        row: dict[str, Any] = {"failed": found} if isinstance(found, str) else compare(base, found)
        rows.append({"model": model, "way": way} | row)
    return rows


def _in_worker(clips: dict[str, np.ndarray], name: str) -> dict[str, Any]:
    """Reads in a process as `transcribe_all` starts them: forked from a clean one, with the model loaded there."""
    import multiprocessing

    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_read_all, (clips, name, "auto", "float32", 1, 1))


def _read_all(
    clips: dict[str, np.ndarray], name: str, runtime: Any, precision: str, threads: int, batch: int
) -> dict[str, Any]:
    model = load_model(name, precision=precision, runtime=runtime, threads=threads)
    return {key: read(model, crops, batch) for key, crops in clips.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clips", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("model")
    parser.add_argument("--runtime", default="auto")
    parser.add_argument("--precision", default="float32")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--worker", action="store_true")
    args = parser.parse_args()
    with np.load(args.clips) as file:
        clips = {name: file[name] for name in file.files}
    if args.worker:
        found = _in_worker(clips, args.model)
    else:
        found = _read_all(clips, args.model, args.runtime, args.precision, args.threads, args.batch)
    np.savez(args.out, **{name: log_probs for name, (log_probs, _, _) in found.items()})
    print(json.dumps({name: [text, words] for name, (_, text, words) in found.items()}))


if __name__ == "__main__":
    main()
