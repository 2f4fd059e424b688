"""Checkpoints of the USR and RAVEn families, small, under their authors' names, with weights drawn by rule.

Names and shapes are those of github.com/ahaliassos (raven, usr, usr2) as of their public code; no released file was at
hand. `encode` and `decode` compute what such a network says by the equations of the papers, in float64, with nothing of
Lipscribe: RAVEn (arXiv 2212.06246), LayerScale (arXiv 2103.17239), relative positions (arXiv 1901.02860), and Vaswani
et al. (2017).
"""

import math
import zlib
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

UNITS = ("<unk>", "'", "▁A", "▁RED", "▁BLUE", "▁AT", "S", "ED")
VOCAB = len(UNITS) + 2
EPS = 1e-12  # of their layer norms


@dataclass(frozen=True)
class Sizes:
    """Sizes of a network; `batch_norm` is RAVEn's before a feed-forward, and `decoder` the size of its decoder."""

    hidden: int = 16
    heads: int = 2
    ff: int = 24
    layers: int = 3
    decoder: int = 16
    decoder_ff: int = 20
    decoder_layers: int = 2
    batch_norm: bool = False
    channels: tuple[int, int, int, int] = (4, 4, 6, 8)


USR2 = Sizes()
RAVEN = Sizes(decoder=8, batch_norm=True)  # a smaller decoder behind a linear layer


def usr2_state(sizes: Sizes = USR2) -> dict[str, Tensor]:
    """A USR or USR 2 model: audio and video, each with its head; flat names."""
    shapes = _frontend("encoder.frontend_v.", sizes, 5)
    shapes |= {"encoder.frontend_a.trunk.conv1.weight": (4, 1, 80)}
    for modality, features in (("v", 1), ("a", 1), ("av", 2)):
        shapes |= _linear(f"encoder.linear_{modality}.", features * sizes.channels[-1], sizes.hidden)
        shapes |= _linear(f"ctc_{modality}.ctc_lo.", sizes.hidden, VOCAB)
        shapes |= _linear(f"decoder.out_layer_{modality}.", sizes.decoder, VOCAB)
    return fill(shapes | _encoder(sizes) | _decoder(sizes))


def raven_state(sizes: Sizes = RAVEN) -> dict[str, Tensor]:
    """A fine-tuned visual RAVEn or BRAVEn model; flat names."""
    shapes = raven_encoder_shapes(sizes) | _decoder(sizes)
    shapes |= _linear("ctc.ctc_lo.", sizes.hidden, VOCAB) | _linear("decoder.output_layer.", sizes.decoder, VOCAB)
    return fill(shapes)


def raven_encoder_shapes(sizes: Sizes = RAVEN) -> dict[str, tuple[int, ...]]:
    """The names and shapes of its encoder, with "encoder." before them."""
    frontend = _frontend("encoder.frontend.", sizes, 5)
    return frontend | _linear("encoder.embed.0.", sizes.channels[-1], sizes.hidden) | _encoder(sizes)


def fill(shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Tensor]:
    """Deterministic weights for these names and shapes; each depends on its name alone."""
    return {name: _drawn(name, shape) for name, shape in shapes.items()}


def encode(state: Mapping[str, Tensor], features: Tensor, sizes: Sizes) -> list[Tensor]:
    """(T, C) features of the frontend -> the output of each block and of the encoder, each (T, hidden) float64."""
    weights = {name: tensor.double() for name, tensor in state.items()}
    at = "encoder.linear_v." if "encoder.linear_v.weight" in weights else "encoder.embed.0."
    x = _times(weights, at, features.double()) * math.sqrt(sizes.hidden)
    out = []
    for layer in range(sizes.layers):
        block = f"encoder.encoders.{layer}."
        attended = _relative_attention(weights, f"{block}self_attn.", _norm(weights, f"{block}norm_mha.", x), sizes)
        x = x + weights[f"{block}gamma_mha"] * attended
        fed = _feed(weights, f"{block}feed_forward.", _norm(weights, f"{block}norm_ff.", x))
        x = x + weights[f"{block}gamma_ff"] * fed
        out.append(x)
    return [*out, _norm(weights, "encoder.after_norm.", x)]


