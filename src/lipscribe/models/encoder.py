"""Feature vectors -> encoder states: the network that reads the sequence."""

from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from lipscribe.models.frontend import frame_mask

CELLS = {"lstm": nn.LSTM, "gru": nn.GRU}


class RecurrentEncoder(nn.Module):
    """An LSTM or GRU over the frames, in one direction or both.

    Args:
        cell: "lstm" or "gru".
        features: Size D of the vectors that come in.
        hidden: Units in each direction.
        layers: How many are stacked.
        bidirectional: Whether a second network reads backwards; `out_features` is then twice `hidden`.
        dropout: Share of each layer's output that is dropped in training.
    """

    def __init__(self, cell: str, features: int, hidden: int, layers: int, bidirectional: bool, dropout: float):
        super().__init__()
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

    def forward(self, features: Tensor, lengths: Tensor) -> Tensor:
        """Features (B, T, D) and (B,) int64 lengths -> encoder_out (B, T, out_features); zeros beyond each length.

        Packing makes the backward direction start at each clip's own last frame, so padding changes nothing.
        """
        packed = pack_padded_sequence(features, lengths.cpu(), batch_first=True, enforce_sorted=False)
        out, _ = self.rnn(packed)
        out, _ = pad_packed_sequence(out, batch_first=True, total_length=features.shape[1])
        return self.dropout(out)


class NoEncoder(nn.Module):
    """Hands the frames' features on as they are: what a reader is without a network that reads the sequence.

    Args:
        features: Size D of the vectors that come in, and go out.
        dropout: Share of them that is dropped in training.
    """

    def __init__(self, features: int, dropout: float):
        super().__init__()
        self.out_features = features
        self.dropout = nn.Dropout(dropout)

    def forward(self, features: Tensor, lengths: Tensor) -> Tensor:
        """Features (B, T, D) and (B,) int64 lengths -> the same (B, T, D); zeros beyond each length."""
        exists = frame_mask(lengths.to(features.device), features.shape[1])
        return self.dropout(features.masked_fill(~exists[:, :, None], 0))
