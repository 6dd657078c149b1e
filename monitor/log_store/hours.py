"""A bounded sample of a long log is drawn hour by hour: which hours have rows, which to read, how many rows to keep."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pyarrow as pa
from sqlalchemy import Connection, select

from monitor.log_store.lake import HOUR
from monitor.store.tables import manifest, summaries


def rows_by_hour(connection: Connection, policy: str, begin: float, end: float) -> dict[int, int]:
    """Return how many decisions the lake holds of each hour (since 1970) that [begin, end) touches."""
    m = manifest.c
    found: dict[int, int] = {}
    named = select(m.hour, m.rows).where(m.policy == policy, m.kind == "decisions")
    for hour, rows in connection.execute(named.where(m.hour >= begin // HOUR, m.hour < end / HOUR)):
        found[int(hour)] = found.get(int(hour), 0) + int(rows)
    return found


def hours_of(connection: Connection, policy: str, version: str, begin: float, end: float) -> set[int]:
    """Return the hours in which a version acted, from its minutes and hours: an hour is rolled up only at its end."""
    s = summaries.c
    starts = select(s.start).distinct().where(s.policy == policy, s.version == version, s.segment == "")
    starts = starts.where(s.resolution.in_([60, HOUR]), s.start >= begin // HOUR * HOUR, s.start < end)
    return {int(start // HOUR) for start in connection.execute(starts).scalars()}


def spread(rng: np.random.Generator, hours: Sequence[int], most: int) -> list[int]:
    """Draw one hour from each of equal stretches, so that no part of the span is left out.

    >>> spread(np.random.default_rng(0), range(100), 4)
    [21, 40, 62, 81]
    """
    if most <= 0:
        return []
    if len(hours) <= most:
        return list(hours)
    edges = np.linspace(0, len(hours), most + 1).astype(int)
    return [hours[int(rng.integers(low, high))] for low, high in pairwise(edges)]


def thinned(rng: np.random.Generator, table: pa.Table, most: int) -> pa.Table:
    """Draw at most so many rows, in their order."""
    if table.num_rows <= most:
        return table
    return table.take(pa.array(np.sort(rng.choice(table.num_rows, most, replace=False))))
