"""The job that explains firings: its own claimed slots, after the rollback was sent, and a fault of it is a note."""

from __future__ import annotations

import hashlib
import logging
from typing import Any

from sqlalchemy import select

from monitor.clock import Clock
from monitor.events import canonical
from monitor.running import slots
from monitor.store.database import Database, DatabaseUnavailableError, insert_new
from monitor.store.tables import actions, explanations
from monitor.tick import Parts
from monitor.why.case import Case, waiting
from monitor.why.explain import explain

log = logging.getLogger("checkrein")

PAUSE = 2.0  # real seconds between looks for firings without an explanation
COURTESY = 20.0  # real seconds for which an action that was not sent yet goes first
AT_ONCE = 4  # windows explained in one turn; the others wait for the next


def run(parts: Parts, policy: str, owner: str) -> int:
    """Explain the firings of a policy that have no explanation yet; returns how many were written.

    Each is a slot of the job ``why:POLICY``, so that of several workers one computes it, and what a dead one left is
    taken over. Firings of one version over the same windows have the same answer: the first is computed, the others
    get a copy that names it. While an action of the policy waits to be sent for the first time, nothing is computed.
    """
    database, clock = parts.database, parts.clock
    with database.read() as connection:
        cases = waiting(connection, parts.settings, policy, clock.now())
    if not cases or _rolling_back(database, clock, policy):
        return 0
    together: dict[tuple[Any, ...], list[Case]] = {}
    for case in cases:
        together.setdefault((case.version, case.begin, case.end, case.baseline), []).append(case)
    written = 0
    for group in list(together.values())[-AT_ONCE:][::-1]:  # the newest first: that is what somebody looks at
        held = slots.claim(database, clock, f"why:{policy}", group[0].transition, owner)
        if held is None:
            continue
        with slots.Renewal(database, clock, held):
            told = _told(parts, group[0])
            with database.begin() as connection:
                insert_new(connection, explanations, [_row(case, told, clock.now()) for case in group])
                slots.finish(connection, clock, held)
        written += len(group)
    return written


def _told(parts: Parts, case: Case) -> dict[str, Any]:
    """Return an explanation as it is stored, or the note that stands in its place."""
    try:
        with parts.database.read() as connection:
            return _stored(explain(connection, parts.landing.lake, parts.settings, case), "told")
    except DatabaseUnavailableError:
        raise  # the claim runs out, and the next turn tells it
    except ValueError as error:
        said = str(error)
    except Exception as error:
        log.exception("firing %d of %s cannot be explained", case.transition, case.policy)
        said = f"{type(error).__name__}: {error}"
    return _stored({"why": f"It cannot be said why it moved: {said.rstrip('.')}.", "help": ""}, "failed")


def _stored(body: dict[str, Any], state: str) -> dict[str, Any]:
    text = canonical(body)
    digest = hashlib.sha256(text.encode()).hexdigest()
    return {"state": state, "why": body["why"], "help": body["help"], "body": text, "sha256": digest}


def _row(case: Case, told: dict[str, Any], now: float) -> dict[str, Any]:
    where = {"transition": case.transition, "policy": case.policy, "version": case.version, "at": case.at}
    return {**where, "made": now, **told}


def _rolling_back(database: Database, clock: Clock, policy: str) -> bool:
    """Whether an action of the policy still waits for its first attempt."""
    c = actions.c
    unsent = (c.policy == policy, c.state == "pending", c.attempts == 0, c.real_requested > clock.real() - COURTESY)
    with database.read() as connection:
        return connection.execute(select(c.id).where(*unsent).limit(1)).first() is not None
