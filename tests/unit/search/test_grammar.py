import time
from collections import defaultdict

import numpy as np
import pytest

from lipscribe.errors import ConfigError
from lipscribe.search import SearchOptions, search
from lipscribe.search.align import align
from lipscribe.search.grammar import Grammar, best_reading, grammar_search
from lipscribe.tokenizer import CharacterTokenizer, WordTokenizer

GRID_SLOTS = (
    ("bin", "lay", "place", "set"),
    ("blue", "green", "red", "white"),
    ("at", "by", "in", "with"),
    tuple("abcdefghijklmnopqrstuvxyz"),
    ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"),
    ("again", "now", "please", "soon"),
)
GRID = Grammar(GRID_SLOTS)
GRID_WORDS = WordTokenizer([word for slot in GRID_SLOTS for word in slot])

# Small enough to write out every path. "a" stands in both slots of the first and so may follow itself.
TOY_WORDS = ((("a", "b"), ("a", "c")), WordTokenizer(["a", "b", "c"]), 6)
TOY_CHARACTERS = ((("a", "ab"), ("b",)), CharacterTokenizer("ab "), 7)
TOY_ONE_SLOT = ((("a", "bb"),), CharacterTokenizer("ab"), 7)
TOY_REPEATS = ((("a", "b"),), WordTokenizer(["a", "b"]), 6)
TOYS = [TOY_WORDS, TOY_CHARACTERS, TOY_ONE_SLOT, TOY_REPEATS]


def sentences(slots, tokenizer, num_frames: int) -> dict[tuple[int, ...], list[str]]:
    """Token ids of every text of the grammar that fits -> its items."""
    glue = " " if tokenizer.separator is not None or isinstance(tokenizer, WordTokenizer) else ""
    texts, newest = [[]], [[]]
    while newest := [[*items, item] for items in newest for item in slots[len(items) % len(slots)]]:
        newest = [items for items in newest if len(tokenizer.encode(glue.join(items))) <= num_frames]
        texts += newest
    whole = [items for items in texts if len(items) % len(slots) == 0]
    return {tuple(tokenizer.encode(glue.join(items))): items for items in whole}


def read(log_probs, grammar, tokenizer, nbest=1):
    return grammar_search(log_probs, grammar.compile(tokenizer), tokenizer, nbest)


@pytest.mark.parametrize(("slots", "tokenizer", "num_frames"), TOYS)
@pytest.mark.parametrize("seed", [0, 1])
def test_against_every_sentence_and_every_path(slots, tokenizer, num_frames, seed, random_log_probs, enumerate_paths):
    log_probs = random_log_probs(num_frames, len(tokenizer.vocab), seed=seed)
    language = sentences(slots, tokenizer, num_frames)
    best, total = defaultdict(lambda: -np.inf), defaultdict(float)
    for _, tokens, score in enumerate_paths(log_probs):
        if tokens in language:
            best[tokens] = max(best[tokens], score)
            total[tokens] += np.exp(score)
    wanted = sorted(best, key=best.get, reverse=True)

    found = read(log_probs, Grammar(slots), tokenizer, nbest=len(wanted) + 1)
    assert [hypothesis.tokens for hypothesis in found] == wanted
    np.testing.assert_allclose([hypothesis.score for hypothesis in found], [best[tokens] for tokens in wanted])
    posteriors = np.array([total[tokens] for tokens in wanted]) / sum(total.values())
    np.testing.assert_allclose([hypothesis.posterior for hypothesis in found], posteriors)
    assert read(log_probs, Grammar(slots), tokenizer)[0].tokens == wanted[0]
    for hypothesis in found:
        assert hypothesis.spans == align(log_probs, hypothesis.tokens).spans


def item_places(path, items: list[str], tokenizer) -> list[tuple[int, int]]:
    """First and last frame of each item on a path that spells them."""
    onsets = [t for t, token in enumerate(path) if token != 0 and (t == 0 or path[t - 1] != token)]
    places, place = [], 0
    for item in items:
        last = place + len(tokenizer.encode(item)) - 1
        end = onsets[last]
        while end + 1 < len(path) and path[end + 1] == path[end]:
            end += 1
        places.append((onsets[place], end))
        place = last + 1 + (tokenizer.separator is not None)
    return places


