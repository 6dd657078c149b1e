"""YAML of strangers: plain data only, and neither a duplicate key nor a bomb.

``yaml.safe_load`` builds no objects, but keeps the last of two equal keys (a second ``waivable`` would win unseen) and
expands aliases, of which nine lines make gigabytes. Templates and front matter need neither.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import yaml

LONGEST = 400_000  # characters
DEEPEST = 20


class YamlError(ValueError):
    """The text is not the plain YAML that is read here; the message names the line."""


class _Plain(yaml.SafeLoader):
    """SafeLoader without aliases, merge keys, duplicate keys or deep nesting."""

    depth = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        peek: Callable[[], Any] = self.peek_event
        event = peek()
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            raise YamlError(f"line {event.start_mark.line + 1}: anchors and aliases are not read; write it out")
        self.depth += 1
        if self.depth > DEEPEST:
            raise YamlError(f"line {event.start_mark.line + 1}: nested deeper than {DEEPEST} levels")
        try:
            return super().compose_node(parent, index)
        finally:
            self.depth -= 1

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key, _value in node.value:
            if key.tag != "tag:yaml.org,2002:str":
                raise YamlError(f"line {key.start_mark.line + 1}: the key {key.value!r} is not text; put it in quotes")
            if key.value in seen:
                raise YamlError(f"line {key.start_mark.line + 1}: the key {key.value!r} is there twice")
            seen.add(key.value)
        return super().construct_mapping(node, deep=deep)


def read(text: str) -> Any:
    r"""Return the data of one YAML document.

    Raises
    ------
    YamlError
        If it is not YAML, too long or too deep, or has a duplicate key, an alias, or a tag of a Python object.

    Examples
    --------
    >>> read("gates: {G1: enter shadow}")
    {'gates': {'G1': 'enter shadow'}}
    >>> read("a: 1\na: 2")
    Traceback (most recent call last):
    ...
    runbooks.checklist.safe_yaml.YamlError: line 2: the key 'a' is there twice
    """
    if len(text) > LONGEST:
        raise YamlError(f"{len(text)} characters: at most {LONGEST} are read")
    loader = _Plain(text)
    try:
        return loader.get_single_data()
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = "" if mark is None else f"line {mark.line + 1}: "
        raise YamlError(f"{where}{getattr(error, 'problem', None) or error}") from None
    except (ValueError, RecursionError) as error:
        if isinstance(error, YamlError):
            raise
        raise YamlError(str(error)) from None
    finally:
        loader.dispose()
