"""A posted batch may hold rows of several policies: each policy's rows are checked with its own configuration."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from monitor import validate
from monitor.bucketing.plans import current_plan
from monitor.tick import Parts
from monitor.validate import ROW, Accepted, Reject
from monitor.validate.cast import one, texts


def split(parts: Parts, raw: pa.Table, origin: str) -> tuple[dict[str, Accepted], tuple[Reject, ...]]:
    """Return what validation leaves of each configured policy's rows, and the rows that name none of them.

    Parameters
    ----------
    parts
        Configuration, frozen plans and time.
    raw
        The batch as it was sent, any columns; rows are numbered from 1.
    origin
        The request, as the quarantine names it.

    Raises
    ------
    MappingError
        If the batch has fixed columns and lacks a required one.
    """
    if ROW not in raw.column_names:
        raw = raw.append_column(ROW, pa.array(np.arange(1, raw.num_rows + 1)))
    configured = parts.settings.policy
    named = pa.nulls(raw.num_rows, pa.string())
    if raw.column_names.count("policy") == 1:  # validation refuses two
        named = texts(one(raw["policy"]))[0]
    known = pc.is_in(named, value_set=pa.array(sorted(configured)))
    batches = {}
    for name in sorted(pc.unique(named.filter(known)).to_pylist()):
        mine = pc.equal(named, name).fill_null(False)
        batches[name] = _checked(parts, raw.filter(mine), name, origin)
    strange = (
        _checked(parts, raw.filter(pc.invert(known)), None, origin).rejects
        if not pc.all(known, min_count=0).as_py()
        else ()
    )
    return batches, strange


def _checked(parts: Parts, raw: pa.Table, policy: str | None, origin: str) -> Accepted:
    configured = parts.settings.policy
    kinds = {}
    if policy is not None:
        with parts.database.read() as connection:
            plan, _baseline = current_plan(connection, parts.settings, policy)
        kinds = {f"state.{one.name}": "text" if one.category else "number" for one in plan.features}
    return validate.decisions(
        raw,
        columns={},
        policy=None,
        version=None,
        known=configured,
        zone=None,
        latest=parts.clock.now()
        + (configured[policy].skew if policy else max(item.skew for item in configured.values())),
        actions=configured[policy].actions if policy else (),
        origin=origin,
        origin_digest=origin.removeprefix("http:"),
        first_row=1,
        kinds=kinds,
    )
