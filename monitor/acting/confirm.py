"""Delivered is not done: an action is confirmed when the serving side shows it and the decision log proves it.

1. The serving side acknowledges the generation: in the hook's answer, on its health page, or through the API.
2. After that, ``confirm.windows`` windows in a row have decisions, and the old version's share of each is at most
   ``confirm.tolerance``. A window without decisions neither counts nor breaks the row: no data confirms nothing.

Either step takes ``confirm.acknowledge_within`` real seconds at most; then the action is ``unconfirmed``, a person is
paged and it is sent again with the same id. It stays watched: what is shown later still confirms it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, and_, case, or_, select, update

from monitor import events, incidents
from monitor.acting.outbox import titled
from monitor.acting.shares import Window, latest
from monitor.clock import Clock
from monitor.judging import decide
from monitor.rollouts import applied
from monitor.settings import Confirmation, Settings
from monitor.store.tables import actions, alerts, routes, transitions
from runbooks.actions import ActionEvent, ActionState, accepting, step
from runbooks.alerts import OPEN, AlertEvent, next_state

EARLY = 1.0  # real seconds: a pass runs every half second, and the page must be out when the time is up
SET_BACK = -60.0  # the machine's clock was set back: how long it took is unknown, so a person looks
_WATCHED = frozenset(accepting(ActionEvent.CONFIRM))


@dataclass(frozen=True)
class Confirmed:
    """What one pass found: ids of actions that are done, and of those whose time ran out."""

    confirmed: tuple[str, ...]
    unconfirmed: tuple[str, ...]


def acknowledge(
    connection: Connection,
    clock: Clock,
    policy: str,
    generation: int,
    version: str,
    artifact_sha256: str | None,
    actor: str,
    hook: str | None = None,
) -> int:
    """Note that the serving side shows ``version`` under ``generation``; return how many actions that acknowledges.

    A higher generation with the same version is one too. ``hook`` limits it to the actions of that hook, because what
    one receiver shows says nothing about another; without it (the API) the serving process speaks for the policy. An
    action that was refused or given up becomes ``delivered``: the message arrived, whoever brought it.
    """
    now, real = clock.now(), clock.real()
    becomes = accepting(ActionEvent.ACKNOWLEDGE)
    here = update(actions).where(
        actions.c.policy == policy,
        actions.c.generation <= generation,
        _named(version),
        actions.c.acknowledged.is_(None),
        actions.c.body != "",
        actions.c.state.in_(becomes),
    )
    if hook is not None:
        here = here.where(actions.c.hook == hook)
    arrived = actions.c.state.in_((ActionState.BLOCKED, ActionState.DEAD_LETTER))
    values: dict[str, Any] = {
        "state": case(becomes, value=actions.c.state),
        "acknowledged": now,
        "real_acknowledged": real,
        # Of a stage the serving side may show the incumbent: its artefact is not the candidate's.
        "artifact_sha256": case((actions.c.to_version == version, artifact_sha256), else_=None),
        "delivered": case((arrived, now), else_=actions.c.delivered),
        "real_delivered": case((arrived, real), else_=actions.c.real_delivered),
    }
    found = connection.execute(here.values(**values).returning(actions.c.id)).scalars().all()
    for identity in found:
        body = {"action": identity, "generation": generation, "version": version, "artifact_sha256": artifact_sha256}
        body["text"] = f"The serving side shows {version}, generation {generation}."
        events.record(connection, clock, "action.acknowledged", policy, actor, body)
    return len(found)


def _named(version: str) -> ColumnElement[bool]:
    """Return the condition of an action that showing a version answers: of a stage, either of the two has a share."""
    stage = and_(actions.c.kind == "stage", actions.c.from_version == version)
    return or_(actions.c.to_version == version, stage)


def watching(connection: Connection) -> bool:
    """Whether any action waits to be confirmed: a cheap read that saves the write transaction of a pass."""
    return connection.execute(select(actions.c.id).where(actions.c.state.in_(_WATCHED)).limit(1)).first() is not None


def confirm(connection: Connection, settings: Settings, clock: Clock) -> Confirmed:
    """Judge every watched action once, inside the caller's write transaction."""
    done, late = [], []
    watched = select(actions).where(actions.c.state.in_(_WATCHED)).order_by(actions.c.requested, actions.c.id)
    for action in connection.execute(watched).all():
        policy = settings.policy.get(action.policy)
        rule = policy.confirm if policy else Confirmation.model_validate({})
        lateness = policy.lateness if policy else 0.0
        evidence = None
        if action.acknowledged is not None:
            evidence = _shown(connection, clock, action, rule, lateness)
        if evidence is not None and _confirm(connection, clock, action, rule, evidence):
            done.append(action.id)
        elif evidence is None and action.state == ActionState.DELIVERED and _overdue(action, rule, clock.real()):
            late += [action.id] if _time_out(connection, clock, action, rule) else []
    return Confirmed(tuple(done), tuple(late))


