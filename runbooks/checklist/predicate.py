"""The little language of ``applies_if``: names, comparisons, and, or, not. Read by a parser, never evaluated as code.

expression := term ("or" term)*         name       := one of the context's
term       := factor ("and" factor)*    comparison := name ("==" | "!=" | "<" | "<=" | ">" | ">=") literal
factor     := "not" factor | "(" expression ")" | comparison | name
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Collection, Mapping
from typing import Any

_TOKEN = re.compile(r"\s*(?:(\(|\)|==|!=|<=|>=|<|>)|([A-Za-z_][A-Za-z0-9_.]*)|(-?\d+(?:\.\d+)?)|\"([^\"]*)\")")
_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_WORDS = {"and", "or", "not", "true", "false"}
LONGEST = 500

Predicate = Callable[[Mapping[str, Any]], bool]


class PredicateError(ValueError):
    """The expression cannot be read; the message says where."""


def parse(text: str, known: Collection[str]) -> Predicate:
    """Return the predicate that a text describes, as a function of a context.

    Parameters
    ----------
    text
        The expression, at most 500 characters.
    known
        Names that it may use.

    Raises
    ------
    PredicateError
        If it is not in the grammar or uses another name.

    Examples
    --------
    >>> applies = parse('candidate and not (tier == "standard")', {"candidate", "tier"})
    >>> applies({"candidate": True, "tier": "high-risk"}), applies({"candidate": True, "tier": "standard"})
    (True, False)
    """
    if len(text) > LONGEST:
        raise PredicateError(f"longer than {LONGEST} characters")
    reader = _Reader(_tokens(text), known, text)
    found = reader.expression()
    if reader.rest:
        raise PredicateError(f"{text!r}: {reader.rest[0][1]!r} is one too many")
    return found


def _tokens(text: str) -> list[tuple[str, str]]:
    tokens, at = [], 0
    text = text.rstrip()
    while at < len(text):
        found = _TOKEN.match(text, at)
        if found is None:
            raise PredicateError(f"{text!r}: cannot be read from {text[at:]!r} on")
        kind = ("sign", "word", "number", "text")[int(found.lastindex or 1) - 1]
        tokens.append((kind, found[int(found.lastindex or 1)]))
        at = found.end()
    return tokens


class _Reader:
    def __init__(self, tokens: list[tuple[str, str]], known: Collection[str], text: str) -> None:
        self.rest, self.known, self.text = tokens, known, text

    def take(self, *values: str) -> str | None:
        if self.rest and self.rest[0][0] in {"sign", "word"} and self.rest[0][1] in values:
            return self.rest.pop(0)[1]
        return None

    def next(self) -> tuple[str, str]:
        if not self.rest:
            raise PredicateError(f"{self.text!r}: ends too early")
        return self.rest.pop(0)

    def expression(self) -> Predicate:
        left = self.term()
        while self.take("or"):
            left = _either(left, self.term())
        return left

    def term(self) -> Predicate:
        left = self.factor()
        while self.take("and"):
            left = _both(left, self.factor())
        return left

    def factor(self) -> Predicate:
        if self.take("not"):
            inner = self.factor()
            return lambda context: not inner(context)
        if self.take("("):
            inner = self.expression()
            if not self.take(")"):
                raise PredicateError(f"{self.text!r}: a bracket is not closed")
            return inner
        kind, name = self.next()
        if kind != "word" or name in _WORDS or name not in self.known:
            raise PredicateError(f"{self.text!r}: {name!r} is not known; known: {', '.join(sorted(self.known))}")
        compare = self.take(*_COMPARE)
        if compare is None:
            return lambda context: bool(context.get(name))
        value, check = self.literal(), _COMPARE[compare]
        return lambda context: _compared(check, context.get(name), value)

    def literal(self) -> Any:
        kind, value = self.next()
        if kind == "number":
            return float(value)
        if kind == "text":
            return value
        if kind == "word" and value in {"true", "false"}:
            return value == "true"
        raise PredicateError(f'{self.text!r}: {value!r} is not a literal; write 3, true or "text"')


def _either(left: Predicate, right: Predicate) -> Predicate:
    return lambda context: left(context) or right(context)


def _both(left: Predicate, right: Predicate) -> Predicate:
    return lambda context: left(context) and right(context)


def _compared(check: Callable[[Any, Any], bool], value: Any, other: Any) -> bool:
    try:
        return check(value, other)
    except TypeError:
        return False
