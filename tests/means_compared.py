"""A plain comparison by the contract of monitor.rollouts.comparison: two means of what is sealed, four sigmas wide."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection

from monitor.bucketing import buckets
from monitor.settings import Settings

SIGMAS = 4.0


@dataclass(frozen=True)
class Comparison:
    """What a stage shows so far."""

    effect: float | None
    low: float | None
    high: float | None
    n_candidate: int
    n_incumbent: int
    ratio_p: float | None
    matured: float
    verdict: str
    reasons: tuple[str, ...]
    body: dict[str, Any] = field(default_factory=dict)


def compare(
    connection: Connection,
    _settings: Settings,
    policy: str,
    candidate: str,
    incumbent: str,
    begin: float,
    until: float,
    _shares: dict[str, float],
) -> Comparison:
    """Compare two versions over one stage."""
    sums = []
    for version in (candidate, incumbent):
        found = [one["reward"] for _start, one in buckets.load(connection, policy, version, "", 60, begin, until)]
        n = sum(one.n for one in found)
        mean = sum(one.sum for one in found) / n if n else math.nan
        square = sum(one.sum_sq for one in found) / n if n else math.nan
        sums.append((n, mean, (square - mean**2) / n if n else math.nan))
    (n, mine, own), (m, theirs, other) = sums
    if not n or not m:
        return Comparison(None, None, None, n, m, None, 1.0, "error", ("Nothing was measured.",))
    effect, off = mine - theirs, SIGMAS * math.sqrt(own + other)
    verdict = "worse" if effect + off < 0 else "no_worse" if effect - off > -0.2 else "inconclusive"
    why = f"{candidate} earns {effect:+.3f} [{effect - off:+.3f}, {effect + off:+.3f}] more than {incumbent}."
    return Comparison(effect, effect - off, effect + off, n, m, None, 1.0, verdict, (why,))
