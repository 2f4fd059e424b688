"""The stations of a clip of 3 s, each beside what this machine allows."""

import math
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np

from benchmarks.bench.machine import multiply_adds
from benchmarks.bench.measure import Row, Times, fastest, in_turn
from benchmarks.bench.run import Run

GROUP = "stations"
STATIONS = ("open, decode, RGB", "face tracks", "crops and measures", "encoder", "decoder steps", "search")


def stations(run: Run) -> None:
    """The stations of a 3 s clip in a warm process, and the whole."""
    import lipscribe
    from lipscribe.mouth.measures import QualityCheck
    from lipscribe.video import Video

    model = lipscribe.load_model()
    path = run.clips.short
    frames = Video(path).read()
    tracks = lipscribe.choose_faces(lipscribe.track_faces(frames))
    crops = np.stack([crop for _, crop in QualityCheck(tracks).watch(frames)])
    states = model.encode_lean(crops)
    steps = StepClock(model)
    works: dict[str, Callable[[], object]] = {
        STATIONS[0]: lambda: Video(path).read(),
        STATIONS[1]: lambda: lipscribe.track_faces(frames),
        STATIONS[2]: lambda: list(QualityCheck(tracks).watch(frames)),
        STATIONS[3]: lambda: model.encode_lean(crops),
        STATIONS[5]: lambda: steps.timed(lambda: list(model.search_pieces(states))),
        "whole": lambda: model.transcribe(path),
    }
    times = in_turn(works, run.rounds(21))
    times[STATIONS[4]] = steps.times()
    for kind in ("wall", "cpu"):  # of the search remains what is not the decoder's
        whole, part = getattr(times[STATIONS[5]], kind), getattr(times[STATIONS[4]], kind)
        setattr(times[STATIONS[5]], kind, [max(a - b, 1e-6) for a, b in zip(whole, part, strict=True)])
    limits = {
        STATIONS[0]: (decode_limit(path), "FFmpeg alone, without RGB"),
        STATIONS[1]: faces_limit(frames),
        STATIONS[2]: (crops_limit(frames), "one cv2.warpAffine of 96x96 a frame"),
        **network_limits(run, model, len(crops), steps),
    }
    run.add(*(times[name].row(GROUP, name, *limits.get(name, (None, ""))) for name in STATIONS))
    total = sum(seconds for seconds, _ in limits.values() if seconds)
    run.add(times["whole"].row(GROUP, "whole", total, "sum of the limits above"))


class StepClock:
    """Measures and counts the calls of a model's decoder within a search.

    Attributes:
        feeds: The inputs of the calls in the last search.
    """

    def __init__(self, model: Any):
        self.feeds: list[dict[str, np.ndarray]] = []
        self._found: list[tuple[float, float]] = []
        self._now = (0.0, 0.0)
        self._session = getattr(model.runtime, "_step", None)
        if self._session is not None:
            model.runtime._step = self

    def run(self, outputs: Any, feed: dict[str, np.ndarray]) -> Any:
        """As the `InferenceSession`'s."""
        busy, started = time.process_time(), time.perf_counter()
        result = self._session.run(outputs, feed)
        wall, cpu = self._now
        self._now = wall + time.perf_counter() - started, cpu + time.process_time() - busy
        self.feeds.append(feed)
        return result

    def timed(self, search: Callable[[], object]) -> None:
        """Runs a search."""
        self._now, self.feeds = (0.0, 0.0), []
        search()
        self._found.append(self._now)

    def times(self) -> Times:
        """Of all searches but the first, which warms up; as `in_turn` has them."""
        return Times(*(list(column) for column in zip(*self._found[1:], strict=True)))


def decode_limit(path: Path) -> float:
    """Seconds that FFmpeg takes to open and decode a file, without any use of the pictures."""

    def decode() -> None:
        with av.open(str(path)) as container:
            container.streams.video[0].thread_type = "AUTO"
            for _ in container.decode(video=0):
                pass

    return fastest(decode)


