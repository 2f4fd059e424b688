"""LSTM decoder with attention: encoder states -> tokens.

Chung, Senior, Vinyals and Zisserman, "Lip reading sentences in the wild", CVPR 2017, arXiv 1611.05358 ("Watch, Attend
and Spell"). The start and end symbol is `END`, which is not a token of any text.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from lipscribe.models.device import moved
from lipscribe.models.frontend import frame_mask
from lipscribe.tokenizer import END


class Memory(NamedTuple):
    """Attention memory: values (B, T, D), keys (B, T, H), and padding (B, T) bool, true beyond each length, or None."""

    values: Tensor
    keys: Tensor
    padding: Tensor | None


class DecoderState(NamedTuple):
    """Decoder state of N sentences.

    Attributes:
        hidden, cell: (layers, N, H), of the LSTM.
        context: (N, D), the last context vector (weighted mean of the values).
        attended: (N, T), the last attention weights; they sum to 1.
    """

    hidden: Tensor
    cell: Tensor
    context: Tensor
    attended: Tensor


class AttentionDecoder(nn.Module):
    """Predicts the next token from the frames and the previous tokens.

    Args:
        features: Size D of the encoder states.
        vocab_size: V of the tokenizer; id `END` (0, CTC's blank, which no text has) is the end of the sentence here.
        hidden: Units H of each LSTM layer, of the attention and of a token's embedding.
        layers: LSTM layers.
        location_frames: Odd; kernel size over the previous attention weights (location-aware attention, Chorowski et
            al., 2015). 0 is attention by content alone, as published.
        dropout: Dropout probability of embeddings, between LSTM layers, and before the last layer.
    """

    def __init__(self, features: int, vocab_size: int, hidden: int, layers: int, location_frames: int, dropout: float):
        super().__init__()
        self.end = END
        self.embedding = nn.Embedding(vocab_size, hidden)
        self.rnn = nn.LSTM(hidden + features, hidden, layers, batch_first=True, dropout=dropout if layers > 1 else 0.0)
        self.query = nn.Linear(hidden, hidden)
        self.key = nn.Linear(features, hidden, bias=False)
        self.location = (
            nn.Conv1d(1, hidden, location_frames, padding=location_frames // 2, bias=False) if location_frames else None
        )
        self.weigh = nn.Linear(hidden, 1, bias=False)
        self.dropout = nn.Dropout(dropout)
        self.combine = nn.Linear(hidden + features, hidden)
        self.project = nn.Linear(hidden, vocab_size)

    def remember(self, encoder_out: Tensor, lengths: Tensor | None = None) -> Memory:
        """encoder_out (B, T, D), zeros beyond each length, and (B,) int64 lengths, None if all frames are valid -> the
        memory for `step`.
        """
        exists = None if lengths is None else frame_mask(moved(lengths, encoder_out.device), encoder_out.shape[1])
        padding = None if exists is None else ~exists
        return Memory(encoder_out, self.key(encoder_out), padding)

    def start(self, memory: Memory) -> DecoderState:
        """The state of B empty sentences."""
        batch, num_frames, features = memory.values.shape
        nothing = memory.values.new_zeros(self.rnn.num_layers, batch, self.rnn.hidden_size, dtype=torch.float32)
        return DecoderState(nothing, nothing, nothing.new_zeros(batch, features), nothing.new_zeros(batch, num_frames))

    def step(self, previous: Tensor, state: DecoderState, memory: Memory) -> tuple[Tensor, DecoderState]:
        """Advances by one token.

        Args:
            previous: (N,) int64, the last token of each sentence, at the start `END`.
            state: Of the N sentences before that token.
            memory: Of B clips, each with N / B of the sentences, which are in the order of the clips.

        Returns:
            (N, V) float32 log-probabilities of the next token, including `END`, and the new state.
        """
        out, state = self._advance(self.dropout(self.embedding(previous)), state, memory)
        return self._expected(out, state.context), state

    def select(self, state: DecoderState, indices: Tensor) -> DecoderState:
        """Select the state of the sentences at (M,) int64 indices."""
        return DecoderState(
            state.hidden[:, indices], state.cell[:, indices], state.context[indices], state.attended[indices]
        )

    def attention(self, tokens: Tensor, memory: Memory) -> Tensor:
        """(U,) int64 -> (U, T) float32: how much each token of one sentence attends to each frame."""
        state, rows = self.start(memory), [memory.values.new_zeros(0, memory.values.shape[1], dtype=torch.float32)]
        for previous in torch.cat([tokens.new_tensor([END]), tokens])[:-1]:
            _, state = self.step(previous[None], state, memory)
            rows.append(state.attended)
        return torch.cat(rows)

    def _advance(self, embedded: Tensor, state: DecoderState, memory: Memory) -> tuple[Tensor, DecoderState]:
        """Embedded tokens (N, H) -> the output of the last LSTM layer (N, H), and the new state."""
        incoming = torch.cat([embedded, state.context.to(embedded)], dim=-1)
        out, hidden, cell = incoming, [], []
        for layer, weights in enumerate(self.rnn.all_weights):
            # A third of the time of calling `nn.LSTM` for one token.
            out, kept = torch.lstm_cell(out, (state.hidden[layer].to(out), state.cell[layer].to(out)), *weights)
            hidden.append(out)
            cell.append(kept)
            if layer + 1 < len(self.rnn.all_weights):
                out = functional.dropout(out, self.rnn.dropout, self.training)
        attended = self._attend(out, state.attended, memory)
        clips = (memory.values.shape[0], -1)  # `len` would be a constant in an export
        context = (attended.unflatten(0, clips).to(memory.values) @ memory.values).flatten(0, 1)  # (N, D)
        return out, DecoderState(torch.stack(hidden).float(), torch.stack(cell).float(), context.float(), attended)

    def _expected(self, out: Tensor, context: Tensor) -> Tensor:
        """LSTM outputs (..., H) and contexts (..., D) -> (..., V) float32 log-probabilities of the next token."""
        combined = self.combine(torch.cat([out, context.to(out)], dim=-1)).tanh()
        return self.project(self.dropout(combined)).float().log_softmax(-1)

    def _attend(self, out: Tensor, last: Tensor, memory: Memory) -> Tensor:
        """(N, H) and the last weights (N, T) -> new weights (N, T) float32, by additive attention."""
        clips = (memory.keys.shape[0], -1)
        energy = self.query(out).unflatten(0, clips)[:, :, None] + memory.keys[:, None]  # (B, N / B, T, H)
        if self.location is not None:
            weight = self.location.weight[:, 0]  # (H, frames)
            # A convolution of one channel is a product with its windows, which takes less time.
            windows = functional.pad(last, (weight.shape[1] // 2, weight.shape[1] // 2)).unfold(1, weight.shape[1], 1)
            energy = energy + functional.linear(windows, weight).unflatten(0, clips)
        scores = self.weigh(energy.tanh())[..., 0].float()
        if memory.padding is not None:
            scores = scores.masked_fill(memory.padding[:, None], -torch.inf)
        return scores.flatten(0, 1).softmax(-1)

    def forward(self, encoder_out: Tensor, lengths: Tensor, targets: Tensor, sampling: float = 0.0) -> Tensor:
        """The decoder's predictions at every token of known sentences (teacher forcing).

        Args:
            encoder_out: (B, T, D), zeros beyond each length.
            lengths: (B,) int64 valid frames, each at least 1.
            targets: (B, U) int64 token ids, any value beyond each sentence's end.
            sampling: Probability that in training the decoder's own sample replaces the true token (scheduled
                sampling, Bengio et al., 2015).

        Returns:
            (B, U + 1, V) float32 log-probabilities; row u is of token u, given the tokens before it.
        """
        memory = self.remember(encoder_out, lengths)
        if sampling > 0 and self.training:
            return self._forward_sampled(memory, targets, sampling)
        state, outs, contexts = self.start(memory), [], []
        # What does not depend on the step before is computed for all tokens at once.
        embedded = self.dropout(self.embedding(functional.pad(targets, (1, 0), value=END)))  # (B, U + 1, H)
        for each in embedded.unbind(1):
            out, state = self._advance(each, state, memory)
            outs.append(out)
            contexts.append(state.context)
        return self._expected(torch.stack(outs, dim=1), torch.stack(contexts, dim=1))

    def _forward_sampled(self, memory: Memory, targets: Tensor, sampling: float) -> Tensor:
        state, previous, expected = self.start(memory), targets.new_full((len(targets),), END), []
        for u in range(targets.shape[1] + 1):
            log_probs, state = self.step(previous, state, memory)
            expected.append(log_probs)
            if u < targets.shape[1]:
                drawn = log_probs.detach().exp().multinomial(1)[:, 0]
                own = torch.rand(previous.shape, device=previous.device) < sampling
                previous = torch.where(own, drawn, targets[:, u])
        return torch.stack(expected, dim=1)
