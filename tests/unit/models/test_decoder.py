"""The attention decoder: what it may depend on, its attention written out, and that it can learn to spell."""

import numpy as np
import pytest
import torch
from table_scorer import read_by_decoder
from torch.nn import functional as F

from lipscribe.models.decoder import AttentionDecoder
from lipscribe.models.scorer import DecoderScorer
from lipscribe.tokenizer import END, WordTokenizer

LENGTHS = torch.tensor([6, 1, 4])
TARGETS = torch.tensor([[1, 2, 3], [2, 0, 0], [3, 3, 0]])


def decoder_of(location_frames: int = 3, layers: int = 2, dropout: float = 0.0) -> AttentionDecoder:
    torch.manual_seed(0)
    return AttentionDecoder(5, 4, hidden=8, layers=layers, location_frames=location_frames, dropout=dropout).eval()


def encoded() -> torch.Tensor:
    states = torch.randn(3, 6, 5, generator=torch.Generator().manual_seed(1))
    for row, length in enumerate(LENGTHS):
        states[row, length:] = 0
    return states


@pytest.mark.parametrize(("location_frames", "layers"), [(0, 1), (3, 2)])
def test_all_tokens_at_once_equal_one_by_one_by_torchs_own_modules(location_frames: int, layers: int):
    """The formula as it is written in the paper: `nn.LSTM`, `nn.Conv1d` and the last layers for each token."""
    decoder = decoder_of(location_frames, layers)
    states = encoded().requires_grad_()
    memory = decoder.remember(states, LENGTHS)
    context, attended = states.new_zeros(3, 5), states.new_zeros(3, 6)
    previous, cells, expected = torch.full((3,), END), None, []
    for u in range(4):
        incoming = torch.cat([decoder.embedding(previous), context], dim=-1)
        out, cells = decoder.rnn(incoming[:, None], cells)
        energy = decoder.query(out) + memory.keys
        if decoder.location is not None:
            energy = energy + decoder.location(attended[:, None]).transpose(1, 2)
        scores = decoder.weigh(energy.tanh())[..., 0].masked_fill(memory.padding, -torch.inf)
        attended = scores.softmax(-1)
        context = (attended[:, None] @ states)[:, 0]
        combined = decoder.combine(torch.cat([out[:, 0], context], dim=-1)).tanh()
        expected.append(decoder.project(combined).log_softmax(-1))
        previous = TARGETS[:, u] if u < 3 else previous
    theirs, ours = torch.stack(expected, 1), decoder(states, LENGTHS, TARGETS)
    torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=0)
    inputs = [states, *decoder.parameters()]
    wanted = torch.randn(theirs.shape, generator=torch.Generator().manual_seed(2))
    for got, want in zip(*(torch.autograd.grad((out * wanted).sum(), inputs) for out in (ours, theirs)), strict=True):
        torch.testing.assert_close(got, want, atol=1e-5, rtol=1e-5)


@torch.inference_mode()
@pytest.mark.parametrize("location_frames", [0, 3])
def test_padding_and_company_change_nothing(location_frames: int):
    decoder, states = decoder_of(location_frames), encoded()
    batch = decoder(states, LENGTHS, TARGETS)
    assert (batch.shape, batch.dtype) == ((3, 4, 4), torch.float32)
    torch.testing.assert_close(batch.exp().sum(-1), torch.ones(3, 4))
    longer = decoder(F.pad(states, (0, 0, 0, 4)), LENGTHS, F.pad(TARGETS, (0, 2)))
    torch.testing.assert_close(longer[:, :4], batch, atol=1e-6, rtol=0)
    for row, (length, num_tokens) in enumerate(zip(LENGTHS, (3, 1, 2), strict=True)):
        alone = decoder(states[row : row + 1, :length], LENGTHS[row : row + 1], TARGETS[row : row + 1, :num_tokens])
        torch.testing.assert_close(batch[row, : num_tokens + 1], alone[0], atol=1e-6, rtol=0)


@torch.inference_mode()
def test_a_token_depends_on_those_before_it_alone():
    decoder, states = decoder_of(), encoded()
    plain = decoder(states, LENGTHS, TARGETS)
    changed = TARGETS.clone()
    changed[:, 1] = 1
    other = decoder(states, LENGTHS, changed)
    assert torch.equal(other[:, :2], plain[:, :2])
    assert not torch.allclose(other[:, 2], plain[:, 2])


