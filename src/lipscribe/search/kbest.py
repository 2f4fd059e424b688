"""The k best sentences of a lattice: list Viterbi, which keeps k different token histories in every state."""

import numpy as np

from lipscribe.search.lattice import Lattice
from lipscribe.search.prefix_hash import EMPTY_HASH, extend_hash
from lipscribe.tokenizer import BLANK

KNOWN = 4  # states, times k, whose best paths are traced to find k different sentences
ROUNDING = 1e-6


def best_paths(lattice: Lattice, emissions: np.ndarray, k: int) -> list[tuple[np.ndarray, float]]:
    """The best path of each of the k best token sequences: exact, best first.

    Args:
        lattice: of S states.
        emissions: (T, S) log-probabilities, T at least 1.
        k: maximum number; fewer if the lattice or the frames allow fewer.

    Returns:
        (T,) int64 states and log mass of each; no path of mass 0.
    """
    if k == 1:
        path, score = lattice.best_path(emissions)
        return [(path, score)] if score > -np.inf else []
    num_frames, num_states = emissions.shape
    kept = _within_reach(lattice, emissions, k)
    scores = np.full((num_states, k), -np.inf)
    scores[:, 0] = lattice.starts + emissions[0]
    hashes = np.full((num_states, k), EMPTY_HASH)
    speaks = lattice.tokens != BLANK
    hashes[speaks] = extend_hash(hashes[speaks], lattice.tokens[speaks, None])
    back = np.zeros((num_frames, num_states, k), dtype=np.int64)  # index into the flattened (S, k) of the frame before
    for frame_idx in range(1, num_frames):
        arcs = np.flatnonzero(kept[frame_idx - 1, lattice.sources] & kept[frame_idx, lattice.arc_targets])
        scores, hashes, back[frame_idx] = _step(lattice, scores, hashes, arcs)
        scores += emissions[frame_idx][:, None]
    places = np.arange(num_states * k)
    final = scores + lattice.ends[:, None]
    _, chosen = _distinct_best(np.zeros_like(places), final.ravel(), hashes.ravel(), k)
    return [(_trace(back, place), float(final.ravel()[place])) for place in chosen]


def _within_reach(lattice: Lattice, emissions: np.ndarray, k: int) -> np.ndarray:
    """(T, S) bool: whether a state in a frame can be on one of the k best sentences' best paths.

    It cannot if the best path through it is worse than k different sentences that are known: those of the best paths
    through the likeliest units.
    """
    forward = lattice.forward(emissions, add=np.maximum)
    backward = lattice.backward(emissions, add=np.maximum)
    through = forward + backward
    best = through.max(axis=0)  # (S,)
    known: dict[tuple[int, ...], float] = {}
    # All states of one path have its score, and need one trace.
    _, states = np.unique(np.round(best[best > -np.inf], 9), return_index=True)
    for state in np.flatnonzero(best > -np.inf)[states[::-1][: KNOWN * k]].tolist():
        frame_idx = int(through[:, state].argmax())
        before = lattice.trace(forward[: frame_idx + 1], state)
        path = np.concatenate([before, lattice.continuation(backward[frame_idx:] + emissions[frame_idx:], state)])
        known.setdefault(tuple(lattice.tokens[one] for one, _ in lattice.runs(path)), float(best[state]))
        if len(known) == k:
            return through >= best[state] - ROUNDING
    return through > -np.inf


def _step(
    lattice: Lattice, scores: np.ndarray, hashes: np.ndarray, arcs: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(S, k) scores and hashes after a frame -> those that enter the next, with back pointers.

    Args:
        arcs: indices of the arcs to follow.
    """
    num_states, k = scores.shape
    sources, targets = lattice.sources[arcs], lattice.arc_targets[arcs]
    enters = (targets != sources) & (lattice.tokens[targets] != BLANK)
    offered = hashes[sources]  # (arcs, k)
    offered[enters] = extend_hash(offered[enters], lattice.tokens[targets[enters], None])
    states, chosen = _distinct_best(np.repeat(targets, k), scores[sources].ravel(), offered.ravel(), k)

    places = (sources[:, None] * k + np.arange(k)).ravel()
    ranks = np.arange(len(states)) - np.searchsorted(states, states)
    new_scores = np.full((num_states, k), -np.inf)
    new_hashes = np.full((num_states, k), EMPTY_HASH)
    back = np.zeros((num_states, k), dtype=np.int64)
    new_scores[states, ranks] = scores.ravel()[places[chosen]]
    new_hashes[states, ranks] = offered.ravel()[chosen]
    back[states, ranks] = places[chosen]
    return new_scores, new_hashes, back


def _distinct_best(groups: np.ndarray, scores: np.ndarray, hashes: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Of (N,) scored items, the k best with different hashes in each group: their groups (sorted) and indices."""
    alive = np.flatnonzero(scores > -np.inf)
    alive = alive[np.lexsort((-scores[alive], hashes[alive], groups[alive]))]
    same_group = np.diff(groups[alive], prepend=-1) == 0
    repeats = same_group & np.concatenate(([False], hashes[alive][1:] == hashes[alive][:-1]))[: len(alive)]
    alive = alive[~repeats]
    alive = alive[np.lexsort((-scores[alive], groups[alive]))]
    ranks = np.arange(len(alive)) - np.searchsorted(groups[alive], groups[alive])
    alive = alive[ranks < k]
    return groups[alive], alive


def _trace(back: np.ndarray, place: int) -> np.ndarray:
    num_frames, _, k = back.shape
    path = np.empty(num_frames, dtype=np.int64)
    for frame_idx in range(num_frames - 1, -1, -1):
        path[frame_idx] = place // k
        place = back[frame_idx].ravel()[place]
    return path
