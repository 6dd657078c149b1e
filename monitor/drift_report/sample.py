"""What a report compares: a seeded sample of the baseline's rows and of one version's rows of a span."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from sqlalchemy import Connection, select

from monitor.clock import stamp
from monitor.drift_report.columns import Compared, compared, plain
from monitor.landing.arrivals import acted
from monitor.log_store.arrow import concat
from monitor.log_store.hours import hours_of, rows_by_hour, spread, thinned
from monitor.log_store.lake import HOUR, Lake
from monitor.store.tables import baselines

ROWS = 5_000  # on either side
HOURS = 48  # read at most
MOST_READ = 2_000_000  # rows that are read to draw from
_CYCLE = {"hour_of_day": 24, "hour_of_week": 168}


@dataclass(frozen=True)
class Sampled:
    """Two tables of the same columns, and what is known of them without Evidently.

    Parameters
    ----------
    reference, current
        Rows of the baseline, and of the version in the span.
    columns
        What is compared, with our own divergence, and what was left out.
    of
        Whose rows the reference is: the version's own where it acted in the baseline, else every version's.
    """

    reference: pa.Table
    current: pa.Table
    columns: Compared
    of: str

    def write(self, folder: Path, threshold: float) -> None:
        """Write what the worker reads: two Parquet files and the request."""
        pq.write_table(self.reference, folder / "reference.parquet")
        pq.write_table(self.current, folder / "current.parquet")
        numbers, levels = ([plain(name) for name in some] for some in (self.columns.numbers, self.columns.levels))
        request = {"numbers": numbers, "levels": levels, "threshold": threshold}
        (folder / "request.json").write_text(json.dumps(request), "utf-8")


def sample(connection: Connection, lake: Lake, season: str, row: Any) -> Sampled:
    """Draw both sides of the report that a row of ``drift_reports`` asks for; its id seeds the draw.

    Raises
    ------
    ValueError
        If a side has no row, or no column has values on both.
    """
    span = connection.execute(select(baselines).where(baselines.c.id == row.baseline)).one_or_none()
    if span is None:
        raise ValueError("its baseline is not known any more")
    current = _drawn(connection, lake, row, (row.begin, row.end), row.version, None)
    if current.num_rows == 0:
        raise ValueError(f"{row.version} decided nothing between {stamp(row.begin)} and {stamp(row.end)}")
    slots = _slots(season, row.begin, row.end)
    reference, of = _drawn(connection, lake, row, (span.begin, span.end), row.version, slots), row.version
    if reference.num_rows == 0:
        reference, of = _drawn(connection, lake, row, (span.begin, span.end), None, slots), "all versions"
    if reference.num_rows == 0:
        raise ValueError("the baseline's rows are not in the lake any more")
    found = compared(reference, current)
    return Sampled(found.of(reference), found.of(current), found, of)


def _drawn(
    connection: Connection,
    lake: Lake,
    row: Any,
    span: tuple[float, float],
    version: str | None,
    slots: tuple[int, set[int]] | None,
) -> pa.Table:
    """Draw rows of a span, from hours that are spread over it, each in proportion to its rows."""
    rng = np.random.default_rng([row.id, int(version is None), int(span[0])])
    counted = rows_by_hour(connection, row.policy, *span)
    own = set(counted) if version is None else hours_of(connection, row.policy, version, *span) & set(counted)
    if slots is not None:
        own = {hour for hour in own if hour % slots[0] in slots[1]} or own
    average = sum(counted.values()) / max(1, len(counted))
    drawn = []
    for hour in spread(rng, sorted(own), int(np.clip(MOST_READ / max(1.0, average), 4, HOURS))):
        begin, end = max(hour * HOUR, span[0]), min((hour + 1) * HOUR, span[1])
        table = _read(connection, lake, row.policy, version, begin, end)
        drawn.append((table.num_rows, thinned(rng, table, ROWS)))
    total = sum(many for many, _table in drawn)
    share = min(1.0, ROWS / max(1, total))
    parts = [thinned(rng, table, round(share * many)) for many, table in drawn]
    return thinned(rng, concat(parts), ROWS) if parts else pa.table({})  # shares are rounded


def _read(connection: Connection, lake: Lake, policy: str, version: str | None, begin: float, end: float) -> pa.Table:
    """Read the executed decisions of a version, in an order that does not depend on the lake's files."""
    files = lake.files(connection, policy, "decisions", begin, end)
    seen = {name for file in files for name in pq.read_schema(lake.root / file.file).names}
    wanted = ["decision_id", "ts", "version", "action", *sorted(name for name in seen if name.startswith("state."))]
    wanted += ["arm"] if "arm" in seen else []
    table = lake.read(connection, policy, "decisions", begin, end, columns=wanted)
    table = table.filter(pa.array(acted(table)))
    if version is not None:
        table = table.filter(pc.equal(table["version"], version).fill_null(False))
    table = table.sort_by([("ts", "ascending"), ("decision_id", "ascending")])
    return table.select([name for name in wanted if name == "action" or name.startswith("state.")])


def _slots(season: str, begin: float, end: float) -> tuple[int, set[int]] | None:
    """Return the season's length in hours and the hours of it that a span touches; None without a season."""
    cycle = _CYCLE.get(season)
    if cycle is None:
        return None
    return cycle, {hour % cycle for hour in range(int(begin // HOUR), int(-(-end // HOUR)))}