class Counted:
    """A face network that counts its runs."""

    def __init__(self, name: str, network: Any, counts: Counter[str]):
        self._name, self._network, self._counts = name, network, counts

    def run(self, picture: np.ndarray) -> list[np.ndarray]:
        """See `Network.run`."""
        self._counts[self._name] += 1
        return self._network.run(picture)


def build_following(counts: Counter[str]) -> Any:
    """The detector that reads every frame, with counted networks; None where LiteRT is not installed."""
    from lipscribe.faces.blazeface import BlazeFace
    from lipscribe.faces.following import FollowingDetector
    from lipscribe.faces.mesh import FaceMesh
    from lipscribe.faces.networks import NetworkName, find_runtime, load_network

    if find_runtime() != "litert":
        return None

    def load(name: NetworkName) -> Any:
        return Counted(name, load_network(name, "litert"), counts)

    mesh, short = FaceMesh(load("face_landmark")), BlazeFace.short_range(load("face_detection_short_range"))
    return FollowingDetector(mesh, short, BlazeFace.full_range(load("face_detection_full_range_sparse")), 4)


def faces_limit(frames: np.ndarray) -> tuple[float | None, str]:
    """The runs of the face networks in these frames, at the time that each takes alone."""
    import lipscribe
    from lipscribe.faces.key_frames import KeyFrameDetector
    from lipscribe.faces.networks import load_network

    counts: Counter[str] = Counter()
    following = build_following(counts)
    if following is None:
        return None, "LiteRT is not installed"
    lipscribe.track_faces(frames, 25.0, KeyFrameDetector(following))
    total = 0.0
    for name, number in counts.items():
        network, size = load_network(name, "litert"), 128 if "short" in name else 192  # pyright: ignore
        picture = np.random.default_rng(0).integers(0, 256, (size, size, 3), np.uint8)
        total += number * fastest(lambda network=network, picture=picture: network.run(picture), 20)
    mesh = counts["face_landmark"]
    return total, f"{mesh} runs of the mesh and {counts.total() - mesh} of detectors, alone"


def crops_limit(frames: np.ndarray) -> float:
    """Seconds of one warp of 96x96 px for each frame."""
    matrix = np.array([[0.5, 0.1, 40], [-0.1, 0.5, 80]])
    return fastest(lambda: [cv2.warpAffine(frame, matrix, (96, 96)) for frame in frames])


def network_limits(run: Run, model: Any, num_frames: int, steps: StepClock) -> dict[str, tuple[float, str]]:
    """Of encoder, decoder and search: their multiply-adds or bytes at the machine's rates."""
    from lipscribe.zoo.registry import find_model

    folder, size = find_model(model.name), model.spec.input
    views = (3 if model.spec.shift_average else 1) * (2 if model.spec.flip_average else 1)
    video = np.zeros((views, num_frames, 1, size.height, size.width), np.float32)
    number = multiply_adds(folder / "encoder.onnx", {"video": video}, run.folder)
    billion = f"at {run.matmul_rate / 1e9:.0f} G a second, as numpy multiplies matrices"
    limits = {STATIONS[3]: (number / run.matmul_rate, f"{number / 1e9:.2f} G multiply-adds {billion}")}
    if steps.feeds:
        number = sum(multiply_adds(folder / "decoder_step.onnx", feed, run.folder) for feed in steps.feeds)
        limits[STATIONS[4]] = (
            number / run.matmul_rate,
            f"{number / 1e9:.2f} G in {len(steps.feeds)} steps",
        )
        sentences = sum(math.prod(feed["previous"].shape) // views for feed in steps.feeds)
        copied = sentences * num_frames * 2 * 8  # CTC's two float64 for each prefix and frame
        limits[STATIONS[5]] = (copied / run.copy_rate, f"{sentences} prefixes' float64 of CTC, copied once")
    return limits


def station_limit(rows: list[Row]) -> float | None:
    """Seconds of the whole clip's limit, where the stations were measured."""
    return next((row.limit for row in rows if (row.group, row.name) == (GROUP, "whole")), None)
