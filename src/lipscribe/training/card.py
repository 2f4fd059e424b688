"""Generates the model card from the training data."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from lipscribe.models.spec import Card, ModelSpec
from lipscribe.text import count_of
from lipscribe.tokenizer import WordTokenizer
from lipscribe.training.checks import ClipSummary
from lipscribe.training.config import TrainConfig


def card_of_run(config: TrainConfig, spec: ModelSpec, clips: ClipSummary) -> Card:
    """The card of a run's model; fields in the config's `model.card` take precedence.

    Args:
        spec: Of the model that is trained.
        clips: The training clips.
    """
    speakers, vocabulary = len(clips.speakers), len(clips.vocabulary)
    who = f" of {count_of(speakers, 'speaker')}" if speakers else ""
    folders = ", ".join(Path(folder).name or str(folder) for folder in (config.data.folder, *config.data.also))
    data = f"{folders}: {count_of(clips.clips, 'clip')}{who}, {count_of(clips.words, 'word')}, {vocabulary} different"
    if config.start_from is not None:
        data += f"; begun from model {Path(config.start_from).name}"
    closed = spec.grammar is not None or isinstance(spec.tokenizer, WordTokenizer)
    if spec.grammar is not None:
        reads = f"sentences of {len(spec.grammar)} words by a fixed grammar ({_known(spec)} words)"
    elif closed:
        reads = f"sentences of {_known(spec)} words"
    else:
        reads = f"sentences of any words, spelled; it has seen {vocabulary}"
    own = Card(reads=reads, data=data, closed_vocabulary=closed, notice=_notice(spec) if closed else "")
    said = {name: value for name, value in vars(spec.card).items() if value != getattr(Card(), name)}
    return replace(own, **said)


def with_scores(card: Card, metrics: Mapping[str, float]) -> Card:
    """The card with the scores on the dev split, if any: `dev_wer` and others."""
    return replace(card, scores={name: value for name, value in metrics.items() if name.endswith("_wer")})


def _notice(spec: ModelSpec) -> str:
    return (
        f"model {spec.name} knows only {_known(spec)} words: whatever is said, it answers in those words, and on "
        "people that it was not trained on it is unreliable"
    )


def _known(spec: ModelSpec) -> int:
    if spec.grammar is not None:
        return len({word for slot in spec.grammar for word in slot})
    return len(spec.tokenizer.vocab) - 1  # less the blank
