"""One try to land a batch of reward and outcome events."""

from __future__ import annotations

from concurrent.futures import wait

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from monitor.bucketing import buckets
from monitor.landing import arrivals, dedup, rewards, snapshot
from monitor.landing.dedup import Screened, by_hour
from monitor.landing.landed import Landed, Tools, clashing, finished, stem
from monitor.landing.recount import Counted, mark_late
from monitor.landing.snapshot import Mark, Snapshot
from monitor.log_store.arrow import micros
from monitor.log_store.lake import HOUR
from monitor.validate import Accepted

MICROS = 1_000_000


def land(tools: Tools, policy: str, accepted: Accepted, origin: str, mark: Mark | None) -> Landed:
    """Land a batch: find each event's decision, settle it with what landed before, count the open buckets again.

    Raises
    ------
    MovedError
        If somebody else landed meanwhile; try again.
    """
    configuration, now = tools.settings.policy[policy], tools.clock.now()
    events = rewards.identified(accepted.table)
    reach = configuration.reward_horizon + configuration.lateness
    first, last = rewards.hours(events, reach)
    touched = sorted(
        {hour for low, high in set(zip(first.tolist(), last.tolist(), strict=True)) for hour in range(low, high + 1)}
    )
    before = snapshot.take(tools.database, tools.settings, policy, touched, mark)
    if before.passed:
        return Landed(duplicates=events.num_rows)
    screened = _screen(tools, before, events)
    at = _decided(tools, before, events, screened.rows, reach)
    found = at >= 0
    rows = screened.rows[found]
    matched = rewards.located(events.take(pa.array(rows)), at[found])
    fresh, clashes = _settle(tools, before, matched)
    open_ended = events.take(pa.array(screened.rows[~found]))
    rejects = (
        *accepted.rejects,
        *clashing(
            accepted, mark, [*screened.clashes, *((int(rows[one.row]), one.field, one.reason) for one in clashes)]
        ),
    )
    new = matched.filter(pa.array(fresh))
    starts = micros(new, "decision_ts") // (60 * MICROS) * 60
    late = starts < before.sealed
    new = mark_late(new, late)
    places = by_hour(micros(new, "decision_ts") // (HOUR * MICROS))
    writing = tools.write(policy, "rewards", stem(origin, mark), new, places)
    try:
        counted = _count(tools, before, new, starts, late)
    finally:
        wait(writing)
    files = finished(writing)
    with tools.database.begin() as connection:
        snapshot.commit(connection, tools.settings, tools.lake, before, files, None, now, mark)
        buckets.replace(connection, policy, set(starts[~late].tolist()), counted)
        held = rewards.hold(connection, policy, open_ended, now)
        arrivals.put_rejects(connection, policy, origin, rejects, now)
    duplicates = screened.duplicates + int((~fresh).sum()) - len(clashes) + open_ended.num_rows - held
    return Landed(
        new.num_rows, duplicates, len(rejects), int(late.sum()), held, 0, tuple(rejects[: arrivals.MOST_REJECTS])
    )


def _screen(tools: Tools, before: Snapshot, events: pa.Table) -> Screened:
    """Find events that are in the batch twice or in the lake already, by ``event_id``."""
    dropped = np.zeros(events.num_rows, bool)
    clashes: list[tuple[int, str, str]] = []
    said = events.drop_columns(["decision_ts"])  # in the lake it is the decision's own

    def drop(rows: NDArray[np.int64], old: pa.Table) -> None:
        dropped[rows] = True
        for row, field in zip(
            rows.tolist(), dedup.compare(said.take(rows), old.drop_columns(["decision_ts"])), strict=True
        ):
            if field is not None:
                event = events.column("event_id")[row].as_py()
                reason = f"event {event} came before with another {field}; a new event needs its own event_id"
                clashes.append((row, field, reason))

    later, first = dedup.repeats(events.column("event_id"))
    drop(later, events.take(pa.array(first)))
    files = [file for files in before.of("rewards").values() for file in files]
    open_rows = np.flatnonzero(~dropped)
    for hit in tools.index.find(files, "event_id", events.column("event_id").take(pa.array(open_rows))):
        drop(open_rows[hit.rows], tools.lake.open(hit.file).take(hit.places))
    return Screened(np.flatnonzero(~dropped), int(dropped.sum()) - len(clashes), tuple(clashes))


def _decided(
    tools: Tools, before: Snapshot, events: pa.Table, rows: NDArray[np.int64], reach: float
) -> NDArray[np.int64]:
    """Return when the decision of each row was taken, microseconds; -1 where it is not known. The newest one counts."""
    wanted = events.take(pa.array(rows))
    at = np.full(len(rows), -1, np.int64)
    files = [file for files in before.of("decisions").values() for file in files]
    for hit in tools.index.find(files, "decision_id", wanted.column("decision_id")):
        times = micros(tools.lake.open(hit.file, ["ts"]).take(hit.places), "ts")
        good = rewards.within_reach(wanted.take(pa.array(hit.rows)), times, reach)
        np.maximum.at(at, hit.rows[good], times[good])
    return at


def _settle(tools: Tools, before: Snapshot, matched: pa.Table) -> tuple[NDArray[np.bool_], list[rewards.Clash]]:
    """Decide which matched events are new where a reward is final; all of them are where they sum."""
    if tools.settings.policy[before.policy].reward_events == "additive" or not matched.num_rows:
        return np.ones(matched.num_rows, bool), []
    seen: rewards.Seen = {}
    files = [file for files in before.of("rewards").values() for file in files]
    for hit in tools.index.find(files, "decision_id", matched.column("decision_id")):
        rewards.learn(seen, tools.lake.open(hit.file).take(np.unique(hit.places)))
    return rewards.settle(matched, seen)


def _count(
    tools: Tools, before: Snapshot, new: pa.Table, starts: NDArray[np.int64], late: NDArray[np.bool_]
) -> Counted:
    """Count the open buckets that the events touch again, as they will be."""
    recount = tools.recount(before.policy, before.plan)
    counted: Counted = {}
    with tools.database.read() as connection:
        for hour, rows in by_hour(starts // HOUR):
            wanted = set(starts[rows][~late[rows]].tolist())
            if wanted:
                counted |= recount.hours(connection, range(hour, hour + 1), new.take(pa.array(rows)), wanted)[0]
    return counted
