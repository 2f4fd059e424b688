"""Recurrent encoders: feature vectors -> encoder states."""

import torch
from torch import Tensor, nn

from lipscribe.models.device import moved
from lipscribe.models.frontend import padding_mask, without

CELLS = {"lstm": nn.LSTM, "gru": nn.GRU}


class RecurrentEncoder(nn.Module):
    """An LSTM or GRU over the frames, unidirectional or bidirectional.

    Args:
        cell: "lstm" or "gru".
        features: Size D of the input vectors.
        hidden: Units in each direction.
        layers: Number of stacked layers.
        bidirectional: Adds the backward direction; `out_features` is then twice `hidden`.
        dropout: Dropout probability of each layer's output.
        look_ahead: Frames that a unidirectional one sees after each frame before it gives that frame's state.
    """

    def __init__(
        self,
        cell: str,
        features: int,
        hidden: int,
        layers: int,
        bidirectional: bool,
        dropout: float,
        look_ahead: int = 0,
    ):
        super().__init__()
        self.look_ahead = look_ahead
        self.out_features = hidden * (2 if bidirectional else 1)
        self.rnn = CELLS[cell](
            features,
            hidden,
            num_layers=layers,
            batch_first=True,
            bidirectional=bidirectional,
            dropout=dropout if layers > 1 else 0.0,  # between the layers
        )
        self.dropout = nn.Dropout(dropout)

    def forward(self, features: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Features (B, T, D) and (B,) int64 lengths, None if all frames are valid -> encoder_out (B, T, out_features);
        zeros beyond each length.

        The backward direction starts at each clip's own last frame, so padding changes nothing.
        """
        if not self.look_ahead:
            return self._states(features, lengths)
        later = None if lengths is None else lengths + self.look_ahead
        states = self._states(nn.functional.pad(features, (0, 0, 0, self.look_ahead)), later)[:, self.look_ahead :]
        return without(padding_mask(lengths, states), states)

    def _states(self, features: Tensor, lengths: Tensor | None) -> Tensor:
        """`forward` without look-ahead."""
        if lengths is None:
            return self.dropout(self.rnn(features)[0])
        # cuDNN is fast with one call for all layers, for which `nn.LSTM` keeps the weights contiguous: single
        # directions would make it copy them in every call. On a CPU the gradient of packed sequences is quadratic in
        # the frames, five times slower for clips of 3 s.
        read = self._read_packed if features.is_cuda else self._read_by_direction
        return self.dropout(read(features, lengths))

    def _read_packed(self, features: Tensor, lengths: Tensor) -> Tensor:
        """`forward` before dropout, all layers and directions at once."""
        rnn, (batch, num_frames) = self.rnn, features.shape[:2]
        rows, batch_sizes = packed_rows(lengths.cpu(), num_frames)
        rows = moved(rows, features.device)
        packed = features.flatten(0, 1).index_select(0, rows)
        directions = 2 if rnn.bidirectional else 1
        start = packed.new_zeros(rnn.num_layers * directions, batch, rnn.hidden_size)
        weights = [weight for group in rnn.all_weights for weight in group]
        dropout = rnn.dropout if self.training else 0.0
        # has_biases, num_layers, dropout, train, bidirectional
        settings = (True, rnn.num_layers, dropout, self._learns(), rnn.bidirectional)
        if isinstance(rnn, nn.LSTM):
            out = torch.lstm(packed, batch_sizes, (start, start), weights, *settings)[0]
        else:
            out = torch.gru(packed, batch_sizes, start, weights, *settings)[0]
        padded = out.new_zeros(batch * num_frames, out.shape[1]).index_copy(0, rows, out)
        return padded.unflatten(0, (batch, num_frames))

    def _read_by_direction(self, features: Tensor, lengths: Tensor) -> Tensor:
        """`forward` before dropout, one layer and direction after the other."""
        num_frames, lengths = features.shape[1], moved(lengths, features.device)[:, None]
        frames = torch.arange(num_frames, device=features.device)
        turned = torch.where(frames < lengths, lengths - 1 - frames, frames)  # (B, T): each clip's own frames reversed
        out = features
        for layer in range(self.rnn.num_layers):
            if layer:
                out = nn.functional.dropout(out, self.rnn.dropout, self.training)
            read = self._read(out, layer, 0)
            if self.rnn.bidirectional:
                read = torch.cat([read, _reorder(self._read(_reorder(out, turned), layer, 1), turned)], dim=-1)
            out = read
        return out.masked_fill((frames >= lengths)[:, :, None], 0)

    def _read(self, sequence: Tensor, layer: int, direction: int) -> Tensor:
        """(B, T, D) through one direction of one layer, from its first frame to its last -> (B, T, hidden)."""
        rnn = self.rnn
        weights = rnn.all_weights[layer * (2 if rnn.bidirectional else 1) + direction]
        start = sequence.new_zeros(1, sequence.shape[0], rnn.hidden_size)
        settings = (True, 1, 0.0, self._learns(), False, True)  # as above, and batch_first
        if isinstance(rnn, nn.LSTM):
            return torch.lstm(sequence, (start, start), weights, *settings)[0]
        return torch.gru(sequence, start, weights, *settings)[0]

    def _learns(self) -> bool:
        """Whether gradients may be needed, which cuDNN computes only after a forward pass in training mode."""
        return self.training or torch.is_grad_enabled()


def packed_rows(lengths: Tensor, num_frames: int) -> tuple[Tensor, Tensor]:
    """The layout of `PackedSequence`: all first frames, all second frames and so on, longer clips first.

    `pack_padded_sequence` and its reverse take a kernel for each length and wait for a GPU; with the rows each is one.

    Args:
        lengths: (B,) int64 valid frames on the CPU.
        num_frames: T of the padded batch.

    Returns:
        The rows of a padded batch (B * T, D) in this order, (sum of lengths,) int64, and the number of clips at each
        frame until the last clip ends, int64.
    """
    lengths, clips = lengths.sort(descending=True, stable=True)
    frames = torch.arange(int(lengths[0]))[:, None]
    there = frames < lengths  # (T, B)
    return (clips * num_frames + frames)[there], there.sum(1)


def _reorder(sequence: Tensor, indices: Tensor) -> Tensor:
    """(B, T, D) and (B, T) int64 -> (B, T, D): each clip's frames in the order of `indices`."""
    return sequence.gather(1, indices[:, :, None].expand_as(sequence))


class NoEncoder(nn.Module):
    """No sequence model: passes the features of each frame on (an ablation).

    Args:
        features: Size D of input and output vectors.
        dropout: Dropout probability.
    """

    def __init__(self, features: int, dropout: float):
        super().__init__()
        self.out_features = features
        self.dropout = nn.Dropout(dropout)

    def forward(self, features: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Features (B, T, D) and (B,) int64 lengths -> the same (B, T, D); zeros beyond each length."""
        return self.dropout(without(padding_mask(lengths, features), features))
