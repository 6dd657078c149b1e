"""The histogram of the baseline that windows are compared with, by slot of the season."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from detectors.design_effect import DesignEffect, design_effect
from detectors.homogeneity import APART
from detectors.long_run_variance import MIN_WINDOWS
from detectors.season import SLOTS, WORDS, slots, usable
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
    odd
        How many times fewer rows the missing and the unseen cell are worth than the whole, shape (cells,): values are
        missing in bursts.
    """

    shares: Floats
    sizes: Floats
    season: str
    design: DesignEffect
    cells: int
    note: str
    odd: Floats

    def mixture(self, counts: Counts, time: ArrayLike) -> tuple[Floats, float]:
        """Return the reference for windows of several slots, weighted by their rows, and its effective rows.

        They are 0 where a slot has too few of its own: the whole reference in its place would call the hour a drift.
        """
        weight = counts.sum(axis=1) / counts.sum()
        by_slot = np.bincount(slots(time, self.season), weight, minlength=len(self.sizes))
        used = np.flatnonzero(by_slot)
        shares = np.sum(by_slot[used, None] * self.shares[used], axis=0)
        sizes = self.sizes[used]
        return shares, float(1 / np.sum(by_slot[used] ** 2 / sizes)) if bool(np.all(sizes > 0)) else 0.0


def reference(series: Series, season: str, min_n: int) -> Reference | str:
    """Return the reference of a series, or why there is none.

    Parameters
    ----------
    series
        Windows and baseline with ``counts``.
    season
        ``"none"``, ``"hour_of_day"`` or ``"hour_of_week"``.
    min_n
        Effective rows for each cell below which a slot is not compared with. Where no hour of the week has them the
        hours of the day are used, and where none of those has them the whole reference; the note says so.

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
    coarser = [season for season in SLOTS if SLOTS[season] <= SLOTS[used]]
    for chosen in reversed(coarser):
        shares, sizes, design, cells = _by_slot(base.time, table, chosen)
        thin = sizes < min_n * cells
        if chosen == "none" or not bool(np.all(thin)):
            break
    if chosen == "none":
        thin[:] = False
    if chosen != used:
        note = f"no {WORDS[used]} of the baseline has rows enough: "
        note += "the whole reference is used" if chosen == "none" else f"{WORDS[chosen]} is used"
    odd = np.ones(table.shape[1])
    for i, name in enumerate(series.labels):
        if name in APART and 0 < table[:, i].sum() < table.sum():
            alone = np.stack([table[:, i], table.sum(axis=1) - table[:, i]], axis=1)
            bursts = design_effect(base.time, alone, alone.sum(axis=0) / alone.sum())
            odd[i] = max(1.0, bursts.of_run() / design.of_run())
    return Reference(shares, np.where(thin, 0.0, sizes), chosen, design, cells, note, odd)


def _by_slot(time: Floats, table: Floats, season: str) -> tuple[Floats, Floats, DesignEffect, int]:
    """Return the shares and effective rows of each slot, the design effect, and the cells that are filled."""
    here, whole = slots(time, season), table.sum(axis=0)
    sums = np.zeros((SLOTS[season], table.shape[1]))
    np.add.at(sums, here, table)
    size = sums.sum(axis=1)
    shares = np.where(size[:, None] > 0, sums / np.maximum(size, 1)[:, None], whole / whole.sum())
    design = design_effect(time, table, shares[here], fitted=float(np.sum(size > 0)))
    return shares, size / design.of_run(), design, int(np.sum(whole > 0))
