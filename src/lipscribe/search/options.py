"""Search options, the capabilities of a model, and the resolved search."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from numbers import Real
from typing import Any, Protocol

from lipscribe.errors import ConfigError
from lipscribe.search.beam import EXACT, PUBLISHED, BeamRules
from lipscribe.search.grammar import Grammar
from lipscribe.search.initials import Initials
from lipscribe.search.initials_scorer import TokenInitials
from lipscribe.search.language_model import LanguageModel
from lipscribe.search.scorers import TokenModel
from lipscribe.tokenizer import Tokenizer

METHODS = ("greedy", "beam", "grammar", "attention", "joint", "phrases")
BY_DECODER = ("attention", "joint")
LIMIT = 10_000  # of all numbers: more is a mistake, which would overflow or exhaust memory


@dataclass(frozen=True)
class SearchOptions:
    """Options of a search; None selects the default of the model and the method (see `resolve`).

    Attributes:
        method: "greedy" (the best path), "beam" (CTC prefix beam search), "grammar" (CTC, restricted to the grammar's
            sentences), "attention" (beam search with the decoder), "joint" (with decoder and CTC), "phrases"
            (comparison with recorded phrases, the one of models that have them); "auto" is the model's default.
        beam_size: Hypotheses kept by a beam search.
        nbest: Maximum number of hypotheses of each clip.
        alternatives: Maximum number of alternatives of each word of the best hypothesis: of the words that a grammar
            allows there, or those of a beam's other hypotheses.
        grammar: Restricts the search to its sentences; for methods "grammar", "attention", "joint" and "auto".
        lm: A word language model for methods "beam", "attention" and "joint" (shallow fusion): the score is the
            network's log-probability, plus `lm_weight` times that of the words, plus `word_bonus` per word.
        token_lm: A language model of the model's tokens, for a decoder with its own end symbol.
        lm_weight: Weight of `lm` or `token_lm`.
        word_bonus: Added per word, with `lm`.
        ctc_weight: Weight of CTC in method "joint", above 0 and at most 1; the decoder has the rest.
        length_bonus: Added per token, for a decoder with its own end symbol; negative values are a penalty.
        exact: Whether a decoder's beam search prunes nothing before scores are summed (see `beam.BeamRules`).
        initials: The first letter or letters of each word, such as "p r a"; "?" for an unknown word, and "..." at the
            end if more words may follow. The text has exactly these words, so silence is no result.
    """

    method: str = "auto"
    beam_size: int | None = None
    nbest: int = 1
    grammar: Grammar | None = None
    alternatives: int = 0
    lm: LanguageModel | None = None
    lm_weight: float | None = None
    word_bonus: float = 0.0
    ctc_weight: float | None = None
    token_lm: TokenModel | None = None
    length_bonus: float = 0.0
    exact: bool | None = None
    initials: str | None = None


class Searchable(Protocol):
    """The part of a model's spec that its searches depend on, such as a `ModelSpec`."""

    @property
    def name(self) -> str: ...  # noqa: D102
    @property
    def tokenizer(self) -> Tokenizer: ...  # noqa: D102
    @property
    def ctc(self) -> bool: ...  # noqa: D102
    @property
    def decoder(self) -> Any: ...  # noqa: D102
    @property
    def grammar(self) -> Sequence[Sequence[str]] | None: ...  # noqa: D102
    @property
    def phrases(self) -> object | None: ...  # noqa: D102


