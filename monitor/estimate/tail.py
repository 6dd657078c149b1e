"""More than the mean: quantiles and the worst part of what a candidate would have got in single decisions."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from monitor.estimate.wanted import Wanted
from ope import Decisions, Judgement
from ope.comparing.distribution import distribution


def tail(log: Decisions, judgement: Judgement, wanted: Wanted) -> dict[str, Any] | None:
    """Return quantiles and means of the worst shares as plain data, None where none were asked for.

    The worst of a cost are the largest: its distribution is that of the negative, turned round again.
    """
    if not (wanted.cvar or wanted.quantiles):
        return None
    cost = wanted.lower_is_better
    asked = [1 - p if cost else p for p in wanted.quantiles]
    seen = replace(log, reward=-log.reward) if cost else log
    document = distribution(seen, asked, wanted.cvar, level=wanted.level, judgement=judgement).to_dict()
    if not cost:
        return document
    for name in ("quantiles", "cvar"):
        document[name] = [_negative(part) for part in document[name]]
    for part, p in zip(document["quantiles"], wanted.quantiles, strict=True):
        part["at"] = p
    return document


def _negative(part: dict[str, Any]) -> dict[str, Any]:
    value, low, high = (None if part[name] is None else -part[name] for name in ("value", "high", "low"))
    return {"at": part["at"], "value": value, "low": low, "high": high}
