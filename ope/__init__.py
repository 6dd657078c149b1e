"""Off-policy evaluation: what a candidate policy would have earned, from the log of another one.

Rows become per-row terms, terms become sums that merge (``WeightSums``), sums become an ``Estimate``. Nothing here
reads a file or knows of the rest of the product.
"""

from __future__ import annotations

from collections.abc import Callable

from ope.estimate import Estimate
from ope.health import judge, mean_weight_interval
from ope.importance import INTERVALS, ips, snips
from ope.ratio import Ratio
from ope.sequence import anytime_interval, mixture_boundary
from ope.sums import SUM_COLUMNS, WeightSums
from ope.trust import Diagnostics, Judgement, Thresholds, Trust, worst
from ope.weights import importance_weights

# Every estimator: merged sums -> Estimate, with the keywords level, interval and judgement.
ESTIMATORS: dict[str, Callable[..., Estimate]] = {
    "ips": ips,
    "snips": snips,
}

__all__ = [
    "ESTIMATORS",
    "INTERVALS",
    "SUM_COLUMNS",
    "Diagnostics",
    "Estimate",
    "Judgement",
    "Ratio",
    "Thresholds",
    "Trust",
    "WeightSums",
    "anytime_interval",
    "importance_weights",
    "ips",
    "judge",
    "mean_weight_interval",
    "mixture_boundary",
    "snips",
    "worst",
]
