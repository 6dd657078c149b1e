"""Judge a candidate's weights over a log: the checks, each of which says in a sentence what it objects to."""

from __future__ import annotations

import math
from collections.abc import Iterator

from ope.sums import WeightSums
from ope.terms import RESOLUTION
from ope.trust import Diagnostics, Judgement, Thresholds, Trust, worst


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


def judge(
    sums: WeightSums,
    *,
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
    unsupported_mass
        Mean probability of the candidate on actions outside the log's support, None where it cannot be known.
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
    n, total = sums.n, sums.w
    diagnostics = Diagnostics(
        ess=sums.ess,
        ess_ratio=sums.ess / n if n else 0.0,
        max_weight=sums.w_max,
        max_weight_share=sums.w_max / total if total > 0 else 0.0,
        mean_weight=total / n if n else None,
        mean_weight_ci=mean_weight_interval(sums),
        unsupported_mass=unsupported_mass,
    )
    objections = list(_objections(sums, diagnostics, left_out, thresholds or Thresholds()))
    verdict = worst(*(level for level, _ in objections))
    return Judgement(verdict, tuple(reason for _, reason in objections), diagnostics)


def _objections(sums: WeightSums, d: Diagnostics, left_out: float, t: Thresholds) -> Iterator[tuple[Trust, str]]:
    """Yield every objection with its level."""
    n = f"{sums.n:,.0f}"
    if left_out > t.left_out_weak:
        yield (
            _level(left_out, t.left_out_refused),
            f"{left_out:.1%} of the rows are left out: no reward, or the candidate's probability is not known there.",
        )
    if sums.n < 2:
        yield (
            Trust.REFUSED,
            f"{n} usable rows: an estimate needs more, and says nothing about its error with fewer than 2.",
        )
        return
    if sums.r2 - sums.r * sums.r / sums.n <= RESOLUTION * sums.r2:
        yield Trust.REFUSED, f"All {n} rewards are equal, so neither the value nor its error can be told from this log."
    if sums.w == 0:
        yield Trust.REFUSED, f"All {n} weights are 0: the candidate never plays the actions that were logged."
        return
    if d.ess < t.ess_weak:
        yield (
            _level(-d.ess, -t.ess_refused),
            f"{d.ess:.1f} effective rows of {n}: fewer than {t.ess_weak:g} make the interval doubtful, "
            f"fewer than {t.ess_refused:g} meaningless.",
        )
    if d.ess_ratio < t.ess_share_weak:
        yield (
            _level(-d.ess_ratio, -t.ess_share_refused),
            f"The effective sample is {d.ess_ratio:.2%} of the {n} rows: few rows carry the estimate "
            f"(weak below {t.ess_share_weak:.0%}, refused below {t.ess_share_refused:.1%}).",
        )
    if d.max_weight_share > t.max_share_weak:
        yield (
            _level(d.max_weight_share, t.max_share_refused),
            f"One row carries {d.max_weight_share:.1%} of all weight (its weight is {d.max_weight:.4g}).",
        )
    yield from _mean_weight(d, t)
    if d.unsupported_mass is not None and d.unsupported_mass > t.unsupported_weak:
        yield (
            _level(d.unsupported_mass, t.unsupported_refused),
            f"{d.unsupported_mass:.1%} of the candidate's decisions are actions that the log cannot contain: "
            "no log of this policy can value them.",
        )


def _mean_weight(d: Diagnostics, t: Thresholds) -> Iterator[tuple[Trust, str]]:
    """Compare the mean weight with 1, by how far its interval stays away."""
    if d.mean_weight is None or d.mean_weight_ci is None:
        return
    low, high = d.mean_weight_ci
    where = f"The mean weight is {d.mean_weight:.3f} (95% interval {low:.3f} to {high:.3f}) and should be 1: "
    if low > 1 + t.excess_weak:
        yield _level(low, 1 + t.excess_refused), where + "the logged propensities are too small."
    if high < 1 - t.deficit_weak:
        yield (
            _level(-high, -(1 - t.deficit_refused)),
            where
            + "the candidate plays what the log does not, a few rare rows are missing, or propensities are too large.",
        )


def _level(size: float, refused: float) -> Trust:
    return Trust.REFUSED if size > refused else Trust.WEAK
