"""Label-synchronous beam search over scorers: an attention decoder's, CTC's, a grammar's, a language model's.

Watanabe, Hori, Kim, Hershey and Hayashi, "Hybrid CTC/attention architecture for end-to-end speech recognition", 2017.
One loop has two sets of rules. With `EXACT` nothing is pruned before scores are summed, so a huge beam is exact.
`PUBLISHED` repeats the search of the Auto-AVSR models, which is ESPnet's `BatchBeamSearch`: a pre-beam and end
detection make vocabularies of thousands of pieces affordable.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from lipscribe.errors import LipscribeError
from lipscribe.search.scorers import Bound, PartScorer, Scorer, Weighted
from lipscribe.tokenizer import BLANK, END

DETECTED_LENGTHS = 3  # end detection: the search ends if the ended sentences of this many lengths in a row
NEGLIGIBLE = math.log(1e-4)  # mass, relative to the best sentence, that open sentences may still add
HOPELESS = -10.0  # are all worse than the best by more than this (natural log)


@dataclass(frozen=True)
class BeamRules:
    """How a beam is pruned and when it stops.

    Attributes:
        pre_beam: Part scorers score only the decoder's best tokens, this many times the beam size. None scores all
            tokens.
        ends_compete: Whether ended sentences take up beam slots, and sentences of the maximum length end there at no
            cost. Otherwise every sentence of the beam may end at every step without taking up a slot.
        end_detection: Whether the search stops once the ended sentences of three lengths in a row are far worse than
            the best. Otherwise it stops once no open sentence can enter the result, since scores only fall except by
            bonuses.
    """

    pre_beam: float | None = None
    ends_compete: bool = False
    end_detection: bool = False


EXACT = BeamRules()
PUBLISHED = BeamRules(pre_beam=1.5, ends_compete=True, end_detection=True)


class Finished(NamedTuple):
    """A complete sentence.

    Attributes:
        tokens: Ids, without the end symbol.
        token_scores: Score of each token by the scorers with `in_probability`.
        score: Score of the sentence, including its end.
        complete: False if it was cut off at the maximum length.
    """

    tokens: tuple[int, ...]
    token_scores: tuple[float, ...]
    score: float
    complete: bool = True


@dataclass
class _Beam:
    """N open sentences of the same length U."""

    tokens: np.ndarray  # (N, U)
    token_scores: np.ndarray  # (N, U)
    scores: np.ndarray  # (N,)
    states: list[Any]  # one per scorer, before the last token

    def finished(self, i: int, score: float, complete: bool = True) -> Finished:
        return Finished(tuple(self.tokens[i].tolist()), tuple(self.token_scores[i].tolist()), score, complete)


def beam_search(
    scorers: Sequence[Weighted],
    beam_size: int,
    max_tokens: int,
    end: int = END,
    rules: BeamRules = EXACT,
    *,
    ctc: PartScorer | None = None,
    ctc_weight: float = 0.0,
    grammar: Scorer | None = None,
    length_bonus: float = 0.0,
    best_only: bool = False,
    bound: Bound | None = None,
) -> list[Finished]:
    """Search the best sentences, best first; empty if the scorers allow none. Scores are not normalised by length.

    Args:
        scorers: Full scorers, the decoder's first; a sentence's score is the weighted sum of all.
        beam_size: Sentences kept at each step, at least 1. With `EXACT` rules also the maximum number of results.
        max_tokens: Maximum length of a sentence.
        end: Id of the start and end symbol. If it is not the blank, only `PUBLISHED` rules let a decoder output blanks.
        rules: See `BeamRules`.
        ctc: A part scorer.
        ctc_weight: Its weight.
        grammar: A scorer that is added with weight 1. Token scores are then normalised over the allowed tokens.
        length_bonus: Added for each token including the end, but not to `token_scores`.
        best_only: Stop once nothing can be better than the best sentence or add to the sum of all (`EXACT` rules).
        bound: With `best_only`, `ctc` and `grammar`: shows earlier that this is so.
    """
    asked = _Asked(scorers, (ctc, ctc_weight), grammar, length_bonus, end, int((rules.pre_beam or 0) * beam_size))
    beam = _Beam(np.zeros((1, 0), np.int64), np.zeros((1, 0)), np.zeros(1), asked.start())
    finished: list[Finished] = []
    for length in range(max_tokens + 1):
        if rules.ends_compete and length == max_tokens:
            finished += [beam.finished(i, float(score), complete=False) for i, score in enumerate(beam.scores)]
            break
        ids, own, total, states = asked.step(beam)
        if rules.ends_compete:
            rows, columns = _best(total, beam_size)
            ended = ids[rows, columns] == end
            finished += [beam.finished(i, float(total[i, k])) for i, k in zip(rows[ended], columns[ended], strict=True)]
            rows, columns = rows[~ended], columns[~ended]
        else:
            ends = (beam.finished(i, float(score)) for i, score in enumerate(total[:, end]) if score > -np.inf)
            finished = sorted([*finished, *ends], key=lambda one: -one.score)[:beam_size]
            total[:, [BLANK, end]] = -np.inf  # the rest stays open
            rows, columns = _best(total, beam_size)
            rise = asked.rise * (max_tokens - length)
            losses = partial(asked.losses, bound, columns, rows, states) if best_only else None
            if length == max_tokens or _is_settled(finished, beam_size, total[rows, columns], rise, losses):
                break
        if not len(rows) or (rules.end_detection and length + 1 < max_tokens and _end_detected(finished, length)):
            break
        beam = _Beam(
            np.hstack([beam.tokens[rows], ids[rows, columns][:, None]]),
            np.hstack([beam.token_scores[rows], own[rows, columns][:, None]]),
            total[rows, columns],
            asked.select(states, rows),
        )
    return sorted(finished, key=lambda one: -one.score)


def _is_settled(
    finished: Sequence[Finished],
    beam_size: int,
    opened: np.ndarray,
    rise: float,
    losses: Callable[[], np.ndarray | float] | None,
) -> bool:
    """Whether no open sentence can change the result.

    Args:
        finished: Best first.
        opened: (N,) scores of the open sentences, best first.
        rise: The most that their scores can still rise.
        losses: If only the best sentence is wanted: what the scores lose at least. The exponentials of the scores of
            all sentences with the same beginning sum to at most that of the beginning, as the weights of decoder and
            CTC sum to 1 (Hoelder's inequality).
    """
    if not len(opened) or (len(finished) == beam_size and opened[0] + rise <= finished[-1].score):
        return True
    if losses is None or rise or not finished or opened[0] >= finished[0].score:
        return False
    return bool(np.logaddexp.reduce(opened + losses()) < finished[0].score + NEGLIGIBLE)


def _end_detected(finished: Sequence[Finished], length: int) -> bool:
    """Whether longer sentences only get worse, as in ESPnet's `end_detect`.

    ESPnet's lengths include the start and end symbols.
    """
    best: dict[int, float] = {}
    for one in finished:
        best[len(one.tokens)] = max(one.score, best.get(len(one.tokens), -np.inf))
    lengths = [length - back - 2 for back in range(DETECTED_LENGTHS)]
    return all(each in best and best[each] - max(best.values()) < HOPELESS for each in lengths)


def _best(scores: np.ndarray, number: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows and columns of the greatest scores above -inf, greatest first."""
    flat = scores.ravel()
    number = min(number, len(flat))
    chosen = np.argpartition(flat, len(flat) - number)[len(flat) - number :]
    chosen = chosen[np.argsort(-flat[chosen], kind="stable")]
    return np.divmod(chosen[flat[chosen] > -np.inf], scores.shape[1])


def shares(scores: np.ndarray) -> np.ndarray:
    """(N, V) natural-log scores -> log-softmax over each row; rows of only -inf stay as they are."""
    sums = np.logaddexp.reduce(scores, axis=1, keepdims=True)
    return scores - np.where(sums > -np.inf, sums, 0.0)


class _Asked:
    """All scorers combined."""

    def __init__(
        self,
        scorers: Sequence[Weighted],
        ctc: tuple[PartScorer | None, float],
        grammar: Scorer | None,
        length_bonus: float,
        end: int,
        pre_beam: int,
    ):
        self._scorers = [one for one in scorers if one.weight]
        self._ctc, self._ctc_weight = ctc if ctc[1] else (None, 0.0)
        self._grammar, self._length_bonus = grammar, length_bonus
        self._end, self._pre_beam = end, pre_beam
        self.rise = max(length_bonus, 0.0) + sum(one.weight * one.highest for one in self._scorers)
        """The most that one more token can add to a sentence's score."""

    def start(self) -> list[Any]:
        """The states of one empty sentence."""
        return [scorer.start() for scorer in self._all()]

    def step(self, beam: _Beam) -> tuple[np.ndarray, np.ndarray, np.ndarray, list[Any]]:
        """Score the next tokens of each sentence.

        Returns:
            Candidate ids (N, K), their token scores (N, K), the scores of the extended sentences (N, K), -inf where
            impossible, and the new states.
        """
        previous = beam.tokens[:, -1] if beam.tokens.shape[1] else np.full(len(beam.tokens), self._end)
        full = [*(one.scorer for one in self._scorers), *([self._grammar] if self._grammar else [])]
        steps = [scorer.step(previous, state) for scorer, state in zip(full, beam.states, strict=False)]
        scores, states = [scores for scores, _ in steps], [state for _, state in steps]
        ids = self._candidates(scores)
        if ids is not None:
            scores = [np.take_along_axis(one, ids, axis=1) for one in scores]
        own, others = 0.0, 0.0
        for one, more in zip(self._scorers, scores, strict=False):
            if one.in_probability:
                own = own + one.weight * more
            else:
                others = others + one.weight * more
        if self._ctc is not None:
            states.append(self._ctc.extend(previous, beam.states[-1]))
            own = own + self._ctc_weight * self._ctc.scores(states[-1], ids)
        if self._grammar is not None:
            own = own + scores[-1]
        own = np.asarray(own)
        if ids is None:
            ids = np.broadcast_to(np.arange(own.shape[1]), own.shape)
        else:
            own[:, :-1][ids[:, :-1] == self._end] = -np.inf  # it is the last candidate already
        total = beam.scores[:, None] + own + (others + self._length_bonus)
        if np.isnan(total).any():  # which no comparison would ever choose: nothing would be read, without a word
            raise LipscribeError(
                "the decoder's or a language model's scores are not finite: its weights are damaged, so install or "
                "train it again"
            )
        return ids, (own if self._grammar is None else shares(own)), total, states

    def select(self, states: list[Any], indices: np.ndarray) -> list[Any]:
        """The states of the sentences at the (M,) indices."""
        return [scorer.select(state, indices) for scorer, state in zip(self._all(), states, strict=True)]

    def losses(
        self, bound: Bound | None, tokens: np.ndarray, indices: np.ndarray, states: list[Any]
    ) -> np.ndarray | float:
        """What the sentences at the (M,) indices, extended by (M,) tokens, lose at least until they are complete."""
        if bound is None or self._ctc is None or self._grammar is None:
            return 0.0
        return bound.losses(tokens, self._ctc.select(states[-1], indices), self._grammar.select(states[-2], indices))

    def _all(self) -> list[Any]:
        full: list[Any] = [one.scorer for one in self._scorers]
        return [*full, *([self._grammar] if self._grammar else []), *([self._ctc] if self._ctc else [])]

    def _candidates(self, scores: Sequence[np.ndarray]) -> np.ndarray | None:
        """(N, K): the first scorer's best allowed tokens and the end (the pre-beam); None means all tokens."""
        if not self._pre_beam or self._ctc is None or not self._scorers or not self._scorers[0].in_probability:
            return None
        liked = scores[0] if self._grammar is None else scores[0] + scores[-1]
        if self._pre_beam >= liked.shape[1]:
            return None
        best = np.argpartition(liked, liked.shape[1] - self._pre_beam, axis=1)[:, -self._pre_beam :]
        return np.hstack([best, np.full((len(best), 1), self._end)])
