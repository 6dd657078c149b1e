"""The normal interval."""

from __future__ import annotations

from scipy.special import ndtri

from ope.intervals.sample import Interval, Sample


def delta(sample: Sample, level: float) -> Interval:
    r"""Return the normal interval by the delta method, :math:`\hat V \mp z \, \widehat{se}`.

    The randomness of every normaliser is in the standard error. The cheapest kind, and right where the effective
    sample is large; ``bootstrap`` follows skewed terms better, ``bernstein`` holds at any number of rows.

    Parameters
    ----------
    sample
        The sums suffice.
    level
        Coverage probability.

    Examples
    --------
    >>> import numpy as np
    >>> from ope.terms import TermSums
    >>> low, high = delta(Sample(TermSums.of(np.array([1.0, 2.0, 3.0, 4.0]))), 0.95)
    >>> round(low, 2), round(high, 2)
    (1.23, 3.77)

    References
    ----------
    Casella, Berger (2002), Statistical Inference, section 5.5.4.
    """
    value, stderr = sample.sums.value, sample.sums.stderr
    assert value is not None
    assert stderr is not None
    reach = float(ndtri(0.5 + level / 2)) * stderr
    return value - reach, value + reach
