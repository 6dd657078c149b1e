"""What a bucket's summary counts: frozen, so that two summaries either add or say why they cannot."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any


@dataclass(frozen=True)
class Limit:
    """An operating limit: a violation is ``cost.<cost>`` > ``limit``; ``hard`` ones act on a single event."""

    name: str
    cost: str
    limit: float
    hard: bool = False


@dataclass(frozen=True)
class Feature:
    """How one state feature is counted.

    A number has ``edges``: B - 1 inner edges of B reference bins between ``low`` and ``high`` (the reference's own
    range), and under, over and missing cells beside them. A category has ``levels``, and unseen and missing.
    """

    name: str
    low: float = 0.0
    high: float = 0.0
    edges: tuple[float, ...] = ()
    levels: tuple[str, ...] = ()

    @property
    def category(self) -> bool:
        """Whether it is counted by level."""
        return bool(self.levels)

    @property
    def cells(self) -> tuple[str, ...]:
        """Names of the cells, in the order of the counts."""
        if self.category:
            return (*self.levels, "unseen", "missing")
        return (*(f"bin{i}" for i in range(len(self.edges) + 1)), "under", "over", "missing")


@dataclass(frozen=True)
class Plan:
    """Everything that the counting of a policy's rows depends on.

    Examples
    --------
    >>> plan = Plan(actions=("hold", "cool"), features=(Feature("load", 0.0, 1.0, (0.5,)),))
    >>> Plan.from_json(plan.to_json()) == plan, len(plan.digest)
    (True, 16)
    """

    actions: tuple[str, ...] = ()
    constraints: tuple[Limit, ...] = ()
    features: tuple[Feature, ...] = ()
    reward_edges: tuple[float, ...] = ()
    candidates: tuple[str, ...] = ()
    reward_if_absent: str = "missing"

    @cached_property
    def digest(self) -> str:
        """Sixteen hexadecimal digits that differ between plans."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()[:16]

    def to_json(self) -> str:
        """Return canonical JSON."""
        return json.dumps(asdict(self), sort_keys=True, separators=(",", ":"))

    @staticmethod
    def from_json(text: str) -> Plan:
        """Read what ``to_json`` wrote."""
        data: dict[str, Any] = json.loads(text)
        return Plan(
            actions=tuple(data["actions"]),
            constraints=tuple(Limit(**item) for item in data["constraints"]),
            features=tuple(
                Feature(item["name"], item["low"], item["high"], tuple(item["edges"]), tuple(item["levels"]))
                for item in data["features"]
            ),
            reward_edges=tuple(data["reward_edges"]),
            candidates=tuple(data["candidates"]),
            reward_if_absent=data["reward_if_absent"],
        )
