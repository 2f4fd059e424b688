"""Beam search over a Transformer decoder and CTC together, as the Auto-AVSR models were published with.

Watanabe, Hori, Kim, Hershey and Hayashi, "Hybrid CTC/attention architecture for end-to-end speech recognition", 2017.
Unlike `attention.beam_search` it prunes before it sums: CTC is asked only about the tokens that the decoder likes best.
That makes vocabularies of thousands of pieces affordable, and its results those of the models' own program.
"""

from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from lipscribe.search.attention import AttentionScorer, Finished, Scorer, readings
from lipscribe.search.ctc_prefix import CTCPrefixScorer
from lipscribe.search.hypothesis import Hypothesis, silence
from lipscribe.tokenizer import BLANK, Tokenizer

PRE_BEAM = 1.5  # tokens that CTC is asked about, for each sentence kept
LENGTHS = 3  # the search is over once sentences that ended at so many lengths in a row
HOPELESS = -10.0  # were each worse than the best by more than this


@dataclass(frozen=True)
class Weights:
    """What a sentence's score is the sum of.

    Attributes:
        ctc: Of CTC's prefix scores, 0 to 1; the decoder's is the rest. Who has no share is not asked.
        lm: Of a language model's log-probabilities.
        length: Added for each token, the end among them.
    """

    ctc: float = 0.1
    lm: float = 0.0
    length: float = 0.0


class Sources(NamedTuple):
    """Who is asked about one clip: a decoder, CTC's `log_probs` (T, V) float64, a language model; None is nobody."""

    decoder: Scorer | None
    log_probs: np.ndarray | None
    lm: Scorer | None = None


class Ended(NamedTuple):
    """A sentence that came to its end.

    Attributes:
        tokens: Ids, without the end symbol.
        token_scores: What decoder and CTC said of each.
        score: Of it all, the end included where the sentence chose it.
        complete: False where it was cut off because it might not grow longer, which costs nothing.
    """

    tokens: tuple[int, ...]
    token_scores: tuple[float, ...]
    score: float
    complete: bool


@dataclass
class _Beam:
    """N sentences of the same length that go on."""

    tokens: np.ndarray  # (N, U)
    token_scores: np.ndarray  # (N, U)
    scores: np.ndarray  # (N,)
    states: dict[str, Any]  # of each who is asked, before the last token is heard


def joint_beam_search(
    sources: Sources,
    end: int,
    beam_size: int,
    max_tokens: int,
    weights: Weights | None = None,
    stop_early: bool = True,
) -> list[Ended]:
    """All sentences that ended, best first.

    Each step keeps the `beam_size` best of all that may follow; those that ended leave, and others take their places. A
    score is not divided by the length. A sentence that has come to `max_tokens` ends there at no cost. What CTC rules
    out is not followed.

    Args:
        sources: Who is asked; with a weight above 0, one must be there.
        end: The id that every sentence hears first and ends with.
        beam_size: Sentences kept in each step, at least 1.
        max_tokens: How many tokens a sentence may have; the models' own program takes the number of frames.
        weights: None is the published one, CTC 0.1.
        stop_early: Whether the search is over as soon as three lengths in a row brought only sentences far worse than
            the best, which it otherwise goes on from.
    """
    asked = _Asked(sources, end, beam_size, weights or Weights())
    beam = _Beam(np.zeros((1, 0), np.int64), np.zeros((1, 0)), np.zeros(1), asked.start())
    ended: list[Ended] = []
    best_by_length: dict[int, float] = {}
    for step in range(max_tokens):
        ids, said, others, states = asked.step(beam)
        total = beam.scores[:, None] + said + others
        places, columns = np.divmod(_best(total.ravel(), beam_size), total.shape[1])
        nexts, scores = ids[places, columns], total[places, columns]
        tokens = np.hstack([beam.tokens[places], nexts[:, None]])
        token_scores = np.hstack([beam.token_scores[places], said[places, columns][:, None]])
        complete = nexts == end
        for i in np.flatnonzero(complete | (step == max_tokens - 1)):
            length = step if complete[i] else step + 1
            found = Ended(
                tuple(tokens[i, :length].tolist()),
                tuple(token_scores[i, :length].tolist()),
                float(scores[i]),
                bool(complete[i]),
            )
            ended.append(found)
            best_by_length[length] = max(found.score, best_by_length.get(length, -np.inf))
        on = np.flatnonzero(~complete)
        if not len(on) or (stop_early and _no_hope(best_by_length, step)):
            break
        beam = _Beam(tokens[on], token_scores[on], scores[on], asked.select(states, places[on]))
    return sorted(ended, key=lambda found: -found.score)


def _no_hope(best_by_length: dict[int, float], step: int) -> bool:
    """Whether longer sentences only get worse. A length counts two symbols more than tokens: the first and the end."""
    lengths = [step - back - 2 for back in range(LENGTHS)]
    if not all(length in best_by_length for length in lengths):
        return False
    best = max(best_by_length.values())
    return all(best_by_length[length] - best < HOPELESS for length in lengths)


