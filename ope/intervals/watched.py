"""The confidence sequence, as the interval of one look."""

from __future__ import annotations

from ope.intervals.sample import Interval, Sample
from ope.sequence import anytime_interval, slowed


def sequence(sample: Sample, level: float) -> Interval | None:
    """Return the anytime interval where an interval of one look is asked for: the same numbers, one label.

    For a gate that may be looked at again. See ``ope.sequence.anytime_interval``; a gate that is registered beforehand
    and looked at once is better served by ``delta``, at 0.6 of the width.

    Parameters
    ----------
    sample
        The sums, the clock and the reach suffice.
    level
        Probability that the interval is right at all times at once.

    Returns
    -------
    (low, high), or None while it has no end (too few effective rows).

    Examples
    --------
    >>> import numpy as np
    >>> from ope.terms import TermSums
    >>> low, high = sequence(Sample(TermSums.of(np.random.default_rng(0).normal(0.5, 1.0, size=1000))), 0.95)
    >>> round(low, 2), round(high, 2)
    (0.35, 0.55)

    References
    ----------
    Waudby-Smith, Arbour, Sinha, Kennedy, Ramdas (2024), Time-uniform central limit theory and asymptotic confidence
    sequences.
    """
    clock = sample.sums.n if sample.clock is None else sample.clock
    return anytime_interval(sample.sums, slowed(clock, sample.sums, sample.reach), level)
