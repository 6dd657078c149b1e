"""Facts that need rows of the log: which columns it has, whether it is whole, latency, artefacts, segments."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from sqlalchemy import Connection, func, select

from monitor.checklists import tails
from monitor.checklists.span import HOUR, MOST_ROWS, RECENT, Span
from monitor.clock import stamp
from monitor.landing import rewards
from monitor.landing.arrivals import acted
from monitor.log_store.arrow import concat, micros, picked, within
from monitor.log_store.lake import TIME, File, Lake
from monitor.store.tables import actions, quarantine, summaries
from runbooks.checklist.row_facts import Artifacts, Latency, LogHealth, Shown

EDGE = 300.0  # seconds beside the span in which a running number may lie, because decisions are not logged in order
FEWEST = 100  # rows that share a prefix before their numbers count as running
DENSEST_GAP = 0.5  # numbers of which more are missing are not running numbers but random ones
_NUMBERED = r"(?s)^(?P<prefix>.*?)(?P<number>[0-9]{1,18})$"


def gather(
    connection: Connection, lake: Lake, span: Span, shown: tuple[Shown, ...] = ()
) -> tuple[dict[str, Any], pa.Table]:
    """Return the fields of ``Facts`` that the newest rows fill, and those rows, of every version that acted."""
    begin = _begin(connection, lake, span)
    around, files, damaged = intact(connection, lake, span, begin - EDGE, span.end + EDGE)
    at = micros(around, "ts") / 1e6
    inside = (at >= begin) & (at < span.end)
    core = picked(around, inside)
    live = picked(core, acted(core))
    own = picked(live, pc.equal(live.column("version"), span.version).to_numpy())
    times = micros(core, "ts") / 1e6
    first, last = (float(times.min()), float(times.max())) if len(times) else (None, None)
    query = f"decisions since {stamp(begin)}"
    dataset = span.cite(query, core.num_rows, first, last, sorted(f"{f.file} {f.sha256}" for f in files))
    columns = _columns(live)
    fields = {
        "columns": columns if own.num_rows == live.num_rows else _columns(own),
        "latency": _latency(span, own),
        "artifacts": _artifacts(connection, span, own, shown),
        "log": _health(connection, span, begin, around, inside, len(files), damaged),
        "log_rows": core.num_rows,
        **tails.gather(span, own),
        "log_columns": columns,
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


def _artifacts(connection: Connection, span: Span, table: pa.Table, pages: tuple[Shown, ...]) -> Artifacts:
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
    now = pages if span.version == span.serving else ()
    return Artifacts(registered, dict(sorted(counts.items())), unnamed, served, now)


def _health(
    connection: Connection,
    span: Span,
    begin: float,
    around: pa.Table,
    inside: NDArray[np.bool_],
    files: int,
    damaged: int,
) -> LogHealth:
    ids = picked(around.select(["decision_id"]), inside).column("decision_id")
    rows = len(ids)
    sequenced, gaps = _running(around.column("decision_id"), inside)
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
        rows,
        sequenced,
        gaps,
        rows - int(pc.count_distinct(ids).as_py()),
        files + damaged,
        damaged,
        int(refused),
        int(late or 0),
    )


def _running(ids: pa.ChunkedArray, inside: NDArray[np.bool_]) -> tuple[int, int]:
    """Return how many of the ids ``inside`` end in a running number, and how many numbers are missing between them."""
    parts = pc.extract_regex(ids, _NUMBERED).combine_chunks()
    numbered = parts.is_valid()
    parts, inside = parts.filter(numbered), inside[numbered.to_numpy(zero_copy_only=False)]
    prefix = pc.struct_field(parts, "prefix").dictionary_encode().indices.to_numpy()
    number = pc.struct_field(parts, "number").cast(pa.int64()).to_numpy()
    count = np.bincount(prefix[inside])
    sequenced = gaps = 0
    for code in np.flatnonzero(count >= FEWEST):
        here = prefix == code
        known = np.unique(number[here])
        unique = np.unique(number[here & inside])
        low, high = int(unique[0]), int(unique[-1])
        expected = high - low + 1
        if len(unique) < DENSEST_GAP * expected:
            continue
        sequenced += int(count[code])
        gaps += expected - int(np.sum((known >= low) & (known <= high)))
    return sequenced, gaps


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