def decode(state: Mapping[str, Tensor], encoder_out: Tensor, tokens: list[int], sizes: Sizes) -> Tensor:
    """(T, hidden) and the tokens so far -> (V,) log-probabilities of the next, float64."""
    weights = {name: tensor.double() for name, tensor in state.items()}
    memory = encoder_out.double()
    if "decoder.proj_decoder.weight" in weights:
        memory = _times(weights, "decoder.proj_decoder.", memory)
    heads = sizes.decoder // (sizes.hidden // sizes.heads)
    previous = [VOCAB - 1, *tokens]  # <eos> begins a sentence
    x = weights["decoder.embed.0.weight"][previous] * math.sqrt(sizes.decoder)
    x = x + _sinusoids(torch.arange(len(previous)), sizes.decoder)
    earlier = torch.ones(len(previous), len(previous), dtype=torch.bool).tril()
    for layer in range(sizes.decoder_layers):
        at = f"decoder.decoders.{layer}."
        normed = _norm(weights, f"{at}norm1.", x)
        x = x + _attention(weights, f"{at}self_attn.", normed, normed, heads, earlier)
        x = x + _attention(weights, f"{at}src_attn.", _norm(weights, f"{at}norm2.", x), memory, heads)
        x = x + _feed(weights, f"{at}feed_forward.", _norm(weights, f"{at}norm3.", x))
    last = _norm(weights, "decoder.after_norm.", x)[-1]
    out = "decoder.out_layer_v." if "decoder.out_layer_v.weight" in weights else "decoder.output_layer."
    return _times(weights, out, last).log_softmax(-1)


def _relative_attention(weights: Mapping[str, Tensor], at: str, x: Tensor, sizes: Sizes) -> Tensor:
    """Score of query i and key j: q_i k_j + u k_j + q_i r_(i-j) + v r_(i-j), over the root of a head's size."""
    query, key, value = (_times(weights, f"{at}linear_{part}.", x) for part in "qkv")
    size, num_frames, parts = sizes.hidden // sizes.heads, len(x), []
    for head in range(sizes.heads):
        own = slice(head * size, (head + 1) * size)
        scores = torch.empty(num_frames, num_frames, dtype=torch.float64)
        for i in range(num_frames):
            for j in range(num_frames):
                encoded = _sinusoids(torch.tensor([i - j]), sizes.hidden)[0]
                distance = weights[f"{at}linear_pos.weight"][own] @ encoded
                by_content = (query[i, own] + weights[f"{at}pos_bias_u"][head]) @ key[j, own]
                by_distance = (query[i, own] + weights[f"{at}pos_bias_v"][head]) @ distance
                scores[i, j] = (by_content + by_distance) / math.sqrt(size)
        parts.append(scores.softmax(-1) @ value[:, own])
    return _times(weights, f"{at}linear_out.", torch.cat(parts, dim=-1))


def _attention(
    weights: Mapping[str, Tensor], at: str, x: Tensor, attended: Tensor, heads: int, visible: Tensor | None = None
) -> Tensor:
    query = _times(weights, f"{at}linear_q.", x)
    key, value = (_times(weights, f"{at}linear_{part}.", attended) for part in "kv")
    parts = []
    for q, k, v in zip(query.chunk(heads, -1), key.chunk(heads, -1), value.chunk(heads, -1), strict=True):
        scores = q @ k.T / math.sqrt(q.shape[-1])
        scores = scores if visible is None else scores.masked_fill(~visible, -torch.inf)
        parts.append(scores.softmax(-1) @ v)
    return _times(weights, f"{at}linear_out.", torch.cat(parts, dim=-1))


def _feed(weights: Mapping[str, Tensor], at: str, x: Tensor) -> Tensor:
    return _times(weights, f"{at}w_2.", _times(weights, f"{at}w_1.", x).clamp(min=0))


def _norm(weights: Mapping[str, Tensor], at: str, x: Tensor) -> Tensor:
    gain, bias = weights[f"{at}weight"], weights[f"{at}bias"]
    if f"{at}running_mean" in weights:
        mean, var = weights[f"{at}running_mean"], weights[f"{at}running_var"]
        return (x - mean) / (var + 1e-5).sqrt() * gain + bias
    centred = x - x.mean(-1, keepdim=True)
    return centred / (centred.square().mean(-1, keepdim=True) + EPS).sqrt() * gain + bias


def _times(weights: Mapping[str, Tensor], at: str, x: Tensor) -> Tensor:
    return F.linear(x, weights[f"{at}weight"], weights.get(f"{at}bias"))


def _sinusoids(positions: Tensor, size: int) -> Tensor:
    rates = 10000.0 ** (-torch.arange(0, size, 2, dtype=torch.float64) / size)
    angles = positions.double()[:, None] * rates
    return torch.stack([angles.sin(), angles.cos()], dim=-1).flatten(1)


