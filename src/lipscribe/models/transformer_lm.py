"""Token language model for shallow fusion with a decoder: ESPnet's `TransformerLM`.

Its symbols are those of `TransformerDecoder`: the start and end symbol is the vocabulary's last id, `end`.
"""

import math

from torch import Tensor, nn

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


class TransformerLM(nn.Module):
    """Predicts the next token of a text.

    Args:
        vocab_size: V; its last id, `end`, is the start and end symbol.
        embedding: Size of a token's embedding.
        hidden: Size of every layer, even and a multiple of `heads`.
        heads: Number of attention heads.
        ff: Units of the feed-forward parts.
        layers: Number of layers.
        dropout: Dropout probability of embeddings and at the end of each part.
        placed: Whether positional encodings are added to the embeddings (ESPnet's `pos_enc`).
    """

    def __init__(
        self,
        vocab_size: int,
        embedding: int,
        hidden: int,
        heads: int,
        ff: int,
        layers: int,
        dropout: float = 0.0,
        placed: bool = True,
    ):
        super().__init__()
        self.end = vocab_size - 1
        self.embedding = nn.Embedding(vocab_size, embedding)
        self.input = nn.Linear(embedding, hidden)
        self.input_norm = nn.LayerNorm(hidden)  # with torch's epsilon in ESPnet, the others have their own
        self.layers = nn.ModuleList(_Layer(hidden, heads, ff, dropout) for _ in range(layers))
        self.norm = nn.LayerNorm(hidden, NORM_EPS)
        self.project = Linear(hidden, vocab_size)
        self.dropout = nn.Dropout(dropout)
        self.placed = placed

    def start(self) -> History:
        """The state of one empty text."""
        return empty_history(1, self.embedding.weight.device)

    def step(self, previous: Tensor, state: History) -> tuple[Tensor, History]:
        """Advances by one token.

        Args:
            previous: (N,) int64, the last token of each text, at the start `end`.
            state: Of the N texts before that token.

        Returns:
            (N, V) float32 log-probabilities of the next token, and the new state.
        """
        visible = extended(state)
        x = self._embedded(previous[None], state.length, 1)
        x, layers = self._read(x, visible, past_of_layers(state, len(self.layers)))
        return log_softmax(self.project(x))[0], History(layers, visible, state.length + 1)

    def select(self, state: History, indices: Tensor) -> History:
        """The state of the texts at (M,) int64 indices."""
        return selected(state, indices)

    def forward(self, tokens: Tensor) -> Tensor:
        """(B, U) int64, `end` first -> (B, U, V) float32 log-probabilities of the token after each."""
        number = tokens.shape[1]
        x = self._embedded(tokens, 0, number)
        x, _ = self._read(x, causal_mask(number, tokens.device), (None,) * len(self.layers))
        return log_softmax(self.project(x))

    def _embedded(self, tokens: Tensor, first: int, number: int) -> Tensor:
        """(B, U) ids at the positions `first` on, or all at `first` where `number` is 1 -> (B, U, D)."""
        x = self.dropout(self.input_norm(self.input(self.embedding(tokens)))).relu()
        if self.placed:
            x = self.dropout(x * math.sqrt(x.shape[-1]) + positions(first, number, x))
        return x

    def _read(
        self, x: Tensor, visible: Tensor, past: tuple[KeysValues | None, ...]
    ) -> tuple[Tensor, tuple[KeysValues, ...]]:
        layers = []
        for layer, before in zip(self.layers, past, strict=True):
            x, kept = layer(x, visible, before)
            layers.append(kept)
        return self.norm(x), tuple(layers)


class _Layer(nn.Module):
    def __init__(self, hidden: int, heads: int, ff: int, dropout: float):
        super().__init__()
        self.self_attention = Attention(hidden, heads, 0.0)
        self.feed = FeedForward(hidden, ff, dropout)
        self.norm_self, self.norm_feed = (nn.LayerNorm(hidden, NORM_EPS) for _ in range(2))
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, visible: Tensor, past: KeysValues | None) -> tuple[Tensor, KeysValues]:
        means, kept = self_attend(self.norm_self, self.self_attention, x, visible, past)
        x = x + self.dropout(means)
        return x + self.dropout(self.feed(self.norm_feed(x))), kept
