"""Raw corpus -> shards of mouth crops: on all cores, resumable, with each skipped clip and its reason listed.

A prepared folder holds shards `<split>-000000.tar`, beside each a `.jsonl` with the status of each of its clips
(written after the shard: it marks the shard as done), and at the end `manifest.jsonl` and `status.jsonl` over all.
`data/parts.py` says how it is filled.
"""

import functools
import hashlib
import json
import re
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from lipscribe import storage
from lipscribe.data.manifest import Clip, clip_record, save_manifest
from lipscribe.data.parts import (
    PARTS_FOLDER,
    ClipStatus,
    ClipTask,
    Outcome,
    PackTask,
    make_part,
    pack,
    part_name,
    read_statuses,
    write_part,
    write_statuses,
)
from lipscribe.data.shards import PREPARE_FILE, Codec, PreparedClip, clip_members
from lipscribe.engines import Engine, LocalEngine, Message, Tell, run_tasks
from lipscribe.errors import LipscribeError, ManifestError, NoFaceError, VideoError
from lipscribe.faces import FaceDetector, load_face_detector, track_faces
from lipscribe.faces.landmarks import mouth_width
from lipscribe.faces.track import longest_run
from lipscribe.mouth import CropKind, crop_mouth, crop_warnings
from lipscribe.progress import Progress
from lipscribe.resumable import resumable
from lipscribe.storage import AnyPath, StorageError, location
from lipscribe.units import MODEL_FPS, Seconds, frame_to_seconds, seconds_to_frame
from lipscribe.video import Video
from lipscribe.video.passes import Passes

CLIPS_PER_SHARD = 50
STATUS_THREADS = 16  # that read what an earlier call has done: an object store answers many at once
WORD_TIME_SLACK: Seconds = 0.1  # how far words may reach past the end of the video: clips may lack a frame or two
PART_SLACK: Seconds = 0.5  # how far a part may reach past the end of its video: subtitles stay for longer than is said
MIN_SHARED = 0.5  # share of a folder's clips that a corpus must have to be the one that the folder was prepared from
MIN_COVERAGE = 0.9  # share of a clip's frames, or of those with words where their times are known, with the face


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
    _check_whole(clip, video, frame_to_seconds(passes.num_frames, MODEL_FPS))
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


def _check_whole(clip: Clip, video: Video, duration: Seconds) -> None:
    """Raises where much of a video is lost; of words with times, and of parts, the times tell it."""
    if clip.words or clip.is_part or video.lost_warning is None:
        return
    if video.lost > (1 - MIN_COVERAGE) * (duration + video.lost):
        raise VideoError(video.lost_warning)


def _check_coverage(found: np.ndarray, which: str) -> None:
    if len(found) and found.mean() < MIN_COVERAGE:
        raise NoFaceError(f"one face without a break is in {found.mean():.0%} {which}, wanted {MIN_COVERAGE:.0%}")


def prepare(
    clips: list[Clip],
    output: AnyPath | str,
    codec: Codec = "lossless",
    workers: int | None = None,
    crop: CropKind = "lipscribe",
    progress: Progress | None = None,
    engine: Engine | None = None,
) -> list[ClipStatus]:
    """Prepares a corpus; finished clips of an earlier call are kept unless their inputs have changed.

    A clip is prepared again if its record or its video's path, size or modification time has changed. Clips whose video
    is gone are kept.

    Args:
        clips: The clips of a corpus; their videos and the output may be in object stores.
        output: The folder for the shards.
        codec: "lossless", or "compact" (grey H.264, about a tenth of the size).
        workers: Number of workers; None is one per core.
        crop: The kind of crops, as in the model's `spec.input.crop`.
        progress: Called after each clip.
        engine: Where the workers run; None is processes of this machine.

    Returns:
        The status of every clip, in the order of the shards.

    Raises:
        ManifestError: The folder holds another corpus, another codec or another kind of crops, or cannot be written.
        LipscribeError: Another process is writing to it, or an object store refuses.
        OSError: The disk is full.
    """
    output, engine = location(output), engine or LocalEngine(threads=1)
    made_of, older = {"codec": codec, "crop": crop}, {"crop": "lipscribe"}  # the only kind once
    prepared_before = (output / PREPARE_FILE).exists()
    with resumable(output, PREPARE_FILE, made_of, older):
        filling = _Filling(output, clips, progress)
        if prepared_before:
            filling.check_corpus()
            filling.remove_other_shards()
        start = functools.partial(_start, work=functools.partial(_work, codec=codec, crop=crop), output=output)
        with closing(run_tasks(start, filling.tasks(), engine.number(workers), engine)) as messages:
            for message in messages:
                filling.hear(message)
        statuses = filling.statuses()
        kept = {status.id for status in statuses if status.status == "ok"}
        save_manifest(
            output / "manifest.jsonl", [replace(c, path=storage.absolute(c.path)) for c in clips if c.id in kept]
        )
        write_statuses(output / "status.jsonl", statuses)
        storage.remove_folder(output / PARTS_FOLDER)
    return statuses


