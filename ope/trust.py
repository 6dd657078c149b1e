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
    left_out_weak, left_out_refused
        Share of rows without a reward or a candidate probability.
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
    left_out_weak: float = 0.05
    left_out_refused: float = 0.5


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
    """

    ess: float
    ess_ratio: float
    max_weight: float
    max_weight_share: float
    mean_weight: float | None
    mean_weight_ci: tuple[float, float] | None
    unsupported_mass: float | None

    def to_dict(self) -> dict[str, Any]:
        """Return plain data for JSON."""
        interval = None if self.mean_weight_ci is None else list(self.mean_weight_ci)
        return {**asdict(self), "mean_weight_ci": interval}


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