@pytest.mark.parametrize(("slots", "tokenizer", "num_frames"), [TOY_WORDS, TOY_CHARACTERS, TOY_REPEATS])
def test_word_probability_is_the_share_of_paths_that_read_it_there(
    slots, tokenizer, num_frames, random_log_probs, enumerate_paths
):
    log_probs = random_log_probs(num_frames, len(tokenizer.vocab), seed=3, sharpness=1.0)
    language = sentences(slots, tokenizer, num_frames)
    paths = [
        (path, language[tokens], score) for path, tokens, score in enumerate_paths(log_probs) if tokens in language
    ]
    everything = np.logaddexp.reduce([score for *_, score in paths])
    places = [item_places(path, items, tokenizer) for path, items, _ in paths]
    num_slots = len(slots)
    found = read(log_probs, Grammar(slots), tokenizer, nbest=12)
    assert max(len(hypothesis.words) for hypothesis in found) > num_slots
    for hypothesis in found:
        bounds = [0, *(bound for word in hypothesis.words for bound in (word.start, word.end)), num_frames]
        for idx, word in enumerate(hypothesis.words):
            start, end = bounds[2 * idx], bounds[2 * idx + 3]  # from the word before to the word after
            there = [
                score
                for (_, items, score), spans in zip(paths, places, strict=True)
                if any(
                    item == word.text and place % num_slots == idx % num_slots and first < end and last >= start
                    for place, (item, (first, last)) in enumerate(zip(items, spans, strict=True))
                )
            ]
            assert word.probability == pytest.approx(np.exp(np.logaddexp.reduce(there) - everything))


def planted(tokenizer, rows: list[dict[str, float]]) -> np.ndarray:
    """(T, V) log_probs with the given probability of some tokens in each frame, the rest spread thinly."""
    probs = np.full((len(rows), len(tokenizer.vocab)), 1e-7)
    for frame, row in zip(probs, rows, strict=True):
        for name, probability in row.items():
            frame[tokenizer.vocab.index(name)] = probability
    return np.log(probs / probs.sum(axis=1, keepdims=True))


def sentence_frames(text: str, frames_per_word: int = 3) -> list[dict[str, float]]:
    return [{word: 1.0} for word in text.split() for _ in range(frames_per_word)]


SILENCE = [{"<blank>": 1.0}]


def test_silence_is_no_sentence():
    hypothesis = read(planted(GRID_WORDS, SILENCE * 75), GRID, GRID_WORDS)[0]
    assert (hypothesis.text, hypothesis.words) == ("", ())
    assert hypothesis.posterior == pytest.approx(1.0, abs=1e-6)


def test_three_sentences_with_and_without_pauses():
    said = ["bin blue at f two now", "set red by a nine soon", "set red by a nine soon"]
    rows = SILENCE * 4 + sentence_frames(said[0]) + sentence_frames(said[1]) + SILENCE * 2 + sentence_frames(said[2])
    hypothesis = read(planted(GRID_WORDS, rows), GRID, GRID_WORDS)[0]
    assert hypothesis.text == " ".join(said)
    assert [(word.start, word.end) for word in hypothesis.words[:2]] == [(4, 7), (7, 10)]
    assert (hypothesis.words[6].start, hypothesis.words[12].start) == (22, 42)
    assert min(word.probability for word in hypothesis.words) > 0.99


def test_an_unsure_letter_shows_its_share():
    unsure = [{"b": 0.4, "p": 0.35, "m": 0.25}]
    rows = SILENCE * 5 + sentence_frames("bin blue at") + unsure + sentence_frames("two now") + SILENCE * 5
    best, second, third = read(planted(GRID_WORDS, rows), GRID, GRID_WORDS, nbest=3)
    assert [hypothesis.words[3].text for hypothesis in (best, second, third)] == ["b", "p", "m"]
    shares = [hypothesis.words[3].probability for hypothesis in (best, second, third)]
    np.testing.assert_allclose(shares, [0.4, 0.35, 0.25], atol=1e-3)
    np.testing.assert_allclose([best.posterior, second.posterior, third.posterior], shares, atol=1e-3)
    assert all(word.probability > 0.99 for word in best.words if word.text != "b")


def test_a_word_whose_time_is_unsure_is_not_unsure():
    early_or_late = [{"<blank>": 0.5, "f": 0.5}]
    rows = sentence_frames("bin blue at") + SILENCE * 2 + early_or_late * 4 + sentence_frames("two now")
    word = read(planted(GRID_WORDS, rows), GRID, GRID_WORDS)[0].words[3]
    assert word.text == "f"
    assert word.probability > 0.99


