"""Moments, and where asked for a histogram, of any number that follows from a row."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from monitor.summaries.base import Summary
from monitor.summaries.layout import Layout
from monitor.summaries.moments import Moments
from monitor.summaries.parts import Ints, Parts, frozen


@dataclass(frozen=True, eq=False, slots=True)
class TrackedValues(Summary):
    """One set of moments for each of the plan's ``tracked`` numbers, and its histogram where it has edges.

    A number is missing where a column that it needs is; infinite ones are counted apart, as for the reward.

    Examples
    --------
    >>> import pyarrow as pa
    >>> from monitor.summaries.plan import Plan, Tracked
    >>> plan = Plan(tracked=(Tracked("late", "above", ("latency_ms",), (50.0,)),))
    >>> late = TrackedValues.of(pa.table({"latency_ms": [20.0, 80.0, None, 90.0]}), plan)["late"]
    >>> late.n, late.missing, round(late.mean, 3)
    (3, 1, 0.667)
    """

    KIND: ClassVar[int] = 9
    FIELDS: ClassVar[tuple[str, ...]] = ("tracked", "tracked_cells")

    def __contains__(self, name: object) -> bool:
        """Tell whether the plan tracks a number of this name."""
        return self.plan is not None and name in self.plan.tracked_names

    def __getitem__(self, name: str | int) -> Moments:
        """Return the moments of one number, by name (the plan must be known) or by its place in the plan.

        Raises
        ------
        KeyError
            If there is no such number.
        ValueError
            If a name is asked for and the plan is not known.
        """
        if isinstance(name, str) or self.plan is not None:
            index = self.position(name, self.known_plan().tracked_names, "tracked value")
        else:
            index = self.position(name, ("",) * self.layout.tracked, "tracked value")
        if not self.layout.tracked:
            return Moments()
        four = slice(4 * index, 4 * index + 4)
        parts = Parts(
            self.parts.counts[four],
            self.parts.compensated[four],
            frozen(np.zeros(0)),
            self.parts.low[index : index + 1],
            self.parts.high[index : index + 1],
            frozen(np.zeros(0, np.int64)),
            frozen(np.zeros(0, np.int64)),
        )
        return Moments(parts, Layout(reward=1), self.digest, self.plan)

    def counts(self, name: str | int) -> Ints:
        """Return the histogram of one number: its bins, under, over, missing; empty for one without edges.

        Raises
        ------
        KeyError
            If there is no such number.
        ValueError
            If the plan is not known.
        """
        plan = self.known_plan()
        index = self.position(name, plan.tracked_names, "tracked value")
        widths = [one.cells for one in plan.tracked]
        if not self.layout.tracked:
            return np.zeros(widths[index], np.int64)
        start = 4 * self.layout.tracked + sum(widths[:index])
        return self.parts.counts[start : start + widths[index]]

    def quantile(self, name: str | int, q: float) -> tuple[float, float, float]:
        """Return a quantile from the histogram, and the edges of its bin, between which it certainly is; NaN of none.

        Below the first edge and above the last one the least and the greatest value stand in. Inside its bin the
        quantile is interpolated on a straight line.

        Raises
        ------
        KeyError, ValueError
            As for ``counts``; also if ``q`` is not between 0 and 1.
        """
        if not 0 <= q <= 1:
            raise ValueError(f"quantile({q}) is not between 0 and 1: write 0.99 for the 99th percentile")
        plan, cells, seen = self.known_plan(), self.counts(name), self[name]
        edges = plan.tracked[self.position(name, plan.tracked_names, "tracked value")].edges
        if len(cells) == 0 or not cells[:-1].sum() or not seen.n:
            return math.nan, math.nan, math.nan
        bins = np.concatenate((cells[-3:-2], cells[:-3], cells[-2:-1]))  # under, bins, over
        lows = np.array([min(seen.min, edges[0]), *edges])
        highs = np.array([*edges, max(seen.max, edges[-1])])
        reached = np.cumsum(bins)
        rank = max(q * float(reached[-1]), 1e-9)
        place = int(np.searchsorted(reached, rank))
        low, high = max(float(lows[place]), seen.min), min(float(highs[place]), seen.max)
        before = float(reached[place] - bins[place])
        value = low + (high - low) * (rank - before) / float(bins[place])
        return value, low, high