def _best(scores: np.ndarray, number: int) -> np.ndarray:
    """Places of the greatest scores above -inf, greatest first."""
    number = min(number, len(scores))
    places = np.argpartition(scores, len(scores) - number)[len(scores) - number :]
    places = places[np.argsort(-scores[places], kind="stable")]
    return places[scores[places] > -np.inf]


class _Asked:
    """Those whose weight is not 0, asked together."""

    def __init__(self, sources: Sources, end: int, beam_size: int, weights: Weights):
        self.end, self.weights = end, weights
        shares = {"decoder": 1 - weights.ctc, "lm": weights.lm}
        self.shares = {name: share for name, share in shares.items() if share}
        self.scorers: dict[str, Scorer] = {name: getattr(sources, name) for name in self.shares}
        self.ctc = CTCPrefixScorer(sources.log_probs, end) if weights.ctc else None
        self.pre_beam = int(PRE_BEAM * beam_size)

    def start(self) -> dict[str, Any]:
        """The state of one empty sentence."""
        return {name: scorer.start() for name, scorer in self.scorers.items()}

    def step(self, beam: _Beam) -> tuple[np.ndarray, np.ndarray, np.ndarray | float, dict[str, Any]]:
        """How each sentence may go on.

        Returns:
            Ids (N, K) of what may come next; what decoder and CTC say of each, -inf where impossible; what the language
            model and the length add to that; the new states.
        """
        heard = beam.tokens[:, -1] if beam.tokens.shape[1] else np.full(len(beam.tokens), self.end)
        steps = {name: scorer.step(heard, beam.states[name]) for name, scorer in self.scorers.items()}
        states = {name: state for name, (_, state) in steps.items()}
        log_probs = {name: scores for name, (scores, _) in steps.items()}  # (N, V)
        ids = self._candidates(log_probs.get("decoder"))
        if ids is not None:
            log_probs = {name: np.take_along_axis(scores, ids, axis=1) for name, scores in log_probs.items()}
        shares = {name: share * log_probs[name] for name, share in self.shares.items()}
        others = shares.pop("lm", 0.0) + self.weights.length
        said = shares.get("decoder", 0.0)
        if self.ctc is not None:
            states["ctc"] = self.ctc.extend(heard, beam.states.get("ctc"))
            said = said + self.weights.ctc * self.ctc.shares(states["ctc"], ids)
        if ids is None:
            return np.broadcast_to(np.arange(said.shape[1]), said.shape), said, others, states
        said[:, :-1][ids[:, :-1] == self.end] = -np.inf  # it is the last candidate already
        return ids, said, others, states

    def _candidates(self, by_decoder: np.ndarray | None) -> np.ndarray | None:
        """(N, K): what the decoder likes best, and the end; None where everything may come."""
        if by_decoder is None or self.ctc is None or self.pre_beam >= by_decoder.shape[1]:
            return None
        best = np.argpartition(by_decoder, by_decoder.shape[1] - self.pre_beam, axis=1)[:, -self.pre_beam :]
        return np.hstack([best, np.full((len(best), 1), self.end)])

    def select(self, states: dict[str, Any], places: np.ndarray) -> dict[str, Any]:
        """The states of the sentences at the (M,) places."""
        return {name: (self.scorers.get(name) or self.ctc).select(state, places) for name, state in states.items()}


def joint_search(
    scorer: AttentionScorer,
    num_frames: int,
    tokenizer: Tokenizer,
    beam_size: int,
    nbest: int,
    log_probs: np.ndarray | None = None,
    weights: Weights | None = None,
    lm: Scorer | None = None,
) -> list[Hypothesis]:
    """The best readings of one clip by `joint_beam_search`; see `attention.attention_search` for what they hold.

    Args:
        scorer: Of the decoder, with `end`; not asked where there are no frames.
        num_frames: T; no sentence has more tokens.
        tokenizer: Of V tokens, the last of them the end.
        beam_size: Sentences kept in each step.
        nbest: How many readings at most.
        log_probs: (T, V) float64 of the CTC head, checked by `check_inputs`; None is the decoder without CTC.
        weights: None is the published one, CTC 0.1. Without `log_probs` CTC has none.
        lm: Of the same tokens.

    Returns:
        At least one; where nothing is possible, silence scored -inf.
    """
    if num_frames == 0:
        return [silence(score=0.0, posterior=1.0)]
    weights = weights or Weights()
    if log_probs is None:
        weights = replace(weights, ctc=0.0)
    ended = joint_beam_search(Sources(scorer, log_probs, lm), scorer.end, beam_size, num_frames, weights, True)
    return readings([_without_blanks(one) for one in ended], scorer, tokenizer, nbest, log_probs)


def _without_blanks(ended: Ended) -> Finished:
    """Without blanks, which no text holds: a decoder that CTC does not hold back might say one."""
    said = [(token, score) for token, score in zip(ended.tokens, ended.token_scores, strict=True) if token != BLANK]
    return Finished(tuple(token for token, _ in said), tuple(score for _, score in said), ended.score)
