"""Dry-run triggers: judged like any other, they act on nothing; what a rollback would have done is written down."""

from __future__ import annotations

import json
import uuid
from collections.abc import Collection, Iterable
from typing import Protocol

from sqlalchemy import Connection, insert, select

from monitor import events
from monitor.acting import limits, rollback
from monitor.clock import Clock
from monitor.incidents.rows import spent
from monitor.judging.decide import Alert, Change
from monitor.settings import Settings
from monitor.store.tables import actions, alerts, routes
from runbooks.actions import ActionEvent, ActionState, step

WOULD = "dry_run.rollback"  # not rollback.*: the ledger of firings is of those that were armed


class _Parts(Protocol):
    @property
    def settings(self) -> Settings: ...
    @property
    def clock(self) -> Clock: ...


def write_down(connection: Connection, parts: _Parts, alert: Alert) -> list[str]:
    """Write what a rollback would have done as an action in state dry_run; nothing moves, is sent or is counted.

    No incident opens, no version is spent for later rollbacks, and the limits neither count it nor hold it back: it
    says if they would have.

    Parameters
    ----------
    connection, parts
        The open write transaction, the configuration and the time.
    alert
        The alert of severity rollback that fires.

    Returns
    -------
    list of str
        The action's id; none where the version does not serve, because then nothing would have been done.
    """
    policy, old, clock = alert.policy, alert.version, parts.clock
    route = connection.execute(select(routes).where(routes.c.policy == policy)).one_or_none()
    if route is None or (old != route.serving and not json.loads(route.split).get(old, 0.0) > 0):
        return []
    tried = spent(connection, clock, policy)
    chain = rollback.fallbacks(parts.settings, policy, route.serving, old)
    target = next((version for version in chain if version != old and version not in tried), None)
    sentence = _sentence(connection, parts, alert, target, route.generation)
    now, real = clock.now(), clock.real()
    row = {"id": f"act_{uuid.uuid4().hex}", "policy": policy, "kind": "rollback", "hook": "", "body": ""}
    row |= {"state": step(ActionState.PROPOSED, ActionEvent.SIMULATE).value, "last_error": sentence}
    row |= {"from_version": old, "to_version": target or "", "trigger": alert.trigger, "reason": alert.reason}
    times = {"requested": now, "real_requested": real, "attempts": 0, "fence": 0}
    where = {"generation": route.generation, "incident": None, "actor": "checkrein"}
    connection.execute(insert(actions), [{**row, **times, **where}])
    body = {"action": row["id"], "trigger": alert.trigger, "from_version": old, "text": sentence}
    events.record(connection, clock, WOULD, policy, "checkrein", body)
    return [str(row["id"])]


def armed(connection: Connection, policy: str, moved: Collection[Alert], changes: Iterable[Change]) -> list[Alert]:
    """Return the alerts of severity rollback that were a dry run and go on firing armed; call it before they are saved.

    Whoever arms a trigger that fires wants what it says: the next pass acts, as if it had begun to fire then.
    """
    now = {(one.version, one.trigger, one.key): one for one in moved if _acts(one)}
    if not now:
        return []
    told = {(one.alert.version, one.alert.trigger, one.alert.key) for one in changes}
    c = alerts.c
    here = (c.policy == policy, c.dry_run, c.state == "firing")
    before = connection.execute(select(c.version, c.trigger, c.key).where(*here)).all()
    return [now[where] for where in sorted(map(tuple, before)) if where in now and where not in told]


def _acts(alert: Alert) -> bool:
    return alert.severity == "rollback" and alert.state == "firing" and not alert.dry_run


def _sentence(connection: Connection, parts: _Parts, alert: Alert, target: str | None, generation: int) -> str:
    start = f"Dry run: {alert.trigger} would have rolled {alert.policy} back from {alert.version}"
    if target is None:
        return f"{start}, and no version is left to go to."
    full = None
    if alert.trigger not in limits.NEVER_LIMITED:
        full = limits.used_up(connection, parts.settings, parts.clock, alert.policy)
    if full:
        return f"{start} to {target}, and a limit would have held it back: {full}."
    return f"{start} to {target} as generation {generation + 1}."
