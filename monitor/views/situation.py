"""Where a policy stands in one look: what is wrong, what was done, what comes next, and where it could be sent."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, select

from monitor import status
from monitor.acting import route
from monitor.clock import Clock, stamp
from monitor.incidents.rows import spent
from monitor.settings import Settings
from monitor.store.tables import policies
from monitor.views.acting import STUCK, acted, of_identities
from monitor.views.rollouts import brief
from monitor.views.spans import window_of

_RECENT = 86400.0


def situation(connection: Connection, settings: Settings, clock: Clock, policy: str) -> dict[str, Any]:
    """Return a policy's state, the newest rollback with its steps, the next step, and what a rollback would do."""
    found = status.of(connection, settings, clock, policy)
    row = connection.execute(select(policies).where(policies.c.policy == policy)).one_or_none()
    newest = acted(connection, policy, clock.now() - _RECENT)
    generation = max((item["generation"] for item in newest), default=None)
    over = [item for item in newest if item["state"] == "cancelled" and not item["to_version"]]
    latest = [item for item in newest if item["generation"] == generation and item not in over]
    return {
        "policy": policy,
        "state": found["state"],
        "serving": found["serving"],
        "generation": found["generation"],
        "split": dict(route.current(connection, settings, clock, policy).split),
        "rollout": brief(connection, settings, clock, policy),
        "last_ts": None if row is None else row.last_ts,
        "sealed_until": None if row is None or not row.sealed_until else row.sealed_until,
        "baseline": found["baseline"],
        "metrics": found["metrics"],
        "stale": found["stale"].get(f"judge:{policy}", False),
        "actions": latest,
        "next": _next(found, latest, settings, clock, row),
        "quarantined": found["quarantined"],
        "rollback": _plan(connection, settings, clock, policy, found["serving"]),
    }


def progress(connection: Connection, identities: Sequence[str]) -> list[dict[str, Any]]:
    """Return where the named actions stand, for whoever asked for them and follows."""
    return of_identities(connection, identities)


def _plan(connection: Connection, settings: Settings, clock: Clock, policy: str, serving: str) -> dict[str, Any]:
    """Say what a rollback would do: the versions to choose from, the default first, and the hooks to be called."""
    configuration = settings.policy[policy]
    tried = list(spent(connection, clock, policy))
    chain = [*configuration.fallbacks, configuration.incumbent]
    usual = [name for name in dict.fromkeys(chain) if name != serving and name not in tried]
    others = [name for name in status.versions(connection, settings, policy) if name != serving]
    hooks = [
        {"name": name, "kind": hook.kind, "where": hook.url or " ".join(hook.command or ())}
        for name, hook in settings.hook.items()
        if not hook.policies or policy in hook.policies
    ]
    return {
        "from": serving,
        "default": usual[0] if usual else None,
        "to": list(dict.fromkeys([*usual, *others])),
        "tried": tried,
        "hooks": hooks,
    }


def _next(
    found: dict[str, Any], latest: Sequence[dict[str, Any]], settings: Settings, clock: Clock, row: Any
) -> dict[str, Any]:
    """Return the next step as a sentence; ``at`` is when it is due, where that is known."""
    policy, serving = found["policy"], found["serving"]
    if found["stale"].get(f"judge:{policy}", 0) is not None and f"judge:{policy}" in found["stale"]:
        return _say("Evaluation has stopped: start `checkrein serve` or `checkrein worker`.")
    stuck = [item for item in latest if item["state"] in STUCK]
    if stuck and not stuck[0]["to_version"]:
        return _say(str(stuck[0]["last_error"] or stuck[0]["sentence"]))
    if stuck:
        return _say(
            f"Check what {policy} really serves, then roll back by hand. {stuck[0]['last_error'] or ''}".strip()
        )
    if any(not item["done"] and item["state"] not in {"superseded", "cancelled"} for item in latest):
        return _say("Wait: the decision log will show whether the traffic moved.")
    if row is None or row.last_ts is None:
        return _say("Send decisions: POST them to the API, or name a source in checkrein.toml.")
    if found["baseline"] is None:
        return _say(f"Freeze a baseline: `checkrein baseline freeze {policy}`. Until then nothing is compared.")
    if latest and latest[0]["to_version"] == serving and not _judged_since(found, latest[0]):
        window = window_of(settings, policy, "reward")
        since = latest[0]["confirmed"] or latest[0]["requested"]
        due = math.ceil(since / window) * window + window + settings.policy[policy].maturity
        gone = latest[0]["from_version"]
        return _say(f"Find out what went wrong with {gone}. The first whole window of {serving} is judged", due)
    if found["state"] in {"page", "rollback", "warning"}:
        return _say("Look at what fired below; its runbook says how to tell a fault from a change of the world.")
    if found["state"] == "pending":
        return _say("Watch: it fires if it holds for the next window.")
    if found["state"] in {"no_data", "stale", "error", "insufficient"}:
        return _say("See below what cannot be judged, and why.")
    return _say("Nothing to do.")


def _judged_since(found: dict[str, Any], action: dict[str, Any]) -> bool:
    judged = [item["window_end"] for item in found["metrics"] if item["n"] and item["metric"] == "reward"]
    confirmed = action["confirmed"] or action["requested"]
    return bool(judged) and max(judged) > stamp(confirmed)


def _say(text: str, at: float | None = None) -> dict[str, Any]:
    return {"text": text, "at": at}
