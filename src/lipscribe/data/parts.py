"""How a prepared folder is filled by many workers, of which each may end at any moment.

The outcome of each clip is a small file of its own in `.parts`, a part: the clip's status and, where there is one, its
record and crops. Its name is a checksum of the clip's inputs, so one that is there need not be made again. Once all
clips of a shard have an outcome, one worker packs their parts into the shard, and their statuses into a `.jsonl` beside
it, which marks it as done. Every file appears whole or not at all, and both steps may be repeated: so a kill costs no
more than the clips that were being read at that moment.
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from typing import NamedTuple

from lipscribe import storage
from lipscribe.data.manifest import Clip
from lipscribe.data.shards import Member, read_members, read_whole, write_members
from lipscribe.errors import ManifestError
from lipscribe.plain_data import parse_json
from lipscribe.schema import from_dict
from lipscribe.storage import AnyPath

PARTS_FOLDER = ".parts"
_STATUS = "status.json"


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


class ClipTask(NamedTuple):
    """A clip to prepare.

    Attributes:
        part: Where its outcome goes.
        there: An earlier call has written it already.
    """

    clip: Clip
    inputs: str
    part: AnyPath
    there: bool


class PackTask(NamedTuple):
    """A shard to write.

    Attributes:
        statuses: Of its clips, in order.
        parts: The parts of clips, by id; the others are in the shard as it is now.
    """

    shard: AnyPath
    statuses: tuple[ClipStatus, ...]
    parts: Mapping[str, AnyPath]


def part_name(clip: Clip, inputs: str) -> str:
    """The name of a clip's part."""
    return hashlib.sha256(f"{clip.id}\n{inputs}".encode()).hexdigest()[:32] + ".tar"


def make_part(task: ClipTask, work: Callable[[Clip], Outcome]) -> ClipStatus:
    """Prepares a clip, unless its part is there, and writes the part."""
    if task.there:
        try:
            return _read_part(task.part)[1]
        except ManifestError:  # damaged: written again
            pass
    encoded, status = work(task.clip)
    return write_part(task, encoded, status)


def write_part(task: ClipTask, encoded: list[Member], status: ClipStatus) -> ClipStatus:
    """Writes the outcome of a clip, and returns its status with the inputs."""
    status = replace(status, inputs=task.inputs)
    write_members(task.part, [(_STATUS, json.dumps(asdict(status)).encode()), *encoded])
    return status


def _read_part(path: AnyPath) -> Outcome:
    (name, status), *encoded = read_whole(path) or [("nothing", b"")]
    if name != _STATUS:
        raise ManifestError(f"{path} begins with {name}: delete it, and prepare the clips again")
    return encoded, _status(status, path)


def pack(task: PackTask) -> None:
    """Writes a shard and its statuses; the parts are left.

    Raises:
        ManifestError: The shard as it is now is damaged; it is removed.
    """
    kept = {status.id for status in task.statuses if status.status == "ok" and status.id not in task.parts}
    earlier = _members_of(task.shard, kept) if kept else {}

    def members() -> Iterator[Member]:
        for status in task.statuses:
            if status.id in task.parts:
                yield from _read_part(task.parts[status.id])[0]
            else:
                yield from earlier.get(status.id, ())  # none of a skipped one

    done = task.shard.with_suffix(".jsonl")
    done.unlink(missing_ok=True)  # from here on it must not describe an older shard
    write_members(task.shard, members(), index=True)
    write_statuses(done, task.statuses)


def _members_of(shard: AnyPath, clips: set[str]) -> dict[str, list[Member]]:
    try:
        found = {clip.id: encoded for clip, encoded in read_members(shard) if clip.id in clips}
        if lost := clips - found.keys():
            raise ManifestError(f"it has no {min(lost)}")
    except ManifestError as error:
        storage.remove([shard.with_suffix(".jsonl"), shard])
        raise ManifestError(f"shard {shard} was damaged and is removed: run the command again") from error
    return found


def write_statuses(path: AnyPath, statuses: Iterable[ClipStatus]) -> None:
    """Writes the statuses of clips, one a line."""
    storage.write_text(path, "".join(json.dumps(asdict(status)) + "\n" for status in statuses))


def read_statuses(path: AnyPath) -> list[ClipStatus]:
    """The statuses of a shard's clips; none where the file is missing or damaged."""
    try:
        return [_status(line, path) for line in path.read_text(encoding="utf-8").splitlines()]
    except (OSError, ValueError, ManifestError):
        return []


def _status(record: bytes | str, path: AnyPath) -> ClipStatus:
    try:
        return from_dict(ClipStatus, parse_json(record), str(path), ManifestError)
    except ValueError as error:
        raise ManifestError(f"{path} holds no status ({error}): prepare the clips again") from None
