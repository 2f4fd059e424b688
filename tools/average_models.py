"""The mean of several models' weights, all trained on from the first: `python tools/average_models.py A B C -o OUT`.

Wortsman et al., "Model soups", ICML 2022: what was trained from the same weights lies in one valley, whose middle errs
less than its edges. The spec is that of the last.
"""

import argparse
from pathlib import Path

import torch

from lipscribe.models.checkpoint import load_checkpoint, save_checkpoint


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", type=Path, nargs="+")
    parser.add_argument("-o", "--output", type=Path, required=True)
    args = parser.parse_args()
    loaded = [load_checkpoint(folder) for folder in args.models]
    states = [reader.state_dict() for _, reader in loaded]
    mean = {
        name: torch.stack([state[name].float() for state in states]).mean(0).to(tensor.dtype)
        for name, tensor in states[0].items()
    }
    save_checkpoint(args.output, loaded[-1][0], mean)
    print(args.output)


if __name__ == "__main__":
    main()
