"""Reads the same videos with two checkouts of this repository, and prints every difference.

    git worktree add ../before COMMIT
    python tools/compare_commits.py ../before . dev/*.mpg talkers/*.mp4 -- --model grid

What follows `--` goes to `lipscribe transcribe`. Each checkout reads all videos in one call, and the JSON of the two is
compared: text, times of words, probabilities, alternatives, warnings. Exit code 1: some text differs.
"""

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

MEANINGLESS = {"model"}  # keys that may differ
HUNDREDTH = 0.0051  # probabilities that are as near agree


def read(checkout: Path, videos: list[str], flags: list[str]) -> dict[str, dict]:
    """The JSON of each video by a checkout, by its path; the error line where it was not read."""
    environment = {**os.environ, "PYTHONPATH": str(checkout.resolve() / "src")}
    command = [sys.executable, "-c", "from lipscribe.cli import main; main()", "transcribe"]
    results = {}
    for first in range(0, len(videos), 50):
        some = videos[first : first + 50]
        argv = [*command, *some, "--format", "json", *flags]
        done = subprocess.run(argv, env=environment, capture_output=True, text=True, check=False)
        lines = done.stdout.splitlines() if len(some) > 1 else [done.stdout][: bool(done.stdout.strip())]
        for found in map(json.loads, lines):
            results[found["source"]] = found
        errors = [line for line in done.stderr.splitlines() if line.startswith("error")]
        for video in some:
            results.setdefault(video, {"error": next((line for line in errors if video in line), errors[-1:])})
        print(f"{checkout}: {min(first + 50, len(videos))} of {len(videos)}", file=sys.stderr, flush=True)
    return results


def differences(old: dict, new: dict) -> list[str]:
    """What differs between two readings of one video, a line each."""
    keys = sorted((old.keys() | new.keys()) - {"segments", *MEANINGLESS})
    found = [f"{key}: {old.get(key)!r} -> {new.get(key)!r}" for key in keys if old.get(key) != new.get(key)]
    words = [[word for segment in one.get("segments", ()) for word in segment["words"]] for one in (old, new)]
    for before, after in zip(*words, strict=False):
        if before["text"] != after["text"]:
            continue
        if (before["start"], before["end"]) != (after["start"], after["end"]):
            times = f"{before['start']} to {before['end']} -> {after['start']} to {after['end']}"
            found.append(f"times of {before['text']}: {times}")
        if abs(before["probability"] - after["probability"]) > HUNDREDTH:
            found.append(f"probability of {before['text']}: {before['probability']} -> {after['probability']}")
        others = [[other["text"] for other in word.get("alternatives", ())] for word in (before, after)]
        if others[0] != others[1]:
            found.append(f"alternatives of {before['text']}: {others[0]} -> {others[1]}")
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("old", type=Path)
    parser.add_argument("new", type=Path)
    parser.add_argument("videos", nargs="+")
    argv = sys.argv[1:]
    flags = argv[argv.index("--") + 1 :] if "--" in argv else []
    args = parser.parse_args(argv[: argv.index("--")] if "--" in argv else argv)
    old, new = (read(checkout, args.videos, flags) for checkout in (args.old, args.new))
    kinds: dict[str, int] = {}
    for video in args.videos:
        lines = differences(old[video], new[video])
        for line in lines:
            kind = line.split(" of ")[0].split(":")[0]
            kinds[kind] = kinds.get(kind, 0) + 1
            print(f"{video}: {line}")
    texts = sum(old[video].get("text") != new[video].get("text") for video in args.videos)
    print(f"{len(args.videos)} videos: {texts} texts differ; differences: {kinds or 'none'}")
    return 1 if texts else 0


if __name__ == "__main__":
    sys.exit(main())
