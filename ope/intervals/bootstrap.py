"""The interval by resampling."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ope.intervals.sample import Interval, Sample

Floats = NDArray[np.float64]

REPLICATES = 1000
GROUPS = 4096  # the spread of so many sums is known to 1.1% of the width, which 1,000 replicates blur by 2%
_AT_ONCE = 64  # replicates: counts of 2 MB


def bootstrap(sample: Sample, level: float) -> Interval:
    r"""Return the studentised bootstrap interval.

    .. math:: \hat V - t^*_{1 - \alpha/2} \, \widehat{se}, \quad \hat V - t^*_{\alpha/2} \, \widehat{se}, \qquad
              t^* = \frac{\hat V^* - \hat V}{\widehat{se}^*}

    Every replicate draws units with replacement and sums their numerators **and** their masses anew, for the value and
    for its standard error, so that the randomness of normalisers is in it; a bootstrap with frozen normalisers covers
    90 or 99.8% at a nominal 95. Units are rows, or episodes and subjects where rows belong together. Beyond 4,096
    units, random groups of equally many units are drawn instead (the sums of a group are what a unit is), so that a
    million rows cost one more pass and bounded memory.

    Against ``delta`` it follows the skewness of the terms, which shows where rewards are rare or weights heavy; on a
    well-behaved log the two agree. Of the usual kinds it was chosen by coverage (``docs/off-policy.md``): percentile
    and bias-corrected intervals are narrower, and miss more often. A replicate in which nothing varies (no reward was
    drawn at all) takes the standard error of the whole.

    Parameters
    ----------
    sample
        With ``pieces``; ``seed`` fixes the draws.
    level
        Coverage probability.

    Raises
    ------
    ValueError
        If only sums are stored.

    Examples
    --------
    >>> from ope.terms import TermSums
    >>> reward = np.random.default_rng(0).exponential(size=500)
    >>> low, high = bootstrap(Sample(TermSums.of(reward), lambda: iter([(reward, None)])), 0.95)
    >>> round(low, 1), round(high, 1)
    (1.0, 1.2)

    References
    ----------
    Hall (1988), Theoretical comparison of bootstrap confidence intervals.
    Wolter (2007), Introduction to Variance Estimation, chapter 2 (random groups).
    """
    value, stderr = sample.sums.value, sample.sums.stderr
    assert value is not None
    assert stderr is not None
    if sample.sums.flat:
        return value, value
    rng = np.random.default_rng(sample.seed)
    units = grouped(sample, rng)
    values, errors = replicates(units, rng)
    usable = np.isfinite(values)  # a replicate without any mass has no value
    if not usable.any():
        return value, value
    distances = (values - value)[usable] / np.where(errors > 0, errors, stderr)[usable]
    near, far = np.quantile(distances, [0.5 - level / 2, 0.5 + level / 2]).tolist()
    return value - far * stderr, value - near * stderr


def grouped(sample: Sample, rng: np.random.Generator, groups: int = GROUPS) -> Floats:
    """Return numerators and masses of each unit, or of random groups of units where these are many.

    Raises
    ------
    ValueError
        If only sums are stored.
    """
    if sample.pieces is None:
        raise ValueError("interval 'bootstrap' needs the rows, of which sums are stored only: choose 'delta'")
    n, columns, begin = int(sample.sums.n), 2 * sample.sums.columns, 0
    found = np.zeros((min(n, groups), columns))
    for total, mass in sample.pieces():
        rows = len(total)
        both = np.ones((rows, columns))
        both[:, : columns // 2] = total.reshape(rows, -1)
        if mass is not None:
            both[:, columns // 2 :] = mass.reshape(rows, -1)
        if n <= groups:
            found[begin : begin + rows] = both
            begin += rows
            continue
        for first in range(0, rows, groups):
            part = both[first : first + groups]
            found[rng.permutation(groups)[: len(part)]] += part  # at random, or a period in the log would be a group's
    return found


def replicates(units: Floats, rng: np.random.Generator, count: int = REPLICATES) -> tuple[Floats, Floats]:
    """Return value and standard error in each of so many resamples; not finite where a resample has no mass."""
    n, k, values, errors = len(units), units.shape[1] // 2, list[Floats](), list[Floats]()
    for begin in range(0, count, _AT_ONCE):
        draws = min(_AT_ONCE, count - begin)
        drawn = rng.integers(0, n, (draws, n)) + n * np.arange(draws)[:, None]
        counts = np.bincount(drawn.ravel(), minlength=draws * n).reshape(draws, n).astype(np.float64)
        sums = counts @ units
        total, mass = sums[:, :k], sums[:, k:]
        with np.errstate(divide="ignore", invalid="ignore"):
            values.append((total / mass).sum(axis=1))
            pulls = np.concatenate([1 / mass, -total / mass**2], axis=1) @ units.T  # of each unit on each replicate
        pulls *= pulls
        errors.append(np.sqrt(np.einsum("dn,dn->d", counts, pulls) * (n / (n - 1))))
    return np.concatenate(values), np.concatenate(errors)
