"""Where each summary's numbers stand in a bucket's flat arrays."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

from monitor.summaries.plan import Plan

# Counters of a bucket, one row counted at most once in each. Names are only ever appended, with a new FORMAT.
TALLIES = (
    "rows",
    "late",
    "reward_missing",
    "propensity_missing",
    "propensity_impossible",
    "irreversible",
    "exploration",
    "shield",
    "fallback",
    "override",
    "proposed",
    "disagreement",
)
TOTALS = ("neg_log_propensity",)

# The arrays of Parts, in order, and how many numbers of each one unit of a layout field takes, field by field in the
# order of Layout.
ARRAYS = ("counts", "compensated", "sums", "low", "high")
_PER_UNIT: dict[str, tuple[int, int, int, int, int]] = {
    "tallies": (1, 0, 0, 0, 0),
    "totals": (0, 0, 1, 0, 0),
    "reward": (4, 4, 0, 1, 1),  # n, missing, zeros, infinite; sum and sum of squares, high and low parts; min; max
    "histogram": (1, 0, 0, 0, 0),
    "constraints": (4, 0, 2, 0, 0),  # n, violations, missing, infinite; cost, cost squared
    "cells": (1, 0, 0, 0, 0),
    "actions": (1, 0, 0, 0, 0),
    "tracked": (4, 4, 0, 1, 1),  # as "reward", and beside it: one place for the least and the greatest
    "tracked_cells": (1, 0, 0, 0, 0),
    "candidates": (1, 0, 8, 0, 1),  # n; w, w2, wr, w2r, w2r2, r, r2, wr2; w_max
}


class Layout(NamedTuple):
    """How many units of each kind a summary has; a summary of one kind has zero of all the others.

    Examples
    --------
    >>> Layout.of(Plan(actions=("hold", "cool"))).actions  # and "other"
    3
    """

    tallies: int = 0
    totals: int = 0
    reward: int = 0
    histogram: int = 0
    constraints: int = 0
    cells: int = 0
    actions: int = 0
    tracked: int = 0
    tracked_cells: int = 0
    candidates: int = 0

    @staticmethod
    def of(plan: Plan) -> Layout:
        """Return the layout of a whole bucket under a plan."""
        return _of(plan)

    @property
    def sizes(self) -> tuple[int, int, int, int, int]:
        """Lengths of the five arrays, in the order of ``ARRAYS``."""
        return _sizes(self)

    def span(self, field: str, array: str) -> slice:
        """Return where a field's numbers stand in an array."""
        return _spans(self)[field][ARRAYS.index(array)]

    def cut(self, fields: tuple[str, ...]) -> tuple[tuple[tuple[slice, ...], ...], Layout]:
        """Return where the numbers of some fields stand, array by array, and the layout of these fields alone."""
        return _cut(self, fields)

    def only(self, fields: tuple[str, ...]) -> Layout:
        """Return the layout of some fields alone."""
        return Layout(**{field: getattr(self, field) for field in fields})


NOTHING = Layout()


@lru_cache(maxsize=256)
def _of(plan: Plan) -> Layout:
    return Layout(
        tallies=len(TALLIES),
        totals=len(TOTALS),
        reward=1,
        histogram=len(plan.reward_edges) + 2 if plan.reward_edges else 0,
        constraints=len(plan.constraints),
        cells=sum(len(feature.cells) for feature in plan.features),
        actions=len(plan.actions) + 1,
        candidates=len(plan.candidates),
        tracked=len(plan.tracked),
        tracked_cells=sum(one.cells for one in plan.tracked),
    )


@lru_cache(maxsize=4096)
def _spans(layout: Layout) -> dict[str, tuple[slice, ...]]:
    spans: dict[str, tuple[slice, ...]] = {}
    at = [0] * len(ARRAYS)
    for field, per_unit in _PER_UNIT.items():
        lengths = [getattr(layout, field) * width for width in per_unit]
        spans[field] = tuple(slice(start, start + length) for start, length in zip(at, lengths, strict=True))
        at = [start + length for start, length in zip(at, lengths, strict=True)]
    return spans


@lru_cache(maxsize=4096)
def _cut(layout: Layout, fields: tuple[str, ...]) -> tuple[tuple[tuple[slice, ...], ...], Layout]:
    spans = _spans(layout)
    arrays = tuple(tuple(spans[field][place] for field in fields) for place in range(len(ARRAYS)))
    return arrays, Layout(**{field: getattr(layout, field) for field in fields})


@lru_cache(maxsize=4096)
def _sizes(layout: Layout) -> tuple[int, int, int, int, int]:
    counts, compensated, sums, low, high = (
        sum(getattr(layout, field) * per_unit[i] for field, per_unit in _PER_UNIT.items()) for i in range(len(ARRAYS))
    )
    return counts, compensated, sums, low, high
