"""A model of the released Auto-AVSR size, the whole way: loading, memory, network, search, a clip from file to text.

    python benchmarks/auto_avsr.py --threads 2 --precision float32      # then bfloat16, int8

Weights are drawn by the rule of `tests/auto_avsr_golden.py` (which needs the sizes in ../shared/autoavsr, as the
tests do) and written once (1 GB), so the text means nothing, but the work is that of the released model. For the
search the end of a sentence is made so unlikely that exactly 40 steps are taken with a full beam: the reference did
the same (auto_avsr 182b628, torch 2.13, two threads of two quiet cores of an AMD EPYC, float32; its seconds below are
the faster of two runs). What float32 says is kept beside the weights, and other precisions are held against it. Where
other programs are running, look at the CPU seconds with one thread.
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch

from lipscribe.models import packed

sys.path.append(str(Path(__file__).parents[1] / "tests"))

T = TypeVar("T")
BEAM = 40
FRAMES = (75, 250)
REFERENCE_NETWORK = {75: 0.20 + 0.24, 250: 0.67 + 0.62}  # seconds: frontend and encoder


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()) / "lipscribe-auto-avsr-by-rule")
    parser.add_argument("--precision", default="float32")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--write", action="store_true", help="Write the model, and do nothing more.")
    args = parser.parse_args()
    if args.write:
        from auto_avsr_golden import write_model

        write_model(args.folder, "full")
        return
    if not (args.folder / "spec.json").is_file():  # in a process of its own: its memory is not to be counted
        subprocess.run([sys.executable, __file__, "--write", "--folder", str(args.folder)], check=True)
    torch.set_num_threads(args.threads)
    from lipscribe.pipeline import load_model

    print(f"{args.precision}, {args.threads} threads; {memory()} before the model")
    model = timed("load", 1, lambda: load_model(args.folder, "cpu", args.precision))
    print(f"  {memory()}")
    bias = model.reader.decoder.project.bias.data
    for num_frames in FRAMES:
        measure(model, num_frames, args.runs, bias)
    bias[-1] = 10.0
    compare(model, args)
    read_a_file(model, args.runs)
    if args.precision == "float32":
        for num_frames in FRAMES:
            beside_torchs_layers(model, num_frames)


def measure(model, num_frames: int, runs: int, bias: torch.Tensor) -> None:
    """Network and search of a clip by rule."""
    from auto_avsr_golden import video
    from joint_search import REFERENCE_SECONDS, STEPS, search

    clip, lengths = video(num_frames)[None, :, None], torch.tensor([num_frames])

    @torch.inference_mode()
    def read() -> tuple[torch.Tensor, np.ndarray]:
        states = model.reader.encode(clip, lengths)
        return states, model.reader.ctc(states)[0].double().numpy()

    states, log_probs = timed(f"{num_frames} frames, network", runs, read, REFERENCE_NETWORK[num_frames])
    bias[-1] = -60.0
    name, reference = f"{num_frames} frames, search of {STEPS} steps, beam {BEAM}", REFERENCE_SECONDS[num_frames, BEAM]
    timed(name, runs, lambda: search(model.reader.decoder, states, log_probs, BEAM), reference)
    print(f"  {memory()}", flush=True)


def beside_torchs_layers(model, num_frames: int, pairs: int = 7) -> None:
    """The network our way and by torch's layers, in turn: one machine varies more in a minute than they differ."""
    from auto_avsr_golden import video

    clip, lengths = video(num_frames)[None, :, None], torch.tensor([num_frames])

    @torch.inference_mode()
    def seconds() -> float:
        started = time.perf_counter()
        model.reader.ctc(model.reader.encode(clip, lengths))
        return time.perf_counter() - started

    ours, theirs = [], []
    for _ in range(pairs + 1):  # the first is to warm up
        ours.append(seconds())
        with torchs_layers():
            theirs.append(seconds())
    ratio = statistics.median(b / a for a, b in zip(ours[1:], theirs[1:], strict=True))
    print(
        f"{num_frames} frames, network: ours {statistics.median(ours[1:]):.2f} s, by torch's own layers one after the "
        f"other, as the reference computes, {statistics.median(theirs[1:]):.2f} s: {ratio:.2f} times as long",
        flush=True,
    )


@contextmanager
def torchs_layers() -> Iterator[None]:
    """Without the calls that are fused or go past MKL: what the reference would take on this machine, or a little less,
    since its first layer is a Conv3d."""
    able, packed._ABLE = packed._ABLE, False
    try:
        yield
    finally:
        packed._ABLE = able


def compare(model, args: argparse.Namespace) -> None:
    """The best sentence and the log-probabilities of a clip, beside those of float32 where it has been run before."""
    from auto_avsr_golden import video

    with torch.inference_mode():
        states = model.reader.encode(video(75)[None, :, None], torch.tensor([75]))
        ctc = model.reader.ctc(states)[0]
        heard = torch.tensor([[5, 166, 1720, 9, 4818, 333]])
        decoder = model.reader.decoder(states, torch.tensor([75]), heard)[0]
    best = model.search(states.transpose(0, 1).numpy())[0]
    exact = args.folder / "float32.npz"
    if args.precision == "float32":
        np.savez(exact, ctc=ctc, decoder=decoder, tokens=best.tokens)
    elif exact.is_file():
        wanted = np.load(exact)
        for name, got in (("ctc", ctc), ("decoder", decoder)):
            apart = np.abs(got.numpy() - wanted[name])
            same = (got.numpy().argmax(-1) == wanted[name].argmax(-1)).mean()
            print(
                f"{name}: log-probabilities {apart.max():.3f} apart at most, {apart.mean():.4f} in the mean; "
                f"the likeliest token is the same in {same:.0%} of the rows"
            )
        tokens = tuple(wanted["tokens"].tolist())
        print(f"best sentence: {'the same' if tokens == best.tokens else 'another'} ({len(tokens)} tokens)")
    else:
        print("run float32 first to compare with it")


def read_a_file(model, runs: int) -> None:
    """A synthetic talker of 3 s from file to text, at the model's own beam of 10."""
    from lipscribe.talker import Talker

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "clip.mp4"
        Talker(900_000).say("place red at c seven please", duration=3.0).save(path)
        transcript = timed("a clip of 3 s, file to text (at most 3 s wanted)", runs, lambda: model.transcribe(path))
    print(f"  {len(transcript.words)} words; {memory()}")


def timed(name: str, runs: int, work: Callable[[], T], reference: float | None = None) -> T:
    """Prints the median; what is done once is not warmed up."""
    wall, cpu, out = [], [], None
    for run in range(runs + (runs > 1)):
        started, busy = time.perf_counter(), time.process_time()
        out = work()
        if run or runs == 1:
            wall.append(time.perf_counter() - started)
            cpu.append(time.process_time() - busy)
    seconds = statistics.median(wall)
    ratio = f"; reference {reference:.2f} s, {reference / seconds:.1f} times as long" if reference else ""
    print(f"{name}: {seconds:.2f} s (CPU {statistics.median(cpu):.2f} s){ratio}", flush=True)
    return out


def memory() -> str:
    """The most memory that this process has had, as Linux tells it."""
    status = Path("/proc/self/status").read_text()
    return f"peak memory {int(status.split('VmHWM:')[1].split()[0]) / 1e6:.2f} GB"


if __name__ == "__main__":
    main()
