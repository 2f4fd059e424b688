"""`python -m lipscribe.training CONFIG [--resume]`: training where only torch, numpy and Lightning are installed."""

import argparse
import sys

from lipscribe.errors import LipscribeError
from lipscribe.training.config import load_config
from lipscribe.training.loop import train


def main() -> int:
    """Runs the command line and returns its exit code."""
    parser = argparse.ArgumentParser(prog="python -m lipscribe.training", description="Train a lip reader.")
    parser.add_argument("config", help="a YAML file, or a bundled config's name such as grid-s1")
    parser.add_argument("--resume", action="store_true", help="go on from the last finished epoch")
    args = parser.parse_args()
    try:
        print(train(load_config(args.config), resume=args.resume))
    except LipscribeError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted: go on with --resume", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
