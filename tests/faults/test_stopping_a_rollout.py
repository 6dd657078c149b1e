"""The kill switch, a rollback and an abort in every (phase of a rollout, state of its newest action)."""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, select, update

from monitor.acting import by_hand
from monitor.clock import ManualClock
from monitor.rollouts import stop
from monitor.store.database import Database
from monitor.store.tables import actions, rollouts, routes
from runbooks.actions import UNFINISHED, ActionState
from runbooks.rollouts import OPEN, TERMINAL, Phase
from tests.rollout_desk import Desk

UNSEEN = {Phase.DRAFT, Phase.APPROVED}  # nothing was sent to the candidate yet


class _UndoneError(Exception):
    """The transaction of one pair is undone, so that the next one begins where this one did."""


def kill(connection: Connection, desk: Desk) -> None:
    by_hand.stop(connection, desk.parts, "cooling", "It endangers people.", "dora")


def abort(connection: Connection, desk: Desk) -> None:
    stop.abort(connection, desk.settings, desk.clock, 1, "We do not want it.", "dora")


def roll_back(connection: Connection, desk: Desk) -> None:
    by_hand.request(connection, desk.parts, "cooling", None, "It is worse.", "dora")


HOW: dict[str, tuple[Callable[[Connection, Desk], None], str]] = {
    "kill": (kill, "rules"),
    "abort": (abort, "v6"),
    "rollback": (roll_back, "v6"),
}


@pytest.mark.fault(14)
@pytest.mark.parametrize("how", sorted(HOW))
def test_one_step_stops_a_rollout_in_every_phase_and_state_of_an_action(
    database: Database, clock: ManualClock, tmp_path: Path, say: Callable[[str], None], how: str
) -> None:
    desk, (act, target), stopped = Desk(database, clock, tmp_path), HOW[how], 0
    desk.approved()
    desk.look()  # v7 has half of the traffic, and its action is under way
    for phase, state in product(sorted(OPEN), ActionState):
        before: Any = {"split": '{"v6":1.0}', "generation": 1} if phase in UNSEEN else {}
        with pytest.raises(_UndoneError), database.begin() as connection:
            connection.execute(update(rollouts).values(phase=phase.value, generation=1 if before else 2))
            connection.execute(update(actions).values(state=state.value, generation=1 if before else 2))
            if before:
                connection.execute(update(routes).values(before))
            act(connection, desk)
            row = connection.execute(select(rollouts)).one()
            route = connection.execute(select(routes)).one()
            old, *new = connection.execute(select(actions).order_by(actions.c.generation)).all()
            named = f"{phase} with an action that is {state}"
            assert row.phase in TERMINAL - {Phase.STABLE}, named
            wanted = "rules" if how == "rollback" and before else target  # v6 serves alone: the rollback is of it
            assert (route.serving, json.loads(route.split)) == (wanted, {wanted: 1.0}), named
            moved = bool(new)
            assert moved == (wanted != "v6" or not before), named
            assert old.state == ("superseded" if moved and state in UNFINISHED else state), named
            raise _UndoneError
        stopped += 1
    say(f"{how}: stopped in {stopped} pairs of {len(OPEN)} phases and {len(ActionState)} states, each in one step")
