"""What is known of a version's time in shadow: its counted days, and the people who looked at its disagreements."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class ShadowDay:
    """One day of shadow decisions: ``paired`` of ``rows`` have a live action, ``differing`` of these do otherwise."""

    day: int
    rows: int
    paired: int
    differing: int
    large: int


@dataclass(frozen=True)
class Planted:
    """The newest planted case: seconds from its decision to the queue, and days since then."""

    seconds: float
    days: float


@dataclass(frozen=True)
class Reviewed:
    """The review queue of one version.

    ``alpha`` is Krippendorff's over ``items`` that two or more judged, None where it is not defined; ``unanimous``:
    nobody differed on any of them. ``exploits``: open ones. ``overdue``: items that wait for longer than agreed.
    ``rates``: verdict -> (estimated share of the large disagreements, low, high).
    """

    days: tuple[ShadowDay, ...] = ()
    queued: int = 0
    decided: int = 0
    overdue: int = 0
    exploits: int = 0
    items: int = 0
    unanimous: bool = False
    alpha: float | None = None
    planted: Planted | None = None
    rates: dict[str, tuple[float, float, float]] = field(default_factory=dict)
