"""The log of a drill: healthy windows, then faulty ones, landed and judged by the code that is live."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from monitor import validate
from monitor.clock import stamp
from monitor.drill.faults import Case, Fault
from monitor.drill.faults.fault import numbers, put
from monitor.drill.ground import MOST, Ground, GroundError, live
from monitor.drill.site import Site
from monitor.landing.rewards import DELAY
from monitor.log_store.arrow import micros
from monitor.log_store.schema import TIMESTAMP
from monitor.tick import Parts, seal, tick, tick_events

_FEW = 20  # rows of each short window that confirms a rollback
_TOTAL = 200_000  # rows of a drill, about


@dataclass
class Stream:
    """The rows of one drill, window after window.

    Parameters
    ----------
    real, site
        The live parts, whose baseline is read, and the drill's own, which everything is written to.
    ground, policy, version
        Where healthy rows come from, and who takes the decisions.
    window
        Seconds that are landed and judged at a time.
    """

    real: Parts
    site: Site
    ground: Ground | None
    policy: str
    version: str
    window: int
    most: int = MOST

    def rows(self, begin: float, end: float, version: str) -> pa.Table:
        """Return healthy rows of ``[begin, end)``."""
        if self.ground is None:
            raise GroundError("there is no baseline to replay")
        with self.real.database.read() as connection:
            return self.ground.rows(connection, begin, end, version, self.most)

    def plan_for(self, windows: int) -> None:
        """Thin the log so that so many windows stay within what one drill may take."""
        self.most = max(1_000, min(MOST, _TOTAL // max(windows, 1)))

    def land(self, table: pa.Table, end: float) -> None:
        """Land rows that were decided before ``end``, and later the rewards that come later, by their own delays."""
        parts, configured = self.site.parts, self.site.parts.settings.policy[self.policy]
        self.site.clock.reach(end)
        later = _later(table)
        if DELAY in table.column_names:
            at = table.column(DELAY).is_null().to_numpy()
            table = put(table, "reward", np.where(at, numbers(table, "reward"), np.nan)).drop_columns([DELAY])
        self._decide(table, end)
        self.site.clock.reach(end + configured.maturity)
        arrived = later.filter(pa.array(micros(later, "ts") / 1e6 <= end + configured.maturity))
        if arrived.num_rows:
            origin = f"drill rewards {stamp(end)}"
            latest = self.site.clock.now() + configured.skew
            events = validate.rewards(arrived, latest=latest, origin=origin, first_row=1)
            parts.landing.rewards(self.policy, events, origin)

    def judge(self, end: float, fault: Fault | None = None, began: float = 0.0) -> None:
        """Let everything that happened before ``end`` become mature, and judge it as a live pass does."""
        parts = self.site.parts
        until = end + parts.settings.policy[self.policy].maturity
        self.site.clock.reach(until)
        tick_events(parts, self.policy)
        if fault is not None and fault.sabotage is not None:
            seal(parts.database, parts.settings, self.policy, until)
            with parts.database.begin() as connection:
                fault.sabotage(connection, began)
        tick(parts, self.policy, until)

    def faulty(self, fault: Fault, case: Case, begin: float, number: int) -> pa.Table:
        """Return the rows of a window with the fault in them."""
        return fault.rows(self.rows(begin, begin + self.window, self.version), case, number)

    def confirming(self, healthy: pa.Table, length: float, version: str) -> None:
        """Land what the serving side decides in the next short window, from which a rollback is confirmed."""
        start = math.ceil(self.site.clock.now() / length) * length
        table = live(healthy).slice(0, _FEW)
        n = table.num_rows
        at = ((start + length * (np.arange(n) + 0.5) / max(n, 1)) * 1e6).astype(np.int64)
        columns = {"decision_id": pa.array([f"drill-{start:.0f}-{i}" for i in range(n)], pa.string())}
        columns |= {"ts": pa.array(at).cast(TIMESTAMP), "version": pa.array([version] * n, pa.string())}
        for name, values in columns.items():
            table = table.set_column(table.column_names.index(name), name, values)
        self.site.clock.reach(start + length)
        self._decide(table.drop_columns([DELAY]) if DELAY in table.column_names else table, start + length)

    def _decide(self, table: pa.Table, end: float) -> None:
        """Validate and land rows like those of any source; none of the drill's own may be refused."""
        if not table.num_rows:
            return
        configured, origin = self.site.parts.settings.policy[self.policy], f"drill {stamp(end)}"
        accepted = validate.decisions(
            table,
            columns={},
            policy=self.policy,
            version=None,
            known=[self.policy],
            zone=None,
            latest=self.site.clock.now() + configured.skew,
            actions=configured.actions,
            origin=origin,
            origin_digest="drill",
            first_row=1,
        )
        if accepted.rejects:
            one = accepted.rejects[0]
            raise GroundError(f"the drill's own rows are refused: {one.field}: {one.reason}")
        self.site.parts.landing.decisions(self.policy, accepted, origin)


def _later(table: pa.Table) -> pa.Table:
    """Return the rewards that come as events, with when they come."""
    if DELAY not in table.column_names:
        return pa.table({"ts": pa.array([], TIMESTAMP)})
    delay = numbers(table, DELAY)
    rows = np.flatnonzero(np.isfinite(delay) & np.isfinite(numbers(table, "reward")))
    decided = micros(table, "ts")[rows]
    come = decided + (np.maximum(delay[rows], 0.0) * 1e6).astype(np.int64)
    ids = table.column("decision_id").take(pa.array(rows))
    columns = {"decision_id": ids, "ts": pa.array(come).cast(TIMESTAMP)}
    columns |= {"decision_ts": pa.array(decided).cast(TIMESTAMP)}
    return pa.table({**columns, "reward": numbers(table, "reward")[rows]})
