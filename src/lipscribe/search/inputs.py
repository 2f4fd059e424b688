"""Validates the inputs of every search and converts them to numpy; spells words as tokens."""

from typing import Any

import numpy as np

from lipscribe.errors import ConfigError, LipscribeError
from lipscribe.tokenizer import Tokenizer

_ROUNDING = 1e-3  # a log-probability may exceed 0 by this in half precision


def check_inputs(log_probs: Any, lengths: Any = None) -> tuple[np.ndarray, np.ndarray]:
    """Validate log-probabilities and lengths, and convert them to numpy.

    Args:
        log_probs: (B, T, V) natural-log probabilities, numpy or torch (any device or precision), blank first.
            -inf is allowed; padding after a clip's end may hold anything.
        lengths: (B,) valid frames of each clip; None means that all are valid.

    Returns:
        log_probs (B, T, V) float64 and lengths (B,) int64.

    Raises:
        LipscribeError: a wrong shape, a length outside 0 to T, NaN or +inf, or a frame that rules out every token.
    """
    log_probs = _to_numpy(log_probs, np.float64)
    if log_probs.ndim != 3 or log_probs.shape[2] < 2:
        raise LipscribeError(
            f"log_probs has shape {log_probs.shape}: want (clips, frames, vocabulary), the vocabulary at least 2"
        )
    num_clips, num_frames, _ = log_probs.shape
    lengths = np.full(num_clips, num_frames) if lengths is None else _to_numpy(lengths, np.int64)
    if lengths.shape != (num_clips,):
        raise LipscribeError(f"lengths has shape {lengths.shape}: want one length for each of {num_clips} clips")
    if np.any((lengths < 0) | (lengths > num_frames)):
        raise LipscribeError(f"lengths are {lengths.tolist()}: want 0 to {num_frames}, the frames of log_probs")
    for clip_idx, length in enumerate(lengths):
        _check_clip(clip_idx, log_probs[clip_idx, :length])
    return log_probs, lengths


def _check_clip(clip_idx: int, log_probs: np.ndarray) -> None:
    best = log_probs.max(axis=1, initial=-np.inf)  # NaN and +inf propagate to the maximum; it is -inf only if all are
    bad = ~np.isfinite(best)
    if bad.any():
        raise LipscribeError(
            f"log_probs of clip {clip_idx} has {bad.sum()} frames with NaN, +inf or no possible token (first: frame "
            f"{bad.argmax()}): want the log-softmax of finite numbers"
        )
    if best.max(initial=0.0) > _ROUNDING:
        raise LipscribeError(
            f"log_probs of clip {clip_idx} goes up to {best.max():.3g}: want at most 0, so apply log_softmax first"
        )


def _to_numpy(array: Any, dtype: type) -> np.ndarray:
    if hasattr(array, "detach"):  # a torch tensor: numpy supports neither its devices nor bfloat16
        array = array.detach().cpu().double().numpy()
    return np.asarray(array).astype(dtype)


def spell(tokenizer: Tokenizer, word: str) -> list[int] | None:
    """The tokens of a word; None if the vocabulary cannot spell it (an unknown token).

    Raises:
        ConfigError: The tokenizer cannot encode at all, since its SentencePiece model is missing.
    """
    try:
        tokens = tokenizer.encode(word)
    except ConfigError:
        raise
    except LipscribeError:
        return None
    return tokens if tokenizer.decode(tokens) == word else None
