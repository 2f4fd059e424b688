"""How well a model in training reads the dev split."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import zip_longest

import numpy as np
import torch
from torch import Tensor

from lipscribe.data.dataset import Batch
from lipscribe.metrics import wer
from lipscribe.models.reader import LipReader
from lipscribe.models.scorer import DecoderScorer
from lipscribe.models.spec import ModelSpec
from lipscribe.search import Capabilities, Hypothesis, ResolvedSearch, SearchOptions, resolve, search
from lipscribe.search.familiarity import fit_limit, frame_surprise, spoken_surprise
from lipscribe.tokenizer import Tokenizer
from lipscribe.training.fabric import Fabric
from lipscribe.training.losses import attention_loss, ctc_loss
from lipscribe.training.parallel import gathered

BEAM_SIZE = 4  # of a decoder: a look at the dev split is to take little of the time that training takes


@dataclass(frozen=True)
class _Read:
    """What reading a batch gave: texts by each method, the surprise of each clip with a word in it, and each mean loss
    with the number of clips or tokens that it is the mean over."""

    references: list[str]
    hypotheses: dict[str, list[str]]
    losses: dict[str, tuple[float, int]]
    surprises: list[float]


@torch.inference_mode()
def dev_scores(model: LipReader, batches: Iterable[Batch], spec: ModelSpec, fabric: Fabric) -> dict[str, float]:
    """Reads every batch with the averaged weights.

    Args:
        batches: Of several processes each has every so-manieth; all get the scores of all batches.

    Returns:
        `dev_ctc` and `dev_attention`, the losses of what the model has; `dev_greedy_wer` by CTC's best path alone;
        `dev_wer` by the search that is the model's own (see `resolve`), which without grammar and decoder is here
        the same as greedy. Rates are 0 to 1 and more. `surprise_limit` of a CTC head, where there are clips enough.
    """
    model.eval()
    able = Capabilities.of(spec)
    methods = {"dev_greedy_wer": resolve(able, SearchOptions("greedy"))} if spec.ctc else {}
    if able.decoder or able.grammar:
        methods["dev_wer"] = resolve(able, SearchOptions(beam_size=BEAM_SIZE))
    own = [_read(model, batch.to(fabric.device), methods, spec.tokenizer, fabric) for batch in batches]
    everyone = gathered(fabric, own)
    found = [read for turn in zip_longest(*everyone) for read in turn if read is not None]  # in the batches' order
    references = [text for read in found for text in read.references]
    losses = {name: np.array([read.losses[name] for read in found]).T for name in found[0].losses}
    scores = {name: float(np.average(values, weights=counts)) for name, (values, counts) in losses.items()}
    scores |= {name: wer(references, [text for read in found for text in read.hypotheses[name]]) for name in methods}
    if "dev_wer" not in scores:
        scores["dev_wer"] = scores["dev_greedy_wer"]
    limit = fit_limit([surprise for read in found for surprise in read.surprises])
    return scores | ({"surprise_limit": limit} if limit is not None else {})


def _read(
    model: LipReader, batch: Batch, methods: dict[str, ResolvedSearch], tokenizer: Tokenizer, fabric: Fabric
) -> _Read:
    with fabric.autocast():
        log_probs, expected, scorers = _outputs(model, batch)
    losses, surprises = {}, []
    if log_probs is not None:
        losses["dev_ctc"] = float(ctc_loss(log_probs, batch)), len(batch.clips)
        log_probs = log_probs.cpu()
    if expected is not None:
        tokens = int(batch.target_lengths.sum()) + len(batch.clips)  # with the ends of the sentences
        losses["dev_attention"] = float(attention_loss(expected, batch, 0.0, model.end)), tokens
    hypotheses = {}
    for name, options in methods.items():
        found = search(log_probs, batch.video_lengths.cpu(), tokenizer, options, scorers)
        hypotheses[name] = [nbest[0].text for nbest in found]
        if log_probs is not None and name == list(methods)[-1]:
            surprises = _surprises(log_probs, batch.video_lengths, [nbest[0] for nbest in found])
    return _Read([clip.text for clip in batch.clips], hypotheses, losses, surprises)


def _surprises(log_probs: Tensor, lengths: Tensor, found: list[Hypothesis]) -> list[float]:
    """Of each clip in which a word was read."""
    clips = zip(log_probs.float().numpy(), lengths.tolist(), found, strict=True)
    each = (spoken_surprise(frame_surprise(rows[:length], one), one.words) for rows, length, one in clips)
    return [surprise for surprise in each if surprise is not None]


def _outputs(model: LipReader, batch: Batch) -> tuple[Tensor | None, Tensor | None, list[DecoderScorer] | None]:
    """log_probs (B, T, V) by CTC, what the decoder expects (B, U + 1, V), and a scorer of each clip."""
    if model.decoder is None:
        return model(batch.video, batch.video_lengths), None, None
    encoder_out = model.encode(batch.video, batch.video_lengths)
    scorers = [
        DecoderScorer(model.decoder, states[None, :length].float())
        for states, length in zip(encoder_out, batch.video_lengths, strict=True)
    ]
    log_probs = model.ctc(encoder_out) if model.ctc else None
    return log_probs, model.decoder(encoder_out, batch.video_lengths, batch.targets), scorers
