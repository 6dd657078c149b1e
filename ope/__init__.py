"""Off-policy evaluation: what a candidate policy would have earned, from the log of another one.

Rows become per-unit terms, terms become sums that merge (``TermSums``), sums become an ``Estimate``. Nothing here
reads a file or knows of the rest of the product.
"""

from __future__ import annotations

from ope.answer import from_weights
from ope.decisions import Decisions
from ope.estimate import Estimate
from ope.estimator import Estimator
from ope.evaluate import applicable, evaluate
from ope.health import judge, mean_weight_interval
from ope.intervals import INTERVALS
from ope.registry import ESTIMATORS
from ope.sequence import anytime_interval, mixture_boundary
from ope.sums import SUM_COLUMNS, WeightSums
from ope.terms import TermSums
from ope.trust import Diagnostics, Judgement, Thresholds, Trust, worst
from ope.weights import importance_weights

# The estimators that stored weight sums suffice for, so that they are watched live.
LIVE = tuple(name for name, item in ESTIMATORS.items() if item.of_weights is not None)

__all__ = [
    "ESTIMATORS",
    "INTERVALS",
    "LIVE",
    "SUM_COLUMNS",
    "Decisions",
    "Diagnostics",
    "Estimate",
    "Estimator",
    "Judgement",
    "TermSums",
    "Thresholds",
    "Trust",
    "WeightSums",
    "anytime_interval",
    "applicable",
    "evaluate",
    "from_weights",
    "importance_weights",
    "judge",
    "mean_weight_interval",
    "mixture_boundary",
    "worst",
]
