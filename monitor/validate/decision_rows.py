"""Decisions: a raw batch goes in, the canonical table and the refused rows come out."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pt

from monitor.clock import stamp
from monitor.log_store.schema import FIXED, REQUIRED
from monitor.validate import columns as check
from monitor.validate.cast import filled, one
from monitor.validate.faults import Accepted, Faults, nearest, show
from monitor.validate.lists import is_list
from monitor.validate.roles import DECISION, MappingError, Roles, resolve
from monitor.validate.times import instants
from monitor.validate.unfit import listed

_OPTIONAL = tuple(name for name in DECISION if name not in REQUIRED)


def decisions(
    raw: pa.Table,
    *,
    columns: Mapping[str, str],
    policy: str | None,
    version: str | None,
    known: Collection[str],
    zone: str | None,
    latest: float,
    actions: Sequence[str],
    origin: str,
    origin_digest: str,
    first_row: int,
    kinds: Mapping[str, str] | None = None,
) -> Accepted:
    """Check a batch of decisions against the contract; a bad row never takes a good one with it.

    Vectorised: only refused rows cost Python time. Row order is kept. Duplicates are the landing's matter.

    Parameters
    ----------
    raw
        The batch as a source decoded it, any columns.
    columns
        Role = column of the log; roles that are not named take the column of their own name.
    policy, version
        Taken for rows that name none. A row that names another policy than ``policy`` is refused.
    known
        Names of the configured policies; empty: any.
    zone
        Time zone of naive timestamps, None: they are refused.
    latest
        Newest allowed ``ts``, seconds since 1970 UTC.
    actions
        Names of the actions 0..K-1; empty: any.
    origin, origin_digest
        The file or request, for messages, and its digest, for derived ids.
    first_row
        Number of the first row in it, counted from 1.
    kinds
        Optional: "number" or "text" by role, which pins state features whose type the log leaves open.

    Raises
    ------
    MappingError
        If ``columns`` does not fit, or a log of fixed columns has none for a required role.

    Examples
    --------
    >>> raw = pa.table({"ts": ["2026-01-31T12:00:00Z"] * 2, "action": [1, 0], "propensity": [0.5, 1.2]})
    >>> done = decisions(raw, columns={}, policy="bids", version="v1", known=["bids"], zone=None, latest=2e9,
    ...                  actions=["hold", "bid"], origin="a.csv", origin_digest="ab", first_row=1)
    >>> done.table["action"].to_pylist(), done.table["decision_id"].to_pylist(), done.derived_ids
    (['bid'], ['ab-1'], True)
    >>> done.rejects[0].row, done.rejects[0].field
    (2, 'propensity')
    """
    roles = resolve(raw, columns, first_row)
    _require(roles, raw, policy, version, origin)
    faults = Faults(raw.num_rows)
    roles = replace(roles, columns=listed(roles.columns, roles.mixed, faults))
    ids, derived = _ids(roles, origin_digest, faults)
    table = {"decision_id": ids, "ts": timestamps(roles, "ts", zone, latest, faults, required=True)}
    table["policy"] = _policy(roles, policy, known, faults)
    table["version"] = _filled(roles, "version", version, faults, "log it, or set version of the source")
    acted = _column(roles, "action")
    table["action"] = check.action("action", acted, actions, faults)
    if pt.is_null(table["action"].type):
        table["action"] = table["action"].cast(pa.string())
    faults.add(~filled(acted), "action", lambda _: "action is missing: log what was executed")
    if "propensity" in roles.columns:
        table["propensity"] = check.propensity(roles.columns["propensity"], is_list(table["action"].type), faults)
    order = [role for role in FIXED if role in roles.columns]
    for role in dict.fromkeys([*order, *roles.columns]):
        if role not in table:
            table[role] = check.optional(
                role,
                roles.columns[role],
                actions=actions,
                untyped=role in roles.untyped,
                kind=(kinds or {}).get(role),
                faults=faults,
            )
    result = pa.table(table)
    if faults.any:
        result = result.filter(pa.array(faults.good))
    rejects, missing, numbers = faults.rejects(raw, roles.rows), roles.missing(_OPTIONAL), roles.rows[faults.good]
    return Accepted(result, rejects, missing, derived, roles.ignored, roles.notes, numbers)


def _require(roles: Roles, raw: pa.Table, policy: str | None, version: str | None, origin: str) -> None:
    given = {"decision_id": "", "policy": policy, "version": version}
    for role in REQUIRED:
        if role in roles.columns or given.get(role) is not None or roles.open:
            continue
        near = nearest(role, roles.ignored)
        raise MappingError(
            f'{origin}: the log has no column for {role}{near}; set columns = {{ {role} = "..." }} '
            f"to one of {', '.join(raw.column_names) or 'its columns (it has none)'}"
        )


def _column(roles: Roles, role: str) -> pa.Array:
    return roles.columns.get(role, pa.nulls(len(roles.rows)))


def _ids(roles: Roles, digest: str, faults: Faults) -> tuple[pa.Array, bool]:
    """Rows without an id get one of digest and row number, if the log has no such column or need not have it (JSON)."""
    column = _column(roles, "decision_id")
    ids = check.text("decision_id", column, faults)
    empty = pc.equal(ids, "").fill_null(True).to_numpy(zero_copy_only=False) & (
        ~filled(column) | filled(ids)
    )  # a value of a wrong type has its own fault
    if not empty.any():
        return ids, False
    if "decision_id" in roles.columns and not roles.open:
        faults.add(empty, "decision_id", lambda _: "decision_id is missing: log it, or drop the whole column")
        return ids, False
    made = pc.binary_join_element_wise(digest, pa.array(roles.rows).cast(pa.string()), "-")
    return pc.if_else(pa.array(empty), made, ids), True


def timestamps(roles: Roles, role: str, zone: str | None, latest: float, faults: Faults, *, required: bool) -> pa.Array:
    """Return a role's instants; missing ones (if ``required``) and those after ``latest`` are faults."""
    column = _column(roles, role)
    if required:
        near = nearest(roles.source.get(role, role), roles.ignored)
        faults.add(~filled(column), role, lambda _: f"{role} is missing{near or ': log when it happened, in UTC'}")
    times = instants(column, role, zone, faults) if not pt.is_null(column.type) else column.cast(FIXED["ts"])
    limit = pa.scalar(int(np.clip(latest, -6e10, 2.5e11) * 1e6), pa.int64()).cast(FIXED["ts"])
    late = pc.greater(times, limit).fill_null(False).to_numpy(zero_copy_only=False)
    faults.add(
        late,
        role,
        lambda i: (
            f"{role} is {show(str(times[i]))}, later than {stamp(latest)}, the newest allowed: set its clock right"
        ),
    )
    return times


