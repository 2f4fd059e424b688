"""CTC prefix beam search for a batch of clips, with or without a word language model and word initials.

Hannun et al., "First-pass large vocabulary continuous speech recognition using bi-directional recurrent DNNs", 2014:
the beam holds different token sequences (prefixes), each with the mass of its paths that end in a blank and of those
that do not, so a sequence is scored by all of its alignments. A language model adds the scores of complete words to the
prefix (`shallow_fusion.py`).

Initials forbid extensions (`initials_scorer.py`). A beam shared by all prefixes would fill with those that have too few
words, as words that the network does not expect are late. So each state of the initials has a beam of its own (Post and
Vilar, "Fast lexically constrained decoding with dynamic beam allocation for neural machine translation", 2018).
"""

import math
from dataclasses import dataclass, field

import numpy as np

from lipscribe.search.hypothesis import Candidate
from lipscribe.search.initials_scorer import FORBIDDEN, TokenInitials
from lipscribe.search.prefix_hash import EMPTY_HASH, NO_HASH, extend_hash
from lipscribe.search.shallow_fusion import Context, ShallowFusion
from lipscribe.tokenizer import BLANK

TOKEN_FLOOR = math.log(
    1e-6
)  # with a language model, tokens less likely than this, relative to a frame's best, are skipped


@dataclass
class _Beam:
    """K prefixes of each clip, all arrays (B, K). A slot with -inf in both masses is empty.

    With initials of S states, slots s * K / S to (s + 1) * K / S - 1 are of prefixes in state s.
    """

    blank: np.ndarray  # log mass of the paths that end in a blank
    token: np.ndarray  # log mass of the paths that end in the last token
    last: np.ndarray  # the last token, BLANK for the empty prefix
    hash: np.ndarray  # of the prefix
    parent: np.ndarray  # hash of the prefix without its last token

    @classmethod
    def of_empty_prefixes(cls, num_clips: int, num_slots: int) -> "_Beam":
        shape = (num_clips, num_slots)
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


@dataclass(eq=False)
class _Fused:
    """Language model state of a prefix; the same object for the same prefix."""

    lm: ShallowFusion
    context: Context
    bonus: float = 0.0  # score of its complete words
    children: dict[int, "_Fused"] = field(default_factory=dict)

    def child(self, token: int) -> "_Fused":
        if token not in self.children:
            context, gain = self.lm.advance(self.context, token)
            self.children[token] = _Fused(self.lm, context, self.bonus + gain)
        return self.children[token]

    @property
    def complete(self) -> float:
        """The bonus of the prefix as a whole sentence."""
        return self.bonus + self.lm.end(self.context)


def ctc_beam_search(
    log_probs: np.ndarray,
    lengths: np.ndarray,
    beam_size: int,
    lm: ShallowFusion | None = None,
    initials: TokenInitials | None = None,
) -> list[list[Candidate]]:
    """The final beam of each clip, best first.

    Without a language model the score is the log mass of all of a sequence's paths in the beam, and tokens are skipped
    only if they cannot matter: of the extensions of a prefix only the best `beam_size` can survive a frame. The search
    is exact if `beam_size` is at least the number of different prefixes.

    Args:
        log_probs: (B, T, V) float64, checked by `check_inputs`.
        lengths: (B,) int64 valid frames.
        beam_size: prefixes kept after each frame, at least 1; with initials in each of their states.
        lm: A word language model and its weight.
        initials: Restricts the sequences to those that they allow; the beam is empty if none of these is possible.
    """
    if lm is None:
        return _search(log_probs, lengths, beam_size, initials)
    clips = (log_probs[clip : clip + 1, :length] for clip, length in enumerate(lengths))
    return [_search(clip, np.array([clip.shape[1]]), beam_size, initials, _Fused(lm, lm.start()))[0] for clip in clips]


