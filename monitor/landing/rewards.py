"""Rewards that come after their decision: found, settled, joined; those whose decision is unknown wait, counted.

In the lake a reward lies in the hour of its decision, so that a bucket is re-counted from two directories.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from sqlalchemy import Connection, delete, func, insert, select

from monitor.clock import stamp
from monitor.log_store.arrow import micros
from monitor.log_store.lake import Lake
from monitor.log_store.schema import TIMESTAMP
from monitor.store.database import insert_new
from monitor.store.tables import quarantine, waiting_rewards

Seen = dict[tuple[str, int], dict[str, float]]  # (decision_id, its ts) -> values that are final already
DELAY = "delay.reward"
_TIMES = ("ts", "decision_ts")
_HOUR = 3_600_000_000  # microseconds


@dataclass(frozen=True)
class Clash:
    """Row ``row`` of an events table says something else about its decision than was said before."""

    row: int
    field: str
    reason: str


def values_of(table: pa.Table) -> list[str]:
    """Return the columns that carry values: ``reward`` and every ``outcome.<name>``."""
    return [name for name in table.column_names if name == "reward" or name.startswith("outcome.")]


def identified(events: pa.Table) -> pa.Table:
    """Return events in canonical form: every one with an ``event_id``, by default the hash of the rest."""
    for name, kind in (("event_id", pa.string()), ("decision_ts", TIMESTAMP)):
        if name not in events.column_names:
            events = events.append_column(name, pa.nulls(events.num_rows, kind))
    missing = np.flatnonzero(events.column("event_id").is_null().to_numpy())
    if not len(missing):
        return events
    ids = events.column("event_id").to_pylist()
    for row, body in zip(missing, to_json(events.take(missing)), strict=True):
        ids[row] = hashlib.sha256(body.encode()).hexdigest()[:32]
    return events.set_column(events.column_names.index("event_id"), "event_id", pa.array(ids, pa.string()))


def settle(events: pa.Table, seen: Seen) -> tuple[NDArray[np.bool_], list[Clash]]:
    """Decide which events of policies with ``final`` rewards are new; ``seen`` learns from those.

    The first value of a decision is final: the same one again is a duplicate, another one a clash.

    Returns
    -------
    tuple
        Which rows are new, shape (rows,), and the clashes; the other rows are duplicates.
    """
    new = np.zeros(events.num_rows, bool)
    clashes = []
    ids, at = events.column("decision_id").to_pylist(), micros(events, "decision_ts").tolist()
    columns = {name: events.column(name).to_pylist() for name in values_of(events)}
    for row, key in enumerate(zip(ids, at, strict=True)):
        known = seen.setdefault(key, {})
        said = {name: values[row] for name, values in columns.items() if values[row] is not None}
        other = next((name for name, value in said.items() if known.get(name, value) != value), None)
        if other is not None:
            reason = f"decision {key[0]} has the final {other} {known[other]}, now {said[other]}"
            clashes.append(Clash(row, other, f'{reason}; set reward_events = "additive" if several events are to sum'))
        else:
            new[row] = not said.keys() <= known.keys()
            known.update(said)
    return new, clashes


def learn(seen: Seen, events: pa.Table) -> None:
    """Put landed events into ``seen``."""
    settle(events, seen)


def join(decisions: pa.Table, events: pa.Table, mode: str) -> pa.Table:
    """Return decisions with the rewards and outcomes that came later.

    Parameters
    ----------
    decisions
        Canonical decisions.
    events
        Landed events; those of other decisions are ignored.
    mode
        ``final`` (an event replaces what the decision logged) or ``additive`` (it adds to it, null counting as 0).

    Examples
    --------
    >>> at = pa.array([0, 1], TIMESTAMP)
    >>> decisions = pa.table({"decision_id": ["a", "b"], "ts": at, "reward": [1.0, None]})
    >>> events = pa.table({"decision_id": ["a", "b"], "decision_ts": at, "reward": [0.5, 2.0]})
    >>> [join(decisions, events, mode)["reward"].to_pylist() for mode in ("final", "additive")]
    [[0.5, 2.0], [1.5, 2.0]]
    """
    if not events.num_rows or not decisions.num_rows:
        return decisions
    place, matched = _places(decisions, events)
    for name in values_of(events):
        value = _floats(events, name)
        rows = matched & ~np.isnan(value)
        if not rows.any():
            continue
        total = _floats(decisions, name).copy()
        if mode == "additive":
            total[place[rows]] = np.nan_to_num(total[place[rows]])
            np.add.at(total, place[rows], value[rows])
        else:  # the first of a decision stays; of several assignments to one place numpy keeps the last
            total[place[rows][::-1]] = value[rows][::-1]
        column = pa.array(total, from_pandas=True)
        at = decisions.column_names.index(name) if name in decisions.column_names else None
        decisions = decisions.append_column(name, column) if at is None else decisions.set_column(at, name, column)
    return _aged(decisions, events, place, matched)


def _aged(decisions: pa.Table, events: pa.Table, place: NDArray[np.int64], matched: NDArray[np.bool_]) -> pa.Table:
    """Add how old each decision was when its last reward happened, in seconds: the arrival curve of delayed rewards."""
    rows = matched & ~np.isnan(_floats(events, "reward"))
    if not rows.any() or not {"ts", "decision_ts"} <= set(events.column_names):
        return decisions
    age = np.full(decisions.num_rows, -np.inf)
    np.maximum.at(age, place[rows], (micros(events, "ts")[rows] - micros(events, "decision_ts")[rows]) / 1e6)
    return decisions.append_column(DELAY, pa.array(np.where(np.isinf(age), np.nan, age), from_pandas=True))


def read(lake: Lake, connection: Connection, policy: str, begin: float, end: float, mode: str) -> pa.Table:
    """Read the decisions of [begin, end) from the lake with their later rewards joined."""
    decisions = lake.read(connection, policy, "decisions", begin, end)
    return join(decisions, lake.read(connection, policy, "rewards", begin, end), mode)


def meet(events: pa.Table, decisions: pa.Table, reach: float) -> pa.Table:
    """Return the events whose decision is among ``decisions``, with the decision's time as ``decision_ts``.

    An event that names the time of its decision belongs to that event hour; another one to a decision in the hours
    from ``reach`` seconds before the event up to the event.
    """
    if not events.num_rows or not decisions.num_rows:
        return events.slice(0, 0)
    ids = decisions.column("decision_id").combine_chunks()
    place = pc.index_in(events.column("decision_id"), value_set=ids).fill_null(-1).to_numpy().astype(np.int64)
    rows = np.flatnonzero(place >= 0)
    at = micros(decisions, "ts")[place[rows]]
    events = events.take(pa.array(rows))
    return located(events, at).filter(pa.array(within_reach(events, at, reach)))


def within_reach(events: pa.Table, at: NDArray[np.int64], reach: float) -> NDArray[np.bool_]:
    """Return whether a decision at ``at`` (microseconds) can be the one that each event means, shape (rows,)."""
    first, last = hours(events, reach)
    hour = at // _HOUR
    return (hour >= first) & (hour <= last)


def hours(events: pa.Table, reach: float) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the first and the last event hour in which each event's decision is looked for, shape (rows,) each."""
    at = micros(events, "ts")
    named = events.column("decision_ts").cast(pa.int64())
    given = named.is_valid().to_numpy()
    said = named.fill_null(0).to_numpy() // _HOUR
    return np.where(given, said, (at - round(reach * 1e6)) // _HOUR), np.where(given, said, at // _HOUR)


def located(events: pa.Table, at: NDArray[np.int64]) -> pa.Table:
    """Return events with the times of their decisions, microseconds since 1970."""
    column = pa.array(at, pa.int64()).cast(TIMESTAMP)
    return events.set_column(events.column_names.index("decision_ts"), "decision_ts", column)


def to_json(events: pa.Table) -> list[str]:
    """Write each event as canonical JSON, times in microseconds since 1970."""
    rows = _with_times(events, pa.int64()).to_pylist()
    kept = ({name: value for name, value in row.items() if value is not None} for row in rows)
    return [json.dumps(row, sort_keys=True, separators=(",", ":")) for row in kept]


def from_json(bodies: Iterable[str]) -> pa.Table:
    """Read what ``to_json`` wrote."""
    rows = [json.loads(body) for body in bodies]
    names = sorted({name for row in rows for name in row} | {"decision_id", "ts", "event_id", "decision_ts"})
    kinds = {"decision_id": pa.string(), "event_id": pa.string(), "ts": pa.int64(), "decision_ts": pa.int64()}
    columns = {name: pa.array([row.get(name) for row in rows], kinds.get(name, pa.float64())) for name in names}
    return _with_times(pa.table(columns), TIMESTAMP)


def hold(connection: Connection, policy: str, events: pa.Table, now: float) -> int:
    """Let events wait for their decisions; return how many did not wait already."""
    ids = zip(events.column("event_id").to_pylist(), events.column("decision_id").to_pylist(), strict=True)
    rows = [
        {"policy": policy, "event_id": event, "decision_id": decision, "arrived": now, "body": body}
        for (event, decision), body in zip(ids, to_json(events), strict=True)
    ]
    count = select(func.count()).select_from(waiting_rewards).where(waiting_rewards.c.policy == policy)
    before = connection.execute(count).scalar_one()
    insert_new(connection, waiting_rewards, rows)
    return int(connection.execute(count).scalar_one() - before)


def waiting(connection: Connection, policy: str) -> pa.Table:
    """Return the events that wait, in order of arrival."""
    statement = select(waiting_rewards.c.body).where(waiting_rewards.c.policy == policy)
    return from_json(
        connection.execute(statement.order_by(waiting_rewards.c.arrived, waiting_rewards.c.event_id)).scalars()
    )


def release(connection: Connection, policy: str, ids: Sequence[str]) -> None:
    """Take events that wait off the list."""
    for first in range(0, len(ids), 500):
        some = waiting_rewards.c.event_id.in_(ids[first : first + 500])
        connection.execute(delete(waiting_rewards).where(waiting_rewards.c.policy == policy, some))


def expire(connection: Connection, policy: str, before: float, now: float) -> int:
    """Quarantine events that arrived before ``before`` and still wait; return how many."""
    old = (waiting_rewards.c.policy == policy) & (waiting_rewards.c.arrived < before)
    rows = connection.execute(select(waiting_rewards).where(old)).all()
    if rows:
        entries = [_refused(policy, row, now) for row in rows]
        connection.execute(insert(quarantine), entries)
        connection.execute(delete(waiting_rewards).where(old))
    return len(rows)


def _refused(policy: str, row: Any, now: float) -> dict[str, Any]:
    reason = f"no decision {row.decision_id} came within the reward horizon; the event arrived {stamp(row.arrived)}"
    entry = {"policy": policy, "origin": "waiting rewards", "row": 0, "field": "decision_id"}
    return {**entry, "reason": reason, "raw": row.body, "at": now}


def _places(decisions: pa.Table, events: pa.Table) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Return the row of each event's decision and whether there is one: the same id and the same time."""
    ids = decisions.column("decision_id").combine_chunks()
    place = pc.index_in(events.column("decision_id"), value_set=ids).fill_null(-1).to_numpy().astype(np.int64)
    at, of = micros(decisions, "ts"), micros(events, "decision_ts")
    matched = (place >= 0) & (at[place] == of)
    other = np.flatnonzero((place >= 0) & ~matched)  # the same id in another hour is another decision
    if len(other):
        rows = np.flatnonzero(
            pc.is_in(ids, value_set=events.column("decision_id").take(other).combine_chunks()).to_numpy(False)
        )
        known = dict(zip(zip(ids.take(rows).to_pylist(), at[rows].tolist(), strict=True), rows.tolist(), strict=True))
        names = events.column("decision_id").to_pylist()
        for row in other:
            place[row] = known.get((names[row], int(of[row])), -1)
        matched = place >= 0
    return place, matched


def _floats(table: pa.Table, name: str) -> NDArray[np.float64]:
    if name not in table.column_names:
        return np.full(table.num_rows, np.nan)
    values: NDArray[np.float64] = table.column(name).cast(pa.float64()).to_numpy()
    return values


def _with_times(table: pa.Table, kind: Any) -> pa.Table:
    for name in _TIMES:
        if name in table.column_names:
            table = table.set_column(table.column_names.index(name), name, table.column(name).cast(kind))
    return table
