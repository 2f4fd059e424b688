"""The lip reader: frontend -> encoder -> head."""

from torch import Tensor, nn


class LipReader(nn.Module):
    """video -> per-frame log-probabilities.

    It is made of built parts (`build_reader` makes them from a spec), so that any frontend goes with any encoder.
    """

    def __init__(self, frontend: nn.Module, encoder: nn.Module, ctc: nn.Module):
        super().__init__()
        self.frontend = frontend
        self.encoder = encoder
        self.ctc = ctc

    def forward(self, video: Tensor, video_lengths: Tensor) -> Tensor:
        """Reads a batch of clips; what lies beyond a clip's length changes nothing.

        Args:
            video: (B, T, 1, H, W) float32.
            video_lengths: (B,) int64 valid frames, each at least 1.

        Returns:
            log_probs (B, T, V) float32, log-softmaxed, blank = 0.
        """
        features = self.frontend(video, video_lengths)  # (B, T, D)
        encoder_out = self.encoder(features, video_lengths)  # (B, T, D')
        return self.ctc(encoder_out)
