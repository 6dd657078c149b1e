"""Deciding to roll back: one transaction that moves the route, opens the incident and queues what must be told.

``request`` reads like this list:

1. lock the policy's route; if the version does not serve any more, there is nothing to do
2. choose the version to go to: never the failing one, never one that was rolled back in the open incident
3. open the incident if none is open
4. if automatic rollbacks are used up for today, write a limited action and page instead; if the last one was just
   now, write one that waits (``monitor.acting.cooldown``); the route stays
5. move the route under a higher generation, supersede what older generations still had to do, end a rollout
6. write one action for each hook that serves the policy, and the event
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import Connection, Row, insert, select, update

from monitor import events, incidents
from monitor.acting.limits import HOUR, MOVED, NEVER_LIMITED, cooling_until, used_up, why_cooling
from monitor.acting.route import FIRST_REASON
from monitor.acting.routing import hooks_of, move
from monitor.acting.signing import rollback_event
from monitor.clock import Clock
from monitor.incidents import Incident
from monitor.rollouts import ended
from monitor.settings import Settings
from monitor.store.database import insert_new
from monitor.store.tables import actions, policies, routes
from runbooks.actions import ActionEvent, ActionState, step

Mode = Literal["automatic", "manual", "drill"]
Held = Literal["limited", "blocked", "cooling_down"]
_WHY = {"limited": ActionEvent.LIMIT, "blocked": ActionEvent.REFUSE, "cooling_down": ActionEvent.COOL_DOWN}


@dataclass(frozen=True)
class Outcome:
    """What came of a request; ``sentence`` says it to a person.

    ``requested``: the route moved; ``limited``: too many today, a person is paged; ``cooling_down``: it waits for the
    last one to show its effect; ``blocked``: no version is left to go to, a person is paged; ``unneeded``: the version
    did not serve.
    """

    state: Literal["requested", "limited", "cooling_down", "blocked", "unneeded"]
    sentence: str
    from_version: str
    to_version: str | None
    generation: int
    incident: int | None = None
    actions: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Case:
    connection: Connection
    settings: Settings
    clock: Clock
    policy: str
    from_version: str
    reason: str
    trigger: str
    actor: str
    mode: Mode
    evidence_url: str | None
    generation: int
    split: tuple[str, ...]  # the versions that had traffic
    incident: Incident


def ensure_policy(connection: Connection, settings: Settings, policy: str) -> None:
    """Create the policy's row when the product meets it."""
    insert_new(connection, policies, [{"policy": policy, "landing_seq": 0, "sealed_until": 0.0}])


def ensure_route(connection: Connection, settings: Settings, clock: Clock, policy: str) -> None:
    """Create the policy's route when the product meets it: generation 1, the version that the configuration names."""
    first = settings.policy[policy].first_serving
    row = {"policy": policy, "serving": first, "generation": 1, "split": events.canonical({first: 1.0})}
    insert_new(connection, routes, [{**row, "changed": clock.now(), "reason": FIRST_REASON}])


def locked_route(connection: Connection, settings: Settings, clock: Clock, policy: str) -> Row[Any]:
    """Return the policy's row of routes, made if it is missing; nobody moves it before the caller's transaction ends.

    A no-op update takes the row's lock, on PostgreSQL too, where a read takes none.
    """
    ensure_route(connection, settings, clock, policy)
    here = update(routes).where(routes.c.policy == policy)
    return connection.execute(here.values(generation=routes.c.generation).returning(*routes.c)).one()


