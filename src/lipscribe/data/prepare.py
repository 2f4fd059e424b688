"""Raw corpus -> shards of mouth crops: on all cores, resumable after a kill at any moment, nothing dropped in silence.

A prepared folder holds shards `<split>-000000.tar`, beside each a `.jsonl` with the status of each of its clips
(written after the shard: it marks the shard as done), and at the end `manifest.jsonl` and `status.jsonl` over all.
"""

import functools
import json
import zlib
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
from tqdm import tqdm

from lipscribe.atomic import write_text
from lipscribe.data.manifest import Clip, save_manifest
from lipscribe.data.shards import PREPARE_FILE, Codec, PreparedClip, clip_members, write_members
from lipscribe.errors import LipscribeError, ManifestError, NoFaceError
from lipscribe.faces import FaceDetector, choose_faces, load_face_detector, track_faces
from lipscribe.faces.landmarks import mouth_width
from lipscribe.mouth import CropKind, crop_mouth, crop_warnings
from lipscribe.processes import Processes
from lipscribe.units import MODEL_FPS, Seconds, frame_to_seconds, seconds_to_frame
from lipscribe.video import Video

CLIPS_PER_SHARD = 50
WORD_TIME_SLACK: Seconds = 0.1  # how far words may reach past the end of the video: clips may lack a frame or two
MIN_COVERAGE = 0.9  # share of a clip's frames, or of those with words where their times are known, with the face


@dataclass(frozen=True)
class ClipStatus:
    """What became of one clip.

    Attributes:
        status: "ok" or "skipped".
        reason: Why it was skipped; what is odd about it, if it was kept all the same; else empty.
        coverage: Share of the clip's frames in which the face was found, without a break.
        mouth_width_px: Median width of the mouth in the video's own pixels.
    """

    id: str
    split: str
    status: str
    reason: str = ""
    num_frames: int = 0
    coverage: float = 0.0
    mouth_width_px: float = 0.0


Outcome = tuple[list[tuple[str, bytes]], ClipStatus]  # the members of a shard, and what became of the clip


def prepare_clip(clip: Clip, crop: CropKind = "lipscribe") -> tuple[PreparedClip, ClipStatus]:
    """Cuts the mouth of the person speaking out of one clip.

    The crops begin where the face does; the clip's word times are moved along.

    Args:
        crop: The kind of crops.

    Raises:
        LipscribeError: The video cannot be read, or no face is there while the words are said.
    """
    video = Video(clip.path, MODEL_FPS)
    num_frames = 0

    def counted() -> Iterator[np.ndarray]:
        nonlocal num_frames
        for frame in video:
            num_frames += 1
            yield frame

    tracks = track_faces(counted(), MODEL_FPS, _detector())
    runs = [(run, track) for track in choose_faces(tracks) for run in track.runs()]
    if not runs:
        raise NoFaceError("a face is there for a moment only")
    run, track = max(runs, key=lambda pair: pair[0].stop - pair[0].start)
    start, stop = frame_to_seconds(run.start, MODEL_FPS), frame_to_seconds(run.stop, MODEL_FPS)
    found = np.zeros(num_frames, bool)  # of the run alone: what else is in the clip has other words
    found[run.start : run.stop] = track.detected[run.start - track.start : run.stop - track.start]
    _check_words(clip, start, stop, video.info.duration, found)
    words = tuple(
        replace(word, start=min(max(word.start, start), stop) - start, end=min(max(word.end, start), stop) - start)
        for word in clip.words
    )
    status = ClipStatus(
        clip.id,
        clip.split,
        "ok",
        "; ".join([*video.warnings, *crop_warnings([run], crop)]),
        run.stop - run.start,
        round(float(found.mean()), 3),
        round(float(mouth_width(run.landmarks).mean()), 1),
    )
    return PreparedClip(replace(clip, words=words), crop_mouth(video, run, crop)), status


@functools.cache
def _detector() -> FaceDetector:
    """One for each process: starting it takes as long as reading ten frames."""
    return load_face_detector()


def _check_words(clip: Clip, start: Seconds, stop: Seconds, duration: Seconds, found: np.ndarray) -> None:
    """Raises where the face is not there, from `start` to `stop`, while the words are said; found: (T,) bool."""
    if not clip.words:
        _check_coverage(found, "of the clip's frames")
        return
    first, last = clip.words[0].start, clip.words[-1].end
    if last > duration + WORD_TIME_SLACK:
        raise ManifestError(f"the words end at {last:.2f} s, the video at {duration:.2f} s: is their unit right?")
    if first < start - WORD_TIME_SLACK or last > stop + WORD_TIME_SLACK:
        raise NoFaceError(f"the words last from {first:.2f} to {last:.2f} s, the face from {start:.2f} to {stop:.2f} s")
    said = slice(seconds_to_frame(max(first, start), MODEL_FPS), seconds_to_frame(min(last, stop), MODEL_FPS))
    _check_coverage(found[said], "of the frames with words")


