"""The kill switch in every state that an action can be in: the route moves at once, one step, nobody is asked twice."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import select, update

from monitor.acting import by_hand, rollback
from monitor.clock import ManualClock
from monitor.landing.land import Landing
from monitor.settings import parse
from monitor.store.database import Database
from monitor.store.tables import actions, routes
from monitor.tick import Parts
from runbooks.actions import UNFINISHED, ActionState


@pytest.mark.fault(14)
def test_the_kill_switch_works_in_every_state_of_an_action(
    database: Database, clock: ManualClock, say: Callable[[str], None]
) -> None:
    policies = {state.value: f"p-{state.value.replace('_', '-')}" for state in ActionState}
    table = {"incumbent": "v6", "serving": "v7", "fallbacks": ["v6", "rules"]}
    hook = {"kind": "command", "command": ["false"]}
    settings = parse({"policy": dict.fromkeys(policies.values(), table), "hook": {"it": hook}})
    parts, moved = Parts(settings, database, clock, Landing(database, settings, clock)), 0
    for state, policy in policies.items():
        with database.begin() as connection:
            asked: dict[str, Any] = {"from_version": "v7", "reason": "Fell.", "trigger": "t", "actor": "ada"}
            rollback.request(connection, settings, clock, policy, **asked, mode="manual")
            connection.execute(update(actions).where(actions.c.policy == policy).values(state=state))
        with database.begin() as connection:
            done = by_hand.stop(connection, parts, policy, "It endangers people.", "ada")
        with database.read() as connection:
            route = connection.execute(select(routes).where(routes.c.policy == policy)).one()
            found = connection.execute(select(actions).where(actions.c.policy == policy))
            states = {row.to_version: row.state for row in found}
        assert (done.state, route.serving, route.generation) == ("requested", "rules", 3), state
        assert states == {"v6": "superseded" if state in UNFINISHED else state, "rules": "pending"}
        moved += 1
    say(f"killed in {moved} of {len(ActionState)} states of an action, each in one step, to the last fallback")