def _filled(roles: Roles, role: str, given: str | None, faults: Faults, fix: str) -> pa.Array:
    if role not in roles.columns and given is not None:
        return pa.repeat(given, len(roles.rows))
    column = _column(roles, role)
    values = check.text(role, column, faults)
    values = pc.if_else(pc.equal(values, ""), pa.scalar(None, pa.string()), values)
    if given is not None:
        values = values.fill_null(given)
    faults.add(~filled(values), role, lambda _: f"{role} is missing: {fix}")
    return values


def _policy(roles: Roles, given: str | None, known: Collection[str], faults: Faults) -> pa.Array:
    values = _filled(roles, "policy", given, faults, "log it, or give it with --policy")
    if known:
        names = pa.array(sorted({*known, *([given] if given else [])}))
        strange = filled(values) & ~one(pc.is_in(values, value_set=names)).to_numpy(zero_copy_only=False)
        faults.add(
            strange,
            "policy",
            lambda i: (
                f"policy is {show(values[i].as_py())}, which is not configured{nearest(values[i].as_py(), known)}"
                f" Known: {', '.join(sorted(known))}"
            ),
        )
    if given is not None and "policy" in roles.columns:
        other = pc.not_equal(values, given).fill_null(False).to_numpy(zero_copy_only=False)
        faults.add(
            other,
            "policy",
            lambda i: f"policy is {show(values[i].as_py())}, but this log is read for {given}: give it its own source",
        )
    return values
