"""Reward and outcome events, which come after their decision."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from monitor.validate import columns as check
from monitor.validate.cast import filled, one
from monitor.validate.decision_rows import timestamps
from monitor.validate.faults import Accepted, Faults, nearest
from monitor.validate.roles import EVENT, resolve
from monitor.validate.unfit import listed


def rewards(
    raw: pa.Table,
    *,
    latest: float,
    origin: str,
    first_row: int,
    columns: Mapping[str, str] | None = None,
    zone: str | None = None,
) -> Accepted:
    """Check a batch of reward and outcome events.

    Unlike decisions they need no policy: the decision has it. An event without ``event_id`` gets the hash of the rest,
    so that the same event sent twice is one event.

    Parameters
    ----------
    raw
        Rows of ``decision_id, ts, reward | outcome.<name>`` and, optional, ``event_id`` and ``decision_ts``.
    latest
        Newest allowed ``ts``, seconds since 1970 UTC.
    origin
        The file or request, for messages.
    first_row
        Number of the first row in it, counted from 1.
    columns, zone
        As for ``decisions``.

    Raises
    ------
    MappingError
        If ``columns`` does not fit the log.

    Examples
    --------
    >>> raw = pa.table({"decision_id": ["a", "b"], "ts": ["2026-01-31T12:00:00Z"] * 2, "reward": [1.0, float("nan")]})
    >>> done = rewards(raw, latest=2e9, origin="request", first_row=1)
    >>> done.table["reward"].to_pylist(), done.rejects[0].reason
    ([1.0], 'reward is NaN: leave it empty (null) if it is not known yet')
    """
    roles = resolve(raw, columns or {}, first_row, EVENT)
    faults = Faults(raw.num_rows)
    roles = replace(roles, columns=listed(roles.columns, roles.mixed, faults))
    nothing = pa.nulls(raw.num_rows)
    ids = check.text("decision_id", roles.columns.get("decision_id", nothing), faults)
    near = nearest("decision_id", roles.ignored)
    unnamed = pc.equal(ids, "").fill_null(True).to_numpy(zero_copy_only=False)
    faults.add(unnamed, "decision_id", lambda _: f"decision_id is missing{near or ': name its decision'}")
    table = {"decision_id": ids, "ts": timestamps(roles, "ts", zone, latest, faults, required=True)}
    named = check.text("event_id", roles.columns.get("event_id", nothing), faults)
    table["event_id"] = named
    table["decision_ts"] = timestamps(roles, "decision_ts", zone, latest, faults, required=False)
    values = sorted(role for role in roles.columns if role == "reward" or role.startswith("outcome."))
    table["reward"] = pa.nulls(raw.num_rows, pa.float64())
    table |= {role: check.number(role, roles.columns[role], faults) for role in values}
    known = np.zeros(raw.num_rows, bool)
    for role in values:
        known |= filled(table[role])
    faults.add(~known, "reward", lambda _: "neither reward nor outcome.<name> has a value: send it once known")
    result = pa.table(table)
    if faults.any:
        result = result.filter(pa.array(faults.good))
    result = result.set_column(2, "event_id", _event_ids(result))
    rejects = faults.rejects(raw, roles.rows)
    missing, numbers = roles.missing(EVENT[2:]), roles.rows[faults.good]
    return Accepted(result, rejects, missing, False, roles.ignored, roles.notes, numbers)


def _event_ids(table: pa.Table) -> pa.Array:
    """Fill missing ids with the SHA-256 of what the row says, 32 hexadecimal digits; nulls say nothing."""
    given = one(table["event_id"])
    empty = pc.equal(given, "").fill_null(True)
    if not pc.any(empty, min_count=0).as_py():
        return given
    parts = []
    for role in sorted(set(table.column_names) - {"event_id"}):
        column = one(table[role])
        column = column.cast(pa.int64()) if pa.types.is_timestamp(column.type) else column
        parts.append(pc.binary_join_element_wise(role, column.cast(pa.string()), "\x1f"))
    rest = pc.binary_join_element_wise(*parts, "\x1e", null_handling="skip").to_pylist()
    made = [hashlib.sha256(text.encode()).hexdigest()[:32] for text in rest]
    return pc.if_else(empty, pa.array(made, pa.string()), given)
