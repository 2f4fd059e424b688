"""The losses against their definitions, written out."""

from itertools import groupby, product

import pytest
import torch
from torch import Tensor

from lipscribe.data.dataset import Batch
from lipscribe.training.losses import attention_loss, ctc_loss, frame_loss

LENGTHS, TARGETS = [4, 3], [[1, 2], [2]]


def batch_of(frame_tokens: list[list[int]], lengths: list[int] = LENGTHS, targets: list[list[int]] = TARGETS) -> Batch:
    padded = torch.zeros(len(targets), max(map(len, targets)), dtype=torch.int64)
    for row, tokens in enumerate(targets):
        padded[row, : len(tokens)] = torch.tensor(tokens)
    return Batch(
        video=torch.zeros(0),
        video_lengths=torch.tensor(lengths),
        targets=padded,
        target_lengths=torch.tensor([len(tokens) for tokens in targets]),
        frame_tokens=torch.tensor(frame_tokens),
        clips=(),
    )


def random_log_probs(seed: int = 0) -> Tensor:
    return torch.randn(2, 4, 3, generator=torch.Generator().manual_seed(seed)).log_softmax(-1)


UNKNOWN = [[-1] * 4] * 2


def test_ctc_is_the_sum_over_all_alignments():
    log_probs = random_log_probs()
    expected = 0.0
    for row, (length, target) in enumerate(zip(LENGTHS, TARGETS, strict=True)):
        total = 0.0
        for path in product(range(3), repeat=length):
            if [token for token, _ in groupby(path) if token] == target:
                total += float(torch.stack([log_probs[row, t, token] for t, token in enumerate(path)]).sum().exp())
        expected += -torch.tensor(total).log() / len(target) / 2
    torch.testing.assert_close(ctc_loss(log_probs, batch_of(UNKNOWN)), torch.as_tensor(expected), atol=1e-5, rtol=0)


def test_ctc_of_a_clip_with_fewer_frames_than_tokens_is_zero_and_not_infinite():
    log_probs = random_log_probs().requires_grad_()
    batch = batch_of(UNKNOWN, lengths=[4, 1], targets=[[1], [1, 1]])  # "1 1" needs three frames
    loss = ctc_loss(log_probs, batch)
    loss.backward()
    assert loss.isfinite()
    assert log_probs.grad.isfinite().all()
    assert not log_probs.grad[1].any()


def test_the_frame_loss_is_the_mean_over_known_frames():
    log_probs = random_log_probs()
    tokens = [[0, 1, -1, 2], [2, -1, -1, -1]]
    known = [(0, 0, 0), (0, 1, 1), (0, 3, 2), (1, 0, 2)]
    for smoothing in (0.0, 0.2):
        hard = -torch.stack([log_probs[place] for place in known]).mean()
        even = -torch.stack([log_probs[b, t].mean() for b, t, _ in known]).mean()
        expected = (1 - smoothing) * hard + smoothing * even
        torch.testing.assert_close(frame_loss(log_probs, batch_of(tokens), smoothing), expected)


def test_frames_whose_token_nobody_knows_get_no_gradient():
    logits = torch.randn(2, 4, 3, requires_grad=True)
    frame_loss(logits.log_softmax(-1), batch_of([[0, 1, -1, 2], [2, -1, -1, -1]]), 0.1).backward()
    reached = logits.grad.abs().sum(-1) > 1e-9
    assert reached.tolist() == [[True, True, False, True], [True, False, False, False]]


def test_where_nothing_is_known_the_loss_is_zero_and_its_gradient_too():
    log_probs = random_log_probs().requires_grad_()
    loss = frame_loss(log_probs, batch_of(UNKNOWN), 0.1)
    loss.backward()
    assert loss.item() == 0
    assert not log_probs.grad.any()


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_the_attention_loss_is_the_mean_over_tokens_and_ends(smoothing: float):
    expected = torch.randn(2, 3, 3, generator=torch.Generator().manual_seed(1)).log_softmax(-1)
    wanted = [(0, 0, 1), (0, 1, 2), (0, 2, 0), (1, 0, 2), (1, 1, 0)]  # of TARGETS, each sentence with its end
    hard = -torch.stack([expected[place] for place in wanted]).mean()
    even = -torch.stack([expected[b, u].mean() for b, u, _ in wanted]).mean()
    loss = attention_loss(expected, batch_of(UNKNOWN), smoothing)
    torch.testing.assert_close(loss, (1 - smoothing) * hard + smoothing * even)
    expected[1, 2] = torch.tensor([0.9, 0.05, 0.05]).log()  # after the end of the second
    assert attention_loss(expected, batch_of(UNKNOWN), smoothing) == loss


@pytest.mark.parametrize("loss", [ctc_loss, lambda log_probs, batch: frame_loss(log_probs, batch, 0.0)])
def test_what_lies_in_the_padding_changes_nothing(loss):
    log_probs = random_log_probs()
    batch = batch_of([[0, 1, 1, 2], [2, 0, 2, -1]])
    plain = loss(log_probs, batch)
    log_probs[1, 3:] = torch.tensor([0.9, 0.05, 0.05]).log()
    assert loss(log_probs, batch) == plain
