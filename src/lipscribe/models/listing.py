"""What `lipscribe models` shows."""

from lipscribe.errors import LipscribeError
from lipscribe.models.registry import DEFAULT_MODEL, list_models
from lipscribe.models.spec import WEIGHTS_FILE, load_spec
from lipscribe.tokenizer import tokenizer_from_dict


def describe_models() -> list[dict[str, str]]:
    """A row of plain text for each model at hand; a damaged one is listed with what is wrong."""
    rows = []
    for name, folder in list_models():
        row = {"name": f"{name} (default)" if name == DEFAULT_MODEL else name, "path": str(folder)}
        try:
            spec = load_spec(folder)
            words = len(tokenizer_from_dict(spec.tokenizer).vocab) - 1
            closed = "closed, " if spec.card.closed_vocabulary else ""
            row |= {
                "reads": spec.card.reads,
                "data": spec.card.data,
                "vocabulary": f"{closed}{words} {spec.tokenizer['kind']}",
                "wer": f"{spec.card.scores['dev_wer']:.1%}" if "dev_wer" in spec.card.scores else "not measured",
                "size": f"{(folder / WEIGHTS_FILE).stat().st_size / 1e6:.1f} MB",
                "licence": spec.card.licence,
            }
        except (LipscribeError, OSError) as error:
            row |= dict.fromkeys(("data", "vocabulary", "wer", "size", "licence"), "") | {"reads": f"damaged: {error}"}
        rows.append(row)
    return rows