def _shown(
    connection: Connection, clock: Clock, action: Row[Any], rule: Confirmation, lateness: float
) -> list[Window] | None:
    """Return the windows that prove that the traffic moved as the action asks; None while they do not."""
    if action.kind == "stage":
        newest = applied.newest(connection, clock, action, action.acknowledged, rule, lateness)
        return newest if applied.shown(newest, action.share, rule.tolerance) else None
    newest = latest(connection, clock, action, action.acknowledged, rule, lateness)
    return newest if newest and all(window.clean for window in newest) else None


def _overdue(action: Row[Any], rule: Confirmation, real: float) -> bool:
    since = action.real_delivered
    if action.real_acknowledged is not None:
        since = max(since, action.real_acknowledged)
    elapsed = real - since
    return bool(elapsed >= rule.acknowledge_within - EARLY or elapsed < SET_BACK)


def _time_out(connection: Connection, clock: Clock, action: Row[Any], rule: Confirmation) -> bool:
    values: dict[str, Any] = {"real_due": clock.real() if action.hook else None, "real_lease": None}
    if not _change(connection, action, ActionEvent.TIME_OUT, values):
        return False
    what = (
        f"nobody acknowledged generation {action.generation}"
        if action.acknowledged is None
        else f"it was acknowledged, but the decision log does not show that {action.from_version} stopped"
        if action.kind == "rollback"
        else f"it was acknowledged, but the decision log does not show this share of {action.to_version}"
    )
    text = f"{titled(action)} is not confirmed after {rule.acknowledge_within:g} s: {what}. {action.last_error or ''}"
    body = {"action": action.id, "generation": action.generation, "acknowledged": action.acknowledged is not None}
    body["text"] = text.strip()
    events.record(connection, clock, "action.unconfirmed", action.policy, "checkrein", body)
    incidents.page_action(connection, clock, action.policy, why="unconfirmed", action=action.id, text=text.strip())
    return True


def _confirm(connection: Connection, clock: Clock, action: Row[Any], rule: Confirmation, windows: list[Window]) -> bool:
    values = {"confirmed": clock.now(), "real_confirmed": clock.real(), "real_due": None, "real_lease": None}
    if not _change(connection, action, ActionEvent.CONFIRM, {**values, "last_error": None}):
        return False
    body = {"action": action.id, "generation": action.generation, "to_version": action.to_version}
    body["windows"] = [window.counted() for window in windows]
    body |= {"from_version": action.from_version, "tolerance": rule.tolerance, "window": rule.window}
    counted, rows = sum(window.old for window in windows), sum(window.rows for window in windows)
    whose = action.from_version if action.kind == "rollback" else action.to_version
    body["text"] = f"{whose} took {counted} of the {rows} decisions in {len(windows)} windows of {rule.window:g} s."
    events.record(connection, clock, "action.confirmed", action.policy, "checkrein", body)
    serving = connection.execute(select(routes.c.serving).where(routes.c.policy == action.policy)).scalar_one_or_none()
    if action.kind == "rollback" and serving != action.from_version:
        _withdraw(connection, clock, action, body)
    return True


def withdrawn_because(evidence: Mapping[str, Any]) -> str:
    """Return the sentence with which a confirmed rollback resolves the alerts of the version that is gone."""
    gone = f"{evidence['from_version']} no longer serves: the rollback to {evidence['to_version']} is confirmed"
    return f"{gone} (generation {evidence['generation']})."


def _withdraw(connection: Connection, clock: Clock, action: Row[Any], evidence: dict[str, Any]) -> None:
    """Resolve the open alerts of the version that the decision log shows to be gone."""
    decide.hold(connection, action.policy)
    c = alerts.c
    here = (c.policy == action.policy, c.version == action.from_version, c.state.in_(OPEN))
    now, real = clock.now(), clock.real()
    reason = withdrawn_because(evidence)
    for alert in connection.execute(select(alerts).where(*here)).all():
        new = next_state(alert.state, AlertEvent.WITHDRAWN)
        key = (c.policy == alert.policy, c.version == alert.version, c.trigger == alert.trigger, c.key == alert.key)
        connection.execute(update(alerts).where(*key).values(state=new, since=now, streak=0, reason=reason))
        named = {name: getattr(alert, name) for name in ("policy", "version", "trigger", "key", "severity", "dry_run")}
        times = {"at": now, "created": now, "real_created": real}
        row = {**named, **times, "old": alert.state, "new": new}
        content = events.canonical({**evidence, "reason": reason})
        connection.execute(transitions.insert(), [{**row, "evidence": content}])
        body = {"trigger": alert.trigger, "key": alert.key, "version": alert.version, "reason": reason}
        body |= {"old": alert.state, "new": new}
        events.record(connection, clock, "transition", alert.policy, "checkrein", body)


def _change(connection: Connection, action: Row[Any], event: ActionEvent, values: dict[str, Any]) -> bool:
    new = step(action.state, event).value
    here = update(actions).where(actions.c.id == action.id, actions.c.state == action.state)
    return connection.execute(here.values(state=new, **values)).rowcount == 1