def _search(
    log_probs: np.ndarray,
    lengths: np.ndarray,
    beam_size: int,
    initials: TokenInitials | None,
    root: _Fused | None = None,
) -> list[list[Candidate]]:
    """See `ctc_beam_search`; with a language model for one clip, `root` being its state of the empty prefix."""
    num_clips, num_frames, _ = log_probs.shape
    num_slots = beam_size if initials is None else beam_size * len(initials.ends)
    beam = _Beam.of_empty_prefixes(num_clips, num_slots)
    fused = None if root is None else [root] * num_slots
    origin = np.tile(np.arange(num_slots), (num_frames, num_clips, 1))  # (T, B, K) slot in the frame before
    added = np.zeros((num_frames, num_clips, num_slots), dtype=np.int64)  # token appended to it, BLANK for none
    classes = None if initials is None else initials.classes
    for frame_idx in range(int(lengths.max(initial=0))):
        clips = np.flatnonzero(lengths > frame_idx)
        frame = log_probs[clips, frame_idx]
        tokens = _likely(frame, beam_size, classes) if fused is None else _above_floor(frame[0], classes)[None]
        stepped, slots, appended = _step(beam.rows(clips), frame, tokens, fused, initials)
        origin[frame_idx, clips], added[frame_idx, clips] = slots, appended
        beam.set_rows(clips, stepped)
        if fused is not None:
            pairs = zip(slots[0].tolist(), appended[0].tolist(), strict=True)
            fused = [fused[slot] if token == BLANK else fused[slot].child(token) for slot, token in pairs]
    total = beam.total
    if fused is not None:
        total = total + np.array(
            [one.complete if mass > -np.inf else 0.0 for one, mass in zip(fused, total[0], strict=True)]
        )
    if initials is not None:
        total = np.where(np.repeat(initials.ends, beam_size), total, -np.inf)
    order = np.argsort(-total, axis=1, kind="stable")
    return [
        [
            Candidate(_trace(origin[:, clip], added[:, clip], slot), float(total[clip, slot]))
            for slot in order[clip]
            if total[clip, slot] > -np.inf
        ]
        for clip in range(num_clips)
    ]


def _likely(log_probs: np.ndarray, beam_size: int, classes: np.ndarray | None) -> np.ndarray:
    """(B, V) -> (B, C): the tokens that can matter to a beam without a language model, of each class best first."""
    # One more than the beam: the prefix's own last token may be among the best and yet gain little (no blank before).
    if classes is None:
        num_tokens = min(log_probs.shape[1] - 1, beam_size + 1)
        return np.argsort(-log_probs[:, 1:], axis=1, kind="stable")[:, :num_tokens] + 1
    sizes = np.bincount(classes[1:])
    ranks = np.arange(sizes.sum()) - np.repeat(np.cumsum(sizes) - sizes, sizes)  # in the class, of the tokens in order
    order = np.lexsort((-log_probs[:, 1:], np.broadcast_to(classes[1:], log_probs[:, 1:].shape)), axis=1)
    return order[:, ranks <= beam_size] + 1


def _above_floor(log_probs: np.ndarray, classes: np.ndarray | None) -> np.ndarray:
    """(V,) -> (C,): the tokens to try beside a language model, at least one, with initials of each class."""
    if classes is None:
        tried = np.flatnonzero(log_probs[1:] > log_probs.max() + TOKEN_FLOOR) + 1
        return tried if len(tried) else np.array([log_probs[1:].argmax() + 1])
    best = np.full(classes.max() + 1, -np.inf)
    np.maximum.at(best, classes[1:], log_probs[1:])
    return np.flatnonzero(log_probs[1:] >= best[classes[1:]] + TOKEN_FLOOR) + 1


