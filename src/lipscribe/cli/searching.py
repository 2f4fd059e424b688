"""Search flags, shared by the commands that read videos."""

import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # modules that load torch are imported where they are used
    from lipscribe.model import Model
    from lipscribe.search import ResolvedSearch


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


class Runtime(StrEnum):  # noqa: D101
    auto = "auto"
    onnx = "onnx"
    torch = "torch"


SEARCH_HELP = (
    "auto follows the file given below, else the model: its decoder, grammar or both if it has them, else beam."
)
GRAMMAR_HELP = "A grammar file (see docs/search.md), or grid: restricts the search to its sentences."
PHRASES_HELP = "A file with one phrase per line: the result is one of them, or nothing."
LM_HELP = (
    "A language model: a file in ARPA format, or one of a Transformer decoder's own tokens, by its name or folder "
    "(see docs/search.md)."
)
LM_WEIGHT_HELP = "Weight of the language model. \\[default: 0.5, of tokens 0.3]"
WORD_BONUS_HELP = "Score added per word, since language models prefer few words. \\[default: 0]"
LENGTH_BONUS_HELP = "Score added per token in a Transformer decoder's search; below 0 favours short sentences."
CTC_WEIGHT_HELP = "Weight of CTC in search joint. \\[default: 0.3, with a Transformer 0.1]"
BEAM_SIZE_HELP = "Hypotheses kept by the beam. \\[default: 16, with a Transformer 10]"
INITIALS_HELP = (
    'The first letter of each word, such as "p r a c s p": ? for an unknown word, ... at the end if more words follow.'
)
PRECISION_HELP = "Arithmetic of the network: bfloat16 and int8 are faster, and may change words."

_ARPA_SUFFIXES = (".arpa", ".bin", ".gz", ".klm")  # such a name is a file's, and an error if the file does not exist


def search_options(
    model: "Model",
    search: str,
    *,
    grammar: str | None = None,
    phrases: str | None = None,
    lm: str | None = None,
    **chosen: Any,
) -> "ResolvedSearch":
    """Resolves the flags to a `ResolvedSearch` of a `Model`.

    Words that only the language model or only the model's vocabulary has are listed on stderr.

    Args:
        lm: An ARPA file, or the name or folder of a language model of tokens.
        chosen: Further fields of `SearchOptions`; None is left to the model.

    Raises:
        CheckpointError: the language model is missing or damaged.
        ConfigError: the flags contradict each other, a file has faults, or the model does not support the search.
        MissingExtraError: an ARPA file is given, and KenLM is not installed.
    """
    from lipscribe.errors import ConfigError
    from lipscribe.search import SearchOptions

    files = [name for name, file in (("grammar", grammar), ("phrases", phrases), ("lm", lm)) if file]
    if len(files) > 1:
        raise ConfigError(f"{' and '.join(f'--{name}' for name in files)} are both given: want one of them")
    given, arpa = {name: value for name, value in chosen.items() if value is not None}, None
    if search == "greedy":  # finds one reading and no word beside it, which is no reason to refuse JSON
        given["alternatives"] = 0
    if grammar or phrases:
        from lipscribe.search.grammar_file import load_grammar, load_phrases

        given["grammar"] = load_grammar(grammar) if grammar else load_phrases(phrases or "")
    elif lm and _is_arpa(lm):
        from lipscribe.search.language_model import ArpaModel

        given["lm"] = arpa = ArpaModel(lm)
    elif lm:
        from lipscribe.zoo.language_model import load_token_lm

        given["token_lm"] = load_token_lm(lm, model.runtime.device, model.runtime.precision)
    options = model.resolve(SearchOptions(str(search), **given))
    if arpa is not None:
        from lipscribe.search.language_model import compare_vocabularies

        for line in compare_vocabularies(arpa, model.tokenizer):
            print(f"note: {line}", file=sys.stderr)
    return options


def _is_arpa(lm: str) -> bool:
    return Path(lm).is_file() or (Path(lm).suffix in _ARPA_SUFFIXES and not Path(lm).is_dir())
