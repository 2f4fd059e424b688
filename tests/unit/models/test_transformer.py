"""The Transformer decoder and the token model: against Auto-AVSR's numbers, torch's own layers, and themselves."""

import numpy as np
import pytest
import torch
from auto_avsr_golden import GOLDEN, VOCAB, needs_golden, ours, weights
from torch import nn

from lipscribe.models.scorer import DecoderScorer, LMScorer
from lipscribe.models.transformer import NORM_EPS
from lipscribe.models.transformer_decoder import TransformerDecoder
from lipscribe.models.transformer_lm import TransformerLM
from lipscribe.zoo.layouts import released_lm_name

END = 10  # of the toys


@pytest.fixture
def toy() -> TransformerDecoder:
    torch.manual_seed(0)
    return TransformerDecoder(features=6, vocab_size=END + 1, hidden=8, heads=2, ff=12, layers=2, dropout=0.5).eval()


@pytest.fixture
def toy_lm() -> TransformerLM:
    torch.manual_seed(0)
    return TransformerLM(vocab_size=END + 1, embedding=6, hidden=8, heads=2, ff=12, layers=2, dropout=0.5).eval()


@needs_golden
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 3e-5), (torch.float64, 1e-6)])
def test_released_weights_give_the_reference_numbers(dtype: torch.dtype, tolerance: float):
    golden = np.load(GOLDEN / "small.npz")
    decoder = TransformerDecoder(64, VOCAB, 64, 4, 128, 2, 0.1).eval().to(dtype)
    decoder.load_state_dict(ours(weights("small"), decoder, "decoder."))
    assert decoder.end == VOCAB - 1
    encoder_out = torch.from_numpy(golden["enc_f64"]).to(dtype)[None]
    prefix = torch.from_numpy(golden["dec_prefix"].astype(np.int64))
    with torch.inference_mode():
        expected = decoder(encoder_out, torch.tensor([32]), prefix[None, 1:])[0].numpy()
        memory = decoder.remember(encoder_out, torch.tensor([32]))
        history = decoder.start(memory)
        for token in prefix:
            last, history = decoder.step(token[None], history, memory)
    top = np.take_along_axis(expected, golden["dec_top10_ids"].astype(np.int64), axis=1)
    np.testing.assert_allclose(top, golden["dec_top10_logp_f64"], atol=tolerance)
    np.testing.assert_allclose(expected[-1], golden["dec_last_logp_f64"], atol=tolerance)
    np.testing.assert_allclose(last[0].numpy(), golden["dec_last_logp_f64"], atol=tolerance)


def test_every_norm_has_the_released_epsilon(toy, toy_lm):
    assert {part.eps for part in toy.modules() if isinstance(part, nn.LayerNorm)} == {NORM_EPS} == {1e-12}
    in_espnet = {name: part.eps for name, part in toy_lm.named_modules() if isinstance(part, nn.LayerNorm)}
    assert in_espnet.pop("input_norm") == 1e-5
    assert set(in_espnet.values()) == {1e-12}


@torch.inference_mode()
def test_step_by_step_a_beam_hears_what_each_sentence_alone_does(toy):
    encoder_out = torch.randn(1, 5, 6)
    scorer, rng = DecoderScorer(toy, encoder_out), np.random.default_rng(0)
    sentences, state = [()], scorer.start()
    for _ in range(12):  # long enough for nodes that nobody sees to be dropped
        previous = np.array([sentence[-1] if sentence else END for sentence in sentences])
        predicted, state = scorer.step(previous, state)
        for row, sentence in zip(predicted, sentences, strict=True):
            alone = toy(encoder_out, torch.tensor([5]), torch.tensor([sentence], dtype=torch.int64))[0, -1]
            np.testing.assert_allclose(row, alone.numpy(), atol=2e-6)
        places = np.sort(rng.integers(0, len(sentences), 4))
        sentences = [(*sentences[place], int(rng.integers(1, END))) for place in places]
        state = scorer.select(state, places)
    assert state[0].visible.sum(1).tolist() == [12] * 4
    assert state[0].visible.shape[1] < 12 * 4


@torch.inference_mode()
def test_neither_padding_nor_neighbours_change_what_is_expected(toy):
    encoder_out, targets = torch.randn(2, 7, 6), torch.randint(1, END, (2, 4))
    encoder_out[1, 5:] = 1e3
    together = toy(encoder_out, torch.tensor([7, 5]), targets)
    assert together.shape == (2, 5, END + 1)
    torch.testing.assert_close(together.exp().sum(-1), torch.ones(2, 5))
    for clip, length, number in ((0, 7, 4), (1, 5, 2)):
        alone = toy(encoder_out[clip : clip + 1, :length], torch.tensor([length]), targets[clip : clip + 1, :number])
        torch.testing.assert_close(together[clip, : number + 1], alone[0])


