"""What the verdicts add up to: agreement of the reviewers, and rates in everything that the queue stands for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import combinations
from typing import Any

from sqlalchemy import Connection, Row, select

from monitor.review import told
from monitor.store.tables import review_days, reviews
from runbooks.agreement import alpha_interval, cohen_kappa, fleiss_kappa
from runbooks.reviews import ReviewState, Verdict
from runbooks.weighted_rates import weighted_rate

_COUNTS = ("rows", "paired", "differing", "large")
MOST = 20_000  # newest items


def agreement(connection: Connection, policy: str, version: str | None = None) -> dict[str, Any]:
    """Return how far reviewers agree on a policy's items, and how often each verdict is true of large disagreements.

    Returns
    -------
    dict
        ``items`` that two or more have judged, ``unanimous`` where nobody differs on any of them, ``reviewers``,
        ``alpha`` (Krippendorff, with ``low`` and ``high``; None where it is not defined), ``fleiss`` (where every item
        has equally many verdicts), ``pairs`` (Cohen's kappa of each two), ``versions`` (of each shadow version the
        counts of its days and the rates of its decided items), and a ``sentence``.
    """
    c = reviews.c
    wanted = select(c.id, c.version, c.state, c.stratum, c.inclusion, c.verdict).where(c.policy == policy)
    if version is not None:
        wanted = wanted.where(c.version == version)
    rows = connection.execute(wanted.order_by(c.day.desc(), c.id).limit(MOST)).all()
    said: dict[str, dict[str, str]] = {}
    names: dict[str, str] = {}
    identities = [row.id for row in rows]
    for first in range(0, len(identities), 500):
        for one in told.verdicts(connection, identities[first : first + 500]):
            said.setdefault(one.review, {})[one.reviewer] = one.verdict
            names[one.reviewer] = one.name
    items = [one for one in said.values() if len(one) > 1]
    interval = alpha_interval(items)
    counts = [Counter(one.values()) for one in items]
    unanimous = bool(counts) and all(len(one) == 1 for one in counts)
    return {
        "policy": policy,
        "items": len(items),
        "judged": len(said),
        "unanimous": unanimous,
        "reviewers": sorted(names.values()),
        "alpha": None if interval is None else interval._asdict(),
        "fleiss": fleiss_kappa(counts) if counts else None,
        "pairs": _pairs(items, names),
        "versions": _versions(connection, policy, version, rows),
        "sentence": _sentence(len(items), interval, unanimous),
    }


def days(connection: Connection, policy: str, version: str | None = None) -> Sequence[Row[Any]]:
    """Return the counted days of a policy's shadow versions, oldest first."""
    wanted = select(review_days).where(review_days.c.policy == policy)
    if version is not None:
        wanted = wanted.where(review_days.c.version == version)
    return connection.execute(wanted.order_by(review_days.c.version, review_days.c.day)).all()


def _pairs(items: Sequence[dict[str, str]], names: dict[str, str]) -> list[dict[str, Any]]:
    found = []
    for one, two in combinations(sorted(names), 2):
        both = [(item[one], item[two]) for item in items if one in item and two in item]
        if both:
            found.append({"reviewers": [names[one], names[two]], "items": len(both), "kappa": cohen_kappa(both)})
    return found


def _versions(connection: Connection, policy: str, version: str | None, rows: Sequence[Any]) -> list[dict[str, Any]]:
    counted: dict[str, dict[str, int]] = {}
    for day in days(connection, policy, version):
        sums = counted.setdefault(day.version, {"days": 0, **dict.fromkeys(_COUNTS, 0)})
        sums["days"] += 1
        for name in _COUNTS:
            sums[name] += getattr(day, name)
    found = []
    for name, sums in counted.items():
        decided = [
            row
            for row in rows
            if row.version == name and row.state == ReviewState.DECIDED.value and row.stratum != "planted"
        ]
        rates = {}
        for verdict in Verdict:
            rate = weighted_rate([(row.verdict == verdict, row.inclusion) for row in decided])
            rates[verdict.value] = None if rate is None else vars(rate)
        found.append({"version": name, **sums, "decided": len(decided), "rates": rates})
    return found


def _sentence(items: int, interval: Any, unanimous: bool) -> str:
    if not items:
        return "No item was judged by two reviewers yet, so nothing can be said of their agreement."
    if interval is None:
        return f"All verdicts on the {items} items judged by two or more are the same, so chance cannot be told apart."
    how = f"Krippendorff's alpha is {interval.value:.2f} ({interval.low:.2f} to {interval.high:.2f})"
    return f"{how} over {items} items{', all of them unanimous' if unanimous else ''}."
