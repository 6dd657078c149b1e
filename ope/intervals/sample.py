"""What an interval is made from."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from ope.terms import Terms, TermSums

Interval = tuple[float, float]


@dataclass(frozen=True)
class Sample:
    """The terms of one estimator over one log, as sums and, where they are kept, as rows.

    Parameters
    ----------
    sums
        Merged sums of all units.
    pieces
        Yields the terms again, piece by piece; None where only sums are stored (a live view).
    seed
        Of whatever is drawn.
    clock
        Effective rows, which a confidence sequence counts in; None: units.
    span
        The most by which the terms ``y - v m`` of two units can differ; None where nobody can say.
    reach
        The most by which one unit can move the value, known or seen; None where nobody can say.
    """

    sums: TermSums
    pieces: Callable[[], Iterator[Terms]] | None = None
    seed: int = 0
    clock: float | None = None
    span: float | None = None
    reach: float | None = None

    def known_span(self, kind: str) -> float:
        """Return the span, for the kinds of interval that need one.

        Raises
        ------
        ValueError
            If the estimator has none, or is a sum of several ratios.
        """
        if self.span is None or self.sums.columns > 1:
            raise ValueError(
                f"interval {kind!r} needs the range of an estimator's terms, which only weighting of single decisions "
                "has (ips, snips, clipped forms): name these as estimators, or choose another interval"
            )
        return self.span
