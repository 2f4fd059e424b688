"""Dev scores of a reader whose output is planted."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from lipscribe.data.dataset import Batch, ShardDataset
from lipscribe.models.builders import build_reader
from lipscribe.models.decoder_specs import AttentionDecoderSpec
from lipscribe.models.spec import ModelSpec
from lipscribe.search.familiarity import QUANTILE, SLACK
from lipscribe.tokenizer import WordTokenizer
from lipscribe.training.fabric import Fabric
from lipscribe.training.losses import ctc_loss
from lipscribe.training.scoring import dev_scores

TEXTS = ["red", "blue green", "red blue", "green"]
READ = ["", "blue blue", "red blue", "blue red green"]  # wrong: a deletion, a substitution, nothing, two insertions


class PlantedReader(nn.Module):
    """Is sure of one text for each clip, a frame a word with a blank after it, and of nonsense in the padding.

    Blank is second everywhere, so leaving a word out is the cheapest way to obey a grammar.
    """

    decoder = None

    def forward(self, video: Tensor, video_lengths: Tensor) -> Tensor:
        assert not self.training
        assert not torch.is_grad_enabled()
        scores = torch.zeros(*video.shape[:2], 4)
        scores[..., 0] = 3
        for row, text in enumerate(READ[: len(video)]):
            path = [token for token in WordTokenizer(["red", "green", "blue"]).encode(text) for token in (token, 0)]
            path += [0] * (int(video_lengths[row]) - len(path))
            path += [1] * (video.shape[1] - len(path))
            scores[row, torch.arange(video.shape[1]), path] += 9
        return scores.log_softmax(-1)


@pytest.fixture
def dev_batches(prepared: Path) -> list[Batch]:
    (batch,) = ShardDataset(prepared, "dev", WordTokenizer(["red", "green", "blue"]), 32, 48).batches(4)
    clips = tuple(replace(clip, text=text, words=()) for clip, text in zip(batch.clips, TEXTS, strict=True))
    return [replace(batch, clips=clips)]


@pytest.fixture
def fabric() -> Fabric:
    return Fabric(accelerator="cpu", devices=1)


def test_errors_are_counted_over_the_whole_split(dev_batches: list[Batch], toy_spec: ModelSpec, fabric: Fabric):
    scores = dev_scores(PlantedReader().train(), dev_batches, toy_spec, fabric)
    assert scores["dev_greedy_wer"] == scores["dev_wer"] == pytest.approx(4 / 6)
    with torch.no_grad():
        log_probs = PlantedReader().eval()(dev_batches[0].video, dev_batches[0].video_lengths)
    assert scores["dev_ctc"] == pytest.approx(ctc_loss(log_probs, dev_batches[0]).item())


def test_a_grammar_decides_where_there_is_one(dev_batches: list[Batch], toy_spec: ModelSpec, fabric: Fabric):
    spec = replace(toy_spec, grammar=(("red", "blue"), ("blue", "green")))
    scores = dev_scores(PlantedReader(), dev_batches, spec, fabric)
    assert scores["dev_greedy_wer"] == pytest.approx(4 / 6)
    assert scores["dev_wer"] == pytest.approx(3 / 6)  # of "blue red green" one word goes


@pytest.mark.parametrize("ctc", [True, False])
def test_a_decoder_reads_where_there_is_one(dev_batches: list[Batch], toy_spec: ModelSpec, fabric: Fabric, ctc: bool):
    spec = replace(toy_spec, ctc=ctc, decoder=AttentionDecoderSpec(hidden=6))
    torch.manual_seed(0)
    reader = build_reader(spec)
    with torch.no_grad():  # the decoder says "red" and no more, whatever it sees
        reader.decoder.project.weight.zero_()
        reader.decoder.combine.weight.zero_()
        reader.decoder.project.bias.copy_(torch.tensor([0.0, 9.0, 0.0, 0.0]))
    scores = dev_scores(reader, dev_batches, spec, fabric)
    assert ("dev_ctc" in scores, "dev_greedy_wer" in scores) == (ctc, ctc)
    targets = torch.cat([row[:n] for row, n in zip(dev_batches[0].targets, dev_batches[0].target_lengths, strict=True)])
    reds, others = int((targets == 1).sum()), int((targets != 1).sum()) + len(TEXTS)  # each sentence has an end
    cost = float(torch.tensor([0.0, 9.0, 0.0, 0.0]).logsumexp(0))
    assert scores["dev_attention"] == pytest.approx(cost - 9 * reds / (reds + others), rel=1e-3)
    assert scores["dev_wer"] > 0


def test_the_surprise_of_what_is_read_on_dev_is_the_model_s_own_limit(
    dev_batches: list[Batch], toy_spec: ModelSpec, fabric: Fabric
):
    assert "surprise_limit" not in dev_scores(
        PlantedReader(), dev_batches, toy_spec, fabric
    )  # of three clips with words
    limit = dev_scores(PlantedReader(), dev_batches * 4, toy_spec, fabric)["surprise_limit"]
    with torch.no_grad():
        log_probs = PlantedReader().eval()(dev_batches[0].video, dev_batches[0].video_lengths)
    entropy = -(log_probs.exp() * log_probs).sum(-1)
    ends = [2 * len(text.split()) - 1 for text in READ]  # frames up to the last word's
    surprises = [float(row[:end].mean()) for row, end in zip(entropy, ends, strict=True) if end > 0]
    assert limit == pytest.approx(SLACK * np.quantile(surprises * 4, QUANTILE), rel=0.01)
