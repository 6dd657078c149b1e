"""How sure? The kinds of interval for one look, over any estimator's terms."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from scipy.special import ndtri

from ope.terms import Terms, TermSums

Interval = tuple[float, float]


@dataclass(frozen=True)
class Sample:
    """What an interval is made from.

    Parameters
    ----------
    sums
        Merged sums of all units.
    pieces
        Yields the terms again, piece by piece; None where only sums are stored (a live view).
    seed
        Of whatever is drawn.
    """

    sums: TermSums
    pieces: Callable[[], Iterator[Terms]] | None = None
    seed: int = 0


def delta(sample: Sample, level: float) -> Interval:
    """Return the normal interval by the delta method: the cheapest, right where the effective sample is large."""
    value, stderr = sample.sums.value, sample.sums.stderr
    assert value is not None
    assert stderr is not None
    reach = float(ndtri(0.5 + level / 2)) * stderr
    return value - reach, value + reach


# Name -> (sample, level) -> (low, high) for one look.
INTERVALS: dict[str, Callable[[Sample, float], Interval]] = {"delta": delta}