def test_own_draws_are_heard_in_training_only():
    torch.manual_seed(0)
    toy = TransformerDecoder(6, END + 1, 8, 2, 12, 2, dropout=0.0)
    encoder_out, lengths, targets = torch.randn(2, 3, 6), torch.tensor([3, 3]), torch.randint(1, END, (2, 4))
    taught, own = toy(encoder_out, lengths, targets), toy(encoder_out, lengths, targets, sampling=1.0)
    torch.testing.assert_close(own[:, 0], taught[:, 0])  # before any previous token
    assert not torch.allclose(own[:, 1:], taught[:, 1:])
    own.sum().backward()
    assert all(weight.grad is not None for weight in toy.parameters())
    torch.testing.assert_close(toy.eval()(encoder_out, lengths, targets, sampling=1.0), taught)


@torch.inference_mode()
def test_attention_is_a_distribution_over_frames(toy):
    scorer = DecoderScorer(toy, torch.randn(2, 5, 6))  # two looks
    rows = scorer.attention((1, 2, 3))
    assert rows.shape == (3, 5)
    np.testing.assert_allclose(rows.sum(1), 1, atol=1e-6)
    assert scorer.attention(()).shape == (0, 5)


@torch.inference_mode()
def test_several_looks_are_averaged(toy):
    looks = torch.randn(2, 5, 6)
    both = DecoderScorer(toy, looks)
    predicted, _ = both.step(np.array([END]), both.start())
    alone = [DecoderScorer(toy, look[None]) for look in looks]
    mean = np.mean([scorer.step(np.array([END]), scorer.start())[0] for scorer in alone], axis=0)
    np.testing.assert_allclose(predicted, mean - np.logaddexp.reduce(mean, axis=1, keepdims=True), atol=1e-6)


@torch.inference_mode()
@pytest.mark.parametrize("placed", [True, False])
def test_the_token_model_is_torchs_transformer(placed: bool):
    torch.manual_seed(1)
    lm = TransformerLM(vocab_size=9, embedding=6, hidden=8, heads=2, ff=12, layers=2, placed=placed).eval()
    tokens = torch.tensor([[8, 1, 2, 3], [8, 5, 5, 1]])
    x = lm.input_norm(lm.input(lm.embedding(tokens))).relu()
    if placed:
        angles = torch.arange(4.0)[:, None] / 10000 ** (torch.arange(0, 8, 2) / 8)
        x = x * 8**0.5 + torch.stack([angles.sin(), angles.cos()], -1).flatten(1)
    for layer in lm.layers:
        theirs = nn.TransformerEncoderLayer(8, 2, 12, 0.0, batch_first=True, norm_first=True, layer_norm_eps=1e-12)
        own, attention = layer.state_dict(), layer.self_attention
        parts = (attention.query, attention.key, attention.value)
        theirs.load_state_dict(
            {
                "self_attn.in_proj_weight": torch.cat([part.weight for part in parts]),
                "self_attn.in_proj_bias": torch.cat([part.bias for part in parts]),
                **{f"self_attn.out_proj.{kind}": own[f"self_attention.out.{kind}"] for kind in ("weight", "bias")},
                **{
                    f"linear{i}.{kind}": own[f"feed.{way}.{kind}"]
                    for i, way in ((1, "up"), (2, "down"))
                    for kind in ("weight", "bias")
                },
                **{
                    f"norm{i}.{kind}": own[f"norm_{part}.{kind}"]
                    for i, part in ((1, "self"), (2, "feed"))
                    for kind in ("weight", "bias")
                },
            }
        )
        x = theirs(x, src_mask=nn.Transformer.generate_square_subsequent_mask(4), is_causal=True)
    wanted = lm.project(lm.norm(x)).log_softmax(-1)
    torch.testing.assert_close(lm(tokens), wanted)


def test_the_token_model_in_espnets_names(toy_lm):
    layer = [f"self_attn.linear_{x}" for x in "qkv"] + ["self_attn.linear_out", "feed_forward.w_1", "feed_forward.w_2"]
    layer += ["norm1", "norm2"]
    parts = ["encoder.embed.0", "encoder.embed.1", "encoder.after_norm", "decoder"]
    parts += [f"encoder.encoders.{i}.{name}" for i in range(2) for name in layer]
    wanted = {"embed.weight"} | {f"{part}.{kind}" for part in parts for kind in ("weight", "bias")}
    assert {released_lm_name(name) for name in toy_lm.state_dict()} == wanted


@torch.inference_mode()
def test_the_token_model_step_by_step(toy_lm):
    scorer = LMScorer(toy_lm)
    predicted, state = scorer.step(np.array([END]), scorer.start())
    state = scorer.select(state, np.array([0, 0]))
    predicted, state = scorer.step(np.array([3, 4]), state)
    predicted, _ = scorer.step(np.array([5, 5]), scorer.select(state, np.array([1, 0])))
    wanted = toy_lm(torch.tensor([[END, 4, 5], [END, 3, 5]]))[:, -1]
    np.testing.assert_allclose(predicted, wanted.numpy(), atol=2e-6)
