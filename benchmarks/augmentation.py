"""What does each augmentation bring where few clips are learned from? One of them left out at a time, all else equal.

    python benchmarks/augmentation.py run --data prepared/     # all rows; what has been run is not run again
    python benchmarks/augmentation.py report

Every row learns from the same 200 clips in the same 500 steps, on top of the bundled model of talkers
(config few-clips), and reads the dev clips with the grammar and without.
"""

import json
from pathlib import Path

from ablation import parse, train_row

STILL = {"shift": 0, "rotation": 0, "scale": 0}
NONE = STILL | dict.fromkeys(("flip", "time_warp", "trim", "time_masks", "cutout", "brightness", "noise"), 0)
# row: (what it is, what it changes)
ROWS: dict[str, tuple[str, dict]] = {
    "all": ("all of them", {}),
    "no-shift": ("no shift, rotation or scale", {"augment": STILL}),
    "no-flip": ("no mirroring", {"augment": {"flip": 0}}),
    "no-warp": ("no time warp, nothing trimmed", {"augment": {"time_warp": 0, "trim": 0}}),
    "no-masks": ("no time masks", {"augment": {"time_masks": 0}}),
    "no-cutout": ("no cut-out", {"augment": {"cutout": 0}}),
    "no-light": ("no brightness, no noise", {"augment": {"brightness": 0, "noise": 0}}),
    "none": ("none of them", {"augment": NONE}),
    "splice": ("all, and words exchanged between clips", {"augment": {"splice": 0.3}}),
    "no-average": ("all, but no average of the weights", {"optim": {"average": 0}}),
    "no-margin": ("all, but frame targets up to each word's bounds", {"optim": {"frame_margin": 0}}),
}


def main() -> None:
    args = parse(__doc__, "augmentation", "few-clips", ROWS, [1], clips=200, epochs=20)
    if args.command == "report":
        print(table(args.runs))
        return
    equal = {
        "data__limit": args.clips,
        "optim__epochs": args.epochs,
        "optim__steps": None,
        "evaluate_every": args.epochs,
    }
    for seed in args.seeds:
        for row in args.rows:
            changes = {
                f"{group}__{name}": value for group, fields in ROWS[row][1].items() for name, value in fields.items()
            }
            train_row(
                args.config, args.runs / f"{row}-{seed}", row, seed, data__folder=str(args.data), **equal, **changes
            )


def table(runs: Path) -> str:
    lines = ["| what | WER, grammar | greedy |", "|---|---|---|"]
    for row, (what, _) in ROWS.items():
        found = [
            json.loads(path.read_text(encoding="utf-8")) for path in sorted(runs.glob(f"{row}-[0-9]*/result.json"))
        ]
        if found:
            wers = [", ".join(f"{one[name]:.1%}" for one in found) for name in ("dev_wer", "dev_greedy_wer")]
            lines.append(f"| {what} (`{row}`) | {wers[0]} | {wers[1]} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
