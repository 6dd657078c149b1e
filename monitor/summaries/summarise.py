"""Rows in, buckets out."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from types import ModuleType

import numpy as np
import pyarrow as pa

from monitor.summaries.bucket import BucketSummary
from monitor.summaries.columns import Codes
from monitor.summaries.fill import fill
from monitor.summaries.grouping import Groups, group, group_segments
from monitor.summaries.layout import Layout
from monitor.summaries.plan import Plan

_CELLS = 1 << 24  # integers that one matrix may hold: 128 MiB


def summarise(
    table: pa.Table, plan: Plan, resolution: int = 60, late: bool = False, kernels: ModuleType | None = None
) -> dict[tuple[str, str, int], BucketSummary]:
    """Summarise decisions by policy version, segment and bucket of event time, in one pass.

    Rows may be in any order; results of parts of a table add up to the result of the whole. With
    ``plan.reward_if_absent == "zero"`` a null or NaN reward counts as 0 everywhere but in the tally ``reward_missing``.

    Parameters
    ----------
    table
        Canonical rows (``monitor.log_store.schema``); ``version`` and ``action`` may be dictionary-encoded, which is
        faster.
    plan
        What is counted.
    resolution
        Bucket length, seconds.
    late
        Whether the rows came after their buckets were sealed; they are then counted in the tally ``late`` too.
    kernels
        For tests: which kernels count.

    Returns
    -------
    dict
        (version, segment, start in seconds since 1970) -> summary. Segment "" is live traffic, "arm=shadow" shadow;
        each of ``plan.segments`` is live traffic of one subpopulation, counted with ``plan.of_segments``.

    Raises
    ------
    ValueError
        If a row has no time.

    Examples
    --------
    >>> from datetime import datetime, timezone
    >>> ts = pa.array([datetime(1970, 1, 1, 0, m, tzinfo=timezone.utc) for m in (0, 1, 1)], pa.timestamp("us", "UTC"))
    >>> rows = pa.table({"ts": ts, "version": ["v1"] * 3, "action": ["a"] * 3, "reward": [1.0, 2.0, 4.0]})
    >>> {key: bucket["reward"].sum for key, bucket in summarise(rows, Plan()).items()}
    {('v1', '', 0): 1.0, ('v1', '', 60): 6.0}
    """
    result = _counted(table, group(table, resolution), plan, late, kernels)
    for segments in plan.segments:
        rows, groups = group_segments(table, resolution, segments)
        result |= _counted(rows, groups, plan.of_segments, late, kernels)
    return result


def _counted(
    table: pa.Table, groups: Groups, plan: Plan, late: bool, kernels: ModuleType | None
) -> dict[tuple[str, str, int], BucketSummary]:
    layout, digest = Layout.of(plan), plan.digest
    result: dict[tuple[str, str, int], BucketSummary] = {}
    for part, of, first, last in _pieces(table, groups.of, len(groups.keys), max(1, _CELLS // layout.sizes[0])):
        rows = fill(part, plan, of, last - first, late, kernels).rows()
        for key, row in zip(groups.keys[first:last], rows, strict=True):
            result[key] = BucketSummary(row, layout, digest, plan)
    return result


def _pieces(table: pa.Table, of: Codes, groups: int, limit: int) -> Iterator[tuple[pa.Table, Codes, int, int]]:
    """Cut a table of more groups than one matrix may hold into tables of at most ``limit`` groups."""
    if groups <= limit:
        yield table, of, 0, groups
        return
    order = np.argsort(of, kind="stable")
    cuts = np.searchsorted(of[order], np.arange(0, groups + limit, limit))
    for number, (start, stop) in enumerate(pairwise(cuts.tolist())):
        first = number * limit
        chosen = order[start:stop]
        yield table.take(pa.array(chosen)), of[chosen] - np.int32(first), first, min(first + limit, groups)
