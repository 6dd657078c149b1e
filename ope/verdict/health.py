"""Judge a candidate over a log: may its estimates be quoted, and if not, why not."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

from ope.decisions import Decisions
from ope.sums import WeightSums
from ope.verdict import health_checks as checks
from ope.verdict.health_evidence import Evidence
from ope.verdict.propensities import furthest
from ope.verdict.trust import Diagnostics, Judgement, Thresholds, worst

if TYPE_CHECKING:
    from ope.trajectory.episodes import Episodes


def mean_weight_interval(sums: WeightSums) -> tuple[float, float] | None:
    r"""Return a 95% interval of the mean weight that respects heavy tails.

    .. math:: \bar w \mp 1.96 \, s_w / \sqrt n, \quad \text{and above} \; + \frac{w_{max} \log 40}{3 n}

    Weights are skewed to the right. Their studentised mean therefore overshoots 1 less often than a normal one, which
    makes the lower end safe; but it undershoots 1 with a standard error that has not seen the tail, so the upper end
    has Bernstein's linear term with the largest weight seen.

    References
    ----------
    Maurer, Pontil (2009), Empirical Bernstein bounds and sample variance penalization.
    """
    if sums.n < 2:
        return None
    mean = sums.w / sums.n
    spread = 1.96 * math.sqrt(max(sums.w2 - sums.n * mean * mean, 0.0) / (sums.n - 1) / sums.n)
    return mean - spread, mean + spread + sums.w_max * math.log(40) / (3 * sums.n)


def judge_log(log: Decisions | Episodes, *, left_out: float = 0.0, thresholds: Thresholds | None = None) -> Judgement:
    """Judge one candidate over a whole log, with all that the log's columns let see.

    What cannot be seen: a reason for actions that is in no column and also moves the reward (confounding). Propensities
    that were estimated without it fit the log perfectly, and every estimate from it is wrong by an unknown amount.

    Parameters
    ----------
    log
        Decisions or episodes. ``behaviour`` (or ``eligible``) adds what could be taken, ``candidate`` what has no
        support, ``state`` whether propensities fit the states.
    left_out, thresholds
        As in ``judge``.

    Examples
    --------
    >>> import numpy as np
    >>> action = np.random.default_rng(0).choice(2, 5000, p=[0.7, 0.3])
    >>> reward = np.random.default_rng(1).normal(action)
    >>> wrong = Decisions(reward, np.full(5000, 0.5), np.full(5000, 0.5), action)  # logged as if it were a coin
    >>> print(judge_log(wrong).reasons[0][:51])
    The log is refused: action 0 has wrong propensities
    """
    evidence = Evidence.of(log)
    return judge(evidence.weights, evidence=evidence, left_out=left_out, thresholds=thresholds)


def judge(
    sums: WeightSums,
    *,
    evidence: Evidence | None = None,
    unsupported_mass: float | None = None,
    left_out: float = 0.0,
    thresholds: Thresholds | None = None,
) -> Judgement:
    """Judge the weights of one candidate over one log.

    No single diagnostic suffices: heavy tails in long episodes leave the effective sample size at half of n, and a
    candidate that plays what the log never plays leaves it at three quarters. All are looked at, and each that
    objects says why in a sentence.

    Parameters
    ----------
    sums
        The merged sums of the span.
    evidence
        What the rows say beyond their sums; None where only sums are stored (a live view).
    unsupported_mass
        Mean probability of the candidate on actions outside the log's support; None: from the evidence.
    left_out
        Share of the log's rows that are not in ``sums`` (no reward, no candidate probability).
    thresholds
        When to call it weak, when to refuse; None: the documented defaults.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(3)
    >>> good = WeightSums.from_rows(rng.uniform(0.5, 1.5, 5000), rng.normal(size=5000))
    >>> judge(good).verdict
    <Trust.TRUSTED: 'trusted'>
    >>> judge(good, unsupported_mass=0.2).reasons[0]
    "20.0% of the candidate's decisions are actions that the log cannot contain: no log of this policy can value them."
    """
    t = thresholds or Thresholds()
    d = _diagnostics(sums, evidence, unsupported_mass)
    ends = None if evidence is None else evidence.reward_range
    objections = list(checks.usable(sums, left_out, t, ends))
    if sums.n >= 2 and sums.w > 0:
        span = None if ends is None else _span(ends)
        if evidence is not None:
            objections += checks.propensities(evidence, t)
        objections += checks.weights(sums.n, d, t)
        objections += checks.mean_weight(d, t)
        objections += checks.support(d, span, t)
    return Judgement(worst(*(level for level, _ in objections)), tuple(reason for _, reason in objections), d)


def _span(ends: tuple[float, float]) -> float:
    return ends[1] - ends[0]


def _diagnostics(sums: WeightSums, evidence: Evidence | None, unsupported: float | None) -> Diagnostics:
    n, total = sums.n, sums.w
    found = Diagnostics(
        ess=sums.ess,
        ess_ratio=sums.ess / n if n else 0.0,
        max_weight=sums.w_max,
        max_weight_share=sums.w_max / total if total > 0 else 0.0,
        mean_weight=total / n if n else None,
        mean_weight_ci=mean_weight_interval(sums),
        unsupported_mass=unsupported,
    )
    if evidence is None:
        return found
    mass = evidence.unsupported_mass if unsupported is None else unsupported
    off = None if evidence.by_action is None else furthest(evidence.by_action, below=evidence.masked)
    return replace(
        found,
        unsupported_mass=mass,
        bounds=_bounds(sums, evidence.reward_range, mass),
        pareto_k=evidence.tail.shape,
        variance_rows=evidence.variance_rows,
        propensity_action=None if off is None else evidence.action(off.cell),
        propensity_ratio=None if off is None else off.ratio,
    )


def _bounds(sums: WeightSums, ends: tuple[float, float] | None, mass: float | None) -> tuple[float, float] | None:
    r"""Return where the value can lie: mean w r, of what has support, and any reward at all for the rest.

    References
    ----------
    Manski (1990), as above; Imbens, Manski (2004), Confidence intervals for partially identified parameters.
    """
    if ends is None or not mass or sums.n < 2:
        return None
    mean = sums.wr / sums.n
    error = 1.96 * math.sqrt(max(sums.w2r2 - sums.n * mean * mean, 0.0) / (sums.n - 1) / sums.n)
    return mean - error + mass * ends[0], mean + error + mass * ends[1]
