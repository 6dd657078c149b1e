"""Facts that need rows of the log: which columns it has, whether it is whole, latency, artefacts, segments."""

from __future__ import annotations

import hashlib
import re
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from sqlalchemy import Connection, func, select

from monitor import rewards
from monitor.arrivals import acted
from monitor.arrow import concat, micros, within
from monitor.checklists.span import HOUR, MOST_ROWS, RECENT, Span
from monitor.clock import stamp
from monitor.lake import TIME, File, Lake
from monitor.store.tables import actions, quarantine, summaries
from runbooks.checklist.facts import Artifacts, Latency, LogHealth

EDGE = 300.0  # seconds beside the span in which a running number may lie, because decisions are not logged in order
FEWEST = 100  # rows that share a prefix before their numbers count as running
DENSEST_GAP = 0.5  # numbers of which more are missing are not running numbers but random ones
_NUMBERED = re.compile(r"^(.*?)(\d{1,18})$", re.DOTALL)


def gather(connection: Connection, lake: Lake, span: Span) -> tuple[dict[str, Any], pa.Table]:
    """Return the fields of ``Facts`` that the newest rows fill, and those rows, of every version that acted."""
    begin = _begin(connection, lake, span)
    around, files, damaged = intact(connection, lake, span, begin - EDGE, span.end + EDGE)
    at = micros(around, "ts") / 1e6
    core = around.filter(pa.array((at >= begin) & (at < span.end)))
    live = core.filter(pa.array(acted(core)))
    own = live.filter(pc.equal(live.column("version"), span.version))
    times = micros(core, "ts") / 1e6
    first, last = (float(times.min()), float(times.max())) if len(times) else (None, None)
    query = f"decisions since {stamp(begin)}"
    dataset = span.cite(query, core.num_rows, first, last, sorted(f"{f.file} {f.sha256}" for f in files))
    fields = {
        "columns": _columns(own),
        "latency": _latency(span, own),
        "artifacts": _artifacts(connection, span, own),
        "log": _health(connection, span, begin, around, core, len(files), damaged),
        "log_rows": core.num_rows,
        "log_columns": _columns(live),
        "datasets": {"lake": dataset},
    }
    return fields, live


def intact(
    connection: Connection, lake: Lake, span: Span, begin: float, end: float
) -> tuple[pa.Table, list[File], int]:
    """Return decisions of [begin, end) with their rewards, the files they are in, and how many damaged ones are not.

    A file that is gone or changed must make its item fail, not take the whole checklist with it.
    """
    tables, whole, damaged = [], [], 0
    for kind in ("decisions", "rewards"):
        found = []
        for file in lake.files(connection, span.policy, kind, begin, end):
            if _damaged(lake, file):
                damaged += 1
            else:
                found.append(file)
        parts = [within(lake.open(file.file), TIME[kind], begin, end) for file in found]
        # An empty span is read through the lake, which knows what no rows look like.
        tables.append(concat(parts) if parts else lake.read(connection, span.policy, kind, 0.0, 0.0))
        whole += found
    mode = span.settings.policy[span.policy].reward_events
    return rewards.join(tables[0], tables[1], mode), whole, damaged


