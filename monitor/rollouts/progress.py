"""One look at a policy's rollout, done by every pass: what is applied, baked, judged, and what must be stopped.

1. approved: ask for the first stage
2. applying: is the share confirmed by the decision log?
3. baking: count the seconds this process saw; is the hold over? is it plainly worse already? paused: the latter alone
4. judging, held: judge; pass waits for people, inconclusive and error are judged again, fail rolls back
5. passed: still so? after an outage of every worker, and once after each start, it is judged anew
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Row, select

from monitor import events, incidents
from monitor.acting import rollback
from monitor.rollouts import apply
from monitor.rollouts.hold import Watch, pause_of, progress, sealed_of
from monitor.rollouts.judge import Judgement, unsettled
from monitor.rollouts.lately import judge
from monitor.rollouts.store import OvertakenError, RolloutError, change, of_identity, of_policy, plan_of, write
from monitor.store.tables import actions
from monitor.tick import Parts
from runbooks.actions import ActionState
from runbooks.rollouts import Phase, RolloutEvent

AGAIN = 600.0  # event seconds between two judgements of a stage that is held
SOONEST = 60.0  # of one that bakes and is young
HELD_FOR = 86400.0  # event seconds after which a person is told that a stage is held
_EVENTS = {
    "pass": RolloutEvent.PASSES,
    "inconclusive": RolloutEvent.DOUBT,
    "error": RolloutEvent.BREAK,
    "fail": RolloutEvent.FAIL,
}
_HELD = (Phase.APPLYING, Phase.INCONCLUSIVE, Phase.ERROR, Phase.ROLLING_BACK)


def run(parts: Parts, policy: str, watch: Watch) -> bool:
    """Take a policy's open rollout as far as it goes now; return whether actions were queued.

    Any number of processes may: a step that another one took first is not taken again.
    """
    with parts.database.read() as connection:
        row = of_policy(connection, policy)
    if row is None or row.phase == Phase.DRAFT:
        return False
    try:
        return _look(parts, row, watch)
    except OvertakenError:
        return False  # another process was first, or a person was: the next pass sees what they did


def _look(parts: Parts, row: Row[Any], watch: Watch) -> bool:
    clock = parts.clock
    most = pause_of(parts.settings, clock, row.policy)
    fresh = watch.knows(row) and abs(clock.real() - row.real_looked) <= most
    baked = watch.look(row, clock, most)
    _tell(parts, row)
    match row.phase:
        case Phase.APPROVED:
            return _begin(parts, row)
        case Phase.APPLYING:
            return _applied(parts, row)
        case Phase.BAKING:
            return _bake(parts, row, baked)
        case Phase.PAUSED:
            return _watch(parts, row)
        case Phase.PASSED | Phase.JUDGING | Phase.INCONCLUSIVE | Phase.ERROR:
            return _judge(parts, row, baked, fresh=fresh)
        case Phase.ROLLING_BACK:
            return _roll_back(parts, row)
    return False


def _begin(parts: Parts, row: Row[Any]) -> bool:
    with parts.database.begin() as connection:
        route, row = _held(connection, parts, row)
        if unsettled(connection, row.policy):
            return False
        try:
            apply.begin(connection, parts.settings, parts.clock, row, route, row.note, "checkrein")
        except RolloutError as error:
            change(connection, parts.clock, row, RolloutEvent.OVERTAKE, f"It cannot begin: {error}", "checkrein")
            return False
    return True


def _applied(parts: Parts, row: Row[Any]) -> bool:
    plan = plan_of(row)
    share = plan.stages[row.stage]
    with parts.database.begin() as connection:
        _route, row = _held(connection, parts, row)
        c = actions.c
        mine = (c.policy == row.policy, c.kind == "stage", c.generation == row.generation)
        states = connection.execute(select(c.state).where(*mine)).scalars().all()
        if share > 0 and (not states or set(states) != {ActionState.CONFIRMED.value}):
            return False
        begin = row.begin
        if begin is None:  # of what comes from now on, by the clock and by the data
            begin = max(parts.clock.now(), sealed_of(connection, row.policy))
        note = f"{plan.name(row.stage)} is shown by the decision log." if share > 0 else "Shadow: no traffic."
        change(connection, parts.clock, row, RolloutEvent.APPLIED, note, "checkrein", begin=begin)
    return False


def _bake(parts: Parts, row: Row[Any], baked: float) -> bool:
    with parts.database.read() as connection:
        held = progress(connection, parts.settings, row, baked)
        found = judge(connection, parts.settings, row, baked) if held.decisions and _due(parts, row) else None
    with parts.database.begin() as connection:
        _route, row = _held(connection, parts, row)
        values = {"baked": max(baked, row.baked), "real_looked": parts.clock.real()}
        if held.over:
            change(connection, parts.clock, row, RolloutEvent.HELD, held.sentence, "checkrein", **values)
            return False
        row = write(connection, row, **values, judged=row.judged if found is None else parts.clock.now())
        if found is None or found.verdict != "fail":
            return False
        _fail(connection, parts, row, found)
    return True


def _watch(parts: Parts, row: Row[Any]) -> bool:
    """Look whether the candidate of a paused rollout is worse: its clock stands still, its traffic does not."""
    if row.begin is None or not _due(parts, row):
        return False
    with parts.database.read() as connection:
        found = judge(connection, parts.settings, row, row.baked)
    with parts.database.begin() as connection:
        _route, row = _held(connection, parts, row)
        row = write(connection, row, judged=parts.clock.now())
        if found.verdict == "fail":
            _fail(connection, parts, row, found)
    return found.verdict == "fail"


def _due(parts: Parts, row: Row[Any]) -> bool:
    """Whether a stage that bakes is looked at again: each minute while it is young, when harm shows fastest."""
    now = parts.clock.now()
    pause = min(AGAIN, max(SOONEST, (now - (row.begin or now)) / 20))
    return row.judged is None or not 0 <= now - row.judged < pause


def _judge(parts: Parts, row: Row[Any], baked: float, *, fresh: bool) -> bool:
    clock = parts.clock
    if row.phase == Phase.PASSED and not fresh:
        with parts.database.begin() as connection:
            _route, row = _held(connection, parts, row)
            why = "Nobody looked at it for a while: it is judged anew before anybody may advance it."
            row = change(connection, clock, row, RolloutEvent.STALE, why, "checkrein")
    due = row.phase == Phase.JUDGING or row.judged is None or not 0 <= clock.now() - row.judged < AGAIN
    found = None
    if due:
        with parts.database.read() as connection:
            found = judge(connection, parts.settings, row, baked)
    with parts.database.begin() as connection:
        route, row = _held(connection, parts, row)
        if found is None:
            write(connection, row, real_looked=clock.real())
            return False
        return _conclude(connection, parts, row, route, found)


def _conclude(connection: Connection, parts: Parts, row: Row[Any], route: Row[Any], found: Judgement) -> bool:
    clock = parts.clock
    looked: dict[str, Any] = {"judged": clock.now(), "real_looked": clock.real()}
    if row.phase == Phase.PASSED and found.verdict == "pass":
        write(connection, row, **looked)  # what people agree to stays what they were shown
        return False
    values = {**looked, "judgement": events.canonical(found.body), "judgement_sha256": found.digest}
    if found.verdict == "fail":
        _fail(connection, parts, row, found)
        return True
    if row.phase == found.verdict:
        write(connection, row, **values)
        return False
    if found.verdict == "pass" and row.stage == plan_of(row).last:
        apply.finish(connection, parts.settings, clock, write(connection, row, **values), route)
        return True
    if row.phase in (Phase.INCONCLUSIVE, Phase.ERROR) and found.verdict != "pass":
        values["since"] = row.since  # held is held, whatever for
    note = " ".join(found.reasons) or "Nothing speaks against it."
    change(connection, clock, row, _EVENTS[found.verdict], note, "checkrein", **values)
    return False


def _fail(connection: Connection, parts: Parts, row: Row[Any], found: Judgement) -> None:
    kept = {"judgement": events.canonical(found.body), "judgement_sha256": found.digest, "judged": parts.clock.now()}
    why = " ".join(found.reasons)
    row = change(connection, parts.clock, row, RolloutEvent.FAIL, why, "checkrein", **kept)
    _ask(connection, parts, row)


def _roll_back(parts: Parts, row: Row[Any]) -> bool:
    with parts.database.begin() as connection:
        _route, row = _held(connection, parts, row)
        _ask(connection, parts, row)
    return True


def _ask(connection: Connection, parts: Parts, row: Row[Any]) -> None:
    """Ask for the rollback of the candidate; it ends the rollout where the route moves, and is asked again else."""
    rollback.request(
        connection, parts.settings, parts.clock, row.policy,
        from_version=row.candidate, reason=row.note, trigger="rollout", actor="checkrein", mode="automatic",
        evidence_url=f"/api/v1/rollouts/{row.id}",
    )  # fmt: skip


def _tell(parts: Parts, row: Row[Any]) -> None:
    """Page once about a stage that has been held for a day."""
    if row.phase not in _HELD or parts.clock.now() - row.since < HELD_FOR:
        return
    held = {"rollout": row.id, "stage": row.stage, "phase": row.phase, "since": row.since}
    text = f"The rollout of {row.candidate} ({row.policy}, {plan_of(row).name(row.stage)}) has been {row.phase} for "
    text += f"more than a day: {row.note} {row.limitation}".rstrip()
    with parts.database.begin() as connection:
        _held(connection, parts, row)
        if not events.paged_about(connection, row.policy, "rollout_held", held):
            incidents.page_person(connection, parts.clock, row.policy, why="rollout_held", text=text, body=held)


def _held(connection: Connection, parts: Parts, row: Row[Any]) -> tuple[Row[Any], Row[Any]]:
    """Lock the policy's route and return it with the rollout as it is now, if it stands as it was read."""
    route = rollback.locked_route(connection, parts.settings, parts.clock, row.policy)
    now = of_identity(connection, row.id)
    if now.moves != row.moves:
        raise OvertakenError(f"rollout {row.id} was moved by another process meanwhile")
    return route, now
