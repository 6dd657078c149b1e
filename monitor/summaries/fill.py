"""The one pass: every column of a table into (group x number) matrices."""

from __future__ import annotations

import math
from functools import lru_cache
from types import ModuleType
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from monitor.summaries.columns import Codes, codes, differ, flags, numbers
from monitor.summaries.engine import engine
from monitor.summaries.formulas import values_of
from monitor.summaries.layout import TALLIES, Layout
from monitor.summaries.parts import Floats, Ints, Parts, add_sparse, frozen
from monitor.summaries.plan import Feature, Plan

BATCH_ROWS = 1 << 17  # 128k rows: columns of a batch stay in the processor's cache between kernels
_CEILING = 1.0 + 1e-9  # a propensity may exceed 1 by rounding
_FLAGS = ("irreversible", "exploration", "shield", "fallback", "override")


class Matrices(NamedTuple):
    """One row a group; ``codes`` are the sparse reward cells, (group << 18 | cell + 2**17), in order."""

    counts: Ints
    compensated: Floats
    sums: Floats
    low: Floats
    high: Floats
    codes: Ints
    weights: Ints

    def rows(self) -> list[Parts]:
        """Return each group's parts, as read-only views."""
        dense = [frozen(matrix) for matrix in self[:5]]
        keys, weights = frozen((self.codes & ((1 << 18) - 1)) - (1 << 17)), frozen(self.weights)
        cuts = np.searchsorted(self.codes, np.arange(len(self.counts) + 1, dtype=np.int64) << 18).tolist()
        return [
            Parts(a, b, c, d, e, keys[start:stop], weights[start:stop])
            for a, b, c, d, e, start, stop in zip(*dense, cuts[:-1], cuts[1:], strict=True)
        ]


def fill(
    table: pa.Table, plan: Plan, group: Codes, groups: int, late: bool = False, kernels: ModuleType | None = None
) -> Matrices:
    """Count every row of a canonical table in its group.

    Parameters
    ----------
    table
        Rows in any order; absent columns count as missing.
    plan
        What is counted.
    group
        Group of each row, int32 in 0 .. groups - 1, shape (rows,).
    groups
        Number of groups.
    late
        Whether these rows came after their bucket was sealed.
    kernels
        ``monitor.summaries.kernels`` or ``plain``; by default the compiled ones where numba can be imported.
    """
    layout = Layout.of(plan)
    sizes = layout.sizes
    matrices = Matrices(
        np.zeros((groups, sizes[0]), np.int64),
        np.zeros((groups, sizes[1])),
        np.zeros((groups, sizes[2])),
        np.full((groups, sizes[3]), np.inf),
        np.full((groups, sizes[4]), -np.inf),
        np.zeros(0, np.int64),
        np.zeros(0, np.int64),
    )
    found, at = [(matrices.codes, matrices.weights)], 0
    if table.num_rows:
        for batch in _batches(table):
            where = frozen(group[at : at + batch.num_rows])
            found.append(_fill_batch(batch, plan, layout, where, matrices, late, kernels or engine()))
            at += batch.num_rows
    if len(found) == 2:
        sparse = found[1]
    else:
        sparse = add_sparse(np.concatenate([item[0] for item in found]), np.concatenate([item[1] for item in found]))
    return matrices._replace(codes=sparse[0], weights=sparse[1])


def fill_features(table: pa.Table, plan: Plan, kernels: ModuleType | None = None) -> Ints:
    """Count the features of all rows together, and nothing else; shape (cells,). Half the time of ``fill``."""
    counts, run = np.zeros((1, Layout.of(plan).cells), np.int64), kernels or engine()
    for batch in _batches(table) if table.num_rows else []:
        at, together = 0, frozen(np.zeros(batch.num_rows, np.int32))
        for feature in plan.features:
            name, width = f"state.{feature.name}", len(feature.cells)
            if feature.category:
                run.count_codes(codes(batch, name, feature.levels), together, counts, at, width)
            else:
                run.bin_all(numbers(batch, name), *_feature_edges(feature), counts[0, at : at + width])
            at += width
    return frozen(counts[0])


def _batches(table: pa.Table) -> list[pa.RecordBatch]:
    batches = table.to_batches(max_chunksize=BATCH_ROWS)
    if len(batches) > 4 + 4 * table.num_rows // BATCH_ROWS:  # many small chunks: each costs a call a column
        batches = table.combine_chunks().to_batches(max_chunksize=BATCH_ROWS)
    return [batch for batch in batches if batch.num_rows]


