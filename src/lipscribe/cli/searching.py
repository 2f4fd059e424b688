"""The flags that say how to search, shared by the commands that read."""

from enum import StrEnum


class Search(StrEnum):  # noqa: D101
    auto = "auto"
    greedy = "greedy"
    beam = "beam"
    grammar = "grammar"


SEARCH_HELP = "auto is the grammar or phrases given, else the model's own grammar if it has one, else beam."
GRAMMAR_HELP = "A grammar file (see docs/search.md), or grid: only its sentences are read."
PHRASES_HELP = "A file with a phrase a line: one of them is read, or nothing."


def search_options(reader, search: str, beam_size: int, grammar: str | None = None, phrases: str | None = None):
    """The `SearchOptions` that the flags ask of a `Model`; None is the model's own.

    Raises:
        ConfigError: the flags contradict each other, or a file has faults.
    """
    from lipscribe.errors import ConfigError
    from lipscribe.search import SearchOptions
    from lipscribe.search.grammar_file import load_grammar, load_phrases

    if grammar and phrases:
        raise ConfigError("--grammar and --phrases are both given: want one of them")
    language = load_grammar(grammar) if grammar else load_phrases(phrases) if phrases else None
    if language:
        language.compile(reader.tokenizer)  # what it cannot spell is said before any video is read
        return SearchOptions(method="grammar" if search == "auto" else str(search), grammar=language)
    if search == "auto":
        return None
    if search == "grammar":
        if reader.default_search.grammar is None:
            raise ConfigError(f"model {reader.name} has no grammar: give --grammar FILE, or --search beam or greedy")
        return reader.default_search
    return SearchOptions(method=str(search), beam_size=beam_size)
