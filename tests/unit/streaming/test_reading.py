"""Words as they are said, from a model whose words are planted."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pytest
from planted_model import SLOTS, WORDS, PlantedModel, crop_of, crops_of, plant

from lipscribe.search.hypothesis import WordSpan
from lipscribe.streaming import LiveReader, StreamUpdate, reading
from lipscribe.streaming.reading import LONG_PAUSE, LOOK_AHEAD, MAX_HELD, PAUSE, STEP

FRAME = 1 / 25
START = 7.3  # capture time of the first crop


def stream(reader: LiveReader, crops: Sequence[np.ndarray], start: float = START) -> list[StreamUpdate]:
    return [update for n, crop in enumerate(crops) for update in reader.add(crop, start + n * FRAME)]


def segments(updates: list[StreamUpdate]) -> list[str]:
    return [update.segment.text for update in updates if update.segment]


def check(updates: list[StreamUpdate]) -> None:
    """What holds for every stream: nothing that is committed changes or comes twice, and all is in order."""
    number, said = 0, []
    for before, update in zip([None, *updates], updates, strict=False):
        assert before is None or update.time >= before.time - 1e-9
        assert update.utterance == number
        for word in update.committed:
            assert not said or word.start >= said[-1].end - 1e-9
            assert word.end > word.start
            said.append(word)
        if update.segment is not None:
            assert update.tentative == ()
            assert update.segment.words == tuple(said)
            assert (update.segment.start, update.segment.end) == (said[0].start, said[-1].end)
            assert update.segment.text == " ".join(word.text for word in said)
            number, said = number + 1, []


def test_words_are_tentative_and_then_committed_with_their_capture_times():
    updates = stream(LiveReader(PlantedModel()), crops_of(". 12 red 6 . 2 two 7 now 6 . 30"))
    check(updates)
    assert segments(updates) == ["red two now"]
    committed = [word for update in updates for word in update.committed]
    assert [word.text for word in committed] == ["red", "two", "now"]
    frames = [((word.start - START) / FRAME, (word.end - START) / FRAME) for word in committed]
    np.testing.assert_allclose(frames, [(12, 18), (20, 27), (27, 33)], atol=1e-6)
    for place, word in enumerate(committed):  # each was a guess before
        first = next(n for n, update in enumerate(updates) if word in update.committed)
        assert any(word.text in [guess.text for guess in update.tentative] for update in updates[:first]), place


@pytest.mark.parametrize("look_ahead", [0.0, 0.12, LOOK_AHEAD, 0.6])
@pytest.mark.parametrize("step", [0.04, STEP, 0.2])
def test_a_word_is_committed_when_so_much_has_come_after_it_and_not_later(look_ahead: float, step: float):
    reader = LiveReader(PlantedModel(), look_ahead=look_ahead, step=step)
    updates = stream(reader, crops_of(". 12 red 6 . 2 two 7 now 6 red 5 one 8 . 1 one 7 . 60"))
    check(updates)
    committed = [(update.time + FRAME - word.end, word) for update in updates for word in update.committed]
    assert [word.text for _, word in committed] == ["red", "two", "now", "red", "one", "one"]
    for waited, _ in committed:
        assert waited >= look_ahead - 1e-6
        # The word has to be found twice: at the end it shows for so long that it was.
        assert waited <= max(look_ahead, step) + step + 1e-6


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("slots", [SLOTS, None])
def test_random_sentences_are_read_as_they_are(seed: int, slots):
    rng = np.random.default_rng(seed)
    plan, sentences = [". 20"], []
    for _ in range(6):
        sentence = [str(rng.choice(slot)) for slot in SLOTS]
        plan += [f"{word} {rng.integers(4, 9)} . {rng.integers(1, 4)}" for word in sentence]
        pause = int(rng.choice([3, 8, 40, 90]))
        plan.append(f". {pause}")
        sentences.append((sentence, pause))
    reader = LiveReader(PlantedModel(slots))
    updates = stream(reader, crops_of(" ".join(plan)))
    updates += reader.end()
    check(updates)
    wanted, ended = [""], True
    for sentence, pause in sentences:
        if ended and wanted[-1]:
            wanted.append("")
        wanted[-1] = " ".join([*wanted[-1].split(), *sentence])
        ended = pause >= 40
    assert segments(updates) == wanted


def test_a_pause_ends_an_utterance_and_the_next_one_is_another():
    updates = stream(LiveReader(PlantedModel()), crops_of(". 12 red 6 two 6 now 6 . 25 green 6 one 6 . 1 one 6 . 25"))
    check(updates)
    assert segments(updates) == ["red two now", "green one one"]
    first = next(update for update in updates if update.segment)
    pause = first.time + FRAME - first.segment.end
    assert PAUSE - 1e-6 <= pause <= PAUSE + STEP + 1e-6


def test_a_pause_in_the_middle_of_a_sentence_does_not_end_it_but_a_long_one_does():
    short = stream(LiveReader(PlantedModel()), crops_of(". 12 red 6 . 22 two 6 now 6 . 30"))
    check(short)
    assert segments(short) == ["red two now"]
    long = stream(LiveReader(PlantedModel()), crops_of(". 12 red 6 . 45 green 6 two 6 now 6 . 30"))
    check(long)
    assert segments(long) == ["red", "green two now"]
    first = next(update for update in long if update.segment)
    assert LONG_PAUSE - 1e-6 <= first.time + FRAME - first.segment.end <= LONG_PAUSE + STEP + 1e-6


def test_a_still_mouth_gives_nothing_and_little_is_held():
    model = PlantedModel()
    reader = LiveReader(model)
    assert stream(reader, [crop_of(0)] * 3000) == []
    assert max(model.lengths) <= 20
    assert reader.end() == []


def test_speech_without_a_pause_is_read_whole_in_bounded_memory():
    model = PlantedModel()
    words = [word for n in range(60) for word in (SLOTS[0][n % 2], SLOTS[1][n % 3], SLOTS[2][n % 2])]
    reader = LiveReader(model)
    updates = stream(reader, crops_of(". 12 " + " ".join(f"{word} 5 . 1" for word in words)))
    assert not segments(updates)
    updates += reader.end()
    check(updates)
    assert segments(updates) == [" ".join(words)]
    assert max(model.lengths) <= (MAX_HELD + STEP) / FRAME


def test_the_end_commits_what_is_tentative():
    reader = LiveReader(PlantedModel())
    updates = stream(reader, crops_of(". 12 red 6 two 5"))
    assert [word.text for update in updates for word in update.committed] == []
    updates += reader.end()
    check(updates)
    assert segments(updates) == ["red two"]
    assert reader.end() == []
    more = stream(reader, crops_of("green 6 one 6 now 6 . 25"), START + 100)
    assert segments(more) == ["green one now"]
    assert more[-1].utterance == 1
    assert more[-1].segment.start == pytest.approx(START + 100)


class Script:
    """An open search that reads what it is told; frames are counted from the first crop."""

    commits_early, surprise = True, None

    def __init__(self, tell: Callable[[int], list[WordSpan]]):
        self.tell, self.num_frames = tell, 0

    def read(self, encoded, committed: Sequence[WordSpan]) -> list[WordSpan]:
        past = self.num_frames - len(encoded)
        words = [WordSpan(w.text, w.start - past, w.end - past, w.probability) for w in self.tell(self.num_frames)]
        return [*committed, *(word for word in words if word.start >= (committed[-1].end if committed else 0))]

    def is_complete(self, words: Sequence[WordSpan]) -> bool:
        return True

    def drop(self, words: Sequence[WordSpan]) -> None:
        pass

    def reset(self) -> None:
        pass


def scripted(
    monkeypatch: pytest.MonkeyPatch, num_frames: int, tell: Callable[[int], list[WordSpan]], moves: bool = True
):
    """A reader of a script, and what it says to so many crops of a mouth that moves or not."""
    script = Script(tell)
    monkeypatch.setattr(reading, "_open_search", lambda model, options: script)
    reader, updates = LiveReader(PlantedModel()), []
    for n in range(num_frames):
        script.num_frames = n + 1
        updates += reader.add(crop_of(n % 2 if moves else 1), START + n * FRAME)
    return reader, updates


def test_a_word_that_changes_with_each_reading_stays_tentative(monkeypatch):
    def tell(num_frames: int) -> list[WordSpan]:
        return [WordSpan("red" if num_frames // 3 % 2 else "green", 2, num_frames - 4, 1.0)]

    reader, updates = scripted(monkeypatch, 90, tell)
    assert all(not update.committed for update in updates)
    assert {update.tentative[0].text for update in updates} == {"red", "green"}
    last = updates[-1].tentative[0].text
    assert segments(reader.end()) == [last]


def test_a_guess_that_comes_to_nothing_is_taken_back(monkeypatch):
    def tell(num_frames: int) -> list[WordSpan]:
        return [WordSpan("red", num_frames - 3, num_frames, 1.0)] if num_frames < 9 else []

    reader, updates = scripted(monkeypatch, 60, tell)
    assert [len(update.tentative) for update in updates] == [1, 0]
    assert reader.end() == []


def test_an_utterance_of_which_nothing_is_held_any_more_ends_too(monkeypatch):
    """Long speech whose first words are forgotten, and then a guess that comes to nothing."""

    def tell(num_frames: int) -> list[WordSpan]:
        guess = [WordSpan("two", num_frames - 20, num_frames - 2, 1.0)] if 20 < num_frames < 180 else []
        return [WordSpan("red", 2, 10, 1.0), *guess] if num_frames >= 9 else []

    _, updates = scripted(monkeypatch, 300, tell)
    check(updates)
    assert segments(updates) == ["red"]
    assert updates[-1].time < START + 185 * FRAME


def test_the_planted_words_are_those_of_the_grammar():
    assert {word for slot in SLOTS for word in slot} == set(WORDS)
    assert plant("red 2 . 1 now 1") == [1, 1, 0, 5]


def test_what_is_compared_as_a_whole_is_committed_when_it_is_over():
    reader = LiveReader(PlantedModel())
    reader._search.commits_early = False
    updates = stream(reader, crops_of(". 12 red 6 . 2 two 7 now 6 . 30"))
    check(updates)
    assert segments(updates) == ["red two now"]
    ends = [update for update in updates if update.committed]
    assert len(ends) == 1 and ends[0].segment is not None


def test_a_picture_that_stays_gives_no_words(monkeypatch):
    """Whatever the model makes of it."""
    reader, updates = scripted(monkeypatch, 60, lambda n: [WordSpan("red", n - 3, n, 1.0)], moves=False)
    assert updates == []
    assert reader.end() == []


@pytest.mark.parametrize(("limit", "said"), [(0.3, []), (0.6, ["red two now"]), (None, ["red two now"])])
def test_what_is_not_familiar_gives_no_words(limit: float | None, said: list[str]):
    """Planted frames have an entropy of 0.49 nats."""
    model = PlantedModel()
    model.spec = replace(model.spec, surprise_limit=limit)
    updates = stream(LiveReader(model), crops_of(". 12 red 6 . 2 two 7 now 6 . 30"))
    assert segments(updates) == said
    assert bool(updates) == bool(said)
