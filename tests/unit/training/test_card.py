"""The card of a model of one's own tells of its own data, not of the model that its config was made for."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from lipscribe.models.spec import load_spec
from lipscribe.training.config import TrainConfig, load_config
from lipscribe.training.loop import train

MakeConfig = Callable[..., TrainConfig]


def test_a_model_of_some_words(toy_config: MakeConfig, prepared: Path, tmp_path: Path):
    train(toy_config(tmp_path / "run", optim={"epochs": 3}))
    card = load_spec(tmp_path / "run" / "last").card
    assert card.reads == "sentences of 3 words"
    assert card.data == f"{prepared.name}: 11 clips of 1 speaker, 21 words, 3 different"
    assert card.licence == "unknown"
    assert card.closed_vocabulary
    assert card.notice.startswith("model toy knows only 3 words: whatever is said, it answers in those words, and on")
    assert set(card.scores) == {"dev_wer", "dev_greedy_wer"}


def test_a_model_of_a_grammar_begun_from_another(toy_config: MakeConfig, prepared: Path, tmp_path: Path):
    words = {"kind": "words", "words": ["blue", "green", "red"]}
    model = {"grammar": [["red", "blue"], ["green", "blue"]], "tokenizer": words}
    folder = train(toy_config(tmp_path / "one", optim={"epochs": 1}))
    train(toy_config(tmp_path / "two", model=model, optim={"epochs": 1}, start_from=str(folder)))
    card = load_spec(tmp_path / "two" / "last").card
    assert card.reads == "sentences of 2 words by a fixed grammar (3 words)"
    assert card.data.endswith("; begun from model last")


def test_a_model_of_any_words_has_no_notice(toy_config: MakeConfig, tmp_path: Path):
    characters = {"tokenizer": {"kind": "characters", "characters": " bdeglnru"}}
    train(toy_config(tmp_path / "run", model=characters, optim={"epochs": 1, "frame_weight": 0}))
    card = load_spec(tmp_path / "run" / "last").card
    assert (card.reads, card.closed_vocabulary, card.notice) == (
        "sentences of any words, spelled; it has seen 3",
        False,
        "",
    )


def test_what_a_config_says_of_its_own_model_stays(toy_config: MakeConfig, prepared: Path, tmp_path: Path):
    config = toy_config(tmp_path / "run", model={"card": {"licence": "CC0", "reads": "colours"}}, optim={"epochs": 1})
    train(config)
    card = load_spec(tmp_path / "run" / "last").card
    assert (card.licence, card.reads) == ("CC0", "colours")
    assert card.data.startswith(prepared.name)


@pytest.mark.parametrize("own", [None, {"licence": "CC0"}])
def test_the_card_of_a_base_is_not_inherited(
    toy_settings: Callable[..., dict[str, Any]], tmp_path: Path, own: dict[str, str] | None
):
    base = toy_settings(tmp_path / "base", model={"card": {"notice": "synthetic people alone", "licence": "mine"}})
    (tmp_path / "base.yaml").write_text(yaml.safe_dump(base))
    mine = {"base": "base.yaml", "output": "mine"} | ({"model": {"card": own}} if own else {})
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(mine))
    assert load_config(tmp_path / "base.yaml").model.card.notice == "synthetic people alone"
    card = load_config(tmp_path / "mine.yaml").model.card
    assert (card.notice, card.licence) == ("", "CC0" if own else "unknown")


@pytest.mark.parametrize("name", ["grid", "grid-s1", "talkers", "few-clips", "student"])
def test_no_bundled_config_speaks_for_the_clips_of_others(name: str):
    assert load_config(name).model.card == type(load_config(name).model.card)()