@dataclass(frozen=True)
class Capabilities:
    """What a model offers to a search.

    Attributes:
        tokenizer: The model's, of V tokens.
        ctc: Whether there are CTC log-probabilities.
        decoder: Whether there is an attention decoder.
        own_end: Whether the decoder has its own end symbol in the vocabulary, as published Transformers do.
        grammar: The grammar of a closed-vocabulary model.
        name: The model's name in messages.
        phrases: Whether it compares recorded phrases, and does nothing else.
    """

    tokenizer: Tokenizer
    ctc: bool = True
    decoder: bool = False
    own_end: bool = False
    grammar: Grammar | None = None
    name: str = "the model"
    phrases: bool = False

    @classmethod
    def of(cls, spec: Searchable) -> "Capabilities":
        """The capabilities of a model by its spec."""
        grammar = Grammar.of_slots(spec.grammar) if spec.grammar else None
        decoder = spec.decoder
        own_end = decoder is not None and decoder.own_end
        return cls(
            spec.tokenizer,
            spec.ctc,
            decoder is not None,
            own_end,
            grammar,
            f"model {spec.name}",
            spec.phrases is not None,
        )

    @property
    def methods(self) -> tuple[str, ...]:
        """The methods that the model supports."""
        if self.phrases:
            return ("phrases",)
        able = {"phrases": False, "attention": self.decoder, "joint": self.decoder and self.ctc}
        return tuple(method for method in METHODS if able.get(method, self.ctc))


@dataclass(frozen=True)
class ResolvedSearch:
    """A search with all options set: every field of `SearchOptions` has its value.

    Attributes:
        tokenizer: The model's.
        grammar: The whole grammar; see `language`.
        initials: Of the words of each text searched, None if they may be any.
        rules: The beam rules of a decoder's search.
        words: Whether the hypotheses of method "grammar" have words with times, probabilities and alternatives; without
            them only the best path's tokens and frames are computed, which takes a fifth of the time.
    """

    method: str
    tokenizer: Tokenizer
    beam_size: int
    nbest: int
    alternatives: int
    grammar: Grammar | None
    lm: LanguageModel | None
    token_lm: TokenModel | None
    lm_weight: float
    word_bonus: float
    ctc_weight: float
    length_bonus: float
    rules: BeamRules
    initials: Initials | None = None
    words: bool = True

    @property
    def by_decoder(self) -> bool:
        """Whether the search uses the attention decoder."""
        return self.method in BY_DECODER

    @property
    def name(self) -> str:
        """The name in reports, with "+ grammar" for a decoder's search with one, and "+ initials" with these."""
        grammar = " + grammar" if self.by_decoder and self.grammar else ""
        return f"{self.method}{grammar}{' + initials' if self.initials else ''}"

    def with_initials(self, initials: Initials | None) -> "ResolvedSearch":
        """The same search with other initials.

        Raises:
            ConfigError: The method has no use for them.
        """
        if initials is not None and self.method == "greedy":
            raise ConfigError("initials are given, but method 'greedy' has no use for them: want another one")
        return replace(self, initials=initials)

    def check_parts(self, number: int) -> None:
        """Refuses initials where a video is read in several parts, as nothing tells which words are in which part.

        Raises:
            ConfigError: There are initials of more than recorded phrases, which are of each part.
        """
        if self.initials is not None and self.method != "phrases" and number > 1:
            raise ConfigError(
                "initials are of one text, but this video is read in several parts, as it is long or shows several "
                "faces or one face with breaks: want one face, and start and end around the words"
            )

    @cached_property
    def language(self) -> Grammar | None:
        """The grammar, restricted to the texts that have the initials.

        Raises:
            ConfigError: It has none.
        """
        if self.grammar is None or self.initials is None:
            return self.grammar
        return self.grammar.fitting(self.initials)

    @cached_property
    def spelling(self) -> TokenInitials | None:
        """What the initials allow where there is no grammar.

        Raises:
            ConfigError: The vocabulary spells no such text.
        """
        if self.grammar is not None or self.initials is None:
            return None
        return TokenInitials.of(self.initials, self.tokenizer)


