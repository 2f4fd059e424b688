"""Raw corpus -> shards of mouth crops: on all cores, resumable, with each skipped clip and its reason listed.

A prepared folder holds shards `<split>-000000.tar`, beside each a `.jsonl` with the status of each of its clips
(written after the shard: it marks the shard as done), and at the end `manifest.jsonl` and `status.jsonl` over all.
"""

import functools
import hashlib
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from lipscribe.atomic import write_text
from lipscribe.data.manifest import Clip, clip_record, save_manifest
from lipscribe.data.shards import (
    PREPARE_FILE,
    Codec,
    Member,
    PreparedClip,
    clip_members,
    read_members,
    write_members,
)
from lipscribe.errors import LipscribeError, ManifestError, NoFaceError
from lipscribe.faces import FaceDetector, load_face_detector, track_faces
from lipscribe.faces.landmarks import mouth_width
from lipscribe.faces.track import longest_run
from lipscribe.mouth import CropKind, crop_mouth, crop_warnings
from lipscribe.processes import Processes
from lipscribe.progress import Progress
from lipscribe.resumable import resumable
from lipscribe.units import MODEL_FPS, Seconds, frame_to_seconds, seconds_to_frame
from lipscribe.video import Video
from lipscribe.video.passes import Passes

CLIPS_PER_SHARD = 50
WORD_TIME_SLACK: Seconds = 0.1  # how far words may reach past the end of the video: clips may lack a frame or two
PART_SLACK: Seconds = 0.5  # how far a part may reach past the end of its video: subtitles stay for longer than is said
MIN_SHARED = 0.5  # share of a folder's clips that a corpus must have to be the one that the folder was prepared from
MIN_COVERAGE = 0.9  # share of a clip's frames, or of those with words where their times are known, with the face


@dataclass(frozen=True)
class ClipStatus:
    """The outcome of one clip.

    Attributes:
        status: "ok" or "skipped".
        reason: Why it was skipped; a warning if it was kept; else empty.
        coverage: Share of the clip's frames in which the face was found, without a break.
        mouth_width_px: Median width of the mouth in the video's own pixels.
        inputs: A checksum of the clip's record, and its video's size and time: where they change, it is prepared again.
    """

    id: str
    split: str
    status: str
    reason: str = ""
    num_frames: int = 0
    coverage: float = 0.0
    mouth_width_px: float = 0.0
    inputs: str = ""


Outcome = tuple[list[Member], ClipStatus]  # the members of a shard, and the clip's status


def prepare_clip(clip: Clip, crop: CropKind = "lipscribe") -> tuple[PreparedClip, ClipStatus]:
    """Crops the mouth of the person speaking in one clip.

    Of a part of a video, only that part is read. The crops start with the face; word times are shifted accordingly.

    Args:
        crop: The kind of crops.

    Raises:
        LipscribeError: The video cannot be read, or has no face while the words are said.
    """
    video = Video(clip.path, MODEL_FPS, start=clip.start, end=clip.end)
    _check_end(clip, video)
    passes = Passes(video)
    run, track = longest_run(track_faces(passes.read("faces"), MODEL_FPS, _detector()))
    start, stop = frame_to_seconds(run.start, MODEL_FPS), frame_to_seconds(run.stop, MODEL_FPS)
    found = np.zeros(passes.num_frames, bool)  # of this run only
    found[run.start : run.stop] = track.detected[run.start - track.start : run.stop - track.start]
    clip = _from_first_frame(clip, video.first_frame)
    _check_words(clip, start, stop, video.duration, found)
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
    """One detector per process: loading takes as long as ten frames."""
    return load_face_detector()


def _check_end(clip: Clip, video: Video) -> None:
    if clip.end is not None and clip.end > video.info.duration + PART_SLACK:
        raise ManifestError(
            f"the clip ends at {clip.end:.2f} s of its video, which ends at {video.info.duration:.2f} s: is the unit "
            "of its times right?"
        )


def _from_first_frame(clip: Clip, first_frame: int) -> Clip:
    """The clip with its words timed from the first frame of its part, which is shown up to a frame after its start."""
    late = frame_to_seconds(first_frame, MODEL_FPS) - clip.start
    if not late:
        return clip
    words = (replace(w, start=max(w.start - late, 0.0), end=max(w.end - late, 0.0)) for w in clip.words)
    return replace(clip, words=tuple(words))


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
    progress: Progress | None = None,
) -> list[ClipStatus]:
    """Prepares a corpus; finished clips of an earlier call are kept unless their inputs have changed.

    A clip is prepared again if its record or its video's path, size or modification time has changed. Clips whose video
    is gone are kept.

    Args:
        clips: The clips of a corpus.
        output: The folder for the shards.
        codec: "lossless", or "compact" (grey H.264, about a tenth of the size).
        workers: Number of processes; None is one per core.
        crop: The kind of crops, as in the model's `spec.input.crop`.
        progress: Called after each clip.

    Returns:
        The status of every clip, in the order of the shards.

    Raises:
        ManifestError: The folder holds another corpus, another codec or another kind of crops, or cannot be written.
        LipscribeError: Another process is writing to it.
    """
    output = Path(output)
    made_of, older = {"codec": codec, "crop": crop}, {"crop": "lipscribe"}  # the only kind once
    prepared_before = (output / PREPARE_FILE).exists()
    shards = dict(_plan(clips))
    statuses: list[ClipStatus] = []

    def finished(status: ClipStatus) -> None:
        statuses.append(status)
        if progress is not None:
            progress("prepare", len(statuses), len(clips))

    with resumable(output, PREPARE_FILE, made_of, older), Processes(workers) as pool:
        if prepared_before:
            _check_corpus(output, clips)
            _remove_other_shards(output, shards)
        work = functools.partial(_work, codec=codec, crop=crop)
        for name, members in shards.items():
            _finish_shard(output / f"{name}.tar", members, work, pool, finished)
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


