"""What every table of checkrein.toml is, and the sentence that a wrong one gets."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError


class ConfigurationError(Exception):
    """The configuration cannot be used; the message names the key and the fix."""


class Table(BaseModel):
    """One table of the file: frozen, and an unknown key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


def nearest(name: str, known: Iterable[str]) -> str:
    """Return "; did you mean ...?" to end a sentence about an unknown name, or nothing if no known name is like it.

    >>> nearest("rewrd", ["reward", "cost"])
    '; did you mean reward?'
    >>> nearest("colour", ["reward", "cost"])
    ''
    """
    close = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)
    return f"; did you mean {close[0]}?" if close else ""


_Model = TypeVar("_Model", bound=BaseModel)


def read(model: type[_Model], data: Mapping[str, Any], where: str) -> _Model:
    """Return the table as its model; ``where`` is the path that the faults are reported under, "" for the whole file.

    Raises
    ------
    ConfigurationError
        If a key is unknown or missing or has a wrong value: one sentence for each fault, with the key's whole path.
    """
    try:
        return model.model_validate(data)
    except ValidationError as error:
        # A misspelt key is why another one is missing: it is named first.
        faults = sorted(error.errors(), key=lambda item: item["type"] == "missing")
        raise ConfigurationError("; ".join(_sentence(model, item, where) for item in faults)) from None


def _sentence(model: type[BaseModel], item: Any, where: str) -> str:
    path = [str(part) for part in item["loc"]]
    key = ".".join([where, *path] if where else path)
    if item["type"] == "extra_forbidden":
        known = _keys(model, path[:-1])
        return f"{key}: unknown key{nearest(path[-1], known) or '; known keys: ' + ', '.join(sorted(known))}"
    if item["type"] == "missing":
        return f"{key}: missing; it is required"
    return f"{key}: {item['msg'].removeprefix('Value error, ')}"


def _keys(model: Any, path: list[str]) -> list[str]:
    """Names of the keys that the model at ``path`` knows, walking through tables of tables."""
    named = False  # the next part is a name of the user's, such as the policy's
    for part in path:
        if named:
            named = False
            continue
        fields = {(info.alias or name): info.annotation for name, info in model.model_fields.items()}
        annotation = fields.get(part)
        named = getattr(annotation, "__origin__", None) is dict
        inner = [annotation, *getattr(annotation, "__args__", ())]
        models = [item for item in inner if isinstance(item, type) and issubclass(item, BaseModel)]
        if not models:
            return []
        model = models[0]
    return [info.alias or name for name, info in model.model_fields.items() if not info.exclude]
