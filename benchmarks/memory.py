"""Peak memory of reading a long video: `python benchmarks/memory.py --clip clip.mpg --minutes 60`.

The clip is repeated, without encoding it again, until it is long enough; the reader runs as a process of its own.
"""

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import av

LIPSCRIBE = str(Path(sys.executable).with_name("lipscribe"))
DEFAULT_CLIP = Path(os.environ.get("LIPSCRIBE_SHARED") or "../shared") / "grid/video/s1/bbaf2n.mp4"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clip", type=Path, default=DEFAULT_CLIP)
    parser.add_argument("--minutes", type=float, default=60)
    args = parser.parse_args()
    if not args.clip.exists():
        sys.exit(f"{args.clip} does not exist: give a video with --clip")
    with tempfile.TemporaryDirectory() as folder:
        video = Path(folder) / "long.mkv"
        repeat(args.clip, video, args.minutes * 60)
        started = time.perf_counter()
        result = subprocess.run([LIPSCRIBE, "transcribe", str(video)], check=True, capture_output=True, text=True)
        seconds = time.perf_counter() - started
    peak_mb = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    print(
        f"{args.minutes:g} min of video: peak {peak_mb:.0f} MB, read in {seconds:.0f} s "
        f"({args.minutes * 60 / seconds:.1f}x real time), {len(result.stdout.split())} words"
    )


def repeat(clip: Path, target: Path, seconds: float) -> None:
    """Writes the clip's packets again and again until the video lasts `seconds`."""
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


if __name__ == "__main__":
    main()
