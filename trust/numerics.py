"""Numerics: what extreme sizes and numbers end in, and what is the same from run to run and from machine to machine.

    python -m trust.numerics             # `make numerics`: some ten minutes on two cores
    python -m trust.numerics --quick     # 1 000 frames instead of 10 000, one model instead of three
    python -m trust.numerics --only "train one" --parts extremes

Prints tables and writes trust-results/numerics.json. Exit code 1 if a command ends in neither a result nor one line, if
training twice gives other weights, or if a reading differs in its text or by more than the bound.
"""

import argparse
import hashlib
import json
import os
import platform
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import torch
import yaml

from trust import numerics_extremes, numerics_reading

ROOT = Path(__file__).parents[1]
BOUND = 1e-3  # of probabilities in float32, by threads, batches, runtimes and processors
OTHER_SEED = "another seed"
LESS_EXACT = ("torch, bfloat16", "torch, int8")  # which are said to be, and have no bound


def say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def trainings(folder: Path, mask: Path | None) -> list[dict[str, Any]]:
    """Trains a small model again and again, and compares the bytes of its weights with those of the first run."""
    numerics_extremes.make_clips(folder, 100)
    ways: list[tuple[str, dict[str, str], dict[str, Any]]] = [
        ("once", {}, {}),
        ("again", {}, {}),
        ("with 2 worker processes", {}, {"workers": 2}),
        ("without the cache", {}, {"cache": False}),
        (OTHER_SEED, {}, {"seed": 2}),
        ("2 threads", {"OMP_NUM_THREADS": "2"}, {}),
        ("oneDNN, ATen and MKL limited to AVX2", numerics_reading.AVX2, {}),
        *([("without AVX-512 and AMX", {"LD_PRELOAD": str(mask)}, {})] if mask else []),
    ]
    rows: list[dict[str, Any]] = []
    first: tuple[str, dict[str, torch.Tensor]] | None = None
    for number, (way, env, changes) in enumerate(ways):
        config = numerics_extremes.settings(f"twice{number}", seed=changes.pop("seed", 1))
        config["data"] |= changes
        path = folder / f"twice{number}.yaml"
        path.write_text(yaml.safe_dump(config))
        command = [sys.executable, "-m", "lipscribe", "train", path.name]
        done = subprocess.run(
            command, cwd=folder, env=os.environ | {"OMP_NUM_THREADS": "1"} | env, capture_output=True, text=True
        )
        run = folder / f"twice{number}"
        if done.returncode:
            rows.append({"way": way, "failed": done.stderr.strip()[-200:]})
            continue
        digest = hashlib.sha256((run / "last" / "model.safetensors").read_bytes()).hexdigest()
        state = torch.load(run / "last.ckpt", weights_only=True)["model"]  # in float32, where the file has float16
        first = first or (digest, state)
        apart = float(torch.stack([(state[name] - first[1][name]).abs().max() for name in state]).max())  # NaN stays
        rows.append({"way": way, "sha256": digest, "same": digest == first[0], "apart": apart})
        say(f"training {way}: {digest[:16]}, weights apart by {apart:.1e}")
    return rows


def build_mask(folder: Path) -> Path | None:
    """The library that hides AVX-512, where it can be built and the processor can trap CPUID."""
    built = folder / "cpuid_mask.so"
    source = Path(__file__).with_name("cpuid_mask.c")
    try:
        subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", built, source], check=True, capture_output=True)
        env = os.environ | {"LD_PRELOAD": str(built)}
        subprocess.run([sys.executable, "-c", ""], check=True, capture_output=True, env=env)
    except (OSError, subprocess.CalledProcessError):
        say("AVX-512 cannot be hidden here, so that is left out")
        return None
    return built


