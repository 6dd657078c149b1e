"""Checklist templates: versioned data that says what is asked, by whom it is attested and what passes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from importlib import resources
from typing import Any

from runbooks.checklist import predicate, safe_yaml
from runbooks.checklist.canonical import digest

# What applies_if may ask: about the policy's configuration, never about columns of the log, because a column that
# is missing must not make a question go away.
CONTEXT = (
    "tier",
    "serving",
    "incumbent",
    "candidate",
    "constraints",
    "splitting",
    "fine_tuned",
    "model_based",
    "slate",
)
_UNITS = {"m": 60.0, "h": 3600.0, "d": 86400.0}
_VERIFY = "verify before relying"


class TemplateError(ValueError):
    """The template cannot be used; the message names the item and the key."""


@dataclass(frozen=True)
class ItemSpec:
    """One line of a template.

    ``blocking``: a gate stays closed on it (otherwise it is major: shown, and blocking in the high-risk tier).
    ``waivable`` false is the star of the table. ``valid_for``: seconds that evidence lasts after the end of its data.
    """

    id: str
    phase: str
    gates: tuple[str, ...]
    blocking: bool
    waivable: bool
    question: str
    measured_from: str
    passes_when: str
    valid_for: float
    own: Mapping[str, Any]
    attested_by: str | None
    applies_if: str | None
    references: Mapping[str, tuple[str, ...]]

    def applies(self, context: Mapping[str, Any]) -> bool:
        """Tell whether the item is asked of a policy."""
        return self.applies_if is None or predicate.parse(self.applies_if, CONTEXT)(context)


@dataclass(frozen=True)
class Template:
    """A whole checklist."""

    name: str
    version: int
    phases: Mapping[str, str]
    gates: Mapping[str, str]
    defaults: Mapping[str, Any]
    items: tuple[ItemSpec, ...]
    references_status: str
    source: Any

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the template as data: comments and layout do not count."""
        return digest(self.source)

    def parameters(self, spec: ItemSpec) -> Mapping[str, Any]:
        """Return what an item is judged with: the template's defaults under its own."""
        return {**self.defaults, **spec.own}

    def spec(self, identity: str) -> ItemSpec:
        """Return one item.

        Raises
        ------
        TemplateError
            If the template has no such item.
        """
        found = next((spec for spec in self.items if spec.id == identity), None)
        if found is None:
            raise TemplateError(f"{self.name} has no item {identity!r}; it has {', '.join(s.id for s in self.items)}")
        return found

    def changed(self, parameters: Mapping[str, Mapping[str, Any]]) -> Template:
        """Return the template with some parameters of some items changed, as a policy's configuration says.

        Raises
        ------
        TemplateError
            If there is no such item or parameter.
        """
        items = {spec.id: spec for spec in self.items}
        for identity, changes in parameters.items():
            spec = self.spec(identity)
            unknown = set(changes) - set(self.parameters(spec))
            if unknown:
                known = ", ".join(sorted(self.parameters(spec)))
                raise TemplateError(f"{identity} has no parameter {', '.join(sorted(unknown))}; it has {known}")
            items[identity] = replace(spec, own={**spec.own, **changes})
        return replace(self, items=tuple(items.values()))


def shipped(name: str = "rl-readiness") -> Template:
    """Return a template that the product ships.

    >>> template = shipped()
    >>> template.name, template.spec("GOV-01").waivable
    ('rl-readiness', False)
    """
    return parse(resources.files("runbooks").joinpath(f"templates/{name}.yaml").read_text("utf-8"))


@lru_cache(maxsize=16)
def parse(text: str) -> Template:
    """Read a template; the same text gives the same one, because reading YAML takes a quarter of a second.

    Raises
    ------
    TemplateError
        If it is not plain YAML, a key is missing, unknown or of the wrong kind, or an item refers to a phase or gate
        that the template does not have.
    """
    try:
        data = safe_yaml.read(text)
    except safe_yaml.YamlError as error:
        raise TemplateError(f"the template cannot be read: {error}") from None
    top = _Reader("template", data)
    phases, gates = top.texts("phases"), top.texts("gates")
    defaults = top.take("defaults", dict)
    status = top.take("references_status", str)
    if status != _VERIFY:
        raise TemplateError(f'references_status must be "{_VERIFY}": articles move, and this is no legal advice')
    raw = top.take("items", list)
    template = Template(
        top.take("template", str), top.take("version", int), phases, gates, defaults,
        tuple(_item(item, phases, gates) for item in raw), status, data,
    )  # fmt: skip
    top.done()
    names = [spec.id for spec in template.items]
    twice = {name for name in names if names.count(name) > 1}
    if twice:
        raise TemplateError(f"there twice: {', '.join(sorted(twice))}")
    return template


def _item(data: Any, phases: Mapping[str, str], gates: Mapping[str, str]) -> ItemSpec:
    name = data.get("id") if isinstance(data, dict) else None
    row = _Reader(str(name or "an item"), data)
    spec = ItemSpec(
        id=row.take("id", str),
        phase=row.one_of("phase", phases),
        gates=tuple(row.take("gates", list)),
        blocking=row.one_of("severity", ("blocking", "major")) == "blocking",
        waivable=row.take("waivable", bool),
        question=row.take("question", str),
        measured_from=row.take("measured_from", str),
        passes_when=row.take("passes_when", str),
        valid_for=row.duration("valid_for"),
        own=row.take("parameters", dict, {}),
        attested_by=row.take("attested_by", str, None),
        applies_if=row.take("applies_if", str, None),
        references={key: tuple(map(str, value)) for key, value in row.take("references", dict, {}).items()},
    )
    row.done()
    if not spec.gates or set(spec.gates) - set(gates):
        raise TemplateError(f"{spec.id}: gates {list(spec.gates)}: name at least one of {', '.join(gates)}")
    if spec.applies_if is not None:
        try:
            predicate.parse(spec.applies_if, CONTEXT)
        except predicate.PredicateError as error:
            raise TemplateError(f"{spec.id}: applies_if: {error}") from None
    return spec


_REQUIRED = object()


class _Reader:
    """Takes the keys of a mapping one by one, and refuses those that nobody took."""

    def __init__(self, where: str, data: Any) -> None:
        if not isinstance(data, dict):
            raise TemplateError(f"{where}: must be a mapping, not {type(data).__name__}")
        self.where, self.rest = where, dict(data)

    def take(self, key: str, kind: type, default: Any = _REQUIRED) -> Any:
        value = self.rest.pop(key, default)
        if value is _REQUIRED:
            raise TemplateError(f"{self.where}: {key} is missing")
        if value is not default and (not isinstance(value, kind) or (kind is int and isinstance(value, bool))):
            raise TemplateError(f"{self.where}: {key} must be {kind.__name__}, not {type(value).__name__}")
        return value

    def texts(self, key: str) -> dict[str, str]:
        return {str(name): str(text) for name, text in self.take(key, dict).items()}

    def one_of(self, key: str, known: Any) -> str:
        value: str = self.take(key, str)
        if value not in known:
            raise TemplateError(f"{self.where}: {key} is {value!r}; one of {', '.join(known)}")
        return value

    def duration(self, key: str) -> float:
        text: str = self.take(key, str)
        found = re.fullmatch(r"(\d+)([mhd])", text)
        if found is None:
            raise TemplateError(f"{self.where}: {key} is {text!r}; write 30m, 24h or 30d")
        return float(found[1]) * _UNITS[found[2]]

    def done(self) -> None:
        if self.rest:
            raise TemplateError(f"{self.where}: unknown key {', '.join(sorted(self.rest))}")