def request(
    connection: Connection,
    settings: Settings,
    clock: Clock,
    policy: str,
    *,
    from_version: str | None,
    reason: str,
    trigger: str,
    actor: str,
    mode: Mode,
    to_version: str | None = None,
    evidence_url: str | None = None,
) -> Outcome:
    """Ask that a version stop serving, inside the caller's open write transaction.

    Parameters
    ----------
    connection, settings, clock, policy
        The open write transaction, the configuration, the time, and whose version it is.
    from_version
        The version to stop; None is the one that is being rolled out, else the one that serves now.
    reason, trigger, actor
        Why, as a sentence; the trigger's name, or what the person used; who asks.
    mode
        ``manual`` is never limited, and neither are the triggers of hard limits and irreversible actions: stopping
        must always be possible. ``drill`` is what a drill's own database asks for: a receiver moves nothing for it.
    to_version
        A person may name the version to go to, even one that was rolled back before; a trigger may not.
    evidence_url
        Where the evidence is shown; by default the incident's address under this server.

    Raises
    ------
    KeyError
        If the configuration has no such policy.
    ValueError
        If a trigger names ``to_version``, or a person names the version that is to be stopped or is rolled out.
    """
    if to_version is not None and mode == "automatic":
        raise ValueError("only a person may name to_version; a trigger follows the policy's fallbacks")
    route = locked_route(connection, settings, clock, policy)
    routed = tuple(version for version, share in json.loads(route.split).items() if share > 0)
    canary = next((version for version in routed if version != route.serving), None)
    # Whoever says "roll back" during a rollout means the version that is being tried.
    old = from_version or (canary if canary and to_version in (None, route.serving) else route.serving)
    if to_version == old:
        raise ValueError(f"{old} is the version to be stopped: name another one, or none to follow the fallbacks")
    if to_version is not None and trigger == "manual" and to_version in (canary, ended.candidate(connection, policy)):
        raise ValueError(f"{to_version} is being rolled out: two people advance it, or abort it first")
    if old not in {route.serving, *routed}:
        sentence = f"{old} does not serve {policy} any more: {route.serving} does, generation {route.generation}."
        body = {"from_version": old, "generation": route.generation, "trigger": trigger, "reason": reason}
        events.record(connection, clock, "rollback.unneeded", policy, actor, body)
        ended.given_up(connection, clock, policy, old, reason, actor)  # one in shadow, or not begun, has no traffic
        return Outcome("unneeded", sentence, old, route.serving, route.generation)
    by_person = actor if mode == "manual" else None
    incident = incidents.open_incident(connection, clock, policy, reason, by=by_person)
    incidents.freeze(connection, settings, clock, incident.id, policy, trigger, old)
    case = _Case(
        connection, settings, clock, policy, old, reason, trigger, actor, mode, evidence_url, route.generation, routed,
        incident,
    )  # fmt: skip
    chain = fallbacks(settings, policy, route.serving, old)
    target = to_version or next((v for v in chain if v not in (old, canary, *incident.rolled_back)), None)
    if target is None:
        return _held(case, "blocked", None, _nowhere(case, chain))
    if mode == "automatic" and trigger not in NEVER_LIMITED:
        said = f"{policy} was not rolled back from {old} to {target}"
        why = used_up(connection, settings, clock, policy)
        if why:
            return _held(case, "limited", target, f"{said}: {why}. A person must decide.")
        until = cooling_until(connection, settings, clock, policy)
        if until is not None:
            why = why_cooling(settings, policy, until)
            return _held(case, "cooling_down", target, f"{said} yet: {why}.")
    return _move(case, target)


def fallbacks(settings: Settings, policy: str, serving: str, failing: str) -> list[str]:
    """Return the versions to go to from a failing one, tried in order; first the one that serves, if it is another."""
    configured = settings.policy[policy]
    return [*([serving] if serving != failing else []), *(configured.fallbacks or (configured.incumbent,))]


def _move(case: _Case, target: str) -> Outcome:
    connection, policy = case.connection, case.policy
    generation = move(connection, case.clock, policy, case.generation, target, {target: 1.0}, case.reason)
    ended.overtaken(connection, case.clock, policy, case.from_version, case.reason, case.actor)
    incidents.add_version(connection, case.incident, case.from_version)
    rows = [_row(case, hook, target, generation) for hook in hooks_of(case.settings, policy)]
    connection.execute(insert(actions), rows)
    identities = tuple(row["id"] for row in rows)
    sentence = f"{policy} goes from {case.from_version} to {target}, generation {generation}: {case.reason.rstrip()}"
    sentence += "" if sentence.endswith((".", "!", "?")) else "."
    body = {"from_version": case.from_version, "to_version": target, "generation": generation, "mode": case.mode}
    body |= {"trigger": case.trigger, "reason": case.reason, "incident": case.incident.id, "actions": list(identities)}
    events.record(connection, case.clock, MOVED, policy, case.actor, body)
    if case.mode == "manual":
        incidents.acted(connection, case.clock, case.incident.id, case.actor)
    else:
        incidents.rise(connection, case.clock, case.incident.id, severity="rollback")
    return Outcome("requested", sentence, case.from_version, target, generation, case.incident.id, identities)


