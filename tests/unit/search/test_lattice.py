from collections import defaultdict

import numpy as np
import pytest

from lipscribe.search.kbest import best_paths
from lipscribe.search.lattice import LatticeBuilder, linear_lattice


def loop_lattice(num_tokens: int):
    """Any sequence of tokens 1 to num_tokens: the whole of CTC as one lattice."""
    builder = LatticeBuilder()
    start = builder.junction()
    states = [builder.token(token, start, unit=token) for token in range(1, num_tokens + 1)]
    again = builder.junction(states)
    for state in states:
        builder.connect(again, state)
    return builder.build([start.blank, *states], [start.blank, *states, again.blank])


def test_all_paths_together_have_probability_one(random_log_probs):
    log_probs = random_log_probs(9, 4, seed=0)
    lattice = loop_lattice(3)
    assert lattice.total(lattice.emissions(log_probs)) == pytest.approx(0.0, abs=1e-9)


@pytest.mark.parametrize("tokens", [(), (1,), (1, 2), (2, 2), (1, 1, 2)])
def test_sum_and_best_path_of_a_sequence(tokens, random_log_probs, enumerate_paths):
    log_probs = random_log_probs(5, 3, seed=1)
    lattice = linear_lattice(tokens)
    emissions = lattice.emissions(log_probs)
    scores = {path: score for path, spelt, score in enumerate_paths(log_probs) if spelt == tokens}
    assert lattice.total(emissions) == pytest.approx(np.logaddexp.reduce(list(scores.values())))
    path, score = lattice.best_path(emissions)
    assert tuple(lattice.tokens[path]) == max(scores, key=scores.get)
    assert score == pytest.approx(max(scores.values()))


def test_forward_times_backward_is_the_total_in_every_frame(random_log_probs):
    lattice = loop_lattice(3)
    emissions = lattice.emissions(random_log_probs(7, 4, seed=2))
    mass = np.logaddexp.reduce(lattice.forward(emissions) + lattice.backward(emissions), axis=1)
    np.testing.assert_allclose(mass, lattice.total(emissions), atol=1e-9)


def test_runs_are_the_frames_of_each_token():
    lattice = linear_lattice((1, 2, 2))
    sure = np.log(np.full((9, 3), 1e-6))
    for frame_idx, token in enumerate([0, 1, 1, 2, 2, 0, 2, 0, 0]):
        sure[frame_idx, token] = 0.0
    path, _ = lattice.best_path(lattice.emissions(sure))
    assert [(lattice.tokens[state], *span) for state, span in lattice.runs(path)] == [(1, 1, 3), (2, 3, 5), (2, 6, 7)]


@pytest.mark.parametrize("k", [1, 2, 5, 100])
@pytest.mark.parametrize("seed", [3, 4])
def test_k_best_sentences(k, seed, random_log_probs, enumerate_paths):
    log_probs = random_log_probs(5, 3, seed=seed)
    lattice = loop_lattice(2)
    best = defaultdict(lambda: -np.inf)
    for _, tokens, score in enumerate_paths(log_probs):
        best[tokens] = max(best[tokens], score)
    wanted = sorted(best.items(), key=lambda item: -item[1])[:k]

    found = best_paths(lattice, lattice.emissions(log_probs), k)
    tokens = [tuple(int(lattice.tokens[state]) for state, _ in lattice.runs(path)) for path, _ in found]
    assert tokens == [tokens for tokens, _ in wanted]
    np.testing.assert_allclose([score for _, score in found], [score for _, score in wanted])
    for path, score in found:
        assert lattice.emissions(log_probs)[np.arange(5), path].sum() == pytest.approx(score)


def test_impossible_emissions_have_no_path():
    lattice = linear_lattice((1,))
    emissions = lattice.emissions(np.array([[0.0, -np.inf]] * 3))
    assert best_paths(lattice, emissions, 1) == best_paths(lattice, emissions, 3) == []
    assert lattice.total(emissions) == -np.inf
