"""Two arms that act at the same time: the difference of their means, valid however often people look."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ope.comparing.blocks import dispersion
from ope.comparing.paired import anytime_p
from ope.sequence import anytime_interval, slowed
from ope.terms import TermSums


@dataclass(frozen=True)
class Arm:
    """Count, mean and spread of one arm's rows; arms of parts add up to the arm of the whole.

    Parameters
    ----------
    n
        Rows.
    mean
        Their mean, 0 of none.
    spread
        Sum of the squared distances from the mean.
    low, high
        Least and greatest value that could be, or that was seen.

    Examples
    --------
    >>> Arm.of_sums(4, 10.0, 30.0, 1.0, 4.0)
    Arm(n=4, mean=2.5, spread=5.0, low=1.0, high=4.0)
    >>> Arm.of_sums(2, 3.0, 5.0, 1.0, 2.0) + Arm.of_sums(2, 7.0, 25.0, 3.0, 4.0)
    Arm(n=4, mean=2.5, spread=5.0, low=1.0, high=4.0)

    References
    ----------
    Chan, Golub, LeVeque (1983), Algorithms for computing the sample variance.
    """

    n: int = 0
    mean: float = 0.0
    spread: float = 0.0
    low: float = math.inf
    high: float = -math.inf

    @staticmethod
    def of_sums(n: int, total: float, squares: float, low: float | None = None, high: float | None = None) -> Arm:
        """Return the arm of stored sums; no value is further from the mean than the root of their spread."""
        if not n:
            return Arm()
        mean = total / n
        spread = max(0.0, squares - total * mean)
        far = math.sqrt(spread)
        return Arm(n, mean, spread, mean - far if low is None else low, mean + far if high is None else high)

    @staticmethod
    def of_hits(n: int, hits: int) -> Arm:
        """Return the arm of rows that are 1 (``hits`` of them) or 0."""
        return Arm(n, hits / n, hits * (1 - hits / n), 0.0, 1.0) if n else Arm()

    def __add__(self, other: Arm) -> Arm:
        if not (self.n and other.n):
            return other if other.n else self
        n, apart = self.n + other.n, other.mean - self.mean
        mean = self.mean + apart * (other.n / n)
        spread = self.spread + other.spread + apart * apart * (self.n * (other.n / n))
        return Arm(n, mean, spread, min(self.low, other.low), max(self.high, other.high))

    @property
    def finite(self) -> bool:
        """Whether nothing in it is NaN or infinite."""
        return math.isfinite(self.mean) and math.isfinite(self.spread)


Pair = tuple[Arm, Arm]
"""Candidate and incumbent in the same minute."""


def total(pairs: Sequence[Pair]) -> Pair:
    """Add up the minutes."""
    candidate, incumbent = Arm(), Arm()
    for one, other in pairs:
        candidate, incumbent = candidate + one, incumbent + other
    return candidate, incumbent


@dataclass(frozen=True)
class Effect:
    r"""The candidate's mean less the incumbent's, with its confidence sequence.

    .. math:: \hat d \pm \sqrt{\frac{c_t D R}{1 - c_t / t}}, \qquad R = \frac{s_c}{n_c^2} + \frac{s_i}{n_i^2},
              \qquad t = \frac{4}{1/n_c + 1/n_i}

    with :math:`s` the arms' own sums of squared distances from their mean, D the dispersion and :math:`c_t` the normal
    mixture of ``mixture_boundary``. t is the number of effective rows (Kish): all rows of two equal arms, four times
    the small arm's where it is a hundredth.

    Parameters
    ----------
    value, low, high
        In the values' own unit; low and high None while they have no end.
    n_candidate, n_incumbent
        Rows.
    dispersion
        How many times the variance is that of independent rows.
    level
        Probability that the interval is right at all times at once.
    """

    value: float | None
    low: float | None
    high: float | None
    n_candidate: int
    n_incumbent: int
    dispersion: float
    level: float
    sums: TermSums | None = None
    clock: float = 0.0

    def p_above(self, worst: float) -> float:
        """Return the anytime-valid p value of "the difference is at most ``worst``"."""
        return 1.0 if self.sums is None else anytime_p(self.sums, self.clock, worst)


def effect(pairs: Sequence[Pair], level: float = 0.95, *, at_least: float = 1.0) -> Effect:
    """Return the difference of two arms from minutes in which both acted.

    Against ``ope.shift.comparison.compare``, which is made for one look after a firing, this may be looked at every
    minute and stopped at any time. Against an empirical Bernstein sequence it needs no bound of the reward; the
    price is that it is asymptotic: at most 5% of simulated streams ever leave
    the 95% sequence with normal, binary, rare and log-normal rewards at 1:1 and 1:99 (``tests/test_ope_arms.py``).

    Parameters
    ----------
    pairs
        Candidate and incumbent of each minute, in order of time.
    level
        Probability that the interval is right at all times at once.
    at_least
        A dispersion that is known from elsewhere, such as that of subjects who come back.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> def minute(mean, rows):
    ...     x = rng.normal(mean, 1.0, rows)
    ...     return Arm.of_sums(rows, x.sum(), (x * x).sum(), x.min(), x.max())
    >>> found = effect([(minute(1.5, 5), minute(1.0, 45)) for _ in range(200)])
    >>> found.n_candidate, found.low > 0
    (1000, True)

    References
    ----------
    Waudby-Smith, Arbour, Sinha, Kennedy, Ramdas (2024), Time-uniform central limit theory and asymptotic confidence
    sequences, theorem 2.2 and section 3 (differences of means under randomisation).
    """
    candidate, incumbent = total(pairs)
    if not (candidate.n and incumbent.n):
        return Effect(None, None, None, candidate.n, incumbent.n, 1.0, level)
    value = candidate.mean - incumbent.mean
    if not (candidate.finite and incumbent.finite):
        return Effect(None, None, None, candidate.n, incumbent.n, 1.0, level)
    independent = candidate.spread / candidate.n**2 + incumbent.spread / incumbent.n**2
    wider = max(at_least, dispersion(_pulls(pairs, candidate, incumbent), independent))
    rows = 4.0 / (1.0 / candidate.n + 1.0 / incumbent.n)
    sums = _sums(candidate, incumbent, rows, wider)
    span = max(candidate.high, incumbent.high) - min(candidate.low, incumbent.low)
    reach = wider * span / min(candidate.n, incumbent.n)
    clock = slowed(rows, sums, reach)
    ends = anytime_interval(sums, clock, level)
    low, high = ends or (None, None)
    return Effect(value, low, high, candidate.n, incumbent.n, wider, level, sums, clock)


def change(first: Effect, last: Effect, level: float) -> tuple[float, float, float] | None:
    """Return the second effect less the first, of other rows, with ends; None while either has none.

    The square root of the sum of the squared half widths, for independent parts: both intervals are widened by the same
    boundary, so that this is that of the difference where their rows are alike.
    """
    ends = [(one.value, one.low, one.high) for one in (first, last)]
    if any(part is None for end in ends for part in end):
        return None
    (a, _al, a_high), (b, _bl, b_high) = [tuple(float(part or 0.0) for part in end) for end in ends]
    if min(first.level, last.level) < level:
        raise ValueError(f"the parts' level is below {level}: compute them at {level}")
    half = math.hypot(a_high - a, b_high - b)
    return b - a, b - a - half, b - a + half


def _pulls(pairs: Sequence[Pair], candidate: Arm, incumbent: Arm) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    return np.array(
        [
            one.n * (one.mean - candidate.mean) / candidate.n - other.n * (other.mean - incumbent.mean) / incumbent.n
            for one, other in pairs
        ],
        dtype=np.float64,
    )


def _sums(candidate: Arm, incumbent: Arm, rows: float, wider: float) -> TermSums:
    """Return the two ratios as terms, measured from the incumbent's mean so that nothing cancels.

    ``n`` is the effective rows: the correction for the estimated variance is then that of the small arm.
    """
    n, m = float(candidate.n), float(incumbent.n)
    above = candidate.mean - incumbent.mean
    first = np.array([n * above, 0.0, n, m])
    second = np.zeros((4, 4))
    second[0, 0], second[1, 1] = candidate.spread + n * above * above, incumbent.spread
    second[0, 2] = second[2, 0] = n * above
    second[2, 2], second[3, 3] = n, m
    return TermSums(rows, first, wider * second)
