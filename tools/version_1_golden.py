"""Writes tests/golden/version_1.json: names, shapes and outputs of networks as version 1 of the model folder had them.

It runs with the source of that time (`PYTHONPATH=old/src`, commit 2007123), whose `build_reader` it calls; a test fills
folders of version 1 with weights by the same rule, reads them with today's code and compares. Kept so that the numbers
can be traced.
"""

import json
import sys
import zlib
from pathlib import Path

import numpy as np
import torch

TOKENIZER = {"kind": "units", "units": "units.txt", "model": None}
AUTO_AVSR = {"kind": "auto-avsr", "channels": [4, 4, 6, 8], "pooling": "average"}
SPECS = {
    "conformer": {
        "frontend": {"channels": [4], "features": 10},
        "encoder": {"cell": "conformer", "hidden": 8, "layers": 1, "heads": 2, "kernel": 3},
    },
    "resnet18": {
        "frontend": {"kind": "resnet18", "channels": [4, 4, 6, 8], "features": 10},
        "encoder": {"cell": "none"},
    },
    "resnet18-average": {
        "frontend": {"kind": "resnet18", "channels": [4, 4, 6, 8], "features": 10, "pooling": "average"},
        "encoder": {"cell": "lstm", "hidden": 4, "layers": 1},
        "decoder": {"kind": "lstm", "hidden": 6, "location_frames": 3},
    },
    "auto-avsr": {
        "frontend": AUTO_AVSR | {"activation": "swish"},
        "encoder": {"cell": "rel-conformer", "hidden": 8, "layers": 1, "heads": 2, "kernel": 3, "ff": 12},
        "decoder": {"kind": "transformer", "hidden": 8, "layers": 1, "heads": 2, "ff": 12},
    },
    "auto-avsr-legacy": {
        "frontend": AUTO_AVSR | {"activation": "prelu"},
        "encoder": {"cell": "rel-conformer", "hidden": 8, "layers": 1, "heads": 2, "kernel": 3, "positions": "legacy"},
    },
}
LM = {"name": "lm", "vocab_size": 5, "embedding": 6, "hidden": 8, "heads": 2, "ff": 12, "layers": 1}


def weight(name: str, shape: list[int]) -> torch.Tensor:
    """The weight of a name, by rule."""
    if name.endswith("num_batches_tracked"):
        return torch.zeros(shape, dtype=torch.int64)
    drawn = np.random.default_rng(zlib.crc32(name.encode())).standard_normal(shape).astype(np.float32)
    return torch.from_numpy(np.abs(drawn) + 0.5 if name.endswith("running_var") else 0.6 * drawn)


def video() -> torch.Tensor:
    """(1, 5, 1, 16, 24) float32."""
    return weight("video", [1, 5, 1, 16, 24]) / 0.6


TARGETS = torch.tensor([[1, 2, 3]])


def main() -> None:
    """Writes the file."""
    from lipscribe.models.builders import build_reader
    from lipscribe.models.spec import ModelSpec
    from lipscribe.schema import from_dict, to_dict
    from lipscribe.zoo.language_model import LanguageModelSpec, build_language_model

    Path("units.txt").write_text("<unk> 1\n<space> 2\nA 3\n", encoding="utf-8")
    golden = {}
    with torch.inference_mode():
        for kind, parts in SPECS.items():
            record = {"name": kind, "tokenizer": TOKENIZER, "input": {"height": 16, "width": 24}} | parts
            spec = from_dict(ModelSpec, record, kind)
            reader = build_reader(spec).eval()
            shapes = {name: list(tensor.shape) for name, tensor in reader.state_dict().items()}
            reader.load_state_dict({name: weight(name, shape) for name, shape in shapes.items()})
            outputs = reader.teach(video(), torch.tensor([5]), TARGETS)
            rows = [[round(x, 6) for x in out.flatten().tolist()] for out in outputs if out is not None]
            golden[kind] = {"spec": to_dict(spec), "shapes": shapes, "outputs": rows}
        spec = from_dict(LanguageModelSpec, LM, "lm")
        lm = build_language_model(spec).eval()
        shapes = {name: list(tensor.shape) for name, tensor in lm.state_dict().items()}
        lm.load_state_dict({name: weight(name, shape) for name, shape in shapes.items()})
        rows = [[round(x, 6) for x in lm(TARGETS).flatten().tolist()]]
        golden["lm"] = {"spec": to_dict(spec), "shapes": shapes, "outputs": rows}
    Path(sys.argv[1]).write_text(json.dumps(golden, separators=(",", ":")) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
