"""Word n-gram language models in ARPA format, as KenLM and SRILM write it."""

import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from lipscribe.errors import ConfigError, MissingExtraError
from lipscribe.search.inputs import spell
from lipscribe.tokenizer import Tokenizer, WordTokenizer

MAX_LISTED = 20  # words named in a message
_MARKS = ("<s>", "</s>", "<unk>", "<UNK>")
_REMEDY = "want an n-gram model of at least pairs in ARPA format, as text, such as lmplz writes"
_LN_10 = math.log(10)


@runtime_checkable
class LanguageModel(Protocol):
    """Interface of a word language model; a state represents the previous words and is immutable."""

    def start(self) -> Any:
        """The state at the beginning of a sentence."""
        ...

    def step(self, state: Any, word: str) -> tuple[Any, float]:
        """The state after a word, and the word's natural-log probability."""
        ...

    def end(self, state: Any) -> float:
        """Natural-log probability that the sentence ends here."""
        ...


class ArpaModel:
    """An n-gram model in an ARPA file, by KenLM (Heafield, "KenLM: faster and smaller language model queries", 2011).

    Args:
        path: The file, as text.

    Attributes:
        words: Its vocabulary, without the symbols for sentence boundaries and unknown words.

    Raises:
        MissingExtraError: KenLM is not installed.
        ConfigError: The file does not exist or is not in ARPA format.
    """

    def __init__(self, path: Path | str) -> None:
        try:
            import kenlm  # pyright: ignore[reportMissingImports]  an extra, and without stubs
        except ImportError:
            raise MissingExtraError("a language model needs KenLM: pip install 'lipscribe[lm]'") from None
        self.words = _unigrams(path)
        config = kenlm.Config()
        config.show_progress = False
        config.arpa_complain = kenlm.ARPALoadComplain.NONE
        try:
            self._model = kenlm.Model(str(path), config)
        except (OSError, RuntimeError) as error:
            reason = " ".join(str(error).split("threw")[-1].strip(" ().").split())
            raise ConfigError(f"{path} is not a model that KenLM reads ({reason}): {_REMEDY}") from None
        self._new_state = kenlm.State

    def start(self) -> Any:
        """See `LanguageModel`."""
        state = self._new_state()
        self._model.BeginSentenceWrite(state)
        return state

    def step(self, state: Any, word: str) -> tuple[Any, float]:
        """See `LanguageModel`; a word outside the vocabulary is scored as <unk>."""
        after = self._new_state()
        return after, _LN_10 * self._model.BaseScore(state, word, after)

    def end(self, state: Any) -> float:
        """See `LanguageModel`."""
        return self.step(state, "</s>")[1]


def compare_vocabularies(model: ArpaModel, tokenizer: Tokenizer) -> list[str]:
    """The words that only the language model or only the lip reader knows: at most a line for each.

    Raises:
        ConfigError: they share no word.
    """
    try:
        outside = [word for word in model.words if spell(tokenizer, word) is None]
    except ConfigError:  # it cannot spell at all, which is not needed here
        return []
    if len(outside) == len(model.words):
        raise ConfigError(
            f"none of the language model's words can be read by this model ({_listed(outside)}): want one of the "
            "reader's own words, in lower case"
        )
    lines = []
    if outside:
        lines.append(f"language model: {len(outside)} of its words cannot be read by this model: {_listed(outside)}")
    if isinstance(tokenizer, WordTokenizer):
        lacking = [word for word in tokenizer.words if word not in set(model.words)]
        if lacking:
            lines.append(f"language model: it lacks {len(lacking)} of the reader's words: {_listed(lacking)}")
    return lines


def _unigrams(path: Path | str) -> list[str]:
    """The words of an ARPA file."""
    words: list[str] = []
    try:
        with Path(path).open(encoding="utf-8") as file:
            if next((line.strip() for line in file if line.strip()), "") != "\\data\\":
                raise ConfigError(f"{path} does not begin with \\data\\: {_REMEDY}")
            inside = False
            for line in file:
                if line.startswith("\\"):
                    if inside:
                        break
                    inside = line.strip() == "\\1-grams:"
                elif inside and len(fields := line.split()) > 1:
                    words.append(fields[1])
    except OSError as error:
        raise ConfigError(f"{path} cannot be read ({error.strerror}): {_REMEDY}") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{path} is not text in UTF-8: {_REMEDY}") from None
    words = [word for word in words if word not in _MARKS]
    if not words:
        raise ConfigError(f"{path} holds no words: {_REMEDY}")
    return words


def _listed(words: Iterable[str]) -> str:
    words = list(words)
    more = f" and {len(words) - MAX_LISTED} more" if len(words) > MAX_LISTED else ""
    return ", ".join(words[:MAX_LISTED]) + more
