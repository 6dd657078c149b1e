"""What the registry holds of each estimator."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ope.bounds import Bounds
from ope.sums import WeightSums
from ope.terms import Terms, TermSums
from ope.verdict.trust import Trust

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
        "decisions" (``ope.decisions.Decisions``) or "episodes" (``ope.trajectory.episodes.Episodes``).
    weighted
        Whether it has importance weights, so that theirs is the trust that it may have.
    model
        Whether it needs predicted rewards q and the candidate's whole distribution.
    tune
        Rule for its constant from a whole log (lambda of a clipped estimator), None where it has none.
    tuned
        (constant, weights) -> the sentence that says what it does, and which sibling this is where it does nothing.
    of_weights
        Its sums from stored ``WeightSums``, where these are enough: then it is also watched live.
    by_step
        Whether it has a ratio for each step of the longest episode, so that a log with very long ones cannot have it.
    span
        (bounds, tuning constant) -> the most by which two rows' ``y - v m`` can differ: what ``bernstein`` needs; None
        where rewards and weights do not bound it.
    at_most, note
        The most that it may be trusted, whatever the log is like, and the sentence that says why.
    cut_at_most
        The same where its constant is below the largest weight, so that something is cut that no interval counts.
    """

    name: str
    terms: Callable[[Any, float | None], Terms]
    log: str = DECISIONS
    weighted: bool = True
    model: bool = False
    tune: Callable[[Any], float] | None = None
    tuned: Callable[[float, WeightSums], str] | None = None
    of_weights: Callable[[WeightSums], TermSums] | None = None
    span: Callable[[Bounds, float | None], float] | None = None
    by_step: bool = False
    at_most: Trust = Trust.TRUSTED
    note: str = ""
    cut_at_most: Trust = Trust.TRUSTED
