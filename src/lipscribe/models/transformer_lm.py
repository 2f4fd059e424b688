"""A language model of tokens, which the search may ask beside a decoder: ESPnet's `TransformerLM`, by its names.

It hears and says the same symbols as `TransformerDecoder`: its first and last is the vocabulary's last id, `end`.
"""

import math

from torch import Tensor, nn

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


class TransformerLM(nn.Module):
    """Says how a text goes on.

    Args:
        vocab_size: V; its last id, `end`, is the symbol before the first token and after the last.
        embedding: Size of a token's embedding.
        hidden: Size of every layer, even and a multiple of `heads`.
        heads: Looks taken side by side.
        ff: Units of the feed-forward parts.
        layers: How many.
        dropout: Share dropped in training, of embeddings and at the end of each part.
        placed: Whether it is told the places of tokens (ESPnet's `pos_enc`, "sinusoidal" or "none").
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
        self.embed = nn.Embedding(vocab_size, embedding)
        self.encoder = _Encoder(embedding, hidden, heads, ff, layers, dropout, placed)
        self.decoder = Linear(hidden, vocab_size)

    def start(self) -> History:
        """The state of one empty text."""
        return silence(1, self.embed.weight.device)

    def step(self, heard: Tensor, state: History) -> tuple[Tensor, History]:
        """Takes one token further.

        Args:
            heard: (N,) int64, the last token of each text, `end` where there is none yet.
            state: Of the N texts before that token.

        Returns:
            (N, V) float32 log-probabilities of the next token, and the new state.
        """
        visible = grown(state)
        x = self.encoder.embedded(self.embed(heard[None]), state.length, 1)
        x, layers = self.encoder(x, visible, pasts(state, len(self.encoder.encoders)))
        return log_softmax(self.decoder(x))[0], History(layers, visible, state.length + 1)

    def select(self, state: History, places: Tensor) -> History:
        """The state of the texts at the (M,) int64 places."""
        return narrowed(state, places)

    def forward(self, tokens: Tensor) -> Tensor:
        """(B, U) int64, `end` first -> (B, U, V) float32 log-probabilities of what follows each."""
        number = tokens.shape[1]
        x = self.encoder.embedded(self.embed(tokens), 0, number)
        x, _ = self.encoder(x, chain(number, tokens.device), (None,) * len(self.encoder.encoders))
        return log_softmax(self.decoder(x))


class _Encoder(nn.Module):
    def __init__(self, embedding: int, hidden: int, heads: int, ff: int, layers: int, dropout: float, placed: bool):
        super().__init__()
        # This one norm has torch's epsilon in ESPnet, the others their own.
        self.embed = nn.Sequential(nn.Linear(embedding, hidden), nn.LayerNorm(hidden), nn.Dropout(dropout), nn.ReLU())
        self.encoders = nn.ModuleList(_Layer(hidden, heads, ff, dropout) for _ in range(layers))
        self.after_norm = nn.LayerNorm(hidden, NORM_EPS)
        self.dropout = nn.Dropout(dropout)
        self.placed = placed

    def embedded(self, embedding: Tensor, first: int, number: int) -> Tensor:
        """(B, U, E) at the places `first` on, or all at `first` where `number` is 1 -> (B, U, D)."""
        x = self.embed(embedding)
        if self.placed:
            x = self.dropout(x * math.sqrt(x.shape[-1]) + positions(first, number, x))
        return x

    def forward(self, x: Tensor, visible: Tensor, past: tuple[Looked | None, ...]) -> tuple[Tensor, tuple[Looked, ...]]:
        layers = []
        for layer, before in zip(self.encoders, past, strict=True):
            x, looked = layer(x, visible, before)
            layers.append(looked)
        return self.after_norm(x), tuple(layers)


class _Layer(nn.Module):
    def __init__(self, hidden: int, heads: int, ff: int, dropout: float):
        super().__init__()
        self.self_attn = Attention(hidden, heads, 0.0)
        self.feed_forward = FeedForward(hidden, ff, dropout)
        self.norm1, self.norm2 = (nn.LayerNorm(hidden, NORM_EPS) for _ in range(2))
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, visible: Tensor, past: Looked | None) -> tuple[Tensor, Looked]:
        heard, looked = hear(self.norm1, self.self_attn, x, visible, past)
        x = x + self.dropout(heard)
        return x + self.dropout(self.feed_forward(self.norm2(x))), looked