def resolve(model: Capabilities, options: SearchOptions | None = None) -> ResolvedSearch:
    """Resolve options to the search that a model runs.

    "auto" is the decoder's search if there is a decoder (joint if there is CTC too), else the grammar's if there is
    one, else CTC's beam. The model's own grammar applies to "auto" and "grammar" only, and not with a
    word language model; other methods are unrestricted. A decoder with its own end symbol is searched by the published
    rules and weights of the Auto-AVSR models, but with a beam of 10 instead of 40, which takes a third of the time.
    With a grammar or a word language model few tokens may follow, so nothing is pruned (`exact` rules).

    Raises:
        ConfigError: The options contradict each other, or the model lacks what they need; all faults are listed.
    """
    options = SearchOptions() if options is None else options
    if not isinstance(options, SearchOptions):
        raise ConfigError(f"search options are {options!r}, want SearchOptions, such as SearchOptions(beam_size=20)")
    method = _method(model, options)
    faults = [*_value_faults(options), *_method_faults(model, options, method)]
    faults += _contradictions(options, method) if method in METHODS else []
    by_decoder = method in BY_DECODER
    faults += _decoder_faults(model, options) if by_decoder and model.decoder else []
    published = by_decoder and model.own_end
    beam_size = options.beam_size or (10 if published else 16)
    if not faults and method in ("beam", *BY_DECODER) and options.nbest > beam_size:
        faults.append(f"nbest is {options.nbest}, want at most beam_size, {beam_size}")
    if faults:
        raise ConfigError(f"search options: {'; '.join(faults)}")
    grammar = options.grammar
    if grammar is None and (method == "grammar" or (options.method == "auto" and options.lm is None)):
        grammar = model.grammar
    constrained = grammar is not None or options.lm is not None
    exact = options.exact if options.exact is not None else not published or constrained
    resolved = ResolvedSearch(
        method=method,
        tokenizer=model.tokenizer,
        beam_size=beam_size,
        nbest=options.nbest,
        alternatives=options.alternatives,
        grammar=grammar,
        lm=options.lm,
        token_lm=options.token_lm,
        lm_weight=_or(options.lm_weight, 0.3 if options.token_lm is not None else 0.5),
        word_bonus=options.word_bonus,
        ctc_weight=_or(options.ctc_weight, 0.1 if published else 0.3),
        length_bonus=options.length_bonus,
        rules=EXACT if exact else PUBLISHED,
        initials=None if options.initials is None else Initials.parse(options.initials),
    )
    if method != "phrases":  # what contradicts or cannot be spelt is refused before anything is read
        if resolved.language is not None:
            resolved.language.compile(model.tokenizer)
        _ = resolved.spelling
    return resolved


def _listed(names: Sequence[str]) -> str:
    *first, last = map(repr, names)
    return f"{', '.join(first)} or {last}" if first else last


def _or(value: float | None, default: float) -> float:
    return default if value is None else value


def _method(model: Capabilities, options: SearchOptions) -> str:
    if options.method != "auto":
        return options.method
    if model.phrases:
        return "phrases"
    if model.decoder:
        return "joint" if model.ctc else "attention"
    closed = options.grammar is not None or (model.grammar is not None and options.lm is None)
    return "grammar" if closed else "beam"


def _value_faults(options: SearchOptions) -> list[str]:
    faults = []
    for name, lowest in (("beam_size", 1), ("nbest", 1), ("alternatives", 0)):
        value = getattr(options, name)
        given = not (value is None and name == "beam_size")
        if given and (not isinstance(value, int) or isinstance(value, bool) or not lowest <= value <= LIMIT):
            faults.append(f"{name} is {value!r}, want a whole number of at least {lowest} and at most {LIMIT}")
    if options.ctc_weight is not None and not (_is_number(options.ctc_weight) and 0 < options.ctc_weight <= 1):
        faults.append(f"ctc_weight is {options.ctc_weight!r}, want a number above 0 and up to 1")
    if options.lm_weight is not None and not (_is_number(options.lm_weight) and 0 <= options.lm_weight <= LIMIT):
        faults.append(f"lm_weight is {options.lm_weight!r}, want a number of at least 0 and at most {LIMIT}")
    for name in ("word_bonus", "length_bonus"):
        value = getattr(options, name)
        if not (_is_number(value) and abs(value) <= LIMIT):
            faults.append(f"{name} is {value!r}, want a number from -{LIMIT} to {LIMIT}")
    if options.initials is not None:
        try:
            Initials.parse(options.initials)
        except ConfigError as error:
            faults.append(str(error))
    if not isinstance(options.exact, bool | None):
        faults.append(f"exact is {options.exact!r}, want True, False or None")
    if not isinstance(options.grammar, Grammar | None):
        faults.append(f"grammar is {options.grammar!r}, want a Grammar, such as load_phrases gives")
    if options.lm is not None and not isinstance(options.lm, LanguageModel):
        faults.append(f"lm is {options.lm!r}, want a language model of words, such as ArpaModel(path)")
    if options.token_lm is not None and not hasattr(options.token_lm, "vocab_size"):
        faults.append(f"token_lm is {options.token_lm!r}, want a language model of tokens, such as load_token_lm gives")
    return faults


