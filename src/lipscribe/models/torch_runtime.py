"""The network computed by torch: on every device, in every precision, and for training and explaining."""

import numpy as np
import torch

from lipscribe.models.device import pick_device
from lipscribe.models.precision import set_precision
from lipscribe.models.reader import LipReader
from lipscribe.models.scorer import DecoderScorer


class TorchRuntime:
    """A `Runtime` around a `LipReader`, which is moved and converted in place.

    Args:
        reader: The network.
        device: "cpu", "cuda", "mps"; "auto" selects a GPU if there is one.
        precision: See `set_precision`.

    Attributes:
        reader: The network, in eval mode.

    Raises:
        ConfigError: The device is unavailable or does not support the precision.
    """

    name = "torch"

    def __init__(self, reader: LipReader, device: str = "cpu", precision: str = "float32"):
        self._device = pick_device(device)
        self.device = str(self._device)
        self.precision = precision
        reader = set_precision(reader.to(self._device), precision)
        reader.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]  missing in its stubs
        self.reader = reader.eval()

    @torch.inference_mode()
    def encode(self, video: np.ndarray) -> np.ndarray:
        """(B, T, 1, H, W) float32 -> states (B, T, D) float32."""
        return self.reader.encode(torch.from_numpy(video).to(self._device)).cpu().numpy()

    @torch.inference_mode()
    def features(self, video: np.ndarray) -> np.ndarray:
        """(B, T, 1, H, W) float32 -> the frontend's output (B, T, D) float32."""
        return self.reader.frontend(torch.from_numpy(video).to(self._device)).float().cpu().numpy()

    @torch.inference_mode()
    def log_probs(self, states: np.ndarray) -> np.ndarray:
        """States (views, T, D) float32 -> (T, V) float32, the mean of the views."""
        assert self.reader.ctc is not None, "a model without a CTC head has no log_probs"
        return self.reader.ctc(torch.from_numpy(states).to(self._device)).mean(0).log_softmax(-1).cpu().numpy()

    def decoder(self, states: np.ndarray) -> DecoderScorer:
        """The decoder as a scorer of one clip, states (views, T, D) float32."""
        assert self.reader.decoder is not None
        return DecoderScorer(self.reader.decoder, torch.from_numpy(states).to(self._device))
