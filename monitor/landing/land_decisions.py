"""One try to land a batch of decisions."""

from __future__ import annotations

from concurrent.futures import wait

import numpy as np
import pyarrow as pa

from monitor.bucketing import buckets
from monitor.landing import arrivals, dedup, rewards, snapshot
from monitor.landing.dedup import by_hour, hashes
from monitor.landing.landed import Landed, Tools, clashing, finished, stem
from monitor.landing.predicted import with_gaps
from monitor.landing.recount import mark_late
from monitor.landing.snapshot import Mark, Snapshot
from monitor.log_store.arrow import micros
from monitor.log_store.lake import HOUR
from monitor.review import arriving
from monitor.summaries import summarise
from monitor.validate import Accepted, Reject

MICROS = 1_000_000


class OtherPlanError(Exception):
    """Stored buckets were counted with another plan; they are counted again first."""


def land(tools: Tools, policy: str, accepted: Accepted, origin: str, mark: Mark | None) -> Landed:
    """Land a batch as the module ``monitor.landing`` describes.

    Raises
    ------
    MovedError
        If somebody else landed meanwhile; try again.
    OtherPlanError
        If buckets must be counted again first.
    """
    table, now = accepted.table, tools.clock.now()
    hours = micros(table, "ts") // (HOUR * MICROS)
    before = snapshot.take(tools.database, tools.settings, policy, np.unique(hours).tolist(), mark)
    if before.passed:
        return Landed(duplicates=table.num_rows)
    known = hashes(table.column("decision_id"))
    screened = dedup.screen(tools.index, table, hours, known, before.of("decisions"))
    rejects = (*accepted.rejects, *clashing(accepted, mark, screened.clashes))
    new = table if len(screened.rows) == table.num_rows else table.take(pa.array(screened.rows))
    new = with_gaps(tools.scorer.score(policy, new, before.plan))
    late = micros(new, "ts") // (60 * MICROS) * 60 < before.sealed
    places = by_hour(hours[screened.rows])
    writing = tools.write(policy, "decisions", stem(origin, mark), mark_late(new, late), places)
    try:
        events, gone, refused = _waited(tools, before, new)
        mode = tools.settings.policy[policy].reward_events
        joined = rewards.join(new, events, mode)
        judged = summarise(joined.filter(pa.array(~late)) if late.any() else joined, before.plan)
        after = summarise(joined.filter(pa.array(late)), before.plan, late=True) if late.any() else {}
        event_hours = by_hour(micros(events, "decision_ts") // (HOUR * MICROS))
        event_late = micros(events, "decision_ts") // (60 * MICROS) * 60 < before.sealed
        writing += tools.write(policy, "rewards", stem(origin, mark), mark_late(events, event_late), event_hours)
    finally:
        wait(writing)  # no writer outlives the try
    files = finished(writing)
    single = arrivals.single(policy, new, before.plan, now)
    disagreements = arriving.found(policy, new, before.plan, tools.settings.policy[policy].review)
    window = tools.settings.policy[policy].confirm.window
    last = float(micros(new, "ts").max()) / MICROS if new.num_rows else None
    with tools.database.begin() as connection:
        snapshot.commit(connection, tools.settings, tools.lake, before, files, last, now, mark)
        try:
            buckets.add(connection, policy, judged)
            buckets.add(connection, policy, after, late=True)
        except ValueError as error:
            raise OtherPlanError from error
        arrivals.count_traffic(connection, policy, new, window, now)
        arrivals.put_single(connection, single)
        arriving.put(connection, tools.settings, policy, disagreements, now)
        arrivals.put_rejects(connection, policy, origin, rejects, now)
        arrivals.put_rejects(connection, policy, "waiting rewards", refused, now)
        rewards.release(connection, policy, gone)
    tools.remember(files[: len(places)], {"decision_id": new.column("decision_id")}, [rows for _hour, rows in places])
    return Landed(
        new.num_rows,
        screened.duplicates,
        len(rejects),
        int(late.sum()),
        0,
        len(single),
        tuple(rejects[: arrivals.MOST_REJECTS]),
    )


def _waited(tools: Tools, before: Snapshot, new: pa.Table) -> tuple[pa.Table, list[str], list[Reject]]:
    """Return reward events that waited for these decisions, the ids of all that need wait no more, and the refused."""
    with tools.database.read() as connection:
        events = rewards.waiting(connection, before.policy)
    configuration = tools.settings.policy[before.policy]
    events = rewards.meet(events, new, configuration.reward_horizon + configuration.lateness)
    gone = events.column("event_id").to_pylist()
    if configuration.reward_events == "additive" or not events.num_rows:
        return events, gone, []
    fresh, clashes = rewards.settle(events, {})
    bodies = rewards.to_json(events)
    refused = [Reject(0, clash.field, clash.reason, bodies[clash.row]) for clash in clashes]
    return events.filter(pa.array(fresh)), gone, refused
