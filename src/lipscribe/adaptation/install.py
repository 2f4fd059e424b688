"""An adapted model becomes one of the installed models, completely or not at all."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from importlib.util import find_spec

from torch import Tensor

from lipscribe.adaptation.choosing import writing_model
from lipscribe.adaptation.result import Adaptation, show
from lipscribe.atomic import write_text
from lipscribe.export import export_model
from lipscribe.models.spec import Card, ModelSpec
from lipscribe.zoo.checkpoint import save_checkpoint


def install(result: Adaptation, base: ModelSpec, weights: Mapping[str, Tensor]) -> Adaptation:
    """Writes the model folder `result.folder`: weights, spec, README.md and, with onnx installed, the graphs.

    Args:
        base: Spec of the model that was adapted.
        weights: The adapted weights, named as in the base.

    Returns:
        The result, which says whether there are graphs.

    Raises:
        CheckpointError: The folder has come into being meanwhile, or cannot be written.
    """
    spec = replace(base, name=result.name, card=_card(result, base.card))
    with writing_model(result.folder, remedy="; the same command then resumes") as made:
        save_checkpoint(made, spec, weights)
        if find_spec("onnx") and find_spec("onnxscript") and find_spec("onnxruntime"):
            export_model(made)
            result = replace(result, exported=True)
        write_text(made / "README.md", _readme(result, spec.card))
    return result


def _card(result: Adaptation, base: Card) -> Card:
    scores = {}
    if result.before is not None and result.after is not None:
        rates = {"dev_wer": result.after.rate, "dev_wer_low": result.after.low, "dev_wer_high": result.after.high}
        scores = {name: round(rate, 4) for name, rate in (rates | {"before_wer": result.before.rate}).items()}
    return replace(
        base,
        reads=f"{base.reads}; adapted to one person",
        data=f"{result.num_recordings} recordings of one person, adapted on {date.today()} from {result.base}",
        notice=f"model {result.name} is adapted to one person: other people it reads worse"
        + (f"; as its base, it knows only {result.base}'s words" if base.closed_vocabulary else ""),
        scores=scores,
    )


def _readme(result: Adaptation, card: Card) -> str:
    rows = {
        "reads": card.reads,
        "learned from": f"{card.data}; {result.steps} steps",
        "runtime": "ONNX Runtime or torch" if result.exported else "torch; `lipscribe export` adds ONNX graphs",
        "licence": f"as its base: {card.licence}; the recordings are their owner's",
    }
    if result.before is not None and result.after is not None:
        rows |= {
            "words wrong before": show(result.before),
            "words wrong, expected": f"{show(result.after)}, cross-validated on recordings that were held out",
        }
    table = "\n".join(f"| {name} | {text} |" for name, text in rows.items())
    notes = "\n".join(f"- {line}" for line in result.lines()[3:])
    return (
        f"# {result.name}\n\nMade by `lipscribe adapt`.\n\n| | |\n|---|---|\n{table}\n\n{notes}\n\n"
        "The expected rate is that of other recordings like those it learned from: the same person, camera, light and\n"
        "kind of sentences. Read the lips of people who agreed to it.\n"
    )