def _step(
    beam: _Beam,
    log_probs: np.ndarray,
    tokens: np.ndarray,
    fused: list[_Fused] | None,
    initials: TokenInitials | None,
) -> tuple[_Beam, np.ndarray, np.ndarray]:
    """One frame: (B, V) log_probs make a new beam, the (B, K) slots it came from and the (B, K) tokens appended.

    Args:
        tokens: (B, C) tokens to try.
        fused: Language model states of the K prefixes.
    """
    num_clips, num_slots = beam.last.shape
    num_tokens = tokens.shape[1]
    token_log_probs = _pick(log_probs, tokens)

    total = beam.total
    stay_blank = total + log_probs[:, BLANK, None]
    stay_token = beam.token + _pick(log_probs, beam.last)
    repeats = tokens[:, None, :] == beam.last[:, :, None]
    extended = np.where(repeats, beam.blank[:, :, None], total[:, :, None]) + token_log_probs[:, None, :]  # (B, K, C)
    states = None if initials is None else _states_after(initials, num_slots, tokens)
    if states is not None:
        extended[states[:, num_slots:].reshape(extended.shape) == FORBIDDEN] = -np.inf
    _merge(beam, total, log_probs, tokens, stay_token, extended)

    offers = np.concatenate([np.logaddexp(stay_blank, stay_token), extended.reshape(num_clips, -1)], axis=1)
    ranked = offers if fused is None else offers + _bonuses(fused, offers > -np.inf, tokens[0])
    if states is None:
        chosen = np.argsort(-ranked, axis=1, kind="stable")[:, :num_slots]
    else:
        chosen = _best_of_each(ranked, states, num_slots)
    stays = chosen < num_slots
    slots, ranks = np.divmod(np.maximum(chosen - num_slots, 0), num_tokens)
    origin = np.where(stays, chosen, slots)
    added = np.where(stays, BLANK, _pick(tokens, ranks))

    old_hash = _pick(beam.hash, origin)
    best = _pick(offers, chosen)
    stepped = _Beam(
        blank=np.where(stays, _pick(stay_blank, origin), -np.inf),
        token=np.where(stays, _pick(stay_token, origin), best),
        last=np.where(stays, _pick(beam.last, origin), added),
        hash=np.where(stays, old_hash, extend_hash(old_hash, added)),
        parent=np.where(stays, _pick(beam.parent, origin), old_hash),
    )
    if states is not None:  # a state with few candidates has slots to spare
        spare = _pick(states, chosen) != states[:, :num_slots]
        stepped.blank[spare] = stepped.token[spare] = -np.inf
    return stepped, origin, added


def _states_after(initials: TokenInitials, num_slots: int, tokens: np.ndarray) -> np.ndarray:
    """The candidates' states, in the order of `_step`, with tokens (B, C): (B, K + K * C), `FORBIDDEN` for none."""
    states = np.repeat(np.arange(len(initials.ends)), num_slots // len(initials.ends))  # (K,)
    after = initials.next[states[:, None], tokens[:, None, :]]  # (B, K, C)
    return np.concatenate([np.broadcast_to(states, (len(tokens), num_slots)), after.reshape(len(tokens), -1)], axis=1)


def _best_of_each(ranked: np.ndarray, states: np.ndarray, num_slots: int) -> np.ndarray:
    """The best of the candidates (B, N) in each of S states: (B, K) indices, K / S of each state in turn."""
    num_states = states[0, num_slots - 1] + 1
    number = num_slots // num_states
    inside = (np.where(states == state, ranked, -np.inf) for state in range(num_states))
    return np.concatenate([np.argpartition(-each, number - 1, axis=1)[:, :number] for each in inside], axis=1)


def _pick(array: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """`np.take_along_axis(array, columns, axis=1)`, in a fifth of its time for small arrays."""
    return array[np.arange(len(array))[:, None], columns]


def _bonuses(fused: list[_Fused], possible: np.ndarray, tokens: np.ndarray) -> np.ndarray:
    """Language model scores of the candidates, in the order of `_step`: (1, K + K * C)."""
    stays, extends = possible[0, : len(fused)], possible[0, len(fused) :].reshape(len(fused), len(tokens))
    stay = [one.bonus if wanted else 0.0 for one, wanted in zip(fused, stays, strict=True)]
    extend = [
        one.child(token).bonus if wanted else 0.0
        for one, row in zip(fused, extends, strict=True)
        for token, wanted in zip(tokens.tolist(), row, strict=True)
    ]
    return np.array([[*stay, *extend]])


def _merge(
    beam: _Beam,
    total: np.ndarray,
    log_probs: np.ndarray,
    tokens: np.ndarray,
    stay_token: np.ndarray,
    extended: np.ndarray,
) -> None:
    """If an extended prefix is already in the beam, move its mass there (in place) instead of adding a duplicate."""
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
