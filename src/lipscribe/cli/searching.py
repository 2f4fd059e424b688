"""The flags that say how to search, shared by the commands that read."""

import sys
from dataclasses import replace
from enum import StrEnum


class Search(StrEnum):  # noqa: D101
    auto = "auto"
    greedy = "greedy"
    beam = "beam"
    grammar = "grammar"


SEARCH_HELP = "auto is what a file below asks for, else the model's own grammar if it has one, else beam."
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
        ConfigError: the flags contradict each other, or a file has faults.
        MissingExtraError: a language model is asked for, and KenLM is not installed.
    """
    from lipscribe.errors import ConfigError
    from lipscribe.search import SearchOptions
    from lipscribe.search.grammar_file import load_grammar, load_phrases
    from lipscribe.search.language_model import ArpaModel, compare_vocabularies

    files = [name for name, file in (("grammar", grammar), ("phrases", phrases), ("lm", lm)) if file]
    if len(files) > 1:
        raise ConfigError(f"{' and '.join(f'--{name}' for name in files)} are both given: want one of them")
    given = {"nbest": nbest, "alternatives": alternatives}
    if grammar or phrases:
        language = load_grammar(grammar) if grammar else load_phrases(phrases)
        language.compile(reader.tokenizer)  # what it cannot spell is said before any video is read
        return SearchOptions("grammar" if search == "auto" else str(search), grammar=language, **given)
    if lm:
        method = "beam" if search == "auto" else str(search)
        model = ArpaModel(lm)
        for line in compare_vocabularies(model, reader.tokenizer):
            print(f"note: {line}", file=sys.stderr)
        return SearchOptions(method, beam_size, lm=model, lm_weight=lm_weight, word_bonus=word_bonus, **given)
    if search in ("auto", "grammar"):
        if search == "grammar" and reader.default_search.grammar is None:
            raise ConfigError(f"model {reader.name} has no grammar: give --grammar FILE, or --search beam or greedy")
        return replace(reader.default_search, **given)
    if search == "greedy":  # finds one reading and nothing beside it
        given["alternatives"] = 0
    return SearchOptions(str(search), beam_size, **given)
