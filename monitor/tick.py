"""One scheduled pass over one policy; live, backtest and demo run this and nothing else.

1. pull new rows from the source after its watermark; validate; quarantine bad rows with a reason
2. land what was accepted, drop duplicates, summarise (one transaction a chunk)
3. seal the buckets that are closed and mature by now, and roll them up, a day at a time
4. judge: build each trigger's Series from sealed windows; run its detector
5. decide: write verdicts, alerts, transitions, actions, pages and events in ONE transaction, with the slot's claim

Delivery and confirmation are the action loop's (``monitor.acting.actions``), which reads the rows written here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from sqlalchemy import Connection, insert, select, update

from monitor import events
from monitor.acting import rollback
from monitor.acting.held import let_go
from monitor.alerting import dry_runs, paging
from monitor.bucketing import plans, sealing
from monitor.clock import Clock
from monitor.judging import decide, judge
from monitor.judging.decide import Alert, Change
from monitor.judging.evaluations import judge_evaluations
from monitor.judging.single_events import judge_events
from monitor.judging.windows import Windows
from monitor.landing import snapshot
from monitor.landing.land import Landing
from monitor.landing.pull import Pulled, pull
from monitor.running import slots
from monitor.settings import Settings
from monitor.store.database import Database, DatabaseUnavailableError
from monitor.store.tables import policies, verdicts

BUCKET = 60
ATTEMPTS = 5  # judgements that others' writes may spoil before the pass is left to the next slot


@dataclass
class Parts:
    """What a pass needs: configuration, state, time, and the caches that make it cheap."""

    settings: Settings
    database: Database
    clock: Clock
    landing: Landing
    windows: Windows = field(default_factory=Windows)


@dataclass(frozen=True)
class Ticked:
    """What one pass did."""

    policy: str
    until: float
    pulled: Pulled
    windows: int
    changes: tuple[Change, ...]
    actions: tuple[str, ...]


def tick(
    parts: Parts, policy: str, until: float | Callable[[], float] | None = None, held: slots.Claim | None = None
) -> Ticked:
    """Run one pass as of ``until`` (seconds since 1970, default: the clock's now); deterministic in its input.

    ``until`` may also be a function, which is asked once the new rows are in: whether a log is quiet is known then.

    Raises
    ------
    DatabaseUnavailableError
        If the database is locked or away; nothing was judged, the next pass does it.
    LostClaimError
        If another worker took the slot over meanwhile; nothing was written by this one.
    """
    pulled = pull(parts.settings, parts.database, parts.landing, policy)
    if callable(until):
        until = until()
    until = parts.clock.now() if until is None else until
    parts.landing.recount(policy)  # a limit or candidate that changed in checkrein.toml
    seal(parts.database, parts.settings, policy, until)
    for _ in range(ATTEMPTS):
        with parts.database.read() as connection:
            plan, _baseline = plans.current_plan(connection, parts.settings, policy)
            stored = decide.load(connection, policy)
            found = judge.judge(connection, parts.settings, policy, plan, parts.windows, stored)
            judge_evaluations(parts.settings, policy, plan.digest, found)
        try:
            with parts.database.begin() as connection:
                moved = decide.changed(connection, policy, stored, found.alerts.values())
                made = _write(connection, parts, policy, found, moved)
                if held is not None:
                    slots.finish(connection, parts.clock, held)
        except decide.OvertakenError:
            continue
        return Ticked(policy, until, pulled, len(found.judged), tuple(found.changes), tuple(made))
    raise DatabaseUnavailableError(
        f"policy {policy}: others wrote first {ATTEMPTS} times in a row; the next pass judges"
    )


def tick_events(parts: Parts, policy: str) -> tuple[str, ...]:
    """Judge single events (hard limits, irreversible actions) that landed since; called at once after each landing."""
    with parts.database.begin() as connection:
        decide.hold(connection, policy)
        found = judge_events(connection, parts.settings, policy)
        return tuple(_write(connection, parts, policy, found, list(found.alerts.values()))) if found.judged else ()


def seal(database: Database, settings: Settings, policy: str, until: float) -> None:
    """Close every bucket whose deadline (end + reward horizon + lateness) has passed by ``until``."""
    mature = (until - settings.policy[policy].maturity) // BUCKET * BUCKET
    windows = {int(trigger.window) for trigger in settings.triggers(policy).values()}
    snapshot.ensure(database, policy)
    c = policies.c
    later = (c.policy == policy) & ((c.watch_from > until) | c.watch_from.is_(None))
    with database.read() as connection:
        earlier = connection.execute(select(c.policy).where(later)).first() is not None
    if earlier:
        with database.begin() as connection:  # a pass as of an earlier time watches from then
            connection.execute(update(policies).where(later).values(watch_from=until))
    sealing.seal(database, policy, mature, windows)


def _write(connection: Connection, parts: Parts, policy: str, found: judge.Judgement, moved: list[Alert]) -> list[str]:
    """Write a judgement: verdicts (their key is unique), alerts, transitions, pages, an action per firing that acts."""
    if found.judged:
        connection.execute(insert(verdicts), [_verdict_row(policy, item, found, parts.clock) for item in found.judged])
    armed = dry_runs.armed(connection, policy, moved, found.changes)
    decide.save(connection, parts.clock, moved, found.changes)
    for alert in found.failed:
        body = {"trigger": alert.trigger, "key": alert.key, "version": alert.version, "reason": alert.reason}
        events.record(connection, parts.clock, "trigger.failed", policy, "checkrein", body)
    made: list[str] = []
    for change in found.changes:
        body = {"trigger": change.alert.trigger, "key": change.alert.key, "version": change.alert.version}
        body |= {"old": change.old, "new": change.alert.state, "reason": change.verdict.reason}
        events.record(connection, parts.clock, "transition", policy, "checkrein", body)
        final = found.alerts[change.alert.version, change.alert.trigger, change.alert.key]
        fired = change.alert.state == "firing" and change.old != "recovering"
        if fired and change.alert.severity == "rollback" and final.state == "firing":
            if change.alert.dry_run:
                dry_runs.write_down(connection, parts, change.alert)
            else:
                made += _roll_back(connection, parts, change.alert)
        if change.alert.state == "resolved" and change.alert.severity == "rollback":
            let_go(connection, parts.clock, policy, change.alert.version)
    for alert in armed:
        made += _roll_back(connection, parts, alert)
    paging.tell(connection, parts.settings, parts.clock, policy, found.alerts.values(), found.changes)
    return made


def _roll_back(connection: Connection, parts: Parts, alert: Alert) -> list[str]:
    outcome = rollback.request(
        connection,
        parts.settings,
        parts.clock,
        alert.policy,
        from_version=alert.version,
        reason=alert.reason,
        trigger=alert.trigger,
        actor="checkrein",
        mode="automatic",
    )
    return list(outcome.actions)


def _verdict_row(policy: str, item: judge.Judged, found: judge.Judgement, clock: Clock) -> dict[str, object]:
    verdict = decide.plain(item.verdict)
    return {
        "policy": policy,
        "version": item.version,
        "trigger": item.trigger,
        "key": item.key,
        "start": item.start,
        "end": item.end,
        **verdict,
        "value": None if item.value != item.value else item.value,
        "stderr": None if item.stderr != item.stderr else item.stderr,
        "baseline": found.baseline,
        "judged": clock.now(),
    }
