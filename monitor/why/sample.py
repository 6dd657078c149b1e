"""A bounded sample of the lake: whole hours of the baseline, drawn by the case's seed, and the windows that fired."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from sqlalchemy import Connection, select

from monitor.landing import rewards
from monitor.landing.arrivals import acted
from monitor.log_store.arrow import concat, micros
from monitor.log_store.hours import hours_of, rows_by_hour, spread, thinned
from monitor.log_store.lake import HOUR, Lake
from monitor.settings import Settings
from monitor.store.tables import baselines
from monitor.why.case import Case

BASELINE_ROWS = 12_000
WINDOW_ROWS = 12_000
MOST_READ = 2_000_000  # rows of the baseline that are read to draw from
HOURS = 48  # of the baseline, each a block
BLOCKS = 24  # of the windows that fired
_DAY, _WEEK = 24, 168
_NAMED = (
    *("decision_id", "ts", "version", "action", "propensity", "reward"),
    *("arm", "action_probs", "episode_id", "artifact_sha256"),
)
_FAMILIES = ("state.", "segment.", "candidate_probs.")


@dataclass(frozen=True, eq=False)
class Sample:
    """Executed decisions in order of time and id, with the block of time of each.

    Parameters
    ----------
    table
        Columns that an explanation needs; rewards joined.
    block
        From 0, shape (rows,).
    compared
        Rows of hours that the windows are compared with: the same hours of the season, where there is one.
    """

    table: pa.Table
    block: NDArray[np.int64]
    compared: NDArray[np.bool_]


def baseline(connection: Connection, lake: Lake, settings: Settings, case: Case) -> Sample:
    """Draw hours of the baseline, more of those in which the version acted, and rows of each.

    Raises
    ------
    ValueError
        If the baseline is not known any more, or no row of it is left.
    """
    span = connection.execute(select(baselines).where(baselines.c.id == case.baseline)).one_or_none()
    if span is None:
        raise ValueError("no baseline was frozen when it fired: there is nothing to compare with")
    rng = np.random.default_rng([case.transition, 1])
    rows = rows_by_hour(connection, case.policy, span.begin, span.end)
    own = hours_of(connection, case.policy, case.version, span.begin, span.end) & set(rows) or set(rows)
    season = settings.policy[case.policy].season
    same = {hour for hour in own if _alike(hour, case, season)}
    average = sum(rows.values()) / max(1, len(rows))
    many = int(np.clip(MOST_READ / max(1.0, average), 12, HOURS))
    chosen = set(spread(rng, sorted(same), many // 2))
    chosen |= set(spread(rng, sorted(own - chosen), (3 * many) // 4 - len(chosen)))
    chosen |= set(spread(rng, sorted(set(rows) - chosen), many - len(chosen)))
    compared = chosen & same if len(chosen & same) >= 4 else chosen & own
    tables, blocks, alike = [], [], []
    for number, hour in enumerate(sorted(chosen)):
        begin, end = max(hour * HOUR, span.begin), min((hour + 1) * HOUR, span.end)
        table = thinned(rng, _read(connection, lake, settings, case.policy, begin, end), BASELINE_ROWS // len(chosen))
        tables.append(table)
        blocks.append(np.full(table.num_rows, number, np.int64))
        alike.append(np.full(table.num_rows, hour in compared))
    if not sum(len(one) for one in blocks):
        raise ValueError("the baseline's rows are not in the lake any more")
    return Sample(concat(tables), np.concatenate(blocks), np.concatenate(alike))


def windows(connection: Connection, lake: Lake, settings: Settings, case: Case) -> Sample:
    """Read the windows that fired, of every version that acted in them; of long ones an hour at a time."""
    rng = np.random.default_rng([case.transition, 2])
    rows = rows_by_hour(connection, case.policy, case.begin, case.end)
    many = max(2, int(MOST_READ * len(rows) / max(1, sum(rows.values()))))
    hours = spread(rng, sorted(rows), many)
    tables = [_empty(connection, lake, settings, case)]
    for hour in hours:
        begin, end = max(hour * HOUR, case.begin), min((hour + 1) * HOUR, case.end)
        tables.append(
            thinned(rng, _read(connection, lake, settings, case.policy, begin, end), WINDOW_ROWS // len(hours))
        )
    table = concat(tables)
    since = micros(table, "ts") / 1e6 - case.begin
    block = np.clip((since * BLOCKS / (case.end - case.begin)).astype(np.int64), 0, BLOCKS - 1)
    return Sample(table, block, np.ones(table.num_rows, bool))


def _empty(connection: Connection, lake: Lake, settings: Settings, case: Case) -> pa.Table:
    return _read(connection, lake, settings, case.policy, case.begin, case.begin)


def _read(connection: Connection, lake: Lake, settings: Settings, policy: str, begin: float, end: float) -> pa.Table:
    """Read the executed decisions of [begin, end), ordered so that the lake's files do not show."""
    configured = settings.policy[policy]
    seen = {
        name
        for file in lake.files(connection, policy, "decisions", begin, end)
        for name in pq.read_schema(lake.root / file.file).names
    }
    wanted = sorted(name for name in seen if name in _NAMED or name.startswith(_FAMILIES))
    wanted = [*wanted, *(name for name in ("decision_id", "ts", "version", "action") if name not in wanted)]
    table = lake.read(connection, policy, "decisions", begin, end, columns=wanted)
    table = rewards.join(table, lake.read(connection, policy, "rewards", begin, end), configured.reward_events)
    table = table.filter(pa.array(acted(table)))
    return table.sort_by([("ts", "ascending"), ("decision_id", "ascending")])


def _alike(hour: int, case: Case, season: str) -> bool:
    """Whether an hour of the baseline is of the same time of the season, an hour more or less."""
    cycle = {"hour_of_day": _DAY, "hour_of_week": _WEEK}.get(season)
    if cycle is None:
        return True
    away = (hour - int((case.begin + case.end) / 2 // HOUR)) % cycle
    return min(away, cycle - away) <= 1
