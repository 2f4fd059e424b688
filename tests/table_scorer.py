"""A toy decoder and a toy language model for the tests of searches: `from table_scorer import TableScorer`."""

from itertools import pairwise

import numpy as np

from lipscribe.search import Hypothesis, SearchOptions, search


class TableScorer:
    """A decoder whose expectations are drawn again for every beginning of a sentence; its states are the beginnings.

    Args:
        end: The id that every sentence ends with.
    """

    def __init__(self, vocab_size: int = 3, num_frames: int = 4, seed: int = 0, sharpness: float = 2.0, end: int = 0):
        self.vocab_size, self.num_frames, self.seed, self.sharpness = vocab_size, num_frames, seed, sharpness
        self.end = end
        self.num_steps = 0

    def expects(self, beginning: tuple[int, ...]) -> np.ndarray:
        logits = self.sharpness * np.random.default_rng([self.seed, *beginning]).normal(size=self.vocab_size)
        return logits - np.logaddexp.reduce(logits)

    def start(self) -> list[tuple[int, ...] | None]:
        return [None]

    def step(self, previous, state):
        self.num_steps += 1
        state = [() if before is None else (*before, int(token)) for before, token in zip(state, previous, strict=True)]
        return np.stack([self.expects(beginning) for beginning in state]), state

    def select(self, state, indices):
        return [state[i] for i in indices]

    def attention(self, tokens):
        weights = np.random.default_rng(len(tokens)).random((len(tokens), self.num_frames))
        return weights / weights.sum(1, keepdims=True)

    def score(self, tokens: tuple[int, ...], ends: bool = True) -> float:
        said = [*tokens, self.end] if ends else tokens
        return float(sum(self.expects(tokens[:u])[token] for u, token in enumerate(said)))


class Bigrams:
    """A toy: probabilities of pairs of words from a hash of their letters, the state is the word before."""

    def start(self):
        return "<s>"

    def step(self, state, word):
        return word, -0.1 - (sum(map(ord, state)) * 7 + sum(map(ord, word)) * 3) % 11 / 4

    def end(self, state):
        return self.step(state, "</s>")[1]

    def score(self, text):
        words = ["<s>", *text.split(), "</s>"]
        return sum(self.step(left, right)[1] for left, right in pairwise(words))


def read_by_decoder(scorer, num_frames, tokenizer, log_probs=None, **options) -> list[Hypothesis]:
    """The readings of one clip by a decoder, or with `log_probs` (T, V) by decoder and CTC."""
    method = "attention" if log_probs is None else "joint"
    batch = None if log_probs is None else log_probs[None]
    return search(batch, [num_frames], tokenizer, SearchOptions(method, **options), [scorer])[0]
