"""Encoder states -> the sentence, token by token: a Transformer that looks at what was said and at the frames.

Its first symbol and its last is its last id, `end`. The parts have the names of the released Auto-AVSR models.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn

from lipscribe.models.frontend import frame_mask
from lipscribe.models.packed import Linear
from lipscribe.models.transformer import (
    NORM_EPS,
    Attention,
    FeedForward,
    History,
    Looked,
    chain,
    grown,
    hear,
    log_softmax,
    narrowed,
    pasts,
    positions,
    silence,
)


class Frames(NamedTuple):
    """What is looked at: the frames' keys and values in each layer, and which are there, (B, 1, 1, T) or None: all."""

    layers: tuple[Looked, ...]
    visible: Tensor | None


class TransformerDecoder(nn.Module):
    """Says what comes next, given the frames and what was said before.

    Args:
        features: Size D of the encoder's states.
        vocab_size: V of the tokenizer; its last id, `end`, is the symbol before the first token and after the last.
        hidden: Size of every layer, even and a multiple of `heads`.
        heads: Looks taken side by side.
        ff: Units of the feed-forward parts.
        layers: How many.
        dropout: Share dropped of embeddings, of attention weights and at the end of each part, in training.
    """

    def __init__(self, features: int, vocab_size: int, hidden: int, heads: int, ff: int, layers: int, dropout: float):
        super().__init__()
        self.end = vocab_size - 1
        self.embed = nn.Sequential(nn.Embedding(vocab_size, hidden))  # a sequence, so that its name is embed.0
        self.decoders = nn.ModuleList(_Layer(features, hidden, heads, ff, dropout) for _ in range(layers))
        self.after_norm = nn.LayerNorm(hidden, NORM_EPS)
        self.output_layer = Linear(hidden, vocab_size)
        self.dropout = nn.Dropout(dropout)

    def remember(self, encoder_out: Tensor, lengths: Tensor) -> Frames:
        """encoder_out (B, T, D) and (B,) int64 lengths -> what `step` looks at: projected once, for every layer."""
        layers = tuple(layer.src_attn.look_at(encoder_out) for layer in self.decoders)
        if bool((lengths == encoder_out.shape[1]).all()):
            return Frames(layers, None)
        return Frames(layers, frame_mask(lengths.to(encoder_out.device), encoder_out.shape[1])[:, None, None])

    def start(self, memory: Frames) -> History:
        """The state of B empty sentences."""
        keys = memory.layers[0].keys
        return silence(len(keys), keys.device)

    def step(self, heard: Tensor, state: History, memory: Frames) -> tuple[Tensor, History]:
        """Takes one token further.

        Args:
            heard: (N,) int64, the last token of each sentence, `end` where there is none yet.
            state: Of the N sentences before that token.
            memory: Of the one clip that all sentences are about.

        Returns:
            (N, V) float32 log-probabilities of the next token, `end` among them, and the new state.
        """
        # N sentences go through the layers as N places of one, each of which sees its own past only.
        x, visible = self._embedded(heard[None], self._places(state.length, 1)), grown(state)
        layers = []
        for layer, source, past in zip(self.decoders, memory.layers, pasts(state, len(self.decoders)), strict=True):
            x, looked = layer.hear(x, visible, past)
            x = layer.look(x, source, memory.visible)
            layers.append(looked)
        return self._expected(x)[0], History(tuple(layers), visible, state.length + 1)

    def select(self, state: History, places: Tensor) -> History:
        """The state of the sentences at the (M,) int64 places."""
        return narrowed(state, places)

    def attention(self, tokens: Tensor, memory: Frames) -> Tensor:
        """(U,) int64 -> (U, T), the mean over heads and layers of how much each token looks at each frame."""
        heard = torch.cat([tokens.new_tensor([self.end]), tokens])[None, :-1]
        x, visible, weights = (
            self._embedded(heard, self._places(0, heard.shape[1])),
            chain(heard.shape[1], heard.device),
            [],
        )
        for layer, source in zip(self.decoders, memory.layers, strict=True):
            x, _ = layer.hear(x, visible, None)
            weights.append(layer.src_attn.weights(layer.norm2(x), source)[0].mean(0))
            x = layer.look(x, source, memory.visible)
        return torch.stack(weights).mean(0)

    def forward(self, encoder_out: Tensor, lengths: Tensor, targets: Tensor, sampling: float = 0.0) -> Tensor:
        """What the decoder expects at every token of known sentences (teacher forcing).

        Args:
            encoder_out: (B, T, D).
            lengths: (B,) int64 valid frames, each at least 1.
            targets: (B, U) int64 token ids, whatever beyond each sentence's end.
            sampling: Chance that in training the decoder hears a draw of its own instead of the true token. All tokens
                are drawn at once, after the true ones (Mihaylova and Martins, "Scheduled sampling for Transformers",
                2019), which takes two passes.

        Returns:
            (B, U + 1, V) float32 log-probabilities; row u is of token u, given the tokens before it.
        """
        memory = self.remember(encoder_out, lengths)
        heard = nn.functional.pad(targets, (1, 0), value=self.end)
        if sampling > 0 and self.training:
            with torch.no_grad():
                drawn = self._teach(heard, memory)[:, :-1].exp().flatten(0, 1).multinomial(1).view(targets.shape)
            own = torch.rand(targets.shape, device=targets.device) < sampling
            heard = torch.cat([heard[:, :1], torch.where(own, drawn, targets)], dim=1)
        return self._teach(heard, memory)

    def _teach(self, heard: Tensor, memory: Frames) -> Tensor:
        x, visible = self._embedded(heard, self._places(0, heard.shape[1])), chain(heard.shape[1], heard.device)
        for layer, source in zip(self.decoders, memory.layers, strict=True):
            x, _ = layer.hear(x, visible, None)
            x = layer.look(x, source, memory.visible)
        return self._expected(x)

    def _embedded(self, heard: Tensor, places: Tensor) -> Tensor:
        """(B, U) ids at the places (U, D), or (1, D) where all are at the same -> (B, U, D)."""
        return self.dropout(self.embed(heard) * math.sqrt(places.shape[-1]) + places)

    def _places(self, first: int, number: int) -> Tensor:
        return positions(first, number, self.after_norm.weight)

    def _expected(self, x: Tensor) -> Tensor:
        return log_softmax(self.output_layer(self.after_norm(x)))


class _Layer(nn.Module):
    def __init__(self, features: int, hidden: int, heads: int, ff: int, dropout: float):
        super().__init__()
        self.self_attn = Attention(hidden, heads, dropout)
        self.src_attn = Attention(hidden, heads, dropout, looked=features)
        self.feed_forward = FeedForward(hidden, ff, dropout)
        self.norm1, self.norm2, self.norm3 = (nn.LayerNorm(hidden, NORM_EPS) for _ in range(3))
        self.dropout = nn.Dropout(dropout)

    def hear(self, x: Tensor, visible: Tensor, past: Looked | None) -> tuple[Tensor, Looked]:
        heard, looked = hear(self.norm1, self.self_attn, x, visible, past)
        return x + self.dropout(heard), looked

    def look(self, x: Tensor, source: Looked, visible: Tensor | None) -> Tensor:
        x = x + self.dropout(self.src_attn(self.norm2(x), source, visible))
        return x + self.dropout(self.feed_forward(self.norm3(x)))
