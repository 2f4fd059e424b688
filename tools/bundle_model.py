"""Puts a trained model into the package: `python tools/bundle_model.py runs/grid/last report/report.json`.

The weights are the run's. The card is that of the model which is replaced, or the run's where there is none, with the
scores that `lipscribe evaluate` reported. `--familiar` fits the limit of familiarity to the dev clips of several
prepared folders: a run knows one alone.
"""

import argparse
import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np

from lipscribe.data.shards import find_shards, read_shard
from lipscribe.models.spec import SPEC_FILE, WEIGHTS_FILE, load_spec
from lipscribe.pipeline import load_model
from lipscribe.schema import to_dict
from lipscribe.search.familiarity import QUANTILE, spoken_surprise
from lipscribe.zoo.registry import BUNDLED


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path, help="the model's folder")
    parser.add_argument("report", type=Path, help="report.json of its evaluation")
    parser.add_argument("--familiar", type=Path, nargs="+", help="prepared folders")
    args = parser.parse_args()
    spec = load_spec(args.model)
    report = json.loads(args.report.read_text(encoding="utf-8"))
    scores = {f"dev_{name}": round(report[name]["rate"], 4) for name in ("wer", "cer")}
    for method in report["methods"]:
        scores[f"dev_wer_{method['method'].replace(' + ', '_')}"] = round(method["wer"]["rate"], 4)
    target = BUNDLED / spec.name
    card = load_spec(target).card if (target / SPEC_FILE).is_file() else spec.card
    spec = replace(spec, card=replace(card, scores=scores))
    if args.familiar:
        spec = replace(spec, surprise_limit=limit_of(args.model, args.familiar))
    target.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(args.model / WEIGHTS_FILE, target / WEIGHTS_FILE)
    (target / SPEC_FILE).write_text(json.dumps(to_dict(spec), indent=2) + "\n", encoding="utf-8")
    print(f"{target}: {(target / WEIGHTS_FILE).stat().st_size / 1e6:.1f} MB, {scores}")


def limit_of(folder: Path, prepared: list[Path]) -> float:
    """The limit of familiarity, by the dev clips of prepared folders.

    Without the slack that a run adds: strangers are among these clips, and other sentences begin near them.
    """
    model, surprises = load_model(folder, runtime="torch"), []
    for shard in (shard for each in prepared for shard in find_shards(each, "dev")):
        for clip in read_shard(shard):
            found = model.search(model.encode(clip.crops))[0]
            if found.surprise is not None and (surprise := spoken_surprise(found.surprise, found.words)) is not None:
                surprises.append(surprise)
    return round(float(np.quantile(surprises, QUANTILE)), 4)


if __name__ == "__main__":
    main()
