"""What the registry holds of each estimator."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ope.sums import WeightSums
from ope.terms import Terms, TermSums

DECISIONS, EPISODES = "decisions", "episodes"


@dataclass(frozen=True)
class Estimator:
    """One estimator: per-unit terms, and what they need.

    Parameters
    ----------
    name
        Key in ESTIMATORS, as in the public JSON.
    terms
        (piece of a log, tuning constant or None) -> numerators and masses of each unit, shape (units,) or (units, k).
    log
        "decisions" (``ope.decisions.Decisions``) or "episodes" (``ope.episodes.Episodes``).
    weighted
        Whether it has importance weights, so that theirs is the trust that it may have.
    model
        Whether it needs predicted rewards q and the candidate's whole distribution.
    tune
        Rule for its constant from a whole log (lambda of a clipped estimator), None where it has none.
    of_weights
        Its sums from stored ``WeightSums``, where these are enough: then it is also watched live.
    """

    name: str
    terms: Callable[[Any, float | None], Terms]
    log: str = DECISIONS
    weighted: bool = True
    model: bool = False
    tune: Callable[[Any], float] | None = None
    of_weights: Callable[[WeightSums], TermSums] | None = None
