"""Puts a trained model into the package: `python tools/bundle_model.py runs/grid/last report/report.json`.

The weights are the run's. The card is that of the model which is replaced, or the run's where there is none, with the
scores that `lipscribe evaluate` reported.
"""

import argparse
import json
import shutil
from dataclasses import replace
from pathlib import Path

from lipscribe.models.spec import SPEC_FILE, WEIGHTS_FILE, load_spec
from lipscribe.schema import to_dict
from lipscribe.zoo.registry import BUNDLED


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path, help="the model's folder")
    parser.add_argument("report", type=Path, help="report.json of its evaluation")
    args = parser.parse_args()
    spec = load_spec(args.model)
    report = json.loads(args.report.read_text(encoding="utf-8"))
    scores = {f"dev_{name}": round(report[name]["rate"], 4) for name in ("wer", "cer")}
    for method in report["methods"]:
        scores[f"dev_wer_{method['method'].replace(' + ', '_')}"] = round(method["wer"]["rate"], 4)
    target = BUNDLED / spec.name
    card = load_spec(target).card if (target / SPEC_FILE).is_file() else spec.card
    spec = replace(spec, card=replace(card, scores=scores))
    target.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(args.model / WEIGHTS_FILE, target / WEIGHTS_FILE)
    (target / SPEC_FILE).write_text(json.dumps(to_dict(spec), indent=2) + "\n", encoding="utf-8")
    print(f"{target}: {(target / WEIGHTS_FILE).stat().st_size / 1e6:.1f} MB, {scores}")


if __name__ == "__main__":
    main()
