"""The lip reader: frontend -> encoder -> CTC head, attention decoder, or both."""

from torch import Tensor, nn

from lipscribe.models.decoder import AttentionDecoder
from lipscribe.models.transformer_decoder import TransformerDecoder
from lipscribe.tokenizer import END


class LipReader(nn.Module):
    """video -> per-frame log-probabilities, encoder states for a decoder, or both.

    It takes built modules (`build_reader` builds them from a spec), so any frontend works with any encoder.

    Args:
        ctc: None for a model with a decoder alone.
        decoder: None for a model with CTC alone.
    """

    def __init__(
        self,
        frontend: nn.Module,
        encoder: nn.Module,
        ctc: nn.Module | None,
        decoder: AttentionDecoder | TransformerDecoder | None = None,
    ):
        super().__init__()
        self.frontend = frontend
        self.encoder = encoder
        self.ctc = ctc
        self.decoder = decoder

    @property
    def end(self) -> int:
        """The decoder's end symbol; without a decoder `END`."""
        return END if self.decoder is None else self.decoder.end

    def encode(self, video: Tensor, video_lengths: Tensor | None = None) -> Tensor:
        """Encodes a batch of clips; padding does not change the output.

        Args:
            video: (B, T, 1, H, W) float32.
            video_lengths: (B,) int64 valid frames, each at least 1; None if all are valid.

        Returns:
            encoder_out (B, T, D) float, zeros beyond each length.
        """
        features = self.frontend(video, video_lengths)  # (B, T, D)
        return self.encoder(features, video_lengths)  # (B, T, D')

    def forward(self, video: Tensor, video_lengths: Tensor | None = None) -> Tensor:
        """`encode`, then log_probs (B, T, V) float32 by the CTC head, log-softmaxed, blank = 0."""
        assert self.ctc is not None, "a reader without a CTC head has no log_probs"
        return self.ctc(self.encode(video, video_lengths))

    def forward_train(
        self, video: Tensor, video_lengths: Tensor, targets: Tensor, sampling: float = 0.0
    ) -> tuple[Tensor | None, Tensor | None]:
        """Outputs for the training losses.

        Args:
            targets, sampling: See `AttentionDecoder.forward`.

        Returns:
            log_probs (B, T, V) of the CTC head and (B, U + 1, V) of the decoder, both float32; None for a missing part.
        """
        encoder_out = self.encode(video, video_lengths)
        log_probs = self.ctc(encoder_out) if self.ctc else None
        expected = self.decoder(encoder_out, video_lengths, targets, sampling) if self.decoder else None
        return log_probs, expected
