"""May an estimate be quoted? The three answers, the sizes that decide, and the numbers behind them."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any


class Trust(StrEnum):
    """Whether an estimate is an answer, an answer with caution, or none."""

    TRUSTED = "trusted"
    WEAK = "weak"
    REFUSED = "refused"


@dataclass(frozen=True)
class Thresholds:
    """Sizes at which an estimate becomes weak or is refused.

    They are sizes, never z scores: z grows with the square root of n, so that at a million rows a harmless 1% of
    unsupported mass is 16 standard errors.

    Parameters
    ----------
    ess_weak, ess_refused
        Effective rows below which the delta interval is doubtful, below which it is meaningless.
    ess_share_weak, ess_share_refused
        The same as a share of all rows: below half a percent few rows carry everything.
    max_share_weak, max_share_refused
        Share of the total weight that one row may carry.
    excess_weak, excess_refused
        Distance above 1 of the mean weight's lower bound: the propensities are too small.
    deficit_weak, deficit_refused
        Distance below 1 of the mean weight's upper bound: a heavy tail, missing support, or propensities too large.
    unsupported_weak, unsupported_refused
        Share of the candidate's decisions on actions that the log cannot contain; times the range of the reward it is
        the width of the bounds that remain whatever n is (Manski, 1990).
    margin
        Smallest difference that a decision would rest on, in units of the reward. Where it is set and the range of the
        rewards is known, the shares of unsupported mass are those at which the bounds are as wide as it (refused), or a
        fifth of it (weak). None: they are shares, so that 5% of the range of the reward is refused.
    left_out_weak, left_out_refused
        Share of rows without a reward or a candidate probability.
    pareto_weak, pareto_refused, pareto_share
        Shape of the tail of the weights above which heavier rows than any seen are to be expected, above which the
        weights have no mean; believed only where the effective share of the rows is below the third.
    variance_weak, variance_refused
        Rows that the variance of the estimate effectively comes from; with few of them it is not known, nor the error.
        Of 3,300 simulated logs with 100 effective rows or more, intervals missed in 6% of those with 50 or more such
        rows, 11% of those with fewer, and 19% where heavy-tailed rewards left 8 to 50.
    propensity_weak, propensity_refused
        By how much an action's sum of 1/p may be away from the rows it could be taken in, beyond its interval: the
        propensities of that action are wrong, and the log is refused for every candidate.
    mismatch_weak
        Share of rows whose propensity is not what the logged distribution says of the executed action.
    disagreement
        Joint standard errors by which two estimates of one log may differ.
    """

    ess_weak: float = 100.0
    ess_refused: float = 30.0
    ess_share_weak: float = 0.1
    ess_share_refused: float = 0.005
    max_share_weak: float = 0.05
    max_share_refused: float = 0.25
    excess_weak: float = 0.02
    excess_refused: float = 0.1
    deficit_weak: float = 0.02
    deficit_refused: float = 0.1
    unsupported_weak: float = 0.01
    unsupported_refused: float = 0.05
    margin: float | None = None
    left_out_weak: float = 0.05
    left_out_refused: float = 0.5
    pareto_weak: float = 0.7
    pareto_refused: float = 1.0
    pareto_share: float = 0.3
    variance_weak: float = 50.0
    variance_refused: float = 3.0
    propensity_weak: float = 0.05
    propensity_refused: float = 0.1
    mismatch_weak: float = 0.01
    disagreement: float = 3.5


@dataclass(frozen=True)
class Diagnostics:
    """The numbers behind a verdict.

    Parameters
    ----------
    ess, ess_ratio
        Effective sample size (sum w)^2 / sum w^2, in rows and as a share of rows.
    max_weight, max_weight_share
        The largest weight, and its share of the sum of weights.
    mean_weight, mean_weight_ci
        Mean weight, 1 when the propensities are right, and its 95% interval.
    unsupported_mass
        Mean probability that the candidate gives to actions outside the log's support; None where it is unknown.
    bounds
        Where the value lies whatever the rewards without support are, with the 95% error of the rest (Manski); None
        where nothing is missing or the range of the rewards is unknown.
    pareto_k
        Shape of the tail of the weights; None where they are few, have few values, or only sums are stored.
    variance_rows
        Rows that the variance effectively comes from, (sum t^2)^2 / sum t^4 with t = w (r - v); None from sums.
    propensity_action, propensity_ratio
        The action whose propensities are furthest off, and its sum of 1/p over the rows where it could be taken; None
        where every interval holds 1 or actions are not known.
    """

    ess: float
    ess_ratio: float
    max_weight: float
    max_weight_share: float
    mean_weight: float | None
    mean_weight_ci: tuple[float, float] | None
    unsupported_mass: float | None
    bounds: tuple[float, float] | None = None
    pareto_k: float | None = None
    variance_rows: float | None = None
    propensity_action: str | None = None
    propensity_ratio: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return plain data for JSON."""
        return {name: list(found) if isinstance(found, tuple) else found for name, found in asdict(self).items()}


@dataclass(frozen=True)
class Judgement:
    """A candidate's verdict: the log and the weights, judged once for all estimators."""

    verdict: Trust
    reasons: tuple[str, ...]
    diagnostics: Diagnostics


def worst(*levels: Trust) -> Trust:
    """Return the least trusting of some answers; ``trusted`` where there are none.

    >>> worst(Trust.WEAK, Trust.TRUSTED).value
    'weak'
    """
    order = list(Trust)
    return max(levels, key=order.index, default=Trust.TRUSTED)
