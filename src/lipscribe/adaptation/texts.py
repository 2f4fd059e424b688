"""Whether texts can be what is said in their recordings, before anything is learned from them."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import torch
from torch.nn.functional import ctc_loss

from lipscribe.adaptation.checking import Recording
from lipscribe.errors import LipscribeError
from lipscribe.model import Model

NUM_SHUFFLES = 2000
MOST = 40  # recordings that are compared with each other's texts
DOUBTFUL = 0.1  # share of shuffled lists that fit as well as the given one, above which it is refused
SURE = 0.01  # the same for a list shifted by one, up to which that is named as the cause
MIN_DIFFERENT = 4  # texts: of fewer there are too few orders
FARTHEST = 30.0  # nats: beyond these from the median of all texts, a single recording would outweigh the others


def text_fault(model: Model, recording: Recording) -> str:
    """Why a model cannot learn a recording's text, with the remedy; empty if it can."""
    text, num_frames = recording.clip.text, len(recording.crops)
    try:
        tokens = model.tokenizer.encode(text)
    except LipscribeError as error:
        return f"{error}, or leave the recording out"
    if not tokens:
        return f"the text {text!r} has nothing that model {model.name} can read: write what is said"
    needed = len(tokens) + sum(one == other for one, other in pairwise(tokens))
    if needed > num_frames:
        seconds = num_frames / model.spec.input.fps
        return (
            f"{text!r} is too long for {seconds:.1f} s of speech: the text is another recording's, or the recording "
            "is cut off"
        )
    slots, words = model.spec.grammar, text.split()
    if slots and not (len(words) % len(slots) == 0 and all(w in slots[i % len(slots)] for i, w in enumerate(words))):
        return (
            f"{text!r} is no sentence of model {model.name}, which reads {len(slots)} words, one of each slot, such as "
            f"{' '.join(slot[0] for slot in slots)!r}: record such sentences, or adapt a model without a grammar"
        )
    return ""


def order_fault(model: Model, recordings: Sequence[Recording]) -> str:
    """Why a list of texts does not seem to be what is said in the recordings, with the remedy; empty if it does.

    Each text is scored in each recording by CTC. Even a model that reads a stranger badly scores the right texts higher
    than a shuffled list of the same texts.
    """
    some = recordings[:MOST]
    if not model.spec.ctc or len({recording.clip.text for recording in some}) < MIN_DIFFERENT:
        return ""
    scores = text_scores(model, some)
    scores = np.clip(scores - np.median(scores, axis=1, keepdims=True), -FARTHEST, FARTHEST)
    rows, rng = np.arange(len(some)), np.random.default_rng(0)
    shuffled = np.array([scores[rows, rng.permutation(len(some))].sum() for _ in range(NUM_SHUFFLES)])

    def as_good(shift: int) -> float:
        """Share of the shuffled lists that fit as well as the given one, shifted by some recordings."""
        return float(np.mean(shuffled >= scores[rows, (rows + shift) % len(some)].sum() - 1e-9))

    if (own := as_good(0)) <= DOUBTFUL:
        return ""
    for shift, where in ((1, "next"), (-1, "previous")):
        if as_good(shift) <= SURE:
            return (
                f"the texts fit better when each is that of the {where} recording: one is missing in the list, or one "
                "too many; correct the list"
            )
    return (
        f"the texts do not fit the recordings: {own:.0%} of shuffled lists fit as well (wanted: at most "
        f"{DOUBTFUL:.0%}); check their order, or add --trust-texts if they are right"
    )


def text_scores(model: Model, recordings: Sequence[Recording]) -> np.ndarray:
    """(N, N) float64: the log-probability by CTC of the text in column j in recording i."""
    tokens = [torch.tensor(model.tokenizer.encode(recording.clip.text)) for recording in recordings]
    lengths = torch.tensor([len(each) for each in tokens])
    targets = torch.nn.utils.rnn.pad_sequence(tokens, batch_first=True)
    rows = []
    for recording in recordings:
        log_probs = torch.from_numpy(model.log_probs(recording.crops))[:, None].expand(-1, len(tokens), -1)  # (T, N, V)
        frames = torch.full((len(tokens),), len(log_probs))
        rows.append(-ctc_loss(log_probs, targets, frames, lengths, reduction="none").double().numpy())
    return np.stack(rows)
