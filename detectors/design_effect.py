"""How many independent rows a window of correlated rows is worth."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike

from detectors.long_run_variance import autocovariances, bartlett, bartlett_lag, on_grid
from detectors.series import Floats


@dataclass(frozen=True)
class DesignEffect:
    """Variance of the proportions of a run of histograms over that of independent rows.

    Parameters
    ----------
    covariances
        Mean autocovariances of the standardised cells, lags 0.. in windows; all zeros but the first, 1, for
        independent rows.
    rows_per_window
        Mean rows of a window that has any.
    windows
        Windows that had rows.
    """

    covariances: Floats
    rows_per_window: float
    windows: int

    def of_run(self, windows: int | None = None) -> float:
        """Return the design effect of so many windows in a row, all of the baseline for None; at least 1."""
        last = len(self.covariances) if windows is None else min(windows, len(self.covariances))
        if last not in self._runs:
            self._runs[last] = max(1.0, bartlett(self.covariances[:last]))
        return self._runs[last]

    @cached_property
    def _runs(self) -> dict[int, float]:
        """Answers of ``of_run``: a scan asks for the same few lengths at each of its windows."""
        return {}

    def effective(self, rows: float, windows: int = 1, pooled: int | None = None) -> float:
        """Return the independent rows that ``rows`` in ``windows`` windows are worth.

        Rows share their window's shock, so the design effect grows with the rows of a window (1 + (n - 1) rho, Kish,
        1965): ten times the rows are not ten times the evidence.

        Parameters
        ----------
        rows
            Rows altogether.
        windows
            Windows that they come from.
        pooled
            Length of the run whose correlation counts; None for the long run.
        """
        if rows <= 0:
            return 0.0
        busier = rows / windows / self.rows_per_window if self.rows_per_window > 0 else 1.0
        return rows / (1 + (self.of_run(pooled) - 1) * busier)


def design_effect(time: ArrayLike, counts: ArrayLike, shares: ArrayLike, fitted: float = 1.0) -> DesignEffect:
    """Estimate the design effect of a run of histograms.

    The first-order correction of Rao and Scott: the mean over the cells of their variance against the multinomial
    one, here with the autocovariances between windows too. Against taking rows for independent: with states of
    autocorrelation 0.99, 55% of null windows of 500 rows lie above 0.1 bit even after debiasing.

    Parameters
    ----------
    time
        Start of each window, shape (L,).
    counts
        Rows by window and cell, shape (L, cells).
    shares
        Expected share of each cell, shape (cells,) or (L, cells); cells of share 0 are left out.
    fitted
        Sets of shares that were fitted to these counts.

    References
    ----------
    Rao, J. N. K. and Scott, A. J. (1981). The analysis of categorical data from complex sample surveys. JASA 76.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> counts = 10 * rng.multinomial(50, [0.25] * 4, size=400)  # every row comes ten times
    >>> round(design_effect(np.arange(400), counts, [0.25] * 4).of_run(1))
    10
    """
    table = np.asarray(counts, np.float64)
    share = np.broadcast_to(np.asarray(shares, np.float64), table.shape)
    total = table.sum(axis=1, keepdims=True)
    expected = total * share
    cells = int(np.max(np.sum(share > 0, axis=1), initial=0))
    windows = int(np.sum(total > 0))
    if cells < 2 or windows < 2:
        return DesignEffect(np.ones(1), float(total.sum() / max(windows, 1)), windows)
    residual = np.where(expected > 0, (table - expected) / np.sqrt(np.where(expected > 0, expected, 1.0)), 0.0)
    lag = bartlett_lag(windows)
    filled = np.nan_to_num(on_grid(time, residual, lag + 1))
    correction = windows / max(windows - fitted, windows / 2)
    covariances = autocovariances(filled, lag, windows) * correction / (cells - 1)
    return DesignEffect(covariances, float(total.sum() / windows), windows)
