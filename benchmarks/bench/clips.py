"""The videos that are read: clips of GRID, or a synthetic talker's where GRID is not there."""

import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

import av

SHARED = Path(os.environ.get("LIPSCRIBE_SHARED") or "../shared")


@dataclass
class Clips:
    """The videos of a run.

    Attributes:
        kind: What they are, in words.
        short: A clip of about 3 s.
        repeated: The clip that long videos repeat.
        many: Clips that are read as a folder; repeated where there are too few.
    """

    kind: str
    short: Path
    repeated: Path
    many: list[Path]


def find_clips(clip: Path | None, folder: Path) -> Clips:
    """The given clip; without one GRID's dev clips, or a talker's, written to `folder`."""
    if clip is not None:
        return Clips(f"{clip.name} (given)", clip, clip, [clip])
    grid = SHARED / "grid"
    if (grid / "splits.json").is_file():
        wanted = json.loads((grid / "splits.json").read_text())["dev"]
        files = {path.stem: path for path in sorted((grid / "video/s1").iterdir())}
        many = [files[name.split("/")[-1]] for name in wanted if name.split("/")[-1] in files]
        return Clips("GRID, speaker s1, 360x288", grid / "video/s1/bbal7s.mpg", grid / "video/s1/bbaf2n.mp4", many)
    from lipscribe.talker import Talker

    many = []
    for seed in range(4):
        many.append(folder / f"talker{seed}.mp4")
        Talker(seed).say("place red at v seven please", scene={"width": 360, "height": 288}).save(many[-1])
    return Clips("synthetic talkers, 360x288", many[0], many[0], many)


def copy_many(clips: list[Path], folder: Path, number: int) -> float:
    """Copies `number` clips to a folder of their own, and returns how many seconds they last."""
    folder.mkdir(parents=True)
    total = 0.0
    for n in range(number):
        clip = clips[n % len(clips)]
        shutil.copy(clip, folder / f"{n:03d}{clip.suffix}")
        total += duration(clip)
    return total


def duration(clip: Path) -> float:
    """Seconds of a video."""
    import lipscribe

    return lipscribe.Video(clip).info.duration


def repeat(clip: Path, target: Path, seconds: float) -> None:
    """Writes the clip's packets repeatedly, without encoding them again, until the video lasts `seconds`."""
    with av.open(str(target), "w") as out:
        stream, offset, now = None, 0, 0.0
        while now < seconds:
            with av.open(str(clip)) as source:
                video = source.streams.video[0]
                stream = stream or out.add_stream_from_template(video)
                end = 0
                for packet in source.demux(video):
                    if packet.dts is None:  # the empty packet that ends a stream
                        continue
                    end = max(end, packet.pts + packet.duration)
                    packet.pts, packet.dts, packet.stream = packet.pts + offset, packet.dts + offset, stream
                    out.mux(packet)
                offset += end
                now = float(offset * video.time_base)
