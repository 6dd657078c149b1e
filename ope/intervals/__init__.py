"""How sure? The kinds of interval for one look, over any estimator's terms."""

from __future__ import annotations

from collections.abc import Callable

from ope.intervals.bernstein import bernstein
from ope.intervals.bootstrap import bootstrap
from ope.intervals.bounded import sequence_bounded
from ope.intervals.delta import delta
from ope.intervals.sample import Interval, Sample
from ope.intervals.watched import sequence

# Name -> (sample, level) -> (low, high) for one look; None where it has no end.
INTERVALS: dict[str, Callable[[Sample, float], Interval | None]] = {
    "delta": delta,
    "bootstrap": bootstrap,
    "bernstein": bernstein,
    "sequence": sequence,
    "sequence_bounded": sequence_bounded,
}

__all__ = ["INTERVALS", "Interval", "Sample"]
