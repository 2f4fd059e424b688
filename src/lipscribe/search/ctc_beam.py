"""CTC prefix beam search, for a batch of clips at once.

Hannun et al., "First-pass large vocabulary continuous speech recognition using bi-directional recurrent DNNs", 2014:
the beam holds different token sequences (prefixes), each with the mass of its paths that end in a blank and of those
that do not, so that a sequence is scored by all of its alignments together.
"""

from dataclasses import dataclass

import numpy as np

from lipscribe.search.hypothesis import Candidate
from lipscribe.search.prefix_hash import EMPTY_HASH, NO_HASH, extend_hash
from lipscribe.tokenizer import BLANK


@dataclass
class _Beam:
    """K prefixes of each clip, all arrays (B, K). A slot of mass -inf in both is empty, whatever else it holds."""

    blank: np.ndarray  # log mass of the paths that end in a blank
    token: np.ndarray  # log mass of the paths that end in the last token
    last: np.ndarray  # the last token, BLANK for the empty prefix
    hash: np.ndarray  # name of the prefix
    parent: np.ndarray  # name of the prefix without its last token

    @classmethod
    def of_empty_prefixes(cls, num_clips: int, beam_size: int) -> "_Beam":
        shape = (num_clips, beam_size)
        blank = np.full(shape, -np.inf)
        blank[:, 0] = 0.0
        nothing = np.full(shape, -np.inf)
        return cls(blank, nothing, np.zeros(shape, np.int64), np.full(shape, EMPTY_HASH), np.full(shape, NO_HASH))

    @property
    def total(self) -> np.ndarray:
        return np.logaddexp(self.blank, self.token)

    def rows(self, clips: np.ndarray) -> "_Beam":
        return _Beam(self.blank[clips], self.token[clips], self.last[clips], self.hash[clips], self.parent[clips])

    def set_rows(self, clips: np.ndarray, beam: "_Beam") -> None:
        for name in ("blank", "token", "last", "hash", "parent"):
            getattr(self, name)[clips] = getattr(beam, name)


def ctc_beam_search(log_probs: np.ndarray, lengths: np.ndarray, beam_size: int) -> list[list[Candidate]]:
    """The final beam of each clip, best first; the score is the log mass of all of a sequence's paths in the beam.

    Exact where `beam_size` is at least the number of different prefixes. No token is pruned that could matter: of the
    extensions of one prefix by different tokens only the best `beam_size` can survive a frame.

    Args:
        log_probs: (B, T, V) float64, checked by `check_inputs`.
        lengths: (B,) int64 valid frames.
        beam_size: prefixes kept after each frame, at least 1.
    """
    num_clips, num_frames, _ = log_probs.shape
    beam = _Beam.of_empty_prefixes(num_clips, beam_size)
    origin = np.tile(np.arange(beam_size), (num_frames, num_clips, 1))  # (T, B, K) slot in the frame before
    added = np.zeros((num_frames, num_clips, beam_size), dtype=np.int64)  # token appended to it, BLANK for none
    for frame_idx in range(int(lengths.max(initial=0))):
        clips = np.flatnonzero(lengths > frame_idx)
        stepped, origin[frame_idx, clips], added[frame_idx, clips] = _step(
            beam.rows(clips), log_probs[clips, frame_idx]
        )
        beam.set_rows(clips, stepped)
    total = beam.total
    order = np.argsort(-total, axis=1, kind="stable")
    return [
        [
            Candidate(_trace(origin[:, clip], added[:, clip], slot), float(total[clip, slot]))
            for slot in order[clip]
            if total[clip, slot] > -np.inf
        ]
        for clip in range(num_clips)
    ]


def _step(beam: _Beam, log_probs: np.ndarray) -> tuple[_Beam, np.ndarray, np.ndarray]:
    """One frame: (B, V) log_probs make a new beam, the (B, K) slots it came from and the (B, K) tokens appended."""
    num_clips, beam_size = beam.last.shape
    # One more than the beam: the prefix's own last token may be among the best and yet gain little (no blank before).
    num_tokens = min(log_probs.shape[1] - 1, beam_size + 1)
    tokens = np.argsort(-log_probs[:, 1:], axis=1, kind="stable")[:, :num_tokens] + 1  # (B, C)
    token_log_probs = np.take_along_axis(log_probs, tokens, axis=1)

    total = beam.total
    stay_blank = total + log_probs[:, BLANK, None]
    stay_token = beam.token + np.take_along_axis(log_probs, beam.last, axis=1)
    repeats = tokens[:, None, :] == beam.last[:, :, None]
    extended = np.where(repeats, beam.blank[:, :, None], total[:, :, None]) + token_log_probs[:, None, :]  # (B, K, C)
    _merge(beam, log_probs, tokens, stay_token, extended)

    offers = np.concatenate([np.logaddexp(stay_blank, stay_token), extended.reshape(num_clips, -1)], axis=1)
    chosen = np.argsort(-offers, axis=1, kind="stable")[:, :beam_size]
    stays = chosen < beam_size
    slots, ranks = np.divmod(np.maximum(chosen - beam_size, 0), num_tokens)
    origin = np.where(stays, chosen, slots)
    added = np.where(stays, BLANK, np.take_along_axis(tokens, ranks, axis=1))

    old_hash = np.take_along_axis(beam.hash, origin, axis=1)
    best = np.take_along_axis(offers, chosen, axis=1)
    stepped = _Beam(
        blank=np.where(stays, np.take_along_axis(stay_blank, origin, axis=1), -np.inf),
        token=np.where(stays, np.take_along_axis(stay_token, origin, axis=1), best),
        last=np.where(stays, np.take_along_axis(beam.last, origin, axis=1), added),
        hash=np.where(stays, old_hash, extend_hash(old_hash, added)),
        parent=np.where(stays, np.take_along_axis(beam.parent, origin, axis=1), old_hash),
    )
    return stepped, origin, added


def _merge(
    beam: _Beam, log_probs: np.ndarray, tokens: np.ndarray, stay_token: np.ndarray, extended: np.ndarray
) -> None:
    """Where a prefix extended is another prefix of the beam, move the mass there (in place) instead of doubling it."""
    total = beam.total
    alive = total > -np.inf
    related = (beam.parent[:, :, None] == beam.hash[:, None, :]) & alive[:, :, None] & alive[:, None, :]
    clip, child, parent = np.nonzero(related)
    last = beam.last[clip, child]
    repeats = beam.last[clip, parent] == last
    gained = np.where(repeats, beam.blank[clip, parent], total[clip, parent]) + log_probs[clip, last]
    stay_token[clip, child] = np.logaddexp(stay_token[clip, child], gained)
    which, rank = np.nonzero(tokens[clip] == last[:, None])
    extended[clip[which], parent[which], rank] = -np.inf


def _trace(origin: np.ndarray, added: np.ndarray, slot: int) -> tuple[int, ...]:
    """The prefix in a slot of the last frame, from (T, K) back pointers."""
    tokens = []
    for frame_idx in range(len(origin) - 1, -1, -1):
        if added[frame_idx, slot] != BLANK:
            tokens.append(int(added[frame_idx, slot]))
        slot = origin[frame_idx, slot]
    return tuple(reversed(tokens))
