"""The flags that say how to search, shared by the commands that read."""

import sys
from dataclasses import replace
from enum import StrEnum


class Search(StrEnum):  # noqa: D101
    auto = "auto"
    greedy = "greedy"
    beam = "beam"
    grammar = "grammar"
    attention = "attention"
    joint = "joint"


SEARCH_HELP = "auto is what a file below asks for, else the model's own decoder or grammar if it has one, else beam."
GRAMMAR_HELP = "A grammar file (see docs/search.md), or grid: only its sentences are read."
PHRASES_HELP = "A file with a phrase a line: one of them is read, or nothing."
LM_HELP = "A language model in ARPA format (see docs/search.md), for the beam."
LM_WEIGHT_HELP = "How much the language model counts beside the picture."
WORD_BONUS_HELP = "Added for each word, against a language model that likes few."


def search_options(
    reader,
    search: str,
    beam_size: int,
    *,
    grammar: str | None = None,
    phrases: str | None = None,
    lm: str | None = None,
    lm_weight: float = 0.5,
    word_bonus: float = 0.0,
    nbest: int = 1,
    alternatives: int = 0,
):
    """The `SearchOptions` that the flags ask of a `Model`.

    What a language model and the model's vocabulary don't share is said on stderr.

    Raises:
        ConfigError: the flags contradict each other, a file has faults, or the model cannot be searched so.
        MissingExtraError: a language model is asked for, and KenLM is not installed.
    """
    from lipscribe.errors import ConfigError

    files = [name for name, file in (("grammar", grammar), ("phrases", phrases), ("lm", lm)) if file]
    if len(files) > 1:
        raise ConfigError(f"{' and '.join(f'--{name}' for name in files)} are both given: want one of them")
    given = {"beam_size": beam_size, "nbest": nbest, "alternatives": alternatives}
    if grammar or phrases:
        options = _by_grammar(reader, search, grammar, phrases, given)
    elif lm:
        options = _by_language_model(reader, search, lm, {"lm_weight": lm_weight, "word_bonus": word_bonus, **given})
    else:
        options = _by_method(reader, search, given)
    reader.check_search(options)
    return options


def _by_grammar(reader, search: str, grammar: str | None, phrases: str | None, given: dict):
    from lipscribe.search import SearchOptions
    from lipscribe.search.grammar_file import load_grammar, load_phrases

    language = load_grammar(grammar) if grammar else load_phrases(phrases)
    language.compile(reader.tokenizer)  # what it cannot spell is said before any video is read
    return SearchOptions("grammar" if search == "auto" else str(search), grammar=language, **given)


def _by_language_model(reader, search: str, lm: str, given: dict):
    from lipscribe.search import SearchOptions
    from lipscribe.search.language_model import ArpaModel, compare_vocabularies

    model = ArpaModel(lm)
    options = SearchOptions("beam" if search == "auto" else str(search), lm=model, **given)
    for line in compare_vocabularies(model, reader.tokenizer):
        print(f"note: {line}", file=sys.stderr)
    return options


def _by_method(reader, search: str, given: dict):
    from lipscribe.errors import ConfigError
    from lipscribe.search import SearchOptions, own_search

    if search == "auto":
        return replace(reader.default_search, **given)
    if search == "grammar":
        own = own_search(True, None, reader.spec.grammar)
        if own.grammar is None:
            raise ConfigError(f"model {reader.name} has no grammar: give --grammar FILE, or --search beam or greedy")
        return replace(own, **given)
    if search == "greedy":  # finds one reading and nothing beside it
        given = {**given, "alternatives": 0}
    return SearchOptions(str(search), **given)