@dataclass
class _Shard:
    """A shard that is being filled.

    Attributes:
        statuses: Of its clips so far, by id.
        parts: The parts of clips that are not in the shard as it is now, by id.
    """

    path: AnyPath
    clips: list[Clip]
    statuses: dict[str, ClipStatus]
    parts: dict[str, AnyPath] = field(default_factory=dict)


class _Filling:
    """The tasks that fill a prepared folder, and what is there already."""

    def __init__(self, output: AnyPath, clips: list[Clip], progress: Progress | None):
        self._output, self._progress, self._total = output, progress, len(clips)
        self._shards = dict(_plan(clips))
        self._files = {path.name for path in output.iterdir()}
        self._earlier = _read_all(output, self._files)
        (output / PARTS_FOLDER).mkdir(exist_ok=True)
        self._parts = {path.name for path in (output / PARTS_FOLDER).iterdir()}
        self._finished: dict[str, list[ClipStatus]] = {}
        self._open: dict[str, _Shard] = {}  # that each clip on its way is of
        self._packs = deque[PackTask]()
        self._packing = 0
        self._done = 0

    def check_corpus(self) -> None:
        """Refuses another corpus than the folder's; a corrected one shares most clips with the earlier."""
        earlier = {status.id for statuses in self._earlier.values() for status in statuses}
        clips = {clip.id for clips in self._shards.values() for clip in clips}
        here = len(earlier & clips)
        if here < MIN_SHARED * len(earlier):
            raise ManifestError(
                f"{self._output} holds another corpus (of its {len(earlier)} clips, {here} are among these "
                f"{self._total}): give another --output, or delete the folder"
            )

    def remove_other_shards(self) -> None:
        """Shards whose clips are now in other shards, or in none."""
        shards = {name for name in self._files if re.fullmatch(r"[\w-]+-\d{6}\.(tar|jsonl|index)", name)}
        other = sorted(name for name in shards if name.rpartition(".")[0] not in self._shards)
        storage.remove(self._output / name for name in other)

    def tasks(self) -> Iterator[ClipTask | PackTask | None]:
        """What is to be done; None where that depends on what is under way."""
        inputs = _Inputs()
        for name, clips in self._shards.items():
            shard = self._begin(name, {clip.id: inputs.of(clip) for clip in clips})
            for clip, of_clip in shard:
                yield from self._take_packs()
                part = part_name(clip, of_clip)
                yield ClipTask(clip, of_clip, self._output / PARTS_FOLDER / part, part in self._parts)
        while self._open or self._packs or self._packing:
            yield from self._take_packs()
            yield None

    def _take_packs(self) -> Iterator[PackTask]:
        while self._packs:
            self._packing += 1
            yield self._packs.popleft()

    def _begin(self, name: str, inputs: dict[str, str]) -> list[tuple[Clip, str]]:
        """Takes over what an earlier call has done of a shard; returns the clips that are left, with their inputs."""
        path, clips = self._output / f"{name}.tar", self._shards[name]
        earlier = self._earlier.get(name, []) if path.name in self._files else []
        same = {status.id: status for status in earlier if _unchanged(status, inputs.get(status.id))}
        for _ in same:
            self._report()
        shard = _Shard(path, clips, same)
        if [status.id for status in earlier] == [clip.id for clip in clips] and len(same) == len(clips):
            self._finished[name] = earlier
            return []
        left = [(clip, inputs[clip.id]) for clip in clips if clip.id not in same]
        self._open |= {clip.id: shard for clip, _ in left}
        if not left:
            self._close(shard)
        return left

    def hear(self, message: Message) -> None:
        """Takes the outcome of a task."""
        if message.kind == "failed":
            raise message.value
        task = message.task
        if isinstance(task, PackTask):
            if message.kind == "crashed":
                raise LipscribeError(f"writing {task.shard} ends the process that writes it ({message.value})")
            self._packing -= 1
            self._finished[task.shard.stem] = list(task.statuses)
            storage.remove(task.parts.values())
            return
        status = message.value
        if message.kind == "crashed":
            reason = f"{task.clip.path}: reading it ends the process ({message.value}); re-encode the file"
            status = write_part(task, [], ClipStatus(task.clip.id, task.clip.split, "skipped", reason))
        shard = self._open.pop(task.clip.id)
        shard.statuses[task.clip.id] = status
        shard.parts[task.clip.id] = task.part
        self._report()
        if len(shard.statuses) == len(shard.clips):
            self._close(shard)

    def _close(self, shard: _Shard) -> None:
        statuses = tuple(shard.statuses[clip.id] for clip in shard.clips)
        self._packs.append(PackTask(shard.path, statuses, shard.parts))

    def _report(self) -> None:
        self._done += 1
        if self._progress is not None:
            self._progress("prepare", self._done, self._total)

    def statuses(self) -> list[ClipStatus]:
        """Of all clips, in the order of the shards."""
        return [status for name in self._shards for status in self._finished[name]]


