"""Inverse propensity scoring and its self-normalised form, as functions of merged sums."""

from __future__ import annotations

from scipy.special import ndtri

from ope.estimate import Estimate
from ope.health import judge
from ope.ratio import Ratio
from ope.sequence import anytime_interval
from ope.sums import WeightSums
from ope.trust import Judgement, Trust

# How the interval for one look is made. Bootstrap and Bernstein forms need rows, not sums.
INTERVALS = ("delta",)


def ips(
    sums: WeightSums, *, level: float = 0.95, interval: str = "delta", judgement: Judgement | None = None
) -> Estimate:
    r"""Inverse propensity scoring: the mean of weighted rewards.

    .. math:: \hat V = \frac1n \sum_{i=1}^n w_i r_i, \qquad
              \widehat{se}^2 = \frac{1}{n (n-1)} \sum_i (w_i r_i - \hat V)^2

    where :math:`w_i = \pi(a_i|x_i) / p_i` is the importance weight, :math:`\pi` the candidate, :math:`p_i` the
    behaviour policy's probability of the executed action, :math:`r_i` the reward and n the number of usable rows.

    Unbiased when the propensities are right and the log supports the candidate. Adding a constant to all rewards
    changes its error, and its variance is usually larger than that of ``snips``, which is the better default.

    Parameters
    ----------
    sums
        Merged sums of the span.
    level
        Coverage of both intervals.
    interval
        "delta": normal interval from the standard error.
    judgement
        The candidate's verdict; None: judged here from the sums alone.

    Raises
    ------
    ValueError
        If ``level`` is outside (0, 1) or ``interval`` is unknown.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(1)
    >>> action = rng.random(4000) < 0.5                       # the log plays action 1 half of the time
    >>> weight = np.where(action, 0.8, 0.2) / 0.5             # the candidate 80% of the time
    >>> estimate = ips(WeightSums.from_rows(weight, rng.normal(action, 0.1)))
    >>> estimate.low < 0.8 < estimate.high, estimate.trust.value
    (True, 'trusted')

    References
    ----------
    Horvitz, Thompson (1952), A generalization of sampling without replacement from a finite universe.
    Strehl, Langford, Li, Kakade (2010), Learning from logged implicit exploration data.
    """
    ratio = Ratio(sums.n, sums.wr, sums.n, sums.w2r2, sums.wr, sums.n)
    return _answer("ips", ratio, sums, level=level, interval=interval, judgement=judgement)


def snips(
    sums: WeightSums, *, level: float = 0.95, interval: str = "delta", judgement: Judgement | None = None
) -> Estimate:
    r"""Self-normalised inverse propensity scoring: the weighted mean of rewards.

    .. math:: \hat V = \frac{\sum_i w_i r_i}{\sum_i w_i}, \qquad
              \widehat{se}^2 = \frac{n}{n-1} \frac{\sum_i w_i^2 (r_i - \hat V)^2}{\big(\sum_i w_i\big)^2}

    with the symbols of ``ips``. Consistent, with a bias of order 1/n; it stays inside the range of the rewards and
    moves with a constant that is added to them. The standard error is the delta method's for a ratio: the randomness
    of the normaliser is in it.

    Parameters
    ----------
    sums, level, interval, judgement
        As for ``ips``.

    Raises
    ------
    ValueError
        As for ``ips``.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(1)
    >>> action = rng.random(4000) < 0.5
    >>> weight = np.where(action, 0.8, 0.2) / 0.5
    >>> estimate = snips(WeightSums.from_rows(weight, rng.normal(action, 0.1)))
    >>> estimate.low < 0.8 < estimate.high, estimate.anytime_low < estimate.low
    (True, True)

    References
    ----------
    Swaminathan, Joachims (2015), The self-normalized estimator for counterfactual learning.
    """
    ratio = Ratio(sums.n, sums.wr, sums.w, sums.w2r2, sums.w2r, sums.w2)
    return _answer("snips", ratio, sums, level=level, interval=interval, judgement=judgement)


def _answer(
    name: str, ratio: Ratio, sums: WeightSums, *, level: float, interval: str, judgement: Judgement | None
) -> Estimate:
    """Put the numbers into an Estimate, or into its reasons where they must not be quoted."""
    if not 0 < level < 1:
        raise ValueError(f"level is {level}, but must lie between 0 and 1, such as 0.95")
    if interval not in INTERVALS:
        raise ValueError(f"no interval is called {interval!r}; available: {', '.join(INTERVALS)}")
    judged = judgement or judge(sums)
    trust, reasons = judged.verdict, list(judged.reasons)
    if ratio.flat and trust is not Trust.REFUSED:
        trust = Trust.REFUSED
        reasons.append("The rewards of the rows that carry weight are equal, so no error can be told from this log.")
    n, ess, value, stderr = int(sums.n), sums.ess, ratio.value, ratio.stderr
    if value is None or stderr is None or trust is Trust.REFUSED:
        if value is not None:
            error = "unknown" if stderr is None else f"{stderr:.6g}"
            reasons.append(f"Not to be quoted: {name} comes to {value:.6g} with a standard error of {error}.")
        return Estimate(
            name, None, None, None, None, level, interval, None, None, n, ess, Trust.REFUSED, tuple(reasons)
        )
    reach = float(ndtri(0.5 + level / 2)) * stderr
    low, high = anytime_interval(ratio, ess, level) or (None, None)
    return Estimate(
        name, value, stderr, value - reach, value + reach, level, interval, low, high, n, ess, trust, tuple(reasons)
    )
