"""The histogram of the baseline that windows are compared with, by slot of the season."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from detectors.design_effect import DesignEffect, design_effect
from detectors.long_run_variance import MIN_WINDOWS
from detectors.season import SLOTS, slots, usable
from detectors.series import Counts, Floats, Series


@dataclass(frozen=True)
class Reference:
    """Shares of the cells in each slot of the season, and the rows that they are worth.

    Parameters
    ----------
    shares
        Shape (slots, cells).
    sizes
        Effective rows behind each slot, shape (slots,).
    season
        The season in use.
    design
        Design effect of the baseline's windows.
    cells
        Cells that the reference fills.
    note
        Sentence for the reader, or empty.
    """

    shares: Floats
    sizes: Floats
    season: str
    design: DesignEffect
    cells: int
    note: str

    def mixture(self, counts: Counts, time: ArrayLike) -> tuple[Floats, float]:
        """Return the reference for windows of several slots, weighted by their rows, and its effective rows."""
        weight = counts.sum(axis=1) / counts.sum()
        by_slot = np.bincount(slots(time, self.season), weight, minlength=len(self.sizes))
        used = np.flatnonzero(by_slot)
        shares = np.sum(by_slot[used, None] * self.shares[used], axis=0)
        return shares, float(1 / np.sum(by_slot[used] ** 2 / self.sizes[used]))


def reference(series: Series, season: str, min_n: int) -> Reference | str:
    """Return the reference of a series, or why there is none.

    Parameters
    ----------
    series
        Windows and baseline with ``counts``.
    season
        ``"none"``, ``"hour_of_day"`` or ``"hour_of_week"``.
    min_n
        Effective rows for each cell below which a slot gives way to the whole reference.

    Examples
    --------
    >>> reference(Series([0], [0], [0], [5], None, [[2, 3]]), "none", 25)
    'no reference histogram is frozen yet'
    """
    base = series.baseline
    used, note = usable([] if base is None else base.time, season)
    if series.counts is None:
        return "it has no histogram"
    if base is None or base.counts is None or int(base.counts.sum()) == 0:
        return "no reference histogram is frozen yet"
    if base.counts.shape[1:] != series.counts.shape[1:]:
        return f"its {series.counts.shape[1]} cells differ from the {base.counts.shape[1]} cells of the reference"
    table = base.counts.astype(np.float64)
    filled = int(np.sum(table.sum(axis=1) > 0))
    if filled < MIN_WINDOWS:
        return f"the baseline has {filled} windows, {MIN_WINDOWS} are needed to tell how its rows are correlated"
    here, whole = slots(base.time, used), table.sum(axis=0)
    sums = np.zeros((SLOTS[used], table.shape[1]))
    np.add.at(sums, here, table)
    size = sums.sum(axis=1)
    shares = np.where(size[:, None] > 0, sums / np.maximum(size, 1)[:, None], whole / whole.sum())
    design = design_effect(base.time, table, shares[here], fitted=float(np.sum(size > 0)))
    worth, cells = size / design.of_run(), int(np.sum(whole > 0))
    thin = worth < min_n * cells
    shares[thin], worth[thin] = whole / whole.sum(), whole.sum() / design.of_run()
    if used != "none" and bool(np.all(thin)):
        note = "no hour of the baseline has rows enough: the whole reference is used"
    return Reference(shares, worth, used, design, cells, note)
