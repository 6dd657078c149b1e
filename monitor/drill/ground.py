"""The healthy log of a drill: rows of the frozen baseline, replayed at a later time.

They come from the reference itself, so that a detector which compares with it has nothing to find until the fault
begins. Shifted by whole days (weeks where the season is one), so that a daily cycle stays where it was.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from sqlalchemy import Connection, func, select

from monitor.judging.windows import Frozen
from monitor.landing import rewards
from monitor.landing.arrivals import acted
from monitor.log_store.arrow import concat, micros
from monitor.log_store.lake import Lake
from monitor.log_store.schema import TIMESTAMP
from monitor.settings.policy import Policy
from monitor.store.tables import manifest, summaries
from monitor.validate.roles import is_role

DAY, WEEK = 86400, 7 * 86400
MOST = 20_000  # rows of one window: a busier log is thinned, whole episodes at a time


class GroundError(Exception):
    """The baseline cannot be replayed; the message says why."""


@dataclass(frozen=True)
class Ground:
    """A version's rows in the baseline.

    Parameters
    ----------
    lake, policy, version, configured
        Where the rows lie, and whose they are.
    first, length
        The span that is repeated, seconds since 1970.
    """

    lake: Lake
    policy: str
    version: str
    configured: Policy
    first: int
    length: int

    def rows(self, connection: Connection, begin: float, end: float, version: str, limit: int = MOST) -> pa.Table:
        """Return the rows of drill time ``[begin, end)``, as a log would have them, acted by ``version``.

        The column ``delay.reward`` is in it where rewards came as events later.
        """
        parts = []
        at = begin
        while at < end:
            offset = (at - self.first) % self.length
            step = min(end - at, self.length - offset)
            parts.append(self._copied(connection, self.first + offset, step, at))
            at += step
        table = concat(parts)
        table = _thinned(table, limit)
        names = pa.array([version] * table.num_rows, pa.string())
        return table.set_column(table.column_names.index("version"), "version", names)

    def _copied(self, connection: Connection, source: float, span: float, at: float) -> pa.Table:
        mode = self.configured.reward_events
        table = rewards.read(self.lake, connection, self.policy, source, source + span, mode)
        mine = pc.equal(table.column("version"), self.version).fill_null(False)
        table = table.filter(mine)
        shift = round((at - source) * 1e6)
        ts = pa.array(micros(table, "ts") + shift).cast(TIMESTAMP)
        table = table.set_column(table.column_names.index("ts"), "ts", ts)
        mark = f"drill-{shift // 1_000_000}-"
        for name in ("decision_id", "episode_id"):
            if name in table.column_names:
                column = table.column(name).cast(pa.string())
                marked = pc.binary_join_element_wise(mark, column, "")
                table = table.set_column(table.column_names.index(name), name, marked)
        kept = [name for name in table.column_names if is_role(name) or name == rewards.DELAY]
        return table.select(kept)


def ground(
    connection: Connection, lake: Lake, policy: str, configured: Policy, frozen: Frozen, version: str, window: int
) -> Ground:
    """Return where a version's rows of the baseline lie.

    Raises
    ------
    GroundError
        If the version has none in it, or the lake does not hold them any more.
    """
    c = summaries.c
    mine = (c.policy == policy) & (c.version == version) & (c.segment == "") & (c.resolution == window)
    span = select(func.min(c.start), func.max(c.start)).where(mine, c.start >= frozen.begin, c.start < frozen.end)
    first, last = connection.execute(span.where(c.late.is_(False))).one()
    if first is None:
        raise GroundError(
            f"{version} has no decision in the frozen baseline, so that nothing about it is compared with anything:"
            f" freeze one that it is in"
        )
    m = manifest.c
    held = select(func.min(m.first_ts)).where(m.policy == policy, m.kind == "decisions", m.last_ts >= first)
    oldest = connection.execute(held).scalar_one()
    begin = max(float(first), frozen.begin, math.inf if oldest is None else float(oldest) // window * window)
    end = min(float(last + window), frozen.end)
    whole = WEEK if configured.season == "hour_of_week" else DAY
    step = next((unit for unit in (whole, window) if end - begin >= unit), None)
    if step is None:
        raise GroundError(f"the lake does not hold the rows of the baseline of {policy} any more: freeze a newer one")
    length = int((end - begin) // step) * step
    first = math.ceil((end - length) / window) * window
    return Ground(lake, policy, version, configured, first, length)


def _thinned(table: pa.Table, limit: int) -> pa.Table:
    """Return every k-th row, or every k-th episode, so that at most about ``limit`` rows are left."""
    every = math.ceil(table.num_rows / limit) if limit else 1
    if every <= 1:
        return table
    if "episode_id" in table.column_names and table.column("episode_id").null_count == 0:
        codes: Any = pc.dictionary_encode(table.column("episode_id").combine_chunks())
        return table.filter(pa.array(codes.indices.to_numpy(zero_copy_only=False) % every == 0))
    return table.take(pa.array(np.arange(0, table.num_rows, every)))


def live(table: pa.Table) -> pa.Table:
    """Return the rows that were executed."""
    return table.filter(pa.array(acted(table)))