def _plan(clips: list[Clip]) -> Iterator[tuple[str, list[Clip]]]:
    for split in sorted({clip.split for clip in clips}):
        members = [clip for clip in clips if clip.split == split]
        for number, first in enumerate(range(0, len(members), CLIPS_PER_SHARD)):
            yield f"{split}-{number:06d}", members[first : first + CLIPS_PER_SHARD]


def _read_all(output: AnyPath, files: set[str]) -> dict[str, list[ClipStatus]]:
    """The statuses of each shard that is done."""
    done = sorted(name for name in files if re.fullmatch(r".*-.*\.jsonl", name))
    with ThreadPoolExecutor(STATUS_THREADS) as threads:
        return dict(
            zip(
                [name.removesuffix(".jsonl") for name in done],
                threads.map(read_statuses, [output / name for name in done]),
                strict=True,
            )
        )


class _Inputs:
    """Checksums of clips and their videos; the files of an object store are listed a folder at a time."""

    def __init__(self) -> None:
        self._folder: AnyPath | None = None
        self._prints: dict[str, str] = {}

    def of(self, clip: Clip) -> str:
        """A checksum of a clip's record, and its video's size and time."""
        path = storage.absolute(clip.path)
        record = hashlib.sha256(json.dumps(clip_record(replace(clip, path=path))).encode()).hexdigest()[:16]
        return f"{record}-{self._file(location(path))}"

    def _file(self, path: AnyPath) -> str:
        """What changes with a file; nothing for one that is not there."""
        if isinstance(path, Path):
            try:
                stat = path.stat()
            except OSError:
                return ""
            return f"{stat.st_size}-{stat.st_mtime_ns}"
        if not storage.is_stored(str(path)):
            return "stream"
        if path.parent != self._folder:
            self._folder, self._prints = path.parent, path.parent.fingerprints()
        return self._prints.get(path.name, "")


def _unchanged(status: ClipStatus, inputs: str | None) -> bool:
    """Whether a clip need not be prepared again."""
    if inputs is None or status.inputs == inputs:
        return inputs is not None
    gone = inputs.endswith("-") and status.status == "ok"  # its video existed earlier
    return gone and (status.inputs.startswith(inputs) or not status.inputs)  # earlier versions wrote no inputs


def _start(tell: Tell, work: Callable[[Clip], Outcome], output: AnyPath) -> Callable[[Any], ClipStatus | None]:
    """In a worker."""
    import cv2

    cv2.setNumThreads(0)  # the other cores have clips of their own
    storage.check_shared(output / PREPARE_FILE)
    return functools.partial(_run, work=work)


def _run(task: ClipTask | PackTask, work: Callable[[Clip], Outcome]) -> ClipStatus | None:
    return pack(task) if isinstance(task, PackTask) else make_part(task, work)


def _work(clip: Clip, codec: Codec, crop: CropKind) -> Outcome:
    try:
        with storage.local_copy(clip.path) as copy:
            prepared, status = prepare_clip(replace(clip, path=copy), crop)
    except StorageError:  # it concerns all clips
        raise
    except LipscribeError as error:
        return [], ClipStatus(clip.id, clip.split, "skipped", str(error))
    return clip_members(replace(prepared, clip=replace(prepared.clip, path=clip.path)), codec), status
