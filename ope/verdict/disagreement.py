"""Several estimators of one value from one log: where they contradict each other, one of their assumptions is wrong."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations

from ope.estimate import Estimate
from ope.registry import ESTIMATORS
from ope.verdict.trust import Thresholds, Trust, worst


def disagreement(estimates: Sequence[Estimate], thresholds: Thresholds | None = None) -> list[Estimate]:
    r"""Return the estimates, those that others contradict at most weak, with a sentence that says whom.

    Two estimates contradict each other when

    .. math:: |\hat V_1 - \hat V_2| > z \sqrt{\widehat{se}_1^2 + \widehat{se}_2^2}, \qquad z = 3.5,

    which is cautious, because estimates from one log err together. Estimators that are right whenever the propensities
    are (``ips``, ``snips``, ``dr``, ``sndr`` and those of trajectories) must agree, and all that do not are weak. A
    model (``dm``) or a clipped weight has a bias of its own: where one differs from the narrowest of these it alone is
    weak, because it says nothing against them.

    Parameters
    ----------
    estimates
        Of one candidate, one log and one level; refused ones have no value and take no part.
    thresholds
        Its ``disagreement`` is z.

    Examples
    --------
    >>> two = [Estimate(name, value, 0.01, 0.0, 1.0, 0.95, "delta", 0.0, 1.0, 900, 800.0, Trust.TRUSTED, ())
    ...        for name, value in (("ips", 0.5), ("dr", 0.6))]
    >>> print(disagreement(two)[1].reasons[0])
    dr is 0.6 and ips 0.5, 7.1 joint standard errors apart: propensities or the weights' tail are not what they seem.
    """
    limit = (thresholds or Thresholds()).disagreement
    usable = [item for item in estimates if item.value is not None and item.stderr is not None]
    unbiased = [item for item in usable if _unbiased(item)]
    said: dict[str, str] = {}
    for one, other in combinations(unbiased, 2):
        if (apart := _apart(one, other)) > limit:
            why = "propensities or the weights' tail are not what they seem."
            said.setdefault(one.estimator, _sentence(one, other, apart, why))
            said.setdefault(other.estimator, _sentence(other, one, apart, why))
    narrowest = min(unbiased, key=lambda item: item.stderr or 0.0, default=None)
    for item in usable:
        if narrowest is not None and not _unbiased(item) and (apart := _apart(item, narrowest)) > limit:
            why = "its model, or what its clipping leaves out, is wrong by that much."
            said[item.estimator] = _sentence(item, narrowest, apart, why)
    return [
        replace(item, trust=worst(item.trust, Trust.WEAK), reasons=(*item.reasons, said[item.estimator]))
        if item.estimator in said
        else item
        for item in estimates
    ]


def _unbiased(estimate: Estimate) -> bool:
    """Whether it is right, for many rows, whenever the propensities are."""
    found = ESTIMATORS[estimate.estimator]
    return found.weighted and found.tune is None and found.at_most is Trust.TRUSTED


def _apart(one: Estimate, other: Estimate) -> float:
    error = math.hypot(one.stderr or 0.0, other.stderr or 0.0)
    return abs((one.value or 0.0) - (other.value or 0.0)) / error if error > 0 else 0.0


def _sentence(one: Estimate, other: Estimate, apart: float, why: str) -> str:
    return (
        f"{one.estimator} is {one.value:.6g} and {other.estimator} {other.value:.6g}, "
        f"{apart:.1f} joint standard errors apart: {why}"
    )
