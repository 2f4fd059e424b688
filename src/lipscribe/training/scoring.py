"""How well a model in training reads the dev split."""

from collections.abc import Iterable

import torch
from lightning.fabric import Fabric

from lipscribe.data.dataset import Batch
from lipscribe.metrics import wer
from lipscribe.models.reader import LipReader
from lipscribe.models.spec import ModelSpec
from lipscribe.search import Grammar, SearchOptions, search
from lipscribe.tokenizer import tokenizer_from_dict
from lipscribe.training.losses import ctc_loss


@torch.inference_mode()
def dev_scores(model: LipReader, batches: Iterable[Batch], spec: ModelSpec, fabric: Fabric) -> dict[str, float]:
    """Reads every batch with the averaged weights.

    Returns:
        `dev_ctc` loss; `dev_greedy_wer` by the best path alone; `dev_wer` with the model's grammar if it has one, else
        the same as greedy. Rates are 0 to 1 and more.
    """
    model.eval()
    tokenizer = tokenizer_from_dict(spec.tokenizer)
    methods = {"dev_greedy_wer": SearchOptions(method="greedy")}
    if spec.grammar:
        methods["dev_wer"] = SearchOptions(method="grammar", grammar=Grammar(spec.grammar))
    references, hypotheses, losses = [], {name: [] for name in methods}, []
    for batch in batches:
        batch = batch.to(fabric.device)
        with fabric.autocast():
            log_probs = model(batch.video, batch.video_lengths)
        losses.append(ctc_loss(log_probs, batch).item())
        references += [clip.text for clip in batch.clips]
        for name, options in methods.items():
            found = search(log_probs.cpu(), batch.video_lengths.cpu(), tokenizer, options)
            hypotheses[name] += [nbest[0].text for nbest in found]
    scores = {"dev_ctc": sum(losses) / len(losses)}
    scores |= {name: wer(references, texts) for name, texts in hypotheses.items()}
    scores.setdefault("dev_wer", scores["dev_greedy_wer"])
    return scores
