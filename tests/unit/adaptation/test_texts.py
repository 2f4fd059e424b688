"""Texts that are not what is said, and texts that a model cannot learn."""

from dataclasses import replace

import numpy as np
import pytest

from lipscribe.adaptation.checking import Recording
from lipscribe.adaptation.people import people_in
from lipscribe.adaptation.texts import order_fault, text_fault
from lipscribe.data.manifest import Clip
from lipscribe.model import Model
from lipscribe.models.spec import ModelSpec
from lipscribe.tokenizer import WordTokenizer

WORDS = ("one", "two", "three", "four", "five", "six")


class Hears:
    """A runtime that gives the tokens written into the first row of the crops, one every three frames."""

    name, device, precision = "planted", "cpu", "float32"

    def encode(self, video: np.ndarray) -> np.ndarray:
        return video

    def log_probs(self, states: np.ndarray) -> np.ndarray:
        tokens = states[0, :, 0, 0, 0].astype(int)
        probabilities = np.full((len(tokens), len(WORDS) + 1), 0.02, np.float32)
        probabilities[np.arange(len(tokens)), tokens] = 0.88
        return np.log(probabilities)

    def decoder(self, states: np.ndarray) -> None: ...


@pytest.fixture
def model(monkeypatch: pytest.MonkeyPatch) -> Model:
    monkeypatch.setattr("lipscribe.model.crops_to_array", lambda crops, *_: crops[:, None].astype(np.float32))
    return Model(ModelSpec("planted", WordTokenizer(WORDS)), Hears())


def recording(said: str, text: str | None = None) -> Recording:
    tokens = [0, *(token for word in said.split() for token in (WORDS.index(word) + 1, 0)), 0]
    crops = np.zeros((len(tokens), 96, 96), np.uint8)
    crops[:, 0, 0] = tokens
    return Recording(Clip(said.replace(" ", "-"), "x.mp4", text or said), crops, np.zeros((0, 0), np.float32))


SAID = ("one two", "three four", "five six", "two five", "six one", "four three")


def test_texts_that_are_said(model: Model):
    assert order_fault(model, [recording(said) for said in SAID]) == ""


def test_texts_of_the_next_recording(model: Model):
    shifted = [recording(said, text) for said, text in zip(SAID, SAID[1:] + SAID[:1], strict=True)]
    assert "fit better when each is that of the previous recording" in order_fault(model, shifted)


def test_texts_of_others(model: Model):
    mixed = [recording(said, text) for said, text in zip(SAID, (SAID[i] for i in (3, 5, 1, 4, 0, 2)), strict=True)]
    assert "of shuffled lists fit as well" in order_fault(model, mixed)


def test_few_different_texts_tell_nothing(model: Model):
    assert order_fault(model, [recording("one two", "three")] * 6) == ""


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("one seven", "seven"),
        ("one two three four five six one two three", "is too long for 0.2 s of speech"),
        ("one one one one", "is too long"),  # a blank between each two
    ],
)
def test_a_text_that_cannot_be_learned(model: Model, text: str, message: str):
    assert message in text_fault(model, recording("one two", text))


def test_a_text_outside_the_grammar(model: Model):
    slots = (("one", "two"), ("three", "four"))
    strict = Model(replace(model.spec, grammar=slots), model.runtime)
    assert text_fault(strict, recording("one three two four")) == ""
    assert "is no sentence of model planted, which reads 2 words" in text_fault(strict, recording("three one"))


def test_people_are_told_apart_by_chains_of_likeness():
    def look(*angles: float) -> Recording:
        looks = np.array([(np.cos(angle), np.sin(angle)) for angle in angles], np.float32)
        return replace(recording("one"), looks=looks)

    near = [look(0.0), look(0.5, 0.6), look(1.1), look(0.7)]
    far = [look(3.0), look(3.1)]
    groups = people_in([near[0], far[0], near[2], near[1], far[1], near[3]])
    assert [len(group) for group in groups] == [4, 2]
    assert groups[1] == far
