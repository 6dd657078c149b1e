"""[inhibit.NAME]: which alerts page nobody while others fire, because they would say the same trouble again."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from typing import Literal

from pydantic import Field, model_validator

from monitor.settings.model import ConfigurationError, Table, nearest
from monitor.settings.rules import Trigger

Node = tuple[str, str]  # policy, trigger
Triggers = Mapping[str, Mapping[str, Trigger]]  # policy -> name -> the rule


class Inhibit(Table):
    """While a source fires, pages about the targets that are like it wait."""

    source: tuple[str, ...] = Field((), description="Triggers that inhibit while they fire.")
    source_severity: Literal["page", "rollback"] | None = Field(
        None, description="Or all triggers of this severity that are no target."
    )
    target: tuple[str, ...] = Field(
        (), description="Triggers that are inhibited; empty: all others below severity rollback."
    )
    same: tuple[Literal["policy", "version", "key"], ...] = Field(
        ("policy", "version"), description="What source and target must have in common."
    )
    enabled: bool = Field(True, description="false: the rule is off.")

    @model_validator(mode="after")
    def _has_a_source(self) -> Inhibit:
        if bool(self.source) == (self.source_severity is not None):
            raise ValueError('say what inhibits: either source = ["no_data"] or source_severity = "rollback"')
        both = sorted({*self.source} & {*self.target})
        if both:
            raise ValueError(f"{', '.join(both)} is source and target: an alert never inhibits itself")
        return self

    def speaks(self, name: str, trigger: Trigger) -> bool:
        """Whether firings of this trigger inhibit others; a dry run tells nobody anything, so it keeps nobody quiet."""
        if not self.enabled or trigger.dry_run or name in self.target:
            return False
        return name in self.source if self.source else trigger.severity == self.source_severity

    def waits(self, name: str, trigger: Trigger) -> bool:
        """Whether firings of this trigger may be inhibited; a rollback never is."""
        if not self.enabled or trigger.severity == "rollback" or name in self.source:
            return False
        if self.target:
            return name in self.target
        return self.source_severity is None or trigger.severity != self.source_severity


def check(rules: Mapping[str, Inhibit], triggers: Triggers, known: Iterable[str]) -> None:
    """Refuse rules that name what does not exist, or that would keep each other's alerts quiet in a circle.

    Raises
    ------
    ConfigurationError
        Names the rule, and the nearest trigger or the circle.
    """
    names = set(known)
    for name, rule in rules.items():
        for field in ("source", "target"):
            for trigger in getattr(rule, field):
                if trigger not in names:
                    raise ConfigurationError(
                        f"inhibit.{name}.{field}: there is no trigger {trigger!r}{nearest(trigger, names)}"
                    )
    circle = _circle(_edges(rules, triggers))
    if circle:
        told = " -> ".join(trigger for _policy, trigger in circle)
        raise ConfigurationError(
            f"inhibit: {told} would inhibit each other in a circle, and nobody would be paged about any of them: "
            f"narrow the target of a rule, or switch one off with enabled = false"
        )


def _edges(rules: Mapping[str, Inhibit], triggers: Triggers) -> Iterator[tuple[Node, Node]]:
    for rule in rules.values():
        for policy, own in triggers.items():
            for one in (name for name, trigger in own.items() if rule.speaks(name, trigger)):
                for other in [policy] if "policy" in rule.same else triggers:
                    for name, trigger in triggers[other].items():
                        if rule.waits(name, trigger):
                            yield (policy, one), (other, name)


def _circle(edges: Iterable[tuple[Node, Node]]) -> list[Node]:
    """Return the nodes of a circle in their order, the first one again at the end; none where there is no circle."""
    order: TopologicalSorter[Node] = TopologicalSorter()
    for one, other in edges:
        order.add(other, one)
    try:
        order.prepare()
    except CycleError as error:
        return list(error.args[1])
    return []
