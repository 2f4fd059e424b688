"""A recording's mouth, and whether it is fit to learn from: one face, near and lit enough, that speaks."""

import functools
import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np

from lipscribe.atomic import write_bytes
from lipscribe.data.crop_codecs import DAMAGE
from lipscribe.data.manifest import Clip
from lipscribe.data.prepare import MIN_COVERAGE
from lipscribe.data.shards import PreparedClip
from lipscribe.errors import LipscribeError
from lipscribe.faces import FaceDetector, load_face_detector, track_faces
from lipscribe.faces.identity import signature
from lipscribe.faces.track import FaceTrack, longest_run
from lipscribe.mouth import CROP_SIZE, CropKind
from lipscribe.mouth.measures import QualityCheck
from lipscribe.mouth.quality import MOTION_BAD, judge_face
from lipscribe.plain_data import parse_json
from lipscribe.units import MODEL_FPS
from lipscribe.video import Video
from lipscribe.video.opencv import one_thread
from lipscribe.video.passes import Passes

LOOKS = 3  # frames of each recording by which its person is known


@dataclass(frozen=True, eq=False)
class Recording:
    """A recording that was looked at.

    Attributes:
        clip: As it was given.
        crops: (T, 96, 96) uint8 from the first frame with the face to the last; empty where there is none.
        looks: (LOOKS, 1280) float32, see `faces.identity.signature`.
        faults: Why nothing can be learned from it, each with the remedy; empty for a good one.
        notes: What makes it worse than it could be.
    """

    clip: Clip
    crops: np.ndarray
    looks: np.ndarray
    faults: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def prepared(self) -> PreparedClip:
        """The clip for training."""
        return PreparedClip(self.clip, self.crops)


def check_recording(clip: Clip, crop: CropKind, folder: Path) -> Recording:
    """Reads a recording and judges it; the result of an earlier call is read from `folder` instead.

    Args:
        crop: The kind of mouth crops that the model reads.
        folder: Where results are kept.

    Raises:
        OSError: The folder cannot be written.
    """
    kept = folder / f"{_key(clip, crop)}.npz"
    if (earlier := _load(kept, clip)) is not None:
        return earlier
    try:
        with one_thread():
            found = _look(clip, crop)
    except LipscribeError as error:
        return _unusable(clip, str(error))  # not kept: the file may be repaired under its name
    buffer = BytesIO()
    text = json.dumps({"faults": found.faults, "notes": found.notes})
    np.savez_compressed(buffer, crops=found.crops, looks=found.looks, judged=np.array(text))
    write_bytes(kept, buffer.getvalue())
    return found


def crashed(clip: Clip) -> Recording:
    """What is known of a recording that ends the process that reads it."""
    return _unusable(clip, f"{clip.path}: reading it crashes the decoder; convert it, for example with ffmpeg")


def _unusable(clip: Clip, reason: str) -> Recording:
    return Recording(clip, np.zeros((0, 96, 96), np.uint8), np.zeros((0, 0), np.float32), (reason,))


def _look(clip: Clip, crop: CropKind) -> Recording:
    video = Video(clip.path, MODEL_FPS)
    passes = Passes(video)
    run, track = longest_run(track_faces(passes.read("faces"), MODEL_FPS, _detector()))
    check = QualityCheck([run], crop, video.info.width)
    looked_at = np.linspace(0, len(run.landmarks) - 1, LOOKS + 2).astype(int)[1:-1] + run.start
    looks: list[np.ndarray] = []
    crops = [each for _, each in check.watch(_with_looks(video, run, looked_at.tolist(), looks))]
    found = np.zeros(passes.num_frames, bool)  # of this run only
    found[run.start : run.stop] = track.detected[run.start - track.start : run.stop - track.start]
    coverage = float(found.mean())
    quality = check.quality(coverage)
    findings = list(judge_face(quality, passes.num_frames))
    faults = [each.text for each in findings if each.severity == "bad" and each.measure != "motion"]
    if coverage < MIN_COVERAGE and not any(each.measure == "coverage" and each.severity == "bad" for each in findings):
        faults.append(
            f"one face without a break is in {coverage:.0%} of the frames (wanted: {MIN_COVERAGE:.0%}): record it "
            "again with the face in the picture throughout"
        )
    if quality.motion is not None and quality.motion < MOTION_BAD:
        faults.append(
            f"the mouth does not move ({quality.motion:.2f} eye distances a second, wanted: {MOTION_BAD}): nobody "
            "speaks in it; record it again"
        )
    judged = ("motion", "coverage")  # above
    notes = [each.text for each in findings if each.severity == "doubtful" and each.measure not in judged]
    return Recording(clip, np.stack(crops), np.stack(looks), tuple(faults), tuple(notes))


def _with_looks(video: Video, run: FaceTrack, at: list[int], looks: list[np.ndarray]) -> Iterator[np.ndarray]:
    """The frames of a video; on the way, how the face looks in some of them is added to `looks`."""
    for idx, frame in enumerate(video):
        if idx in at:
            looks.append(signature(frame, run.landmarks[idx - run.start]))
        yield frame


@functools.cache
def _detector() -> FaceDetector:
    """One detector per process."""
    return load_face_detector()


def _key(clip: Clip, crop: CropKind) -> str:
    path = Path(clip.path).resolve()
    try:
        stat = path.stat()
        file = f"{stat.st_size} {stat.st_mtime_ns}"
    except OSError:
        file = ""
    return hashlib.sha256(f"{path} {file} {crop}".encode()).hexdigest()[:16]


def _load(path: Path, clip: Clip) -> Recording | None:
    """The result of an earlier call; None where there is none, or a damaged one."""
    try:
        with np.load(path, allow_pickle=False) as arrays:
            judged = parse_json(str(arrays["judged"]))
            crops, looks = arrays["crops"], arrays["looks"]
            if crops.dtype != np.uint8 or crops.shape[1:] != (CROP_SIZE, CROP_SIZE) or looks.ndim != 2:
                return None
            return Recording(clip, crops, looks, *(tuple(map(str, judged[name])) for name in ("faults", "notes")))
    except (*DAMAGE, TypeError, AttributeError, MemoryError):  # MemoryError: of a size that no machine has
        return None
