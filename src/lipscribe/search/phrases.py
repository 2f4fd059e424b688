"""Which of a few recorded phrases is said: dynamic time warping over the network's features of each frame.

Sakoe and Chiba, "Dynamic programming algorithm optimization for spoken word recognition", 1978. The recordings are the
model: nothing is trained, so phrases may be of any words, and a new one costs its recording alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from lipscribe.search.hypothesis import Hypothesis, Span, WordSpan, silence
from lipscribe.transcript import Alternative

# Chosen on talkers and on words cut out of GRID's train clips; `benchmarks/phrases.py` measures them.
NUM_COMPONENTS = 24  # principal components of the features that are compared
DELTA_WEIGHT = 2.0  # of the features' change over time
OFF_DIAGONAL = 0.1  # cost of a step in which only one of the two recordings moves on
NEAREST = 2  # recordings of a phrase whose distances are averaged: one bad recording then does no harm

MOVES = 0.35  # of the motion of lively speech: frames above it are speech
_SMOOTHED = 5  # frames over which motion is averaged
_MIN_SPEECH = 4  # frames that must move
_MARGIN = 2  # frames kept before and after the motion
_BRIDGED = 12  # frames: a shorter pause does not end a phrase

# How likely it is that something else is said, in units of the distance between a phrase and its nearest other.
_LIMIT_BY_OTHERS, _LIMIT_BY_OWN = 0.6, 0.3
_LIMIT_ALONE = 0.8  # with one recording of each phrase
_SLOPE, _SLOPE_ALONE = 15.0, 12.0
_LEAST_SPREAD = 0.85  # with few phrases, even the nearest other one is far away


@dataclass(frozen=True)
class Calibration:
    """What the recordings tell about each other, which turns distances into probabilities.

    Attributes:
        limit: The distance at which a phrase and "something else" are equally likely.
        slope: Log odds per distance.
        level: Motion of lively speech, see `mouth_motion`.
        pause: Frames of stillness that end a phrase.
    """

    limit: float
    slope: float
    level: float
    pause: int = _BRIDGED


def mouth_motion(features: np.ndarray) -> np.ndarray:
    """How fast the mouth changes in each frame, by the network's features (T, D): (T,), smoothed over 0.2 s."""
    padded = np.pad(features.astype(np.float32), ((1, 1), (0, 0)), mode="edge")
    motion = np.linalg.norm(padded[2:] - padded[:-2], axis=1) / np.sqrt(max(features.shape[1], 1))
    if len(motion) > 2:  # the ends have one neighbour only
        motion[0], motion[-1] = motion[1], motion[-2]
    half = _SMOOTHED // 2
    return np.convolve(np.pad(motion, half, mode="edge"), np.full(_SMOOTHED, 1 / _SMOOTHED), "valid")


def lively_motion(features: np.ndarray) -> float:
    """The motion that a tenth of the frames exceed."""
    return float(np.percentile(mouth_motion(features), 90))


def find_speech(features: np.ndarray, level: float, pause: int = _BRIDGED) -> list[Span]:
    """The stretches of frames in which the mouth moves, apart by at least `pause` frames of stillness.

    Args:
        features: (T, D).
        level: Motion of lively speech.
    """
    if not len(features):
        return []
    moving = _moving(features, level)
    groups = np.split(moving, np.flatnonzero(np.diff(moving) > pause) + 1)
    return [
        Span(max(0, int(group[0]) - _MARGIN), min(len(features), int(group[-1]) + 1 + _MARGIN))
        for group in groups
        if len(group) >= _MIN_SPEECH
    ]


def trim_recording(features: np.ndarray) -> np.ndarray:
    """Features (T, D) of a recording -> those without the silence around the phrase; (0, D) if the mouth is still."""
    spans = find_speech(features, lively_motion(features))
    return features[spans[0].start : spans[-1].end] if spans else features[:0]


