"""How long reading takes: `python benchmarks/speed.py --clip clip.mpg`. Medians; compare only figures of one run."""

import argparse
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

LIPSCRIBE = str(Path(sys.executable).with_name("lipscribe"))
DEFAULT_CLIP = Path(os.environ.get("LIPSCRIBE_SHARED") or "../shared") / "grid/video/s1/bbal7s.mpg"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clip", type=Path, default=DEFAULT_CLIP)
    parser.add_argument("--runs", type=int, default=7)
    args = parser.parse_args()
    if not args.clip.exists():
        sys.exit(f"{args.clip} does not exist: give a video with --clip")

    import lipscribe
    from lipscribe.faces import track_faces
    from lipscribe.mouth import crop_mouth
    from lipscribe.video import Video

    model = lipscribe.load_model()
    report("whole way, warm", args.runs, lambda: model.transcribe(args.clip))
    report("  video", args.runs, lambda: Video(args.clip).read())
    frames = Video(args.clip).read()
    report("  face tracks", args.runs, lambda: track_faces(frames))
    run = track_faces(frames)[0].runs()[0]
    report("  mouth crops", args.runs, lambda: crop_mouth(frames, run))
    crops = crop_mouth(frames, run)
    report("  network", args.runs, lambda: model.encode(crops))
    encoded = model.encode_stream(crops)
    report("  search", args.runs, lambda: list(model.search_pieces(encoded)))
    report("lipscribe --help", args.runs, lambda: call("--help"))
    report("lipscribe transcribe, cold", 3, lambda: call("transcribe", str(args.clip)))


def report(name: str, runs: int, work: Callable[[], object]) -> None:
    times = []
    work()
    for _ in range(runs):
        started = time.perf_counter()
        work()
        times.append(time.perf_counter() - started)
    print(f"{name:28s} median {statistics.median(times):6.3f} s   ({min(times):.3f} to {max(times):.3f}, {runs} runs)")


def call(*arguments: str) -> None:
    subprocess.run([LIPSCRIBE, *arguments], check=True, capture_output=True)


if __name__ == "__main__":
    main()