def _begin(connection: Connection, lake: Lake, span: Span) -> float:
    """Return where the rows begin: a day before the end, or as many hours as MOST_ROWS allows, at least one."""
    by_hour: dict[int, int] = {}
    for file in lake.files(connection, span.policy, "decisions", span.end - RECENT, span.end):
        by_hour[file.hour] = by_hour.get(file.hour, 0) + file.rows
    begin, rows = span.end, 0
    while begin > span.end - RECENT:
        rows += by_hour.get(int((begin - 1) // HOUR), 0)
        if rows > MOST_ROWS and begin < span.end:
            break
        begin -= HOUR
    return begin


def _columns(table: pa.Table) -> dict[str, float]:
    """Return each role's share of rows with a value; NaN is none."""
    if not table.num_rows:
        return {}
    found = {}
    for name in table.column_names:
        column = table.column(name)
        absent = column.is_null(nan_is_null=True) if pa.types.is_floating(column.type) else column.is_null()
        found[name] = 1.0 - (pc.sum(absent).as_py() or 0) / table.num_rows
    return found


def _latency(span: Span, table: pa.Table) -> Latency | None:
    sla = span.settings.policy[span.policy].checklist.latency_sla
    values = _numbers(table, "latency_ms")
    if values is None:
        return None
    known = np.sort(values[np.isfinite(values)])
    return Latency(known.tolist(), len(values) - len(known), None if sla is None else sla * 1000)


def _artifacts(connection: Connection, span: Span, table: pa.Table) -> Artifacts:
    registered = span.settings.policy[span.policy].checklist.artifacts.get(span.version)
    counts: dict[str, int] = {}
    unnamed = table.num_rows
    if "artifact_sha256" in table.column_names and table.num_rows:
        named = table.column("artifact_sha256").cast(pa.string()).drop_null()
        counts = {item["values"]: item["counts"] for item in pc.value_counts(named).to_pylist()}
        unnamed = table.num_rows - len(named)
    shown = select(actions.c.artifact_sha256).where(
        actions.c.policy == span.policy, actions.c.to_version == span.version, actions.c.artifact_sha256.is_not(None)
    )
    served = connection.execute(shown.order_by(actions.c.acknowledged.desc()).limit(1)).scalar_one_or_none()
    return Artifacts(registered, dict(sorted(counts.items())), unnamed, served)


def _health(
    connection: Connection, span: Span, begin: float, around: pa.Table, core: pa.Table, files: int, damaged: int
) -> LogHealth:
    ids = core.column("decision_id").to_pylist()
    sequenced, gaps = _running(ids, around.column("decision_id").to_pylist())
    late = connection.execute(
        select(func.sum(summaries.c.rows)).where(
            summaries.c.policy == span.policy,
            summaries.c.resolution == 60,
            summaries.c.late.is_(True),
            summaries.c.start >= begin,
            summaries.c.start < span.end,
        )
    ).scalar_one()
    refused = connection.execute(
        select(func.count()).where(
            quarantine.c.policy == span.policy, quarantine.c.at >= begin, quarantine.c.at < span.end
        )
    ).scalar_one()
    return LogHealth(
        core.num_rows,
        sequenced,
        gaps,
        core.num_rows - len(set(ids)),
        files + damaged,
        damaged,
        int(refused),
        int(late or 0),
    )


def _running(ids: list[str], around: list[str]) -> tuple[int, int]:
    """Return how many ids end in a running number, and how many numbers are missing between them."""
    inside, known = _by_prefix(ids), _by_prefix(around)
    sequenced = gaps = 0
    for prefix, numbers in inside.items():
        unique = set(numbers)
        expected = max(unique) - min(unique) + 1
        if len(numbers) < FEWEST or len(unique) < DENSEST_GAP * expected:
            continue
        sequenced += len(numbers)
        low, high = min(unique), max(unique)
        gaps += expected - sum(1 for number in set(known[prefix]) if low <= number <= high)
    return sequenced, gaps


def _by_prefix(ids: list[str]) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    for identity in ids:
        parts = _NUMBERED.match(identity)
        if parts is not None:
            found.setdefault(parts[1], []).append(int(parts[2]))
    return found


def _damaged(lake: Lake, file: File) -> bool:
    try:
        with (lake.root / file.file).open("rb") as content:
            return hashlib.file_digest(content, "sha256").hexdigest() != file.sha256
    except OSError:
        return True


def _numbers(table: pa.Table, name: str) -> NDArray[np.float64] | None:
    if name not in table.column_names:
        return None
    values: NDArray[np.float64] = table.column(name).cast(pa.float64()).to_numpy()
    return values
