"""From verdicts to transitions: the alert's state machine, run once per judged window."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Connection, insert, select, update

from detectors import State, Verdict
from monitor.clock import Clock
from monitor.events import canonical
from monitor.settings import Trigger
from monitor.store.database import upsert
from monitor.store.tables import alerts, policies, transitions
from runbooks.alerts import next_state

_HEALTH = {
    State.OK: "ok",
    State.FIRE: "ok",
    State.INSUFFICIENT: "insufficient",
    State.NO_DATA: "no_data",
    State.ERROR: "error",
}


class OvertakenError(Exception):
    """Alerts moved after they were read; what was judged from them must not be written."""


@dataclass(frozen=True)
class Alert:
    """Where one trigger stands for one policy version and key; a row of ``alerts``."""

    policy: str
    version: str
    trigger: str
    key: str
    severity: str
    state: str = "inactive"
    health: str = "insufficient"
    since: float = 0.0
    streak: int = 0
    judged_until: float = 0.0
    reason: str = ""
    dry_run: bool = False


@dataclass(frozen=True)
class Change:
    """One transition of one alert, with the verdict that decided it."""

    alert: Alert
    old: str
    at: float
    verdict: Verdict
    evidence: Mapping[str, Any]


def step(
    alert: Alert, verdict: Verdict, end: float, trigger: Trigger, evidence: Mapping[str, Any]
) -> tuple[Alert, Change | None]:
    """Judge one more window: the alert after it, and the change if its state is another one.

    A window without an answer moves the health, never the state: an alert is not resolved by absence of data.
    """
    health = _HEALTH[verdict.state]
    judged: dict[str, Any] = {
        "judged_until": end,
        "health": health,
        "severity": trigger.severity,
        "reason": verdict.reason,
        "dry_run": trigger.dry_run,
    }
    if verdict.state not in {State.OK, State.FIRE}:
        return replace(alert, **judged), None
    breach = verdict.state is State.FIRE
    speaks_for_change = breach == (alert.state in {"inactive", "pending", "resolved"})
    streak = alert.streak + 1 if speaks_for_change else 0
    needed = trigger.for_ if breach else trigger.clear
    event = ("breach" if breach else "clear") + ("_held" if streak >= needed and speaks_for_change else "")
    state = next_state(alert.state, event)
    if state == alert.state:
        return replace(alert, streak=streak, **judged), None
    if (alert.state in {"inactive", "pending", "resolved"}) != (state in {"inactive", "pending", "resolved"}):
        streak = 0
    changed = replace(alert, state=state, since=end, streak=streak, **judged)
    return changed, Change(changed, alert.state, end, verdict, evidence)


def load(connection: Connection, policy: str) -> dict[tuple[str, str, str], Alert]:
    """Return the alerts of a policy by (version, trigger, key)."""
    names = list(Alert.__dataclass_fields__)
    rows = connection.execute(select(*(alerts.c[name] for name in names)).where(alerts.c.policy == policy))
    return {(row.version, row.trigger, row.key): Alert(**row._mapping) for row in rows}


def hold(connection: Connection, policy: str) -> None:
    """Make others who change this policy's alerts wait until the caller's transaction ends, on PostgreSQL too."""
    connection.execute(update(policies).where(policies.c.policy == policy).values(policy=policy))


def changed(
    connection: Connection, policy: str, seen: Mapping[tuple[str, str, str], Alert], found: Iterable[Alert]
) -> list[Alert]:
    """Return those of ``found`` that are not as they were ``seen``, which the database still shows.

    Single events, confirmations and other workers' passes write alerts too: what was judged from a state that has
    passed is not written over theirs.

    Raises
    ------
    OvertakenError
        If one of them moved meanwhile: judge again.
    """
    hold(connection, policy)
    now = load(connection, policy)
    moved = []
    for alert in found:
        where = (alert.version, alert.trigger, alert.key)
        if alert != seen.get(where):
            if now.get(where) != seen.get(where):
                raise OvertakenError(f"{alert.trigger} of {policy} moved while it was judged")
            moved.append(alert)
    return moved


def save(connection: Connection, clock: Clock, changed: list[Alert], changes: list[Change]) -> None:
    """Write alerts and append their transitions, inside the caller's transaction."""
    upsert(connection, alerts, [vars(alert) for alert in changed])
    if changes:
        connection.execute(insert(transitions), [_row(change, clock) for change in changes])


def evidence(change: Change) -> str:
    """Return what a transition rests on as canonical JSON that carries its own digest."""
    content = {"verdict": plain(change.verdict), **change.evidence}
    content["sha256"] = hashlib.sha256(canonical(content).encode()).hexdigest()
    return canonical(content)


def _row(change: Change, clock: Clock) -> dict[str, Any]:
    alert = change.alert
    return {
        "policy": alert.policy,
        "version": alert.version,
        "trigger": alert.trigger,
        "key": alert.key,
        "old": change.old,
        "new": alert.state,
        "severity": alert.severity,
        "at": change.at,
        "created": clock.now(),
        "real_created": clock.real(),
        "evidence": evidence(change),
        "dry_run": alert.dry_run,
    }


def because(verdict: Verdict, why: str) -> Verdict:
    """Return a verdict whose reason goes on with another sentence.

    >>> because(Verdict(State.FIRE, 1.0, None, None, 1, "One failed."), "It was empty.").reason
    'One failed. It was empty.'
    """
    return replace(verdict, reason=f"{verdict.reason} {why}".strip())


def plain(verdict: Verdict) -> dict[str, Any]:
    """Return a verdict as JSON values; what is not finite becomes null.

    >>> plain(Verdict(State.OK, float("nan"), None, 3.0, 9, "Quiet."))["statistic"] is None
    True
    """
    values = {"state": verdict.state.value, "statistic": verdict.statistic, "low": verdict.low, "high": verdict.high}
    clean = {k: None if isinstance(v, float) and not math.isfinite(v) else v for k, v in values.items()}
    return {**clean, "n": verdict.n, "reason": verdict.reason}
