"""Transformer decoder: encoder states -> tokens.

Its start and end symbol is its last id, `end`.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple, cast

import torch
from torch import Tensor, nn

from lipscribe.models.device import moved
from lipscribe.models.frontend import frame_mask
from lipscribe.models.onednn import Linear
from lipscribe.models.transformer import (
    NORM_EPS,
    Attention,
    FeedForward,
    History,
    KeysValues,
    causal_mask,
    empty_history,
    extended,
    log_softmax,
    past_of_layers,
    positions,
    selected,
    self_attend,
)


class Frames(NamedTuple):
    """Attention memory: each layer's keys and values of the frames, and the valid frames, (B, 1, 1, T) or None."""

    layers: tuple[KeysValues, ...]
    visible: Tensor | None


class TransformerDecoder(nn.Module):
    """Predicts the next token from the frames and the previous tokens.

    Args:
        features: Size D of the encoder states.
        vocab_size: V of the tokenizer; its last id, `end`, is the start and end symbol.
        hidden: Size of every layer, even and a multiple of `heads`.
        heads: Number of attention heads.
        ff: Units of the feed-forward parts.
        layers: Number of layers.
        dropout: Dropout probability of embeddings, of attention weights and at the end of each part.
    """

    def __init__(self, features: int, vocab_size: int, hidden: int, heads: int, ff: int, layers: int, dropout: float):
        super().__init__()
        self.end = vocab_size - 1
        self.embedding = nn.Embedding(vocab_size, hidden)
        self.layers = nn.ModuleList(_Layer(features, hidden, heads, ff, dropout) for _ in range(layers))
        self.norm = nn.LayerNorm(hidden, NORM_EPS)
        self.project = Linear(hidden, vocab_size)
        self.dropout = nn.Dropout(dropout)

    def remember(self, encoder_out: Tensor, lengths: Tensor | None = None) -> Frames:
        """encoder_out (B, T, D) and (B,) int64 lengths, None if all frames are valid -> the memory for `step`,
        projected once for every layer.
        """
        layers = tuple(layer.source_attention.keys_values(encoder_out) for layer in self._layers())
        if lengths is None or bool((lengths == encoder_out.shape[1]).all()):
            return Frames(layers, None)
        return Frames(layers, frame_mask(moved(lengths, encoder_out.device), encoder_out.shape[1])[:, None, None])

    def start(self, memory: Frames) -> History:
        """The state of B empty sentences."""
        keys = memory.layers[0].keys
        return empty_history(len(keys), keys.device)

    def step(self, previous: Tensor, state: History, memory: Frames) -> tuple[Tensor, History]:
        """Advances by one token.

        Args:
            previous: (N,) int64, the last token of each sentence, at the start `end`.
            state: Of the N sentences before that token.
            memory: Of the one clip of all sentences.

        Returns:
            (N, V) float32 log-probabilities of the next token, including `end`, and the new state.
        """
        visible, pasts = extended(state), past_of_layers(state, len(self.layers))
        log_probs, layers = self.advance(previous, self._positions(state.length, 1), visible, pasts, memory)
        return log_probs, History(layers, visible, state.length + 1)

    def advance(
        self, previous: Tensor, position: Tensor, visible: Tensor, pasts: Sequence[KeysValues | None], memory: Frames
    ) -> tuple[Tensor, tuple[KeysValues, ...]]:
        """`step` on the parts of a `History`.

        Args:
            previous: (N,) int64.
            position: (1, D) the encoding of the token's position.
            visible: (N, M + N) bool, the nodes of each sentence, the new ones last.
            pasts: Keys and values (1, heads, M, d) of each layer, None before the first token.
            memory: Of the one clip of all sentences.

        Returns:
            (N, V) float32 log-probabilities, and each layer's keys and values with the new nodes.
        """
        # N sentences are processed as N tokens of one, each of which attends to its own prefix only.
        x, layers = self._embedded(previous[None], position), []
        for layer, source, past in zip(self._layers(), memory.layers, pasts, strict=True):
            x, kept = layer.self_attend(x, visible, past)
            x = layer.attend(x, source, memory.visible)
            layers.append(kept)
        return self._expected(x)[0], tuple(layers)

    def select(self, state: History, indices: Tensor) -> History:
        """Select the state of the sentences at (M,) int64 indices."""
        return selected(state, indices)

    def attention(self, tokens: Tensor, memory: Frames) -> Tensor:
        """(U,) int64 -> (U, T), the attention weights, averaged over heads and layers."""
        return self.attention_after(torch.cat([tokens.new_tensor([self.end]), tokens])[:-1], memory)

    def attention_after(self, previous: Tensor, memory: Frames) -> Tensor:
        """`attention` of the tokens that follow each of (U,) int64 `previous`, the first of which is `end`."""
        previous = previous[None]
        x, visible, weights = self._embedded_all(previous), causal_mask(previous.shape[1], previous.device), []
        for layer, source in zip(self._layers(), memory.layers, strict=True):
            x, _ = layer.self_attend(x, visible, None)
            weights.append(layer.source_attention.weights(layer.norm_source(x), source)[0].mean(0))
            x = layer.attend(x, source, memory.visible)
        return torch.stack(weights).mean(0)

    def forward(self, encoder_out: Tensor, lengths: Tensor, targets: Tensor, sampling: float = 0.0) -> Tensor:
        """The decoder's predictions at every token of known sentences (teacher forcing).

        Args:
            encoder_out: (B, T, D).
            lengths: (B,) int64 valid frames, each at least 1.
            targets: (B, U) int64 token ids, any value beyond each sentence's end.
            sampling: Probability that in training the decoder's own sample replaces the true token. All tokens are
                sampled at once given the true ones (Mihaylova and Martins, "Scheduled sampling for Transformers",
                2019), which takes two passes.

        Returns:
            (B, U + 1, V) float32 log-probabilities; row u is of token u, given the tokens before it.
        """
        memory = self.remember(encoder_out, lengths)
        previous = nn.functional.pad(targets, (1, 0), value=self.end)
        if sampling > 0 and self.training:
            with torch.no_grad():
                drawn = self._forward(previous, memory)[:, :-1].exp().flatten(0, 1).multinomial(1).view(targets.shape)
            own = torch.rand(targets.shape, device=targets.device) < sampling
            previous = torch.cat([previous[:, :1], torch.where(own, drawn, targets)], dim=1)
        return self._forward(previous, memory)

    def _forward(self, previous: Tensor, memory: Frames) -> Tensor:
        x, visible = self._embedded_all(previous), causal_mask(previous.shape[1], previous.device)
        for layer, source in zip(self._layers(), memory.layers, strict=True):
            x, _ = layer.self_attend(x, visible, None)
            x = layer.attend(x, source, memory.visible)
        return self._expected(x)

    def _layers(self) -> "list[_Layer]":
        return cast("list[_Layer]", list(self.layers))

    def _embedded_all(self, tokens: Tensor) -> Tensor:
        """(B, U) ids of whole sentences -> (B, U, D)."""
        return self._embedded(tokens, self._positions(0, tokens.shape[1]))

    def _embedded(self, tokens: Tensor, encoding: Tensor) -> Tensor:
        """(B, U) ids with the encoding (U, D) of their positions, or (1, D) where all are at the same -> (B, U, D)."""
        return self.dropout(self.embedding(tokens) * math.sqrt(encoding.shape[-1]) + encoding)

    def _positions(self, first: int, number: int) -> Tensor:
        return positions(first, number, self.norm.weight)

    def _expected(self, x: Tensor) -> Tensor:
        return log_softmax(self.project(self.norm(x)))


class _Layer(nn.Module):
    def __init__(self, features: int, hidden: int, heads: int, ff: int, dropout: float):
        super().__init__()
        self.self_attention = Attention(hidden, heads, dropout)
        self.source_attention = Attention(hidden, heads, dropout, attended=features)
        self.feed = FeedForward(hidden, ff, dropout)
        self.norm_self, self.norm_source, self.norm_feed = (nn.LayerNorm(hidden, NORM_EPS) for _ in range(3))
        self.dropout = nn.Dropout(dropout)

    def self_attend(self, x: Tensor, visible: Tensor, past: KeysValues | None) -> tuple[Tensor, KeysValues]:
        means, kept = self_attend(self.norm_self, self.self_attention, x, visible, past)
        return x + self.dropout(means), kept

    def attend(self, x: Tensor, source: KeysValues, visible: Tensor | None) -> Tensor:
        x = x + self.dropout(self.source_attention(self.norm_source(x), source, visible))
        return x + self.dropout(self.feed(self.norm_feed(x)))