def _nowhere(case: _Case, chain: Sequence[str]) -> str:
    """Say that no version is left; where the failing one is what was just rolled back to, what that means."""
    left = f"No version is left to roll {case.policy} back to from {case.from_version} (fallbacks: {', '.join(chain)})."
    gone = [version for version in case.incident.rolled_back if version != case.from_version]
    if case.mode == "manual" or not gone:
        return f"{left} Name one."
    before = ", ".join(gone)
    return (
        f"{case.trigger} fires under {case.from_version} too, which took over from {before} in this incident. {left} "
        f"Rolling back again would not help if the cause is not the policy: check its inputs, or name a version."
    )


def _held(case: _Case, state: Held, target: str | None, sentence: str) -> Outcome:
    """Write a visible action that nothing sends, once for each version and generation, and page where one must act."""
    connection, clock = case.connection, case.clock
    here = select(actions.c.id).where(
        actions.c.policy == case.policy,
        actions.c.generation == case.generation,
        actions.c.state == state,
        actions.c.from_version == case.from_version,
        actions.c.body == "",  # a blocked one that was sent has a body
    )
    made: tuple[str, ...] = ()
    if connection.execute(here.limit(1)).scalar_one_or_none() is None:
        row = _row(case, "", target or "", case.generation) | {"body": "", "delivered": None, "real_delivered": None}
        row |= {"state": step(ActionState.PROPOSED, _WHY[state]).value, "last_error": sentence}
        connection.execute(insert(actions), [row])
        made = (row["id"],)
        body = {"action": row["id"], "from_version": case.from_version, "trigger": case.trigger, "reason": case.reason}
        body["text"] = sentence
        events.record(connection, clock, f"rollback.{state}", case.policy, case.actor, body)
        # Twenty policies over the hourly limit are one trouble: the first one pages, the others stand beside it.
        alone = state == "limited" and not events.paged_since(connection, state, clock.now() - HOUR)
        if state == "blocked" or alone:
            incidents.page_action(connection, clock, case.policy, why=state, action=row["id"], text=sentence)
        elif state == "limited":
            incidents.join(connection, case.incident.id, state)
    return Outcome(state, sentence, case.from_version, target, case.generation, case.incident.id, made)


def _row(case: _Case, hook: str, target: str, generation: int) -> dict[str, Any]:
    identity = f"act_{uuid.uuid4().hex}"
    now, real = case.clock.now(), case.clock.real()
    body = rollback_event(
        identity,
        policy=case.policy,
        from_version=case.from_version,
        to_version=target,
        generation=generation,
        reason=case.reason,
        trigger=case.trigger,
        incident=case.incident.id,
        evidence_url=case.evidence_url or f"/api/v1/incidents/{case.incident.id}",
        requested=now,
        mode=case.mode,
    )
    event = ActionEvent.QUEUE if hook else ActionEvent.DELIVER  # without a hook, the route is the whole message
    return {
        "id": identity,
        "policy": case.policy,
        "kind": "rollback",
        "hook": hook,
        "state": step(ActionState.AUTHORISED, event).value,
        "generation": generation,
        "from_version": case.from_version,
        "to_version": target,
        "reason": case.reason,
        "trigger": case.trigger,
        "incident": case.incident.id,
        "actor": case.actor,
        "body": events.canonical(body),
        "requested": now,
        "real_requested": real,
        "attempts": 0,
        "fence": 0,
        "real_due": real if hook else None,
        "delivered": None if hook else now,
        "real_delivered": None if hook else real,
        "stops": events.canonical(sorted({case.from_version, *case.split} - {target})),
    }
