"""What a landing leaves beside its buckets: traffic by version, single events, refused rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from sqlalchemy import Connection, insert, select

from monitor.log_store.arrow import micros
from monitor.store.database import upsert
from monitor.store.tables import quarantine, single_events, traffic
from monitor.summaries.plan import Plan
from monitor.validate import Reject

RECENT = 3600.0  # traffic confirms a rollback that was just requested; history is of no use there
MOST_EVENTS = 100  # single events a batch, version and key
MOST_REJECTS = 1000  # quarantine rows a batch


def acted(table: pa.Table) -> NDArray[np.bool_]:
    """Return the rows that were executed, shape (rows,): every arm but shadow."""
    if "arm" not in table.column_names:
        return np.ones(table.num_rows, bool)
    shadow: NDArray[np.bool_] = pc.equal(table.column("arm"), "shadow").fill_null(False).to_numpy()
    return ~shadow


def count_traffic(connection: Connection, policy: str, table: pa.Table, window: float, now: float) -> None:
    """Add the rows of the last hour to the counts by version and window of ``window`` seconds."""
    at = micros(table, "ts") / 1e6
    rows = np.flatnonzero((at > now - RECENT) & acted(table))
    if not len(rows):
        return
    starts = pa.array(np.floor(at[rows] / window) * window)
    counted = pa.table({"start": starts, "version": table.column("version").take(rows)})
    groups = (
        counted.group_by(["start", "version"])
        .aggregate([([], "count_all")])
        .rename_columns(["start", "version", "rows"])
    )
    recent = [{"policy": policy, **row} for row in groups.to_pylist() if row["start"] > now - RECENT]
    upsert(connection, traffic, recent, add=["rows"])


def single(policy: str, table: pa.Table, plan: Plan, now: float) -> list[dict[str, Any]]:
    """Return the decisions that an event trigger judges on their own.

    Those past a hard limit, and irreversible ones that neither a person (``override``) nor a shield let through. Of
    each version and key at most 100 a batch; the last one then stands for the rows beyond.
    """
    live = acted(table)
    found: list[dict[str, Any]] = []
    for limit in plan.constraints:
        name = f"cost.{limit.cost}"
        if limit.hard and name in table.column_names:
            cost = table.column(name).cast(pa.float64()).to_numpy()
            rows = np.flatnonzero(live & (cost > limit.limit))  # a missing cost is NaN, which is not greater
            found += _rows(policy, table, rows, "hard_constraint", [limit.name] * len(rows), cost[rows], now)
    if "irreversible" in table.column_names:
        taken = live & table.column("irreversible").fill_null(False).to_numpy()
        for name in ("override", "shield"):
            if name in table.column_names:
                taken &= table.column(name).is_null().to_numpy()
        rows = np.flatnonzero(taken)
        keys = [str(action) for action in table.column("action").take(rows).to_pylist()]
        found += _rows(policy, table, rows, "irreversible_action", keys, np.ones(len(rows)), now)
    return found


def _rows(
    policy: str,
    table: pa.Table,
    rows: NDArray[np.int64],
    metric: str,
    keys: Sequence[str],
    values: NDArray[np.float64],
    now: float,
) -> list[dict[str, Any]]:
    ids, versions = (table.column(name).take(rows).to_pylist() for name in ("decision_id", "version"))
    at = micros(table, "ts")[rows] / 1e6
    kept: dict[tuple[str, str], list[dict[str, Any]]] = {}
    over: dict[tuple[str, str], int] = {}
    for index, group in enumerate(zip(versions, keys, strict=True)):
        found = kept.setdefault(group, [])
        if len(found) == MOST_EVENTS:
            over[group] = over.get(group, 0) + 1
            continue
        event = {"policy": policy, "version": group[0], "metric": metric, "key": group[1], "decision_id": ids[index]}
        event |= {"ts": float(at[index]), "value": float(values[index]), "rows": 1}
        event |= {"arrived": now, "judged": False}
        found.append(event)
    for group, count in over.items():
        kept[group][-1]["rows"] += count
    return [event for found in kept.values() for event in found]


def put_single(connection: Connection, events: Sequence[dict[str, Any]]) -> None:
    """Insert single events."""
    if events:
        connection.execute(insert(single_events), list(events))


def put_rejects(connection: Connection, policy: str, origin: str, rejects: Sequence[Reject], now: float) -> None:
    """Insert the first 1,000 refused rows of a batch that are not there yet from an earlier try."""
    kept = rejects[:MOST_REJECTS]
    if not kept:
        return
    there = select(quarantine.c.row, quarantine.c.field, quarantine.c.raw)
    there = there.where(quarantine.c.policy == policy, quarantine.c.origin == origin)
    known = {tuple(row) for row in connection.execute(there)}
    rows = [
        {"policy": policy, "origin": origin, **_storable(reject), "at": now}
        for reject in kept
        if (reject.row, reject.field, _storable(reject)["raw"]) not in known
    ]
    if rows:
        connection.execute(insert(quarantine), rows)


def _storable(reject: Reject) -> dict[str, Any]:
    """Return a refused row as PostgreSQL takes it, which has no text with a NUL."""
    return {
        name: value.replace("\x00", "\ufffd") if isinstance(value, str) else value
        for name, value in vars(reject).items()
    }