def _check_coverage(found: np.ndarray, which: str) -> None:
    if len(found) and found.mean() < MIN_COVERAGE:
        raise NoFaceError(f"one face without a break is in {found.mean():.0%} {which}, wanted {MIN_COVERAGE:.0%}")


def prepare(
    clips: list[Clip],
    output: Path | str,
    codec: Codec = "lossless",
    workers: int | None = None,
    crop: CropKind = "lipscribe",
) -> list[ClipStatus]:
    """Prepares a corpus; what an earlier, interrupted call has finished is not done again.

    Args:
        clips: What a corpus reader found.
        output: The folder for the shards.
        codec: "lossless", or "compact" (grey H.264, about a tenth of the size).
        workers: Processes; None is one a core.
        crop: The kind of crops, that of the models which are to read them (`spec.input.crop`).

    Returns:
        The status of every clip, in the order of the shards.

    Raises:
        ManifestError: The folder holds other clips, another codec or another kind of crops, or cannot be written.
    """
    output = Path(output)
    _claim(output, clips, codec, crop)
    shards = list(_plan(clips))
    statuses: list[ClipStatus] = []
    with tqdm(total=len(clips), desc="prepare", unit="clip", disable=None) as bar, Processes(workers) as pool:
        for name, members in shards:
            shard, done = output / f"{name}.tar", output / f"{name}.jsonl"
            if shard.exists() and done.exists():
                bar.update(len(members))
            else:
                work = functools.partial(_work, codec=codec, crop=crop)
                _prepare_shard(shard, done, members, work, pool, bar)
            statuses += [ClipStatus(**json.loads(line)) for line in done.read_text(encoding="utf-8").splitlines()]
    kept = {status.id for status in statuses if status.status == "ok"}
    save_manifest(
        output / "manifest.jsonl", [replace(c, path=str(Path(c.path).resolve())) for c in clips if c.id in kept]
    )
    _write_lines(output / "status.jsonl", statuses)
    return statuses


def _plan(clips: list[Clip]) -> Iterator[tuple[str, list[Clip]]]:
    for split in sorted({clip.split for clip in clips}):
        members = [clip for clip in clips if clip.split == split]
        for number, first in enumerate(range(0, len(members), CLIPS_PER_SHARD)):
            yield f"{split}-{number:06d}", members[first : first + CLIPS_PER_SHARD]


def _claim(output: Path, clips: list[Clip], codec: Codec, crop: CropKind) -> None:
    """Marks the folder with what goes into it, and refuses to mix two preparations."""
    ids = "\n".join(f"{clip.split} {clip.id} {clip.text}" for clip in clips)
    wanted = {"codec": codec, "clips": len(clips), "checksum": zlib.crc32(ids.encode()), "crop": crop}
    path = output / PREPARE_FILE
    try:
        output.mkdir(parents=True, exist_ok=True)
        if path.exists():
            found = {"crop": "lipscribe"} | json.loads(path.read_text(encoding="utf-8"))  # the only kind once
            if found != wanted:
                raise ManifestError(
                    f"{output} was prepared from {found.get('clips')} clips ({found.get('codec')}, {found['crop']} "
                    f"crops), now it would be {len(clips)} ({codec}, {crop} crops): give another --output, or delete "
                    "the folder"
                )
        else:
            write_text(path, json.dumps(wanted))
    except (OSError, ValueError, TypeError) as error:
        raise ManifestError(f"{output} cannot be used ({error}): give another --output") from None


def _prepare_shard(
    path: Path, done: Path, clips: list[Clip], work: Callable[[Clip], Outcome], workers: Processes, bar: tqdm
) -> None:
    statuses: list[ClipStatus] = []

    def members() -> Iterator[tuple[str, bytes]]:
        for encoded, status in workers.outcomes(work, clips, _crashed):
            bar.update()
            statuses.append(status)
            yield from encoded

    write_members(path, members())
    _write_lines(done, statuses)


def _work(clip: Clip, codec: Codec, crop: CropKind) -> Outcome:
    try:
        prepared, status = prepare_clip(clip, crop)
    except LipscribeError as error:
        return [], ClipStatus(clip.id, clip.split, "skipped", str(error))
    return clip_members(prepared, codec), status


def _crashed(clip: Clip) -> Outcome:
    return [], ClipStatus(clip.id, clip.split, "skipped", f"{clip.path}: reading it crashes the decoder")


def _write_lines(path: Path, statuses: list[ClipStatus]) -> None:
    write_text(path, "".join(json.dumps(asdict(status)) + "\n" for status in statuses))
