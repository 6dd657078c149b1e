"""What a bucket's summary counts: frozen, so that two summaries either add or say why they cannot."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, replace
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

    @cached_property
    def cells(self) -> tuple[str, ...]:
        """Names of the cells, in the order of the counts."""
        if self.category:
            return (*self.levels, "unseen", "missing")
        return (*(f"bin{i}" for i in range(len(self.edges) + 1)), "under", "over", "missing")


@dataclass(frozen=True)
class Tracked:
    """A number of each row whose moments are kept, and with ``edges`` its histogram too.

    Parameters
    ----------
    name
        What it is asked for by: a word, or a word and a key, such as ``outcome/sales``.
    formula
        A FORMULAS entry: how the number follows from the row.
    columns
        Columns of the log that the formula reads.
    at
        Constants of the formula: a limit, a discount factor, the slope of a line.
    edges
        Edges of the bins: E of them make E - 1 bins, then under, over and missing.
    """

    name: str
    formula: str
    columns: tuple[str, ...] = ()
    at: tuple[float, ...] = ()
    edges: tuple[float, ...] = ()

    @property
    def cells(self) -> int:
        """Cells of its histogram, 0 without one."""
        return len(self.edges) + 2 if self.edges else 0


@dataclass(frozen=True)
class Segments:
    """Subpopulations that are counted on their own: the levels of ``segment.<name>``, and all others together."""

    name: str
    levels: tuple[str, ...]

    @property
    def labels(self) -> tuple[str, ...]:
        """Names of the segments, as buckets are stored under them."""
        return (*(f"{self.name}={level}" for level in self.levels), f"{self.name}={OTHER}")


OTHER = "(other)"


@dataclass(frozen=True)
class Plan:
    """Everything that the counting of a policy's rows depends on.

    ``columns`` are those optional ones that the reference has and ``learned`` what it taught about them; ``tracked``
    follows from the two and the configuration. They change no count themselves.

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
    scored_by: tuple[str, ...] = ()  # fingerprint of each candidate: a changed file is another policy under its name
    novelty: str = ""  # SHA-256 of the network that scores novelty: another network's numbers are not comparable
    reward_if_absent: str = "missing"
    tracked: tuple[Tracked, ...] = ()
    segments: tuple[Segments, ...] = ()
    segment_features: bool = False
    columns: tuple[str, ...] = ()
    learned: tuple[tuple[str, tuple[float, ...]], ...] = ()

    @cached_property
    def of_segments(self) -> Plan:
        """What a segment's rows are counted with: everything but candidates, and features only where asked for."""
        features = self.features if self.segment_features else ()
        return replace(self, features=features, candidates=(), scored_by=(), segments=())

    @cached_property
    def segment_names(self) -> tuple[str, ...]:
        """Every segment by the name that its buckets are stored under."""
        return tuple(label for one in self.segments for label in one.labels)

    @cached_property
    def tracked_names(self) -> tuple[str, ...]:
        """Names of the tracked values."""
        return tuple(one.name for one in self.tracked)

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
            scored_by=tuple(data["scored_by"]),
            novelty=data.get("novelty", ""),
            reward_if_absent=data["reward_if_absent"],
            tracked=tuple(
                Tracked(one["name"], one["formula"], tuple(one["columns"]), tuple(one["at"]), tuple(one["edges"]))
                for one in data["tracked"]
            ),
            segments=tuple(Segments(one["name"], tuple(one["levels"])) for one in data["segments"]),
            segment_features=data["segment_features"],
            columns=tuple(data["columns"]),
            learned=tuple((name, tuple(numbers)) for name, numbers in data["learned"]),
        )