@torch.inference_mode()
def test_attention_is_its_formula_written_out():
    decoder, states = decoder_of(location_frames=3), encoded()[:1]
    memory = decoder.remember(states, LENGTHS[:1])
    _, first = decoder.step(torch.tensor([END]), decoder.start(memory), memory)
    _, second = decoder.step(torch.tensor([2]), first, memory)
    query, last = second.hidden[-1, 0], F.pad(first.attended[0], (1, 1))
    scores = torch.empty(6)
    for t in range(6):
        where = decoder.location.weight[:, 0] @ last[t : t + 3]
        scores[t] = decoder.weigh((decoder.query(query) + decoder.key(states[0, t]) + where).tanh())[0]
    torch.testing.assert_close(second.attended[0], scores.softmax(0), atol=1e-6, rtol=0)
    torch.testing.assert_close(second.context[0], second.attended[0] @ states[0], atol=1e-6, rtol=0)


def test_sampling_is_of_training_alone_and_is_drawn_from_the_seed():
    decoder, states = decoder_of(), encoded()
    plain = decoder(states, LENGTHS, TARGETS)
    assert torch.equal(decoder(states, LENGTHS, TARGETS, sampling=1.0), plain)
    decoder.train()
    outs = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        outs.append(decoder(states, LENGTHS, TARGETS, sampling=1.0))
    assert torch.equal(outs[0], outs[1])
    assert not torch.equal(outs[0], outs[2])
    assert torch.equal(outs[0][:, 0], plain[:, 0])  # before the first token nothing is drawn


def test_the_scorer_says_what_the_decoder_says():
    decoder, states = decoder_of(), encoded()
    expected = decoder(states[:1], LENGTHS[:1], torch.tensor([[1, 3, 2]]))[0].detach().double().numpy()
    scorer = DecoderScorer(decoder, states[:1])
    state = scorer.start()
    for u, heard in enumerate([END, 1, 3, 2]):
        if u == 1:  # in company, at another place
            state = scorer.select(state, np.array([0, 0, 0]))
        tokens = np.array([heard]) if u == 0 else np.array([3, heard, 1])
        said, state = scorer.step(tokens, state)
        np.testing.assert_allclose(said[0 if u == 0 else 1], expected[u], atol=1e-5)
        state = state if u == 0 else scorer.select(state, np.array([1, 1, 0]))
    weights = scorer.attention((1, 3, 2))
    assert weights.shape == (3, 6)
    np.testing.assert_allclose(weights.sum(1), 1, atol=1e-6)
    assert scorer.attention(()).shape == (0, 6)


def test_two_looks_are_averaged():
    decoder, states = decoder_of(), encoded()[:1]
    both = torch.cat([states, states.flip(1)])
    scorers = [DecoderScorer(decoder, looks) for looks in (both[:1], both[1:], both)]
    *apart, together = (scorer.step(np.array([END]), scorer.start())[0] for scorer in scorers)
    mean = np.mean(apart, axis=0)
    np.testing.assert_allclose(together, mean - np.logaddexp.reduce(mean, axis=1, keepdims=True))


@pytest.mark.slow
def test_it_learns_to_spell_what_is_planted_in_the_frames():
    torch.manual_seed(0)
    decoder = AttentionDecoder(5, 4, hidden=24, layers=1, location_frames=3, dropout=0.0)
    optimizer = torch.optim.Adam(decoder.parameters(), 0.02)
    sentences = [(1, 2, 3), (3, 1), (2, 2), (2,), (1, 3, 2), (3, 3, 1)]
    lengths = torch.tensor([3 * len(sentence) + 1 for sentence in sentences])
    states = torch.zeros(len(sentences), 10, 5)
    targets = torch.zeros(len(sentences), 3, dtype=torch.int64)
    for row, sentence in enumerate(sentences):
        targets[row, : len(sentence)] = torch.tensor(sentence)
        for u, token in enumerate(sentence):
            states[row, 3 * u + 1, token] = 1  # shown for one frame
        states[row, : lengths[row], 4] = torch.linspace(0, 1, int(lengths[row]))  # how far it is
    wanted = F.pad(targets, (0, 1), value=END)
    for _ in range(150):
        loss = F.cross_entropy(decoder(states, lengths, targets).flatten(0, 1), wanted.flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    decoder.eval()
    for row, sentence in enumerate(sentences):
        scorer = DecoderScorer(decoder, states[row : row + 1, : lengths[row]])
        (best,) = read_by_decoder(scorer, int(lengths[row]), WordTokenizer(["a", "b", "c"]), beam_size=3)
        assert best.tokens == sentence
