"""How the candidates of a policy compare, in numbers and in words: behind the page, the API and `checkrein status`."""

from __future__ import annotations

import json
from typing import Any

from sqlalchemy import Connection, func, select

from monitor.acting import route
from monitor.bucketing import plans
from monitor.clock import Clock, stamp
from monitor.live.differences import ESTIMATOR, newest, rewards_of, sums_of
from monitor.live.promotions import listed
from monitor.live.registered import since
from monitor.settings import Settings
from monitor.store.tables import estimates
from ope import WeightSums, explained
from ope import select as selected

LATE = 3 * 3600.0  # an hour that ended, the job that comes once an hour, and one that was missed
_NUMBERS = ("value", "low", "high", "anytime_low", "anytime_high", "anytime_p", "incumbent", "n", "ess", "trust")
_ESTIMATE = ("estimator", "value", "low", "high", "anytime_low", "anytime_high", "n", "ess", "trust")


def compared(connection: Connection, settings: Settings, clock: Clock, policy: str) -> dict[str, Any]:
    """Return each candidate against the version that serves, all of them together, and what became of earlier ones.

    Returns
    -------
    dict
        ``incumbent``; ``candidates``, each with ``state`` (better, alone, worse, untold, weak, refused, waiting,
        stale), a ``sentence``, its ``estimates`` of the last week and its ``difference`` since it was registered;
        ``selection``, None without a candidate that has new rows; ``calibration``. Times as text.
    """
    plan = plans.configured_plan(settings, policy)
    incumbent = route.current(connection, settings, clock, policy).serving
    known, rows = since(connection, policy), newest(connection, policy)
    valued = _valued(connection, policy)
    found, sums, rewards = [], dict[str, WeightSums](), dict[str, tuple[float, float]]()
    for key in zip(plan.candidates, plan.scored_by, strict=True):
        row = rows.get((*key, incumbent))
        others = [one for (*of, _version), one in rows.items() if tuple(of) == key]
        last = max(others, key=lambda one: one.end, default=None)
        item = _told(row, last, incumbent, known.get(key), clock.now() - LATE - settings.policy[policy].maturity)
        found.append({"candidate": key[0], "fingerprint": key[1], **item, "estimates": valued.get(key, [])})
        if item["state"] not in ("waiting", "stale"):
            sums[key[0]] = sums_of(row)
            span = rewards_of(row)
            rewards |= {} if span is None else {key[0]: span}
    together = None
    if sums:
        family = max(len(known), len(sums))
        together = selected(sums, incumbent, family=family, estimator=ESTIMATOR, rewards=rewards).to_dict()
        del together["differences"]  # the same as each candidate's, but for the level
        for item in found:
            if item["state"] == "better" and item["candidate"] not in together["better"]:
                item["state"] = "alone"
                item["sentence"] += f" Of {family} candidates one may seem so by chance: not enough yet among them."
        together["estimator"] = {name: explained(one) for name, one in sums.items()}
    return {
        "policy": policy,
        "incumbent": incumbent,
        "candidates": found,
        "selection": together,
        "calibration": _calibration(connection, policy),
    }


def _told(row: Any, last: Any, incumbent: str, registered: float | None, oldest: float) -> dict[str, Any]:
    """Return state, sentence and numbers of one candidate; ``last`` is its newest row against any version."""
    told: dict[str, Any] = {"registered": stamp(registered) if registered else None, "difference": None}
    if row is None:
        after = f" that began after {stamp(registered)}" if registered else ""
        why = f"Not compared: no hour of {incumbent}{after} is sealed yet."
        if last is not None:
            before = _verdict(last, last.version, " ".join(json.loads(last.reasons)))[1]
            why += f" Until {_at(last.end, last.end + 1e9)}: {before}"
        return {**told, "state": "waiting", "sentence": why}
    numbers = {name: getattr(row, name) for name in _NUMBERS}
    better = None if row.better_since is None else stamp(row.better_since)
    more = {"begin": stamp(row.begin), "end": stamp(row.end), "better_since": better, "estimator": ESTIMATOR}
    told["difference"] = {**numbers, **more, "reasons": json.loads(row.reasons)}
    state, sentence = _verdict(row, incumbent, " ".join(json.loads(row.reasons)))
    if row.end < oldest:
        last = f"the last hour that was compared ended {_at(row.end, row.end + 1e9)}"
        return {**told, "state": "stale", "sentence": f"Old: {last}. Then: {sentence}"}
    return {**told, "state": state, "sentence": sentence}