def faults_of(results: dict[str, Any]) -> list[str]:
    """What is not as it is promised."""
    faults = [f"{row['area']}: {row['name']}: {row['ending']}" for row in results.get("extremes", ()) if not row["ok"]]
    exact = ("once", "again", "with 2 worker processes", "without the cache")
    trained = [row for row in results.get("training", ()) if row["way"] in exact]
    faults += [f"training {row['way']} gave other weights" for row in trained if row.get("apart", 0) != 0]
    for row in results.get("training", ()):
        if "failed" in row:
            faults.append(f"training {row['way']}: {row['failed']}")
        elif row["way"] == OTHER_SEED and row["apart"] == 0:
            faults.append("training with another seed gave the same weights: the comparison sees nothing")
    for row in results.get("reading", ()):
        name = f"{row['model']}: {row['way']}"
        if "failed" in row:
            faults.append(f"{name}: {row['failed']}")
        elif row["way"] in ("again", "in a worker process") and not row["to_the_bit"]:
            faults.append(f"{name}: not to the bit")
        elif row["way"] not in LESS_EXACT and not (  # a difference that is NaN is beyond it too
            row["texts_differ"] == 0 and row["ctc"] <= BOUND and row["words"] <= BOUND
        ):
            faults.append(f"{name}: beyond the bound")
    return faults


def print_tables(results: dict[str, Any]) -> None:
    if "extremes" in results:
        print("\n| command | case | ends in | s | MB | says |\n|---|---|---|---|---|---|")
        for row in results["extremes"]:
            said = row["said"].replace("|", "\\|")[:90]
            ends = row["ending"] if row["ok"] else f"**{row['ending']}**"
            print(f"| {row['area']} | {row['name']} | {ends} | {row['seconds']} | {row['megabytes']} | {said} |")
    if "training" in results:
        print("\n| training | sha256 of the model | largest difference of a weight |\n|---|---|---|")
        for row in results["training"]:
            numbers = f"{row['sha256'][:16]} | {row['apart']:.1e}" if "apart" in row else f"**{row['failed']}** |"
            print(f"| {row['way']} | {numbers} |")
    if "reading" in results:
        print("\n| model | read | other texts | CTC, most | words, most | to the bit |\n|---|---|---|---|---|---|")
        for row in results["reading"]:
            numbers = (
                f"**{row['failed']}** | | | "
                if "failed" in row
                else (
                    f"{row['texts_differ']} of {row['clips']} | {row['ctc']:.1e} | {row['words']:.1e} | "
                    f"{'yes' if row['to_the_bit'] else 'no'}"
                )
            )
            print(f"| {row['model']} | {row['way']} | {numbers} |")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--parts", nargs="+", default=["extremes", "training", "reading"])
    parser.add_argument("--only", default="", help="of the extremes: those with this in their names")
    parser.add_argument("--output", type=Path, default=ROOT / "trust-results" / "numerics.json")
    args = parser.parse_args()
    results: dict[str, Any] = {
        "machine": platform.processor() or platform.machine(),
        "python": platform.python_version(),
    }
    with tempfile.TemporaryDirectory(prefix="lipscribe-numerics-") as temporary:
        folder = Path(temporary)
        mask = build_mask(folder)
        for part in ("extremes", "training"):
            (folder / part).mkdir()
        if "extremes" in args.parts:
            results["extremes"] = numerics_extremes.measure(folder / "extremes", not args.quick, say, args.only)
        if "training" in args.parts:
            results["training"] = trainings(folder / "training", mask)
        if "reading" in args.parts:
            clips = folder / "clips.npz"
            numerics_reading.make_clips(clips)
            results["reading"] = []
            for model in ("grid",) if args.quick else ("grid", "grid-live", "talkers"):
                results["reading"] += numerics_reading.readings(clips, folder, model, mask)
                say(f"read with {model}")
    print_tables(results)
    args.output.parent.mkdir(parents=True, exist_ok=True)
    args.output.write_text(json.dumps(results, indent=1), encoding="utf-8")
    faults = faults_of(results)
    print(f"\n{len(faults)} faults" + "".join(f"\n- {fault}" for fault in faults))
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
