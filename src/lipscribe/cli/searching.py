"""The flags that say how to search, shared by the commands that read."""

import sys
from dataclasses import replace
from enum import StrEnum
from pathlib import Path


class Search(StrEnum):  # noqa: D101
    auto = "auto"
    greedy = "greedy"
    beam = "beam"
    grammar = "grammar"
    attention = "attention"
    joint = "joint"


class Precision(StrEnum):  # noqa: D101
    float32 = "float32"
    bfloat16 = "bfloat16"
    int8 = "int8"


SEARCH_HELP = (
    "auto is what a file below asks for, else the model's own decoder, grammar or both, if it has them, else beam."
)
GRAMMAR_HELP = "A grammar file (see docs/search.md), or grid: only its sentences are read."
PHRASES_HELP = "A file with a phrase a line: one of them is read, or nothing."
LM_HELP = (
    "A language model: a file in ARPA format, or one of a Transformer decoder's own tokens, by its name or folder "
    "(see docs/search.md)."
)
LM_WEIGHT_HELP = "How much the language model counts beside the picture. \\[default: 0.5, of tokens 0.3]"
WORD_BONUS_HELP = "Added for each word, against a language model that likes few. \\[default: 0]"
LENGTH_BONUS_HELP = "Added for each token in a Transformer decoder's search; below 0 it makes for short sentences."
CTC_WEIGHT_HELP = "Of CTC beside the decoder, in search joint. \\[default: 0.3, with a Transformer 0.1]"
BEAM_SIZE_HELP = "Hypotheses kept by the beam. \\[default: 16, with a Transformer 10]"
PRECISION_HELP = "How finely the network computes: bfloat16 and int8 are quicker, and may read a word differently."

_ARPA_SUFFIXES = (".arpa", ".bin", ".gz", ".klm")  # such a name is that of a file, and told so if there is none


def search_options(
    reader,
    search: str,
    *,
    grammar: str | None = None,
    phrases: str | None = None,
    lm: str | None = None,
    **chosen,
):
    """The `SearchOptions` that the flags ask of a `Model`.

    What a language model and the model's vocabulary don't share is said on stderr.

    Args:
        lm: An ARPA file, or the name or folder of a language model of tokens.
        chosen: Further fields of `SearchOptions`; None is left as the model's search has it.

    Raises:
        CheckpointError: there is no such language model, or it is damaged.
        ConfigError: the flags contradict each other, a file has faults, or the model cannot be searched so.
        MissingExtraError: an ARPA file is given, and KenLM is not installed.
    """
    from lipscribe.errors import ConfigError

    files = [name for name, file in (("grammar", grammar), ("phrases", phrases), ("lm", lm)) if file]
    if len(files) > 1:
        raise ConfigError(f"{' and '.join(f'--{name}' for name in files)} are both given: want one of them")
    given = {name: value for name, value in chosen.items() if value is not None}
    if (weights := [name for name in ("lm_weight", "word_bonus") if name in given]) and not lm:
        flags = " and ".join(f"--{name.replace('_', '-')}" for name in weights)
        raise ConfigError(f"{flags} given, but no language model: want --lm with it")
    if grammar or phrases:
        options = _by_grammar(reader, search, grammar, phrases, given)
    elif lm and _is_arpa(lm):
        options = _by_word_model(reader, search, lm, given)
    else:
        if lm:
            given["token_lm"] = _token_model(reader, lm)
            if "word_bonus" in given:
                raise ConfigError("--word-bonus is given, but a language model of tokens: want --length-bonus")
        options = _by_method(reader, search, given)
    if "ctc_weight" in given and options.method != "joint":
        raise ConfigError(
            f"--ctc-weight is given, but search {options.method!r} has no use for it: want --search joint"
        )
    reader.check_search(options)
    return options


def _is_arpa(lm: str) -> bool:
    return Path(lm).is_file() or (Path(lm).suffix in _ARPA_SUFFIXES and not Path(lm).is_dir())


def _by_grammar(reader, search: str, grammar: str | None, phrases: str | None, given: dict):
    from lipscribe.search import BY_DECODER, SearchOptions
    from lipscribe.search.grammar_file import load_grammar, load_phrases

    language = load_grammar(grammar) if grammar else load_phrases(phrases)
    language.compile(reader.tokenizer)  # what it cannot spell is said before any video is read
    if reader.spec.decoder and search in ("auto", *BY_DECODER):
        return replace(_by_method(reader, search, given), grammar=language)
    return SearchOptions("grammar" if search == "auto" else str(search), grammar=language, **given)


def _by_word_model(reader, search: str, lm: str, given: dict):
    from lipscribe.errors import ConfigError
    from lipscribe.search import BY_DECODER, SearchOptions, options_by_method
    from lipscribe.search.language_model import ArpaModel, compare_vocabularies

    own, method = reader.default_search, str(search)
    if search == "auto":
        method = own.method if own.method in BY_DECODER else "beam"
    if method not in ("beam", *BY_DECODER):
        raise ConfigError(f"--lm is given, but search {method!r} uses none: want beam, attention, joint or auto")
    model = ArpaModel(lm)
    given = {"lm_weight": SearchOptions.lm_weight, **given, "lm": model}
    if method in BY_DECODER:
        options = replace(options_by_method(method, own), **given)
    else:
        options = SearchOptions(method, **given)
    for line in compare_vocabularies(model, reader.tokenizer):
        print(f"note: {line}", file=sys.stderr)
    return options


def _token_model(reader, lm: str):
    from lipscribe.zoo.language_model import load_token_lm

    return load_token_lm(lm, reader.device, reader.precision)


def _by_method(reader, search: str, given: dict):
    from lipscribe.errors import ConfigError
    from lipscribe.search import options_by_method, own_search

    if search == "auto":
        return replace(reader.default_search, **given)
    if search == "grammar":
        own = own_search(True, None, reader.spec.grammar)
        if own.grammar is None:
            raise ConfigError(f"model {reader.name} has no grammar: give --grammar FILE, or --search beam or greedy")
        return replace(own, **given)
    if search == "greedy":  # finds one reading and nothing beside it
        given = {**given, "alternatives": 0}
    return replace(options_by_method(str(search), reader.default_search), **given)
