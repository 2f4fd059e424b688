"""Other systems' parts in the same run, and training: rows that need torch are left out where it is not installed."""

import json
import sys
from collections import Counter
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import cv2
import numpy as np

from benchmarks.bench.machine import multiply_adds
from benchmarks.bench.measure import Row, in_turn
from benchmarks.bench.run import ROOT, Run, call
from benchmarks.bench.stations import build_following

FRAMES = 75  # 3 s
STEPS = 12  # of each figure of training
NO_TORCH = "torch or Lightning Fabric is not installed (pip install 'lipscribe[train]')"


def peers(run: Run) -> None:
    """Face tracks by key frames and frame by frame; the network by ONNX Runtime, by torch, and LipNet's."""
    faces(run)
    networks(run)


def has_torch() -> bool:
    """Whether the packages of the extra `train` are installed."""
    return find_spec("torch") is not None and find_spec("lightning_fabric") is not None


def faces(run: Run) -> None:
    """MediaPipe's networks read every frame, as in MediaPipe (which is not installed: these are its three files)."""
    import lipscribe
    from lipscribe.video import Video

    run.skip("MediaPipe's own program: no package of ours needs it; its networks are run on every frame, as it does")
    frames = Video(run.clips.short).read()
    following = build_following(Counter())
    if following is None:
        run.skip("MediaPipe's networks on every frame: LiteRT is not installed")
        return

    def networks_alone() -> None:
        following.reset()
        for frame in frames:
            following.detect(frame)

    names = ("face tracks, ours", "face tracks, every frame read", "MediaPipe's networks on every frame, no tracks")
    works: tuple[Callable[[], object], ...] = (
        lambda: lipscribe.track_faces(frames),
        lambda: lipscribe.track_faces(frames, 25.0, following),
        networks_alone,
    )
    times = in_turn(dict(zip(names, works, strict=True)), run.rounds(15))
    run.add(*(times[name].row("peers", name) for name in names))


def networks(run: Run) -> None:
    """Frontend and encoder for 3 s."""
    import lipscribe

    crops = np.random.default_rng(0).integers(0, 256, (FRAMES, 96, 96), np.uint8)
    one_thread = lipscribe.load_model(threads=1)
    cv2.setNumThreads(-1)  # as it was before
    ours = lipscribe.load_model()
    views = f"{2 if ours.spec.flip_average else 1} views"
    works: dict[str, Callable[[], object]] = {
        f"our network, ONNX Runtime ({views})": lambda: ours.encode_lean(crops),
        f"our network, ONNX Runtime, one thread ({views})": lambda: one_thread.encode_lean(crops),
    }
    if not has_torch():
        run.skip(f"our network by torch, LipNet's network: {NO_TORCH}")
    else:
        by_torch = lipscribe.load_model(runtime="torch")
        works[f"our network, torch ({views})"] = lambda: by_torch.encode_lean(crops)
        works["LipNet's network, torch (1 view)"] = build_lipnet()
    times = in_turn(works, run.rounds(9))
    run.add(*(times[name].row("peers", name) for name in works))


def build_lipnet() -> Callable[[], object]:
    """A forward pass of LipNet's network (config `lipnet`, random weights): 3D convolutions and two GRUs."""
    import torch

    from lipscribe.models.builders import build_reader
    from lipscribe.training.config import load_config

    spec = load_config("lipnet").model
    reader = build_reader(spec).eval()
    video = torch.rand(1, FRAMES, 1, spec.input.height, spec.input.width)

    def forward() -> Any:
        with torch.inference_mode():
            return reader(video)

    return forward


def training(run: Run) -> None:
    """Preparing a clip; a training step, the loader, and the founding network against Keras."""
    from lipscribe.data.manifest import Clip
    from lipscribe.data.prepare import prepare_clip

    clip = Clip("clip", str(run.clips.short), "bin")
    times = in_turn({"prepare, a clip of 3 s": lambda: prepare_clip(clip)}, run.rounds(9))
    run.add(*(found.row("training", name) for name, found in times.items()))
    if not has_torch():
        run.skip(f"training, Keras: {NO_TORCH}")
        return
    parts = ["step", "loader", "founding"]
    if find_spec("keras") is None:
        parts.remove("founding")
        run.skip("Keras: it is not installed")
    sizes = ["8", "16"]
    if run.quick:
        parts, sizes = ["step"], ["8"]
        run.skip("the loader, batches of 16, and the founding network beside Keras: --quick")
    saved = run.folder / "training.json"
    steps = str(run.rounds(STEPS))
    script = str(ROOT / "benchmarks/training.py")
    given = ("--json", str(saved), "--steps", steps, "--batch-sizes", *sizes, "--workers", "0", "2")
    call(sys.executable, script, *given, "--only", *parts)
    for row in json.loads(saved.read_text())["rows"]:
        run.add(of_training(row, step_limit(run)))


def of_training(row: dict[str, Any], limit: float) -> Row:
    """A row of `benchmarks/training.py`."""
    batch = f"batch of {row['batch']}" if "batch" in row else ""
    if row["part"] == "loader":
        return Row("training", f"loader, {row['workers']} workers, {batch}", "clips/s", [row["clips/s"]])
    samples, cpu = [row["ms"]], row["CPU ms"] / 1e3
    if row["part"] == "step":
        limit_is = "3 times the encoder's multiply-adds, in float32"
        return Row("training", f"step, {batch}", "ms", samples, cpu, 1e3 * limit * row["batch"], limit_is)
    return Row("peers", f"founding network {row['video']}, {row['what']}", "ms", samples, cpu)


def step_limit(run: Run) -> float:
    """Seconds of a training step for one clip: forward, and twice as much backward."""
    import lipscribe
    from lipscribe.zoo.registry import find_model

    size = lipscribe.load_model().spec.input
    video = np.zeros((1, FRAMES, 1, size.height, size.width), np.float32)
    number = multiply_adds(find_model("grid") / "encoder.onnx", {"video": video}, run.folder)
    return 3 * number / run.matmul_rate
