"""CTC head: encoder states -> log-probabilities."""

from torch import Tensor, nn


class CTCHead(nn.Module):
    """Per-frame log-probabilities over the vocabulary; index 0 is the blank of CTC (Graves et al., 2006)."""

    def __init__(self, features: int, vocab_size: int):
        super().__init__()
        self.project = nn.Linear(features, vocab_size)

    def forward(self, encoder_out: Tensor) -> Tensor:
        """encoder_out (B, T, D) -> log_probs (B, T, V) float32."""
        return self.project(encoder_out).float().log_softmax(-1)