def _fill_batch(
    batch: pa.RecordBatch, plan: Plan, layout: Layout, group: Codes, into: Matrices, late: bool, kernels: ModuleType
) -> tuple[Ints, Ints]:
    reward = _tally(batch, plan, group, into.counts, late)
    at = layout.span("reward", "counts").start
    kernels.reward_moments(reward, group, into.counts, at, into.compensated, 0, into.low, into.high, 0)
    if plan.reward_edges:
        edges, places = _edges(plan.reward_edges)
        kernels.bin_values(reward, group, edges, places, into.counts, layout.span("histogram", "counts").start)
    _propensities(batch, plan, layout, group, into, reward, kernels)
    at, column = layout.span("constraints", "counts").start, layout.span("constraints", "sums").start
    for k, limit in enumerate(plan.constraints):
        cost = numbers(batch, f"cost.{limit.cost}")
        kernels.violations(cost, float(limit.limit), group, into.counts, at + 4 * k, into.sums, column + 2 * k)
    at = layout.span("cells", "counts").start
    for feature in plan.features:
        name, width = f"state.{feature.name}", len(feature.cells)
        if feature.category:
            kernels.count_codes(codes(batch, name, feature.levels), group, into.counts, at, width)
        else:
            edges, places = _feature_edges(feature)
            kernels.bin_values(numbers(batch, name), group, edges, places, into.counts, at)
        at += width
    action = np.minimum(codes(batch, "action", plan.actions), np.int32(len(plan.actions)))  # missing is other too
    at = layout.span("actions", "counts").start
    kernels.count_codes(frozen(action), group, into.counts, at, len(plan.actions) + 1)
    if plan.tracked:
        _track(batch, plan, layout, group, into, reward, kernels)
    found: tuple[Ints, Ints] = kernels.quantile_cells(reward, group, len(into.counts))
    return found


def _tally(batch: pa.RecordBatch, plan: Plan, group: Codes, counts: Ints, late: bool) -> Floats:
    """Count the rows of each kind and return the reward as the plan reads it."""

    def count(name: str, chosen: Codes) -> None:
        counts[:, TALLIES.index(name)] += np.bincount(chosen, minlength=len(counts))

    count("rows", group)
    if late:
        count("late", group)
    reward = numbers(batch, "reward")
    absent = np.isnan(reward)
    if bool(absent.any()):
        count("reward_missing", group[absent])
        if plan.reward_if_absent == "zero":
            reward = frozen(np.where(absent, 0.0, reward))
    for name in _FLAGS:
        said = flags(batch, name)
        if said is not None and bool(said.any()):
            count(name, group[said])
    proposal = differ(batch, "proposed_action", "action")
    if proposal is not None:
        count("proposed", group[proposal[0]])
        count("disagreement", group[proposal[1]])
    return reward


def _propensities(
    batch: pa.RecordBatch,
    plan: Plan,
    layout: Layout,
    group: Codes,
    into: Matrices,
    reward: Floats,
    kernels: ModuleType,
) -> None:
    usable = np.empty(batch.num_rows)
    missing, impossible = TALLIES.index("propensity_missing"), TALLIES.index("propensity_impossible")
    ceiling = _CEILING if plan.actions else math.inf  # the density of a vector action may pass 1
    logged = numbers(batch, "propensity")
    kernels.check_propensities(logged, ceiling, usable, group, into.counts, missing, impossible)
    usable = frozen(usable)
    kernels.subtract_known(frozen(np.log(usable)), group, into.sums, layout.span("totals", "sums").start)
    at, column = layout.span("candidates", "counts").start, layout.span("candidates", "sums").start
    place = layout.span("candidates", "high").start
    for i, candidate in enumerate(plan.candidates):
        pi = numbers(batch, f"pi.{candidate}")
        kernels.weigh(pi, usable, reward, group, into.counts, at + i, into.sums, column + 8 * i, into.high, place + i)


def _track(
    batch: pa.RecordBatch, plan: Plan, layout: Layout, group: Codes, into: Matrices, reward: Floats, kernels: ModuleType
) -> None:
    """Add the moments, and the cells where there are edges, of every tracked value."""
    at, cell = layout.span("tracked", "counts").start, layout.span("tracked_cells", "counts").start
    column = layout.span("tracked", "compensated").start
    place = layout.span("tracked", "low").start  # the same in ``high``
    for i, (one, values) in enumerate(values_of(batch, plan.tracked, reward)):
        kernels.reward_moments(
            values, group, into.counts, at + 4 * i, into.compensated, column + 4 * i, into.low, into.high, place + i
        )
        if one.edges:
            edges, places = _edges(one.edges)
            kernels.bin_values(values, group, edges, places, into.counts, cell)
            cell += one.cells


@lru_cache(maxsize=4096)
def _feature_edges(feature: Feature) -> tuple[Floats, Codes]:
    return _edges((feature.low, *feature.edges, feature.high))


@lru_cache(maxsize=4096)
def _edges(edges: tuple[float, ...]) -> tuple[Floats, Codes]:
    """Return the edges that a value reaches one after the other, and the cell for each number of edges reached.

    The last edge is moved up by one float, so that the last bin is closed; NaN pads to a multiple of four.
    """
    bins = len(edges) - 1
    reached = np.array([*edges[:-1], np.nextafter(edges[-1], np.inf)], dtype=np.float64)
    padded = np.concatenate((reached, np.full(-len(reached) % 4, np.nan)))
    # Reached 0: under; 1 .. bins: bins 0 .. bins - 1; all: over; then missing.
    places = np.array([bins, *range(bins), bins + 1, bins + 2], dtype=np.int32)
    return frozen(padded), frozen(places)