class PhraseMatcher:
    """Compares what is said with recordings of phrases.

    Args:
        texts: The phrases.
        recordings: Features (T, D) of each recording, without the silence around it.
        phrase_of: The index of each recording's phrase.
        calibration: Fitted before to the same recordings; None fits it.
    """

    def __init__(
        self,
        texts: Sequence[str],
        recordings: Sequence[np.ndarray],
        phrase_of: Sequence[int],
        calibration: Calibration | None = None,
    ):
        self.texts = list(texts)
        normalised = [_normalise(recording) for recording in recordings]
        self._components = _principal_components(np.concatenate(normalised))
        self._recordings = [self._project(each) for each in normalised]
        self._lengths = np.array([len(each) for each in self._recordings])
        self._stacked = np.zeros((len(recordings), self._lengths.max(), self._recordings[0].shape[1]), np.float32)
        for row, recording in zip(self._stacked, self._recordings, strict=True):
            row[: len(recording)] = recording
        self._phrase_of = np.asarray(phrase_of)
        self.calibration = calibration or self._fit(recordings)

    def distances(self, features: np.ndarray) -> np.ndarray:
        """(P,) the distance of what is said, features (T, D) without silence around it, to each phrase."""
        return self._by_phrase(self._to_recordings(self._project(_normalise(features))))

    def cross_distances(self) -> np.ndarray:
        """(N, P) the distance of each recording to each phrase, itself left out; inf where nothing else is left."""
        apart = np.stack([self._to_recordings(recording) for recording in self._recordings])
        np.fill_diagonal(apart, np.inf)
        return np.stack([self._by_phrase(row) for row in apart])

    def _fit(self, recordings: Sequence[np.ndarray]) -> Calibration:
        """Fits the probabilities to the recordings, each of them left out in turn.

        The other phrases are what a phrase must be told from. With two or more recordings of phrases, how far these
        are apart counts too.
        """
        level = float(np.median([lively_motion(each) for each in recordings]))
        pause = max([_BRIDGED, *(_longest_pause(each, level) + _MARGIN for each in recordings)])
        apart = self.cross_distances()
        rows = np.arange(len(apart))
        own = apart[rows, self._phrase_of]
        others = apart.copy()
        others[rows, self._phrase_of] = np.nan
        nearest = min(np.median(np.nanmin(others, axis=1)), _LEAST_SPREAD * np.nanmedian(others))
        known = own[np.isfinite(own)]
        limit, slope = _LIMIT_ALONE * nearest, _SLOPE_ALONE
        if len(known):
            spread = min(float(np.median(known)), nearest)
            limit, slope = _LIMIT_BY_OTHERS * nearest + _LIMIT_BY_OWN * spread, _SLOPE
        return Calibration(float(limit), float(slope / nearest), level, pause)

    def probabilities(self, distances: np.ndarray) -> np.ndarray:
        """(P + 1,) the probability of each phrase, and last of something else, by distances (P,)."""
        scores = -self.calibration.slope * np.append(distances, self.calibration.limit)
        weights = np.exp(scores - scores.max())
        return weights / weights.sum()

    def find_phrases(self, features: np.ndarray) -> list[Span]:
        """Where phrases may be said, in the features (T, D) of a run."""
        return find_speech(features, self.calibration.level, self.calibration.pause)

    def search(
        self, features: np.ndarray, nbest: int = 1, alternatives: int = 0, allowed: np.ndarray | None = None
    ) -> list[Hypothesis]:
        """The phrase said in features (T, D), or silence; best first.

        Args:
            nbest: Maximum number of hypotheses; one of them may be silence, with the probability of something else.
            alternatives: Maximum number of other phrases beside the best.
            allowed: (P,) bool, which phrases may be said; None is all.
        """
        spans = self.find_phrases(features)
        if not spans:
            return [silence(score=0.0, posterior=1.0)]
        start, end = spans[0].start, spans[-1].end
        distances = self.distances(features[start:end])
        if allowed is not None:
            distances[~allowed] = np.inf
        shares = self.probabilities(distances)
        nothing = silence(float(np.log(shares[-1] + 1e-30)), float(shares[-1]))
        said = [
            _hypothesis(self.texts[idx], start, end, float(shares[idx]))
            for idx in np.argsort(-shares[:-1]).tolist()
            if allowed is None or allowed[idx]
        ]
        if shares[-1] >= 0.5:
            first, rest = nothing, said
        else:  # some phrase, though two that look alike may share its probability
            others = tuple(Alternative(other.text, other.posterior) for other in said[1 : alternatives + 1])
            first = replace(said[0], words=(replace(said[0].words[0], alternatives=others),))
            rest = [*said[1:], nothing]
        return [first, *sorted(rest, key=lambda hypothesis: -hypothesis.posterior)][:nbest]

    def _project(self, normalised: np.ndarray) -> np.ndarray:
        """(T, D) -> (T, 2 * components) of length 1: the components and their change over time."""
        part = normalised @ self._components
        both = np.concatenate([part, DELTA_WEIGHT * _delta(part)], axis=1)
        return (both / (np.linalg.norm(both, axis=1, keepdims=True) + 1e-6)).astype(np.float32)

    def _to_recordings(self, projected: np.ndarray) -> np.ndarray:
        """(N,) distances to all recordings."""
        similar = projected @ self._stacked.reshape(-1, self._stacked.shape[2]).T
        return warped_distances(1 - similar.reshape(len(projected), *self._stacked.shape[:2]), self._lengths)

    def _by_phrase(self, apart: np.ndarray) -> np.ndarray:
        """Distances (N,) to recordings -> (P,) to phrases: the mean of the nearest two, inf without any."""
        found = np.full(len(self.texts), np.inf)
        for phrase in range(len(self.texts)):
            nearest = np.sort(apart[self._phrase_of == phrase])[:NEAREST]
            if len(nearest := nearest[np.isfinite(nearest)]):
                found[phrase] = nearest.mean()
        return found


