"""Loads grammars and phrase lists from text files; docs/search.md describes the syntax."""

import math
import re
from pathlib import Path

from lipscribe.errors import ConfigError
from lipscribe.search.grammar import Grammar
from lipscribe.search.word_graph import InOrder, Maybe, OneOf, Repeated, Rule, graph_of_rule, graph_of_texts
from lipscribe.text import normalise

BUNDLED = Path(__file__).parent.parent / "assets" / "grammars"
MAX_DEPTH = 50  # nesting depth of groups

_DEFINITION = re.compile(r"\s*<([^<>]*)>\s*=(.*)", re.DOTALL)
_TOKEN = re.compile(r"\s*(<[^<>]*>|[()\[\]|*+]|[^\s()\[\]|*+<>=]+|\S)")


def load_grammar(source: Path | str) -> Grammar:
    """Reads a grammar file: definitions `<name> = ...`, of which the first is a sentence.

    Args:
        source: A file, or the name of a bundled grammar, such as "grid".

    Raises:
        ConfigError: There is no such file, or it has faults; all are listed, each with its line.
    """
    bundled = BUNDLED / f"{source}.txt"
    path = bundled if bundled.is_file() else Path(source)
    names = ", ".join(file.stem for file in sorted(BUNDLED.glob("*.txt")))
    lines = _read(path, f"give a file, or the name of a bundled grammar ({names})")
    return Grammar(graph_of_rule(_Rules(path, lines).sentence()))


def load_phrases(path: Path | str) -> Grammar:
    """Reads a phrase list: one phrase per line, with an optional weight after a colon (`stop : 3`; default 1).

    A clip has one of the phrases, or nothing, which also has weight 1. A colon between two digits belongs to the
    phrase: "meet at 10:30" is a time, `meet at 10 : 30` has a weight.

    Raises:
        ConfigError: There is no such file, or it has faults; all are listed, each with its line.
    """
    phrases: dict[str, float] = {}
    faults = []
    for number, line in _read(path, "give a file with one phrase per line"):
        text, colon, weight = line.rpartition(":")
        if not colon or (text[-1:].isdigit() and weight[:1].isdigit()):  # "meet at 10:30" is all phrase
            text, weight = line, "1"
        phrase = normalise(text)
        try:
            value = float(weight)
        except ValueError:
            value = math.nan
        if not phrase:
            faults.append(f"line {number}: {line.strip()!r} holds no words")
        elif not 0 < value < math.inf:
            faults.append(f"line {number}: weight {weight.strip()!r} after the colon is not a number above 0")
        elif phrase in phrases:
            faults.append(f"line {number}: {phrase!r} is there twice")
        else:
            phrases[phrase] = math.log(value)
    if not phrases and not faults:
        faults.append("it holds no phrases")
    _refuse(path, faults)
    return Grammar(graph_of_texts(phrases.items()))


def _read(path: Path | str, remedy: str) -> list[tuple[int, str]]:
    """Lines with their numbers, without comments and what is blank."""
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
    except OSError as error:
        raise ConfigError(f"{path} cannot be read ({error.strerror}): {remedy}") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{path} is not text in UTF-8: {remedy}") from None
    lines = ((number, line.split("#")[0]) for number, line in enumerate(text.splitlines(), start=1))
    return [(number, line) for number, line in lines if line.strip()]


def _refuse(path: Path | str, faults: list[str]) -> None:
    if faults:
        raise ConfigError(f"{path}: {'; '.join(faults)}")


class _Fault(Exception):
    """A fault in a line."""

    def __init__(self, line: int, reason: str):
        super().__init__(f"line {line}: {reason}")


Tokens = list[tuple[int, str]]  # line and text of each