def test_characters_and_phrases():
    tokenizer = CharacterTokenizer()
    grammar = Grammar((("good morning", "good night"), ("ann", "bob")))
    text = "good night bob good morning ann"
    rows = SILENCE + [{char: 0.9, "<blank>": 0.1} for char in text for _ in range(2)]
    # "oo" and "nn" need a blank between, which the second of each pair's frames allows at a price.
    hypothesis = read(planted(tokenizer, rows), grammar, tokenizer)[0]
    assert hypothesis.text == text
    assert [word.text for word in hypothesis.words] == text.split()
    assert (hypothesis.words[1].start, hypothesis.words[1].end) == (11, 21)
    assert min(word.probability for word in hypothesis.words) > 0.99


def test_no_frames_and_too_few():
    hypothesis = read(np.zeros((0, 52)), GRID, GRID_WORDS)[0]
    assert (hypothesis.text, hypothesis.score, hypothesis.posterior) == ("", 0.0, 1.0)
    few = read(planted(GRID_WORDS, sentence_frames("bin blue at f two", frames_per_word=1)), GRID, GRID_WORDS)[0]
    assert few.text == ""
    assert few.posterior == pytest.approx(1.0)


def test_where_nothing_is_allowed_silence_has_no_probability():
    log_probs = np.full((4, 52), -np.inf)  # only the letter "f", without any word before it
    log_probs[:, GRID_WORDS.encode("f")] = 0.0
    for nbest in (1, 3):
        (hypothesis,) = read(log_probs, GRID, GRID_WORDS, nbest)
        assert (hypothesis.text, hypothesis.score, hypothesis.posterior) == ("", -np.inf, 0.0)


def test_a_grid_clip_is_read_in_a_few_milliseconds(random_log_probs):
    log_probs = random_log_probs(75, 52, seed=9)
    lattice = GRID.compile(GRID_WORDS)
    times = []
    for _ in range(5):
        before = time.perf_counter()
        grammar_search(log_probs, lattice, GRID_WORDS, nbest=1)
        times.append(time.perf_counter() - before)
    assert min(times) < 0.05  # 5 ms on an idle core; the rest is for a busy machine


def test_faults_are_listed_together():
    with pytest.raises(
        ConfigError, match=r"slot 1 is 'bin', .*; slot 2 is .*; slot 3 holds 7, .*; slot 3 holds 'a' more"
    ):
        Grammar(("bin", (), ("a", "a", 7)))
    with pytest.raises(ConfigError, match="it has no slots"):
        Grammar(())
    with pytest.raises(ConfigError, match="'zwei', 'drei' cannot be spelt in the model's vocabulary of 51 tokens"):
        Grammar((("bin", "zwei"), ("drei",))).compile(GRID_WORDS)


def test_lists_will_do():
    assert Grammar([["a", "b"], ["c"]]) == Grammar((("a", "b"), ("c",)))


def test_alternatives_are_the_words_of_the_slot_by_their_posterior():
    unsure = [{"b": 0.4, "p": 0.35, "m": 0.2, "two": 0.05}]
    rows = SILENCE * 5 + sentence_frames("bin blue at") + unsure + sentence_frames("two now") + SILENCE * 5
    options = SearchOptions("grammar", grammar=GRID, alternatives=3, nbest=2)
    best, second = search(planted(GRID_WORDS, rows)[None], None, GRID_WORDS, options)[0]
    assert [other.text for other in best.words[3].alternatives[:2]] == ["p", "m"]
    assert len(best.words[3].alternatives) <= 3
    assert best.words[3].alternatives[0].probability == pytest.approx(second.words[3].probability)
    assert all(other.text in GRID_SLOTS[3] for other in best.words[3].alternatives)
    shares = [word.probability + sum(other.probability for other in word.alternatives) for word in best.words]
    np.testing.assert_allclose(shares, 1, atol=1e-2)
    assert second.words[3].alternatives == ()


@pytest.mark.parametrize("num_frames", [0, 1, 6])
def test_without_words_the_best_path_is_the_same(num_frames, random_log_probs):
    slots, tokenizer, _ = TOY_WORDS
    log_probs, lattice = random_log_probs(num_frames, 4, seed=8), Grammar(slots).compile(tokenizer)
    alone, (best,) = best_reading(log_probs, lattice, tokenizer), grammar_search(log_probs, lattice, tokenizer, 1)
    assert (alone.tokens, alone.text, alone.score, alone.spans) == (best.tokens, best.text, best.score, best.spans)
    assert alone.words == ()
    if num_frames:
        ruled_out = np.full((1, 4), -np.inf)
        ruled_out[0, 3] = 0.0  # "c" alone is no text
        assert best_reading(ruled_out, lattice, tokenizer) == grammar_search(ruled_out, lattice, tokenizer, 1)[0]