def _frontend(at: str, sizes: Sizes, stem_frames: int) -> dict[str, tuple[int, ...]]:
    first = sizes.channels[0]
    shapes = {f"{at}frontend3D.0.weight": (first, 1, stem_frames, 7, 7)} | _batch_norm(f"{at}frontend3D.1.", first)
    for stage, (size_in, size_out) in enumerate(zip((first, *sizes.channels), sizes.channels, strict=False), start=1):
        for block in range(2):
            name = f"{at}trunk.layer{stage}.{block}."
            shapes |= {f"{name}conv1.weight": (size_out, size_out if block else size_in, 3, 3)}
            shapes |= {f"{name}conv2.weight": (size_out, size_out, 3, 3)}
            shapes |= _batch_norm(f"{name}bn1.", size_out) | _batch_norm(f"{name}bn2.", size_out)
        if stage > 1:
            shapes |= {f"{at}trunk.layer{stage}.0.downsample.0.weight": (size_out, size_in, 1, 1)}
            shapes |= _batch_norm(f"{at}trunk.layer{stage}.0.downsample.1.", size_out)
    return shapes


def _encoder(sizes: Sizes) -> dict[str, tuple[int, ...]]:
    hidden, shapes = sizes.hidden, _pair("encoder.after_norm.", sizes.hidden)
    for layer in range(sizes.layers):
        at = f"encoder.encoders.{layer}."
        for part in ("q", "k", "v", "out"):
            shapes |= _linear(f"{at}self_attn.linear_{part}.", hidden, hidden)
        shapes |= {f"{at}self_attn.linear_pos.weight": (hidden, hidden)}
        shapes |= {f"{at}self_attn.pos_bias_{kind}": (sizes.heads, hidden // sizes.heads) for kind in "uv"}
        shapes |= _linear(f"{at}feed_forward.w_1.", hidden, sizes.ff)
        shapes |= _linear(f"{at}feed_forward.w_2.", sizes.ff, hidden)
        norm = _batch_norm if sizes.batch_norm else _pair
        shapes |= norm(f"{at}norm_ff.", hidden) | _pair(f"{at}norm_mha.", hidden)
        shapes |= {f"{at}gamma_mha": (hidden,), f"{at}gamma_ff": (hidden,)}
    return shapes


def _decoder(sizes: Sizes) -> dict[str, tuple[int, ...]]:
    size = sizes.decoder
    shapes = {"decoder.embed.0.weight": (VOCAB, size)} | _pair("decoder.after_norm.", size)
    if size != sizes.hidden:
        shapes |= _linear("decoder.proj_decoder.", sizes.hidden, size)
    for layer in range(sizes.decoder_layers):
        at = f"decoder.decoders.{layer}."
        for attention in ("self_attn", "src_attn"):
            for part in ("q", "k", "v", "out"):
                shapes |= _linear(f"{at}{attention}.linear_{part}.", size, size)
        shapes |= _linear(f"{at}feed_forward.w_1.", size, sizes.decoder_ff)
        shapes |= _linear(f"{at}feed_forward.w_2.", sizes.decoder_ff, size)
        for norm in ("norm1.", "norm2.", "norm3."):
            shapes |= _pair(f"{at}{norm}", size)
    return shapes


def _linear(at: str, size_in: int, size_out: int) -> dict[str, tuple[int, ...]]:
    return {f"{at}weight": (size_out, size_in), f"{at}bias": (size_out,)}


def _pair(at: str, size: int) -> dict[str, tuple[int, ...]]:
    return {f"{at}weight": (size,), f"{at}bias": (size,)}


def _batch_norm(at: str, size: int) -> dict[str, tuple[int, ...]]:
    statistics = {f"{at}running_mean": (size,), f"{at}running_var": (size,), f"{at}num_batches_tracked": ()}
    return _pair(at, size) | statistics


def _drawn(name: str, shape: tuple[int, ...]) -> Tensor:
    leaf = name.rpartition(".")[2]
    if leaf == "num_batches_tracked":
        return torch.tensor(7)
    rng = np.random.Generator(np.random.PCG64(zlib.crc32(name.encode())))
    drawn = rng.standard_normal(shape)
    if leaf == "running_var":
        drawn = 1 + 0.3 * rng.random(shape)
    elif leaf.startswith("gamma"):
        drawn = 0.3 + 0.1 * drawn
    elif leaf == "weight" and len(shape) == 1:
        drawn = 1 + 0.2 * drawn
    elif leaf == "weight":
        drawn = drawn * 1.5 / math.sqrt(math.prod(shape[1:]))
    else:
        drawn = 0.2 * drawn
    return torch.from_numpy(drawn.astype(np.float32))
