"""Fixed-edge histograms: of the reward, and of every state feature at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
import pyarrow as pa

from monitor.summaries.base import Summary
from monitor.summaries.fill import fill_features
from monitor.summaries.layout import Layout
from monitor.summaries.parts import Ints, empty
from monitor.summaries.plan import Plan


@dataclass(frozen=True, eq=False, slots=True)
class Histogram(Summary):
    """Counts of the reward between the plan's ``reward_edges``.

    E edges make E - 1 bins, closed on the left and the last one on both sides, then under, over and missing
    cells. An infinite reward is under or over. Fixed edges compare exactly with the baseline that they came from;
    ``Quantiles`` needs none and has a known relative error instead.

    Examples
    --------
    >>> import pyarrow as pa
    >>> from monitor.summaries.plan import Plan
    >>> plan = Plan(reward_edges=(0.0, 1.0, 2.0))
    >>> Histogram.of(pa.table({"reward": [0.0, 1.0, 2.0, 2.5, None]}), plan).counts.tolist()
    [1, 2, 0, 1, 1]
    """

    KIND: ClassVar[int] = 3
    FIELDS: ClassVar[tuple[str, ...]] = ("histogram",)

    @property
    def counts(self) -> Ints:
        """Bins, under, over, missing; shape (E + 2,)."""
        return self.parts.counts


@dataclass(frozen=True, eq=False, slots=True)
class Features(Summary):
    """Counts of every state feature in its reference bins or levels: one ragged matrix in one array.

    A number falls into bins closed on the left, the last one on both sides, or into under (below the reference's
    least), over (above its greatest) or missing; a category into its levels, unseen or missing. Values compare as
    float64; integers beyond 2**53 round. A column whose type does not suit its feature counts as missing.

    Examples
    --------
    >>> import pyarrow as pa
    >>> from monitor.summaries.plan import Feature, Plan
    >>> plan = Plan(features=(Feature("load", 0.0, 1.0, (0.5,)), Feature("mode", levels=("eco", "max"))))
    >>> features = Features.of(pa.table({"state.load": [0.5, 2.0], "state.mode": ["eco", "new"]}), plan)
    >>> features.counts("load").tolist(), features.counts("mode").tolist()
    ([0, 1, 0, 1, 0], [1, 0, 1, 0])
    """

    KIND: ClassVar[int] = 4
    FIELDS: ClassVar[tuple[str, ...]] = ("cells",)

    @classmethod
    def of(cls, table: pa.Table, plan: Plan) -> Self:
        """Count the features of a canonical table, and none of its other columns."""
        parts = empty(Layout.of(plan).only(cls.FIELDS))._replace(counts=fill_features(table, plan))
        return cls(parts, Layout.of(plan).only(cls.FIELDS), plan.digest, plan)

    def counts(self, feature: str | int) -> Ints:
        """Return one feature's counts in the order of ``Feature.cells``.

        Raises
        ------
        KeyError
            If the plan has no such feature.
        ValueError
            If the plan is not known.
        """
        plan = self.known_plan()
        index = self.position(feature, tuple(item.name for item in plan.features), "feature")
        widths = [len(item.cells) for item in plan.features]
        if not self.layout.cells:
            return np.zeros(widths[index], np.int64)
        start = sum(widths[:index])
        return self.parts.counts[start : start + widths[index]]

    @property
    def cells(self) -> Ints:
        """All counts, feature after feature in the plan's order."""
        return self.parts.counts