def _verdict(row: Any, incumbent: str, reasons: str) -> tuple[str, str]:
    if row.trust == "refused":
        return "refused", f"Not compared with {incumbent}: {reasons}"
    bounds = "no bound yet" if row.anytime_low is None else f"{row.anytime_low:+.4g} to {row.anytime_high:+.4g}"
    numbers = f"{row.value:+.4g} per decision, {bounds} at every look."
    weak = f" Weak: {reasons}" if row.trust == "weak" else ""
    if row.better_since is not None:
        sure = f"{confidence(row.anytime_p)} anytime confidence"
        return "weak" if weak else "better", (
            f"Better than {incumbent} since {_at(row.better_since, row.end)}, {sure}: {numbers}{weak}"
        )
    if row.anytime_high is not None and row.anytime_high < 0:
        return "weak" if weak else "worse", f"Worse than {incumbent}: {numbers}{weak}"
    return "weak" if weak else "untold", f"Not told apart from {incumbent}: {numbers}{weak}"


def confidence(p: float) -> str:
    """Return 1 - p as a percentage that never rounds up to certainty.

    >>> confidence(0.008), confidence(0.0004), confidence(1e-9), confidence(0.05)
    ('99.2%', '99.96%', 'over 99.99%', '95.0%')
    """
    if p < 1e-4:
        return "over 99.99%"
    sure = 100 * (1 - p)
    return f"{sure:.2f}%" if sure > 99.9 else f"{sure:.1f}%"


def _at(at: float, seen: float) -> str:
    """Return a time as short as its distance allows; UTC."""
    text = stamp(at)
    return f"{text[11:16]} UTC" if text[:10] == stamp(seen)[:10] else f"{text[:10]} {text[11:16]} UTC"


def _valued(connection: Connection, policy: str) -> dict[tuple[str, str], list[dict[str, Any]]]:
    """Return the newest estimates of the last week by candidate and fingerprint: those of an older file are not its."""
    c = estimates.c
    last = select(func.max(c.end)).where(c.policy == policy).scalar_subquery()
    rows = connection.execute(select(estimates).where(c.policy == policy, c.end == last).order_by(c.estimator))
    found: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for row in rows:
        span = {"begin": stamp(row.begin), "end": stamp(row.end), "reasons": json.loads(row.reasons)}
        found.setdefault((row.candidate, row.fingerprint), []).append(
            {**{name: getattr(row, name) for name in _ESTIMATE}, **span}
        )
    return found


def _calibration(connection: Connection, policy: str) -> dict[str, Any]:
    """Return what promoted candidates earned against what was estimated, with the count in words."""
    rows = listed(connection, policy)
    judged = [row for row in rows if row.inside is not None]
    inside = sum(row.inside for row in judged)
    sentence = "No candidate that was estimated has come to serve yet."
    if rows:
        sentence = f"{len(rows)} promoted, none of which can be compared yet."
    if judged:
        sentence = f"{inside} of {len(judged)} promoted candidates ended inside their interval."
    return {
        "promoted": len(rows),
        "compared": len(judged),
        "inside": inside,
        "sentence": sentence,
        "rows": [_outcome(row) for row in rows],
    }


def _outcome(row: Any) -> dict[str, Any]:
    estimate = {"end": stamp(row.estimated), "value": row.value, "low": row.low, "high": row.high, "trust": row.trust}
    earned = {
        "value": row.earned,
        "low": row.earned_low,
        "high": row.earned_high,
        "n": row.n,
        "until": stamp(row.until),
    }
    sentence = f"{row.candidate} served from {_at(row.at, row.at + 1e9)}: "
    if row.value is None:
        sentence += "its last estimate was refused, so there is nothing to hold it to."
    elif row.earned is None:
        sentence += f"{row.n} mature rewards are too few to compare."
    else:
        was = "" if row.low is None else f" [{row.low:.4g}, {row.high:.4g}]"
        word = "no interval was given" if row.inside is None else "inside" if row.inside else "outside"
        sentence += f"estimated {row.value:.4g}{was}, earned {row.earned:.4g}: {word}."
    return {
        "candidate": row.candidate,
        "at": stamp(row.at),
        "until": stamp(row.until),
        "inside": row.inside,
        "estimate": estimate,
        "earned": earned,
        "sentence": sentence,
    }
