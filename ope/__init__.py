"""Off-policy evaluation: what a candidate policy would have earned, from the log of another one.

Rows become per-unit terms, terms become sums that merge (``TermSums``), sums become an ``Estimate``. Nothing here
reads a file or knows of the rest of the product.
"""

from __future__ import annotations

from ope.answer import from_weights
from ope.bandit.continuous import from_densities, kernel_density
from ope.bandit.marginal import by_group
from ope.bounds import Bounds
from ope.comparing.difference import Difference, difference, difference_of_weights
from ope.comparing.distribution import Distribution, distribution
from ope.comparing.paired import anytime_p
from ope.comparing.selection import Selection, explained, select
from ope.decisions import Decisions
from ope.estimate import Estimate
from ope.estimator import Estimator
from ope.evaluate import applicable, evaluate
from ope.intervals import INTERVALS
from ope.models.behaviour import Behaviour, fit_behaviour
from ope.models.crossfit import cross_fit
from ope.models.in_sample import in_sample_suspected
from ope.registry import ESTIMATORS
from ope.sequence import anytime_interval, mixture_boundary, slowed
from ope.sums import SUM_COLUMNS, WeightSums
from ope.terms import TermSums
from ope.verdict.disagreement import disagreement
from ope.verdict.health import judge, judge_log, mean_weight_interval
from ope.verdict.health_evidence import Evidence
from ope.verdict.trust import Diagnostics, Judgement, Thresholds, Trust, worst
from ope.weights import importance_weights

# The estimators that stored weight sums suffice for, so that they are watched live.
LIVE = tuple(name for name, item in ESTIMATORS.items() if item.of_weights is not None)

__all__ = [
    "ESTIMATORS",
    "INTERVALS",
    "LIVE",
    "SUM_COLUMNS",
    "Behaviour",
    "Bounds",
    "Decisions",
    "Diagnostics",
    "Difference",
    "Distribution",
    "Estimate",
    "Estimator",
    "Evidence",
    "Judgement",
    "Selection",
    "TermSums",
    "Thresholds",
    "Trust",
    "WeightSums",
    "anytime_interval",
    "anytime_p",
    "applicable",
    "by_group",
    "cross_fit",
    "difference",
    "difference_of_weights",
    "disagreement",
    "distribution",
    "evaluate",
    "explained",
    "fit_behaviour",
    "from_densities",
    "from_weights",
    "importance_weights",
    "in_sample_suspected",
    "judge",
    "judge_log",
    "kernel_density",
    "mean_weight_interval",
    "mixture_boundary",
    "select",
    "slowed",
    "worst",
]