def warped_distances(costs: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """Dynamic time warping of one recording against N others at once.

    A row of the recursion, D[j] = c[j] + min(above[j], D[j - 1]), is a running minimum over sums of costs, so only
    the T rows are a loop.

    Args:
        costs: (T, N, L) cost of each pair of frames.
        lengths: (N,) valid frames of the N others.

    Returns:
        (N,) cost of the best path per frame; a diagonal step counts twice.
    """
    costs = costs.astype(np.float64)
    walked = np.cumsum(costs, axis=2) + OFF_DIAGONAL * np.arange(costs.shape[2])
    best = walked[0]
    for row, along in zip(costs[1:], walked[1:], strict=True):
        entered = best + row + OFF_DIAGONAL
        entered[:, 1:] = np.minimum(entered[:, 1:], best[:, :-1] + 2 * row[:, 1:])
        best = along + np.minimum.accumulate(entered - along, axis=1)
    return best[np.arange(len(lengths)), lengths - 1] / (len(costs) + lengths)


def _longest_pause(features: np.ndarray, level: float) -> int:
    """From one moving frame of a phrase to the next, at most."""
    return int(np.diff(_moving(features, level)).max(initial=0))


def _moving(features: np.ndarray, level: float) -> np.ndarray:
    """Indices of the frames in which the mouth moves."""
    return np.flatnonzero(mouth_motion(features) > MOVES * level)


def _hypothesis(text: str, start: int, end: int, probability: float) -> Hypothesis:
    word = WordSpan(text, start, end, probability)
    return Hypothesis((), text, float(np.log(probability + 1e-30)), probability, (), (word,))


def _normalise(features: np.ndarray) -> np.ndarray:
    """Mean 0 and about the same deviation in each dimension: light and the face itself drop out."""
    features = features.astype(np.float32)
    centred = features - features.mean(0)
    return centred / (centred.std(0) + 0.3 * features.std() + 1e-6)


def _principal_components(rows: np.ndarray) -> np.ndarray:
    """(D, components): strong components are damped to the square root of their deviation."""
    variances, vectors = np.linalg.eigh(np.cov(rows.T))
    kept = np.argsort(-variances)[:NUM_COMPONENTS]
    kept = kept[variances[kept] > 1e-6 * max(variances.max(), 1e-12)]
    return (vectors[:, kept] / variances[kept] ** 0.25).astype(np.float32)


def _delta(rows: np.ndarray) -> np.ndarray:
    """The slope of each column over five frames."""
    padded = np.pad(rows, ((2, 2), (0, 0)), mode="edge")
    return (padded[3:-1] - padded[1:-3] + 2 * (padded[4:] - padded[:-4])) / 10