class _Rules:
    """The definitions of a file, by name; a name is replaced by its rule where it is used."""

    def __init__(self, path: Path, lines: Tokens):
        self._path = path
        self._tokens: dict[str, Tokens] = {}
        self._done: dict[str, Rule] = {}
        self._open: list[str] = []  # names whose rules are being parsed, to detect recursion
        faults, name = [], None
        for number, line in lines:
            begins = _DEFINITION.match(line)
            if begins:
                name, line = begins[1].strip(), begins[2]
                if name in self._tokens:
                    faults.append(f"line {number}: <{name}> is defined twice")
                self._tokens[name] = [(number, "=")]
            if name is None:
                faults.append(f"line {number}: {line.strip()!r} belongs to no definition, want <name> = words")
            else:
                self._tokens[name] += [(number, token) for token in _TOKEN.findall(line)]
        if not lines:
            faults.append("it holds no definition, want lines such as <sentence> = good (morning | night)")
        _refuse(path, faults)

    def sentence(self) -> Rule:
        """The rule of the first definition; the others are read too, so that all faults are found."""
        faults = []
        for name in self._tokens:
            try:
                self._rule(name)
            except _Fault as fault:
                faults.append(str(fault))
        _refuse(self._path, list(dict.fromkeys(faults)))
        return self._done[next(iter(self._tokens))]

    def _rule(self, name: str) -> Rule:
        if name not in self._done:
            self._open.append(name)
            try:
                parser = _Parser(self, self._tokens[name])
                self._done[name] = parser.whole()
            finally:
                self._open.pop()
        return self._done[name]

    def named(self, name: str, line: int) -> Rule:
        """The rule of `<name>`."""
        if name not in self._tokens:
            raise _Fault(line, f"<{name}> is not defined")
        if name in self._open:
            raise _Fault(line, f"<{name}> contains itself; want * or + for repetition")
        return self._rule(name)


class _Parser:
    """One definition, by recursive descent."""

    def __init__(self, rules: _Rules, tokens: Tokens):
        self._rules = rules
        self._line = tokens[0][0]
        self._left = tokens[:0:-1]  # without the =, last first
        self._depth = 0

    def whole(self) -> Rule:
        rule = self._choice()
        if self._left:
            raise _Fault(self._left[-1][0], f"{self._left[-1][1]!r} has no opening bracket")
        return rule

    def _choice(self) -> Rule:
        rules = [self._sequence()]
        while self._next() == "|":
            self._take()
            rules.append(self._sequence())
        return rules[0] if len(rules) == 1 else OneOf(tuple(rules))

    def _sequence(self) -> Rule:
        rules = []
        while self._next() not in ("|", ")", "]", ""):
            rules.append(self._item())
        if not rules:
            after = f"before {self._next()!r}" if self._next() else "at the end"
            raise _Fault(self._left[-1][0] if self._left else self._line, f"words are missing {after}")
        return rules[0] if len(rules) == 1 else InOrder(tuple(rules))

    def _item(self) -> Rule:
        token = self._take()
        if token in ("(", "["):
            rule = self._group(")" if token == "(" else "]")
            rule = rule if token == "(" else Maybe(rule)
        elif token[0] == "<" and len(token) > 2:
            rule = self._rules.named(token[1:-1].strip(), self._line)
        elif token in ("*", "+"):
            raise _Fault(self._line, f"{token!r} has nothing before it to repeat")
        else:
            words = normalise(token).split()
            if not words or token[0] in "<>=":
                raise _Fault(self._line, f"{token!r} is not a word")
            rule = words[0] if len(words) == 1 else InOrder(tuple(words))
        while self._next() in ("*", "+"):
            rule = Repeated(rule) if self._take() == "+" else Maybe(Repeated(rule))
        return rule

    def _group(self, closing: str) -> Rule:
        opened, self._depth = self._line, self._depth + 1
        if self._depth > MAX_DEPTH:
            raise _Fault(opened, f"more than {MAX_DEPTH} brackets are open, want fewer")
        rule = self._choice()
        if self._next() != closing:
            raise _Fault(opened, f"{'(' if closing == ')' else '['!r} is not closed by {closing!r}")
        self._take()
        self._depth -= 1
        return rule

    def _next(self) -> str:
        return self._left[-1][1] if self._left else ""

    def _take(self) -> str:
        self._line, token = self._left.pop()
        return token
