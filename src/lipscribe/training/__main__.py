"""`python -m lipscribe.training CONFIG [--resume]`: training where only torch, numpy and Lightning Fabric are.

It is also what torchrun, srun and `fabric run` start, once in each process.
"""

import argparse
import sys
import time
from collections.abc import Callable

from lipscribe.errors import LipscribeError
from lipscribe.progress import Progress
from lipscribe.training.config import load_config

PROGRESS_EVERY_S = 30.0


def main() -> int:
    """Runs the command line and returns its exit code."""
    parser = argparse.ArgumentParser(prog="python -m lipscribe.training", description="Train a lip reader.")
    parser.add_argument("config", help="a YAML file, or a bundled config's name such as grid-s1")
    parser.add_argument("--resume", action="store_true", help="continue after the last state kept")
    args = parser.parse_args()
    try:
        from lipscribe.training.loop import is_first, train  # here, so that a missing package is one line too

        folder = train(load_config(args.config), args.resume, progress_lines(_say), _say)
        if is_first():
            print(folder)
    except LipscribeError as error:
        if type(error).__name__ != "OtherProcessError":  # which the other process says
            print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted: --resume continues after the last state kept", file=sys.stderr)
        return 1
    return 0


def progress_lines(say: Callable[[str], None], every_s: float = PROGRESS_EVERY_S) -> Progress:
    """Progress as plain lines, of which there is one at most in so many seconds."""
    last = time.monotonic()

    def report(task: str, done: int, total: int | None) -> None:
        nonlocal last
        if time.monotonic() - last >= every_s:
            last = time.monotonic()
            say(f"{task}: {done} of {total} steps")

    return report


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
