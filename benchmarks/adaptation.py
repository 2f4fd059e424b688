r"""Adapts a model to people of GRID and compares what `adapt` promises with what the person's other clips show.

    python benchmarks/adaptation.py ../shared/grid-others --people s2 s3 --sizes 5 10 [--from grid-s1] [--untranscribed]
    python benchmarks/adaptation.py ../shared/grid --people s1 --sizes 5 200 --split train --read 60 --from talkers \
        --trust-texts

For each person and size the first clips of a fixed order are learned from, and the same other clips are read for all
sizes of a person: by the base and by the new model, by their default search.
"""

import argparse
import os
import resource
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

import lipscribe
from lipscribe.adaptation.checking import Recording, check_recording
from lipscribe.data.corpora.grid import prepare_grid
from lipscribe.data.manifest import Clip, save_manifest
from lipscribe.metrics import wer
from lipscribe.model import Model
from lipscribe.zoo.registry import DEFAULT_MODEL

COLUMNS = (
    "person",
    "learned",
    "read",
    "before",
    "now",
    "letter, digit, adverb",
    "promised",
    "interval",
    "holds",
    "CPU s",
)
FIRST_SPOKEN = 3  # of GRID's six words: the letter; what comes before is nearly the same in all clips of the folder


def main() -> None:
    """Prints a row for each person and size."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("grid", type=Path, help="a folder in GRID's layout")
    parser.add_argument("--people", nargs="+", required=True)
    parser.add_argument("--sizes", nargs="+", type=int, default=[5, 10])
    parser.add_argument("--from", dest="base", default=DEFAULT_MODEL)
    parser.add_argument("--split", help="learn from and read clips of this split alone")
    parser.add_argument("--read", type=int, help="at most so many of the other clips")
    parser.add_argument("--seed", type=int, default=0, help="of the order of a person's clips")
    parser.add_argument("--jobs", type=int)
    parser.add_argument("--untranscribed", action="store_true")
    parser.add_argument("--trust-texts", action="store_true", help="for a base that reads too little to check them")
    options = parser.parse_args()
    base = lipscribe.load_model(options.base)
    print(f"| {' | '.join(COLUMNS)} |\n|{'---|' * len(COLUMNS)}", flush=True)
    clips = [clip for clip in prepare_grid(options.grid)[0] if options.split in (None, clip.split)]
    for person in options.people:
        own = [clip for clip in clips if clip.speaker == person]
        order = np.random.default_rng(options.seed).permutation(len(own))
        own = [own[i] for i in order]
        most = max(size for size in options.sizes if size < len(own))
        with tempfile.TemporaryDirectory() as folder:
            test = [check_recording(clip, base.spec.input.crop, Path(folder)) for clip in own[most:][: options.read]]
        for size in (size for size in options.sizes if size <= most):
            print(row(person, own[:size], test, base, options), flush=True)


def row(
    person: str, learned: Sequence[Clip], test: Sequence[Recording], base: Model, options: argparse.Namespace
) -> str:
    """Adapts, reads the test clips, and compares."""
    with tempfile.TemporaryDirectory() as folder:
        os.environ["LIPSCRIBE_CACHE"] = folder
        untimed = [Clip(clip.id, str(Path(clip.path).absolute()), clip.text) for clip in learned]
        save_manifest(Path(folder) / "clips.jsonl", untimed)
        cpu = cpu_seconds()
        result = lipscribe.adapt(
            Path(folder) / "clips.jsonl",
            "adapted",
            base=options.base,
            jobs=options.jobs,
            untranscribed=options.untranscribed,
            trust_texts=options.trust_texts,
        )
        cpu = cpu_seconds() - cpu
        before, now = (read(model, test) for model in (base, lipscribe.load_model("adapted")))
    promised, interval, holds = "", "", ""
    if result.after is not None:
        promised, interval = f"{result.after.rate:.0%}", f"{result.after.low:.0%} to {result.after.high:.0%}"
        holds = "yes" if result.after.low <= now[0] <= result.after.high else "no"
    spoken = f"{before[1]:.0%} -> {now[1]:.0%}"
    cells = [person, len(learned), len(test), f"{before[0]:.0%}", f"{now[0]:.0%}", spoken, promised, interval, holds]
    return "| " + " | ".join(map(str, [*cells, f"{cpu:.0f}"])) + " |"


def read(model: Model, test: Sequence[Recording]) -> tuple[float, float]:
    """The word error rate, and that of letter, digit and adverb alone."""
    said = [each.clip.text for each in test]
    found = [model.search(model.encode(each.crops))[0].text for each in test]
    tails = [[" ".join(text.split()[FIRST_SPOKEN:]) for text in texts] for texts in (said, found)]
    return wer(said, found), wer(*tails)


def cpu_seconds() -> float:
    """Of this process and of those that it started and that have ended."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


if __name__ == "__main__":
    main()
