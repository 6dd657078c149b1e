"""The one shape that every detector reads: an ordered run of closed windows."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]


def _frozen(array: Any, dtype: type) -> NDArray[Any]:
    result: NDArray[Any] = np.array(array, dtype=dtype)
    result.setflags(write=False)
    return result


@dataclass(frozen=True, eq=False)
class Series:
    """One metric of one policy version: closed, mature windows in order of time.

    Rows inside a window have no order, windows do. A detector gets the windows since the baseline was
    frozen (or since the last recorded reset) and, as ``baseline``, the windows of the frozen span itself,
    so that standard errors come from the ordered window means and never from rows.

    Parameters
    ----------
    time
        Start of each window, seconds since 1970 UTC, strictly increasing, shape (T,).
    value
        The metric in each window, NaN where the window has no rows, shape (T,).
    stderr
        In-window standard error of ``value`` (NaN where unknown), shape (T,).
    n
        Rows behind each value, shape (T,).
    baseline
        The same metric over the frozen reference span, or None where none is frozen yet.
    counts
        Optional (T, bins) matrix of counts, for metrics that are distributions.
    labels
        Names of the bins.
    vectors
        Optional (T, steps) matrix, for metrics that are profiles: the mean reward at each step of an episode, over the
        ``n`` episodes of a window.
    held
        Why a window must not be judged, "" where it may be, length T; empty where all may be. Every detector answers
        INSUFFICIENT for it, with this reason, and keeps it out of what it cumulates.

    Raises
    ------
    ValueError
        If lengths differ or time does not increase strictly.

    Examples
    --------
    >>> s = Series(time=[0, 900], value=[1.0, 1.2], stderr=[0.1, 0.1], n=[50, 60])
    >>> len(s), s.window(1).value.tolist()
    (2, [1.2])
    """

    time: Floats
    value: Floats
    stderr: Floats
    n: Counts
    baseline: Series | None = None
    counts: Counts | None = None
    labels: tuple[str, ...] = field(default=())
    vectors: Floats | None = None
    held: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name, dtype in (("time", np.float64), ("value", np.float64), ("stderr", np.float64), ("n", np.int64)):
            object.__setattr__(self, name, _frozen(getattr(self, name), dtype))
        if self.counts is not None:
            object.__setattr__(self, "counts", _frozen(self.counts, np.int64))
        if self.vectors is not None:
            object.__setattr__(self, "vectors", _frozen(self.vectors, np.float64))
        lengths = {len(self.time), len(self.value), len(self.stderr), len(self.n)}
        if self.counts is not None:
            lengths.add(len(self.counts))
        if self.vectors is not None:
            lengths.add(len(self.vectors))
        if self.held:
            lengths.add(len(self.held))
        if len(lengths) != 1:
            raise ValueError(f"time, value, stderr, n, counts and vectors must have one length, got {sorted(lengths)}")
        if len(self.time) > 1 and not bool(np.all(np.diff(self.time) > 0)):
            raise ValueError("time must increase strictly: sort the windows and merge those of equal start")

    def __len__(self) -> int:
        return len(self.time)

    def window(self, start: int, stop: int | None = None) -> Series:
        """Return windows ``start:stop`` with the same baseline."""
        part = slice(start, stop)
        return Series(
            self.time[part],
            self.value[part],
            self.stderr[part],
            self.n[part],
            self.baseline,
            None if self.counts is None else self.counts[part],
            self.labels,
            None if self.vectors is None else self.vectors[part],
            self.held[part],
        )
