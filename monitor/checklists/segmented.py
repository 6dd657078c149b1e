"""Facts by segment: the judged version beside the one that people have today."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from sqlalchemy import Connection, func, select

from monitor.checklists.logged import intact
from monitor.checklists.span import HOUR, RECENT, Span
from monitor.landing.arrivals import acted
from monitor.log_store.arrow import micros
from monitor.log_store.lake import Lake
from monitor.store.tables import summaries
from runbooks.checklist.facts import Sample, SegmentPair

MOST_LEVELS = 50
TOGETHER = 0.5  # share of the judged version's hours in which the other acted too, from which they are concurrent


def gather(connection: Connection, lake: Lake, span: Span, live: pa.Table) -> dict[str, Any]:
    """Return ``segments`` and ``concurrent``; nothing is read where the log has no segments or nothing to compare."""
    names = [name for name in live.column_names if name.startswith("segment.")]
    if not names or span.version == span.incumbent:
        return {}
    own = _of(live, span.version)
    if not own.num_rows:
        return {}
    other, concurrent = _today(connection, lake, span, own, live)
    pairs: list[SegmentPair] = []
    for name in sorted(names):
        if name not in other.column_names:
            continue
        for level in _levels(own.column(name)):
            now = own.filter(pc.equal(own.column(name), level).fill_null(False))
            today = other.filter(pc.equal(other.column(name), level).fill_null(False))
            pairs += _pairs(span, f"{name.removeprefix('segment.')}={level}", now, today)
    return {"segments": tuple(pairs), "concurrent": concurrent}


def _today(connection: Connection, lake: Lake, span: Span, own: pa.Table, live: pa.Table) -> tuple[pa.Table, bool]:
    """Return the incumbent's rows of the same span, or of its newest day where it did not act meanwhile."""
    table = _of(live, span.incumbent)
    first = float(micros(own, "ts").min()) / 1e6
    mine, theirs = (set((micros(t, "ts") // (HOUR * 1_000_000)).tolist()) for t in (own, table))
    if mine and len(mine & theirs) >= TOGETHER * len(mine):
        return table, True
    newest = connection.execute(
        select(func.max(summaries.c.start)).where(
            summaries.c.policy == span.policy,
            summaries.c.version == span.incumbent,
            summaries.c.segment == "",
            summaries.c.resolution == HOUR,
            summaries.c.start < first,
        )
    ).scalar_one()
    if newest is None:
        return table, False
    end = newest + HOUR
    return _of(intact(connection, lake, span, end - RECENT, end)[0], span.incumbent), False


def _of(table: pa.Table, version: str) -> pa.Table:
    table = table.filter(pa.array(acted(table)))
    return table.filter(pc.equal(table.column("version"), version))


def _levels(column: pa.ChunkedArray) -> list[str]:
    counted = pc.value_counts(column.drop_null()).to_pylist()
    ordered = sorted(counted, key=lambda item: (-item["counts"], item["values"]))
    return [item["values"] for item in ordered[:MOST_LEVELS]]


def _pairs(span: Span, segment: str, now: pa.Table, today: pa.Table) -> list[SegmentPair]:
    found = []
    for measure, higher in (("reward", True), ("violations", False), ("overrides", False)):
        samples = [_sample(_values(span, table, measure)) for table in (now, today)]
        if samples[0] is not None and samples[1] is not None:
            found.append(SegmentPair(segment, measure, higher, samples[0], samples[1]))
    return found


def _values(span: Span, table: pa.Table, measure: str) -> NDArray[np.float64] | None:
    if measure == "reward":
        return _column(table, "reward")
    if measure == "overrides":
        if "override" not in table.column_names:
            return None
        taken: NDArray[np.float64] = table.column("override").is_valid().to_numpy().astype(np.float64)
        return taken
    any_violation = None
    for limit in span.plan.constraints:
        cost = _column(table, f"cost.{limit.cost}")
        if cost is not None:
            over = (cost > limit.limit).astype(np.float64)
            any_violation = over if any_violation is None else np.maximum(any_violation, over)
    return any_violation


def _column(table: pa.Table, name: str) -> NDArray[np.float64] | None:
    if name not in table.column_names:
        return None
    values: NDArray[np.float64] = table.column(name).cast(pa.float64()).to_numpy()
    return values


def _sample(values: NDArray[np.float64] | None) -> Sample | None:
    known = np.empty(0) if values is None else values[np.isfinite(values)]
    if len(known) < 2:
        return None
    return Sample(len(known), float(known.mean()), float(known.std(ddof=1)))