def _is_number(value: object) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool)


def _method_faults(model: Capabilities, options: SearchOptions, method: str) -> list[str]:
    if method not in METHODS:
        return [f"method is {method!r}, want auto or one of {', '.join(METHODS)}"]
    if not model.methods:
        return [f"{model.name} is an encoder without a head, and reads nothing: train one that starts from it"]
    if method not in model.methods and (model.phrases or method == "phrases"):
        what = "compares recorded phrases" if model.phrases else "has no recorded phrases"
        return [f"{model.name} {what}, for which method {method!r} is of no use: want one of {_listed(model.methods)}"]
    if method not in model.methods:
        lacks = "no decoder" if not model.decoder else "no CTC head"
        return [f"{model.name} has {lacks} for method {method!r}: want one of {', '.join(model.methods)}"]
    if method == "grammar" and options.grammar is None and model.grammar is None:
        return [f"{model.name} has no grammar: want one with method 'grammar', or method 'beam' or 'greedy'"]
    return []


def _contradictions(options: SearchOptions, method: str) -> list[str]:
    """What is asked for and the method has no use for."""
    users = {
        "alternatives are": ("beam", "grammar", "phrases", *BY_DECODER),
        "nbest above 1 is": ("beam", "grammar", "phrases", *BY_DECODER),
        "initials are": ("beam", "grammar", "phrases", *BY_DECODER),
        "a grammar is": ("grammar", *BY_DECODER),
        "a language model of words is": ("beam", *BY_DECODER),
        "a language model of tokens is": BY_DECODER,
        "length_bonus is": BY_DECODER,
        "ctc_weight is": ("joint",),
    }
    asked = {
        "alternatives are": bool(options.alternatives),
        "nbest above 1 is": isinstance(options.nbest, int) and options.nbest > 1,
        "initials are": options.initials is not None,
        "a grammar is": options.grammar is not None,
        "a language model of words is": options.lm is not None,
        "a language model of tokens is": options.token_lm is not None,
        "length_bonus is": bool(options.length_bonus),
        "ctc_weight is": options.ctc_weight is not None,
    }
    faults = [
        f"{what} given, but method {method!r} has no use for it: want method {_listed(methods)}"
        for what, methods in users.items()
        if asked[what] and method not in methods
    ]
    if options.lm is not None and options.token_lm is not None:
        faults.append("a language model of words and one of tokens are both given: want one of them")
    if options.lm_weight is not None and options.lm is None and options.token_lm is None:
        faults.append("lm_weight is given, but no language model: want one with it")
    if options.word_bonus and options.lm is None:
        faults.append("word_bonus is given, but no language model of words: want one with it, or length_bonus")
    return faults


def _decoder_faults(model: Capabilities, options: SearchOptions) -> list[str]:
    """Options that the decoder does not support."""
    faults = []
    if not model.own_end:
        faults += [
            f"{what} is given, which an LSTM decoder's search does not use: want a Transformer's"
            for what, given in {
                "a language model of tokens": options.token_lm is not None,
                "length_bonus": bool(options.length_bonus),
                "exact=False": options.exact is False,
            }.items()
            if given
        ]
    vocab_size = len(model.tokenizer.vocab)
    known = getattr(options.token_lm, "vocab_size", vocab_size)
    if model.own_end and known != vocab_size:
        faults.append(
            f"the language model has {known} tokens but the lip reader {vocab_size}: want one "
            "that was trained with the reader's own units"
        )
    return faults