def _check_corpus(output: Path, clips: list[Clip]) -> None:
    """Refuses another corpus than the folder's; a corrected one shares most clips with the earlier."""
    earlier = {status.id for done in output.glob("*-*.jsonl") for status in _read_statuses(done)}
    here = len(earlier & {clip.id for clip in clips})
    if here < MIN_SHARED * len(earlier):
        raise ManifestError(
            f"{output} holds another corpus (of its {len(earlier)} clips, {here} are among these {len(clips)}): "
            "give another --output, or delete the folder"
        )


def _remove_other_shards(output: Path, shards: dict[str, list[Clip]]) -> None:
    """Shards whose clips are now in other shards, or in none."""
    for path in output.iterdir():
        if re.fullmatch(r"[\w-]+-\d{6}\.(tar|jsonl)", path.name) and path.stem not in shards:
            path.unlink()


def _finish_shard(
    path: Path,
    clips: list[Clip],
    work: Callable[[Clip], Outcome],
    workers: Processes,
    finished: Callable[[ClipStatus], None],
) -> None:
    """Writes a shard, reusing clips of an earlier call whose inputs are unchanged."""
    done = path.with_suffix(".jsonl")
    inputs = {clip.id: _inputs(clip) for clip in clips}
    earlier = _read_statuses(done) if path.exists() else []
    same = {status.id: status for status in earlier if _unchanged(status, inputs.get(status.id))}
    if [status.id for status in earlier] == [clip.id for clip in clips] and len(same) == len(clips):
        for status in earlier:
            finished(status)
        return
    ready = _members_of(path, same)
    done.unlink(missing_ok=True)  # from here on it must not describe an older shard
    outcomes = workers.outcomes(work, [clip for clip in clips if clip.id not in ready], _crashed)
    statuses: list[ClipStatus] = []

    def members() -> Iterator[Member]:
        for clip in clips:
            if clip.id in ready:
                encoded, status = ready[clip.id]
            else:
                encoded, status = next(outcomes)
                status = replace(status, inputs=inputs[clip.id])
            statuses.append(status)
            finished(status)
            yield from encoded

    write_members(path, members())
    _write_lines(done, statuses)


def _inputs(clip: Clip) -> str:
    path = Path(clip.path).resolve()
    record = hashlib.sha256(json.dumps(clip_record(replace(clip, path=str(path)))).encode()).hexdigest()[:16]
    try:
        stat = path.stat()
    except OSError:
        return f"{record}-"
    return f"{record}-{stat.st_size}-{stat.st_mtime_ns}"


def _unchanged(status: ClipStatus, inputs: str | None) -> bool:
    """Whether a clip need not be prepared again."""
    if inputs is None or status.inputs == inputs:
        return inputs is not None
    gone = inputs.endswith("-") and status.status == "ok"  # its video existed earlier
    return gone and (status.inputs.startswith(inputs) or not status.inputs)  # earlier versions wrote no inputs


def _members_of(path: Path, statuses: dict[str, ClipStatus]) -> dict[str, Outcome]:
    """The members of these clips in a shard; none for skipped clips."""
    ready: dict[str, Outcome] = {clip_id: ([], s) for clip_id, s in statuses.items() if s.status != "ok"}
    try:
        ready |= {clip.id: (members, statuses[clip.id]) for clip, members in read_members(path) if clip.id in statuses}
    except ManifestError:  # missing or damaged: written again
        return {}
    return ready


def _work(clip: Clip, codec: Codec, crop: CropKind) -> Outcome:
    import cv2

    cv2.setNumThreads(1)  # the other cores have clips of their own
    try:
        prepared, status = prepare_clip(clip, crop)
    except LipscribeError as error:
        return [], ClipStatus(clip.id, clip.split, "skipped", str(error))
    return clip_members(prepared, codec), status


def _crashed(clip: Clip) -> Outcome:
    return [], ClipStatus(clip.id, clip.split, "skipped", f"{clip.path}: reading it crashes the decoder")


def _write_lines(path: Path, statuses: list[ClipStatus]) -> None:
    write_text(path, "".join(json.dumps(asdict(status)) + "\n" for status in statuses))


def _read_statuses(path: Path) -> list[ClipStatus]:
    """The statuses of a shard's clips; none where the file is missing or damaged."""
    try:
        return [ClipStatus(**json.loads(line)) for line in path.read_text(encoding="utf-8").splitlines()]
    except (OSError, ValueError, TypeError):
        return []
