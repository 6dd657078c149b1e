"""The checks behind a verdict: each says in a sentence what it objects to, and how much."""

from __future__ import annotations

from collections.abc import Iterator

from ope.sums import WeightSums
from ope.terms import RESOLUTION
from ope.verdict.health_evidence import Evidence
from ope.verdict.propensities import Deviation, furthest
from ope.verdict.trust import Diagnostics, Thresholds, Trust

Objection = tuple[Trust, str]


def _level(size: float, refused: float) -> Trust:
    return Trust.REFUSED if size > refused else Trust.WEAK


def usable(
    sums: WeightSums, left_out: float, t: Thresholds, ends: tuple[float, float] | None = None
) -> Iterator[Objection]:
    """Object to rows that are left out, too few, or all the same; ``ends`` are the smallest and the largest reward."""
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
        equal = ends is not None and ends[0] == ends[1]
        yield (
            Trust.REFUSED,
            f"All {n} rewards are equal, so neither the value nor its error can be told from this log."
            if equal
            else f"The {n} rewards are equal, or differ by less than doubles resolve beside their size: log them less "
            "a constant, or in other units.",
        )
    if sums.w == 0:
        yield Trust.REFUSED, f"All {n} weights are 0: the candidate never plays the actions that were logged."


def weights(n: int, d: Diagnostics, t: Thresholds) -> Iterator[Objection]:
    """Object to few effective rows, to one row that carries much, and to tails heavier than what was seen."""
    if d.ess < t.ess_weak:
        yield (
            _level(-d.ess, -t.ess_refused),
            f"{d.ess:.1f} effective rows of {n:,}: fewer than {t.ess_weak:g} make the interval doubtful, "
            f"fewer than {t.ess_refused:g} meaningless.",
        )
    if d.ess_ratio < t.ess_share_weak:
        yield (
            _level(-d.ess_ratio, -t.ess_share_refused),
            f"The effective sample is {d.ess_ratio:.2%} of the {n:,} rows: few rows carry the estimate "
            f"(weak below {t.ess_share_weak:.0%}, refused below {t.ess_share_refused:.1%}).",
        )
    if d.max_weight_share > t.max_share_weak:
        yield (
            _level(d.max_weight_share, t.max_share_refused),
            f"One row carries {d.max_weight_share:.1%} of all weight (its weight is {d.max_weight:.4g}).",
        )
    if d.pareto_k is not None and d.pareto_k > t.pareto_weak and d.ess_ratio < t.pareto_share:
        yield (
            _level(d.pareto_k, t.pareto_refused),
            f"The largest weights have a Pareto k of {d.pareto_k:.2f} at an effective sample of {d.ess_ratio:.1%}: "
            f"heavier rows than any seen are to be expected (weak above {t.pareto_weak:g}, refused above "
            f"{t.pareto_refused:g}).",
        )
    if d.variance_rows is not None and d.variance_rows < t.variance_weak:
        yield (
            _level(-d.variance_rows, -t.variance_refused),
            f"The variance comes from {d.variance_rows:.1f} effective rows, fewer than {t.variance_weak:g}: rewards or "
            "weights have a heavy tail, and the error is hardly known.",
        )


def mean_weight(d: Diagnostics, t: Thresholds) -> Iterator[Objection]:
    """Compare the mean weight with 1, by how far its interval stays away."""
    if d.mean_weight is None or d.mean_weight_ci is None:
        return
    low, high = d.mean_weight_ci
    where = f"The mean weight is {d.mean_weight:.3f} (95% interval {low:.3f} to {high:.3f}) and should be 1: "
    if low > 1 + t.excess_weak:
        yield _level(low, 1 + t.excess_refused), where + "the logged propensities are too small."
    outside = d.unsupported_mass or 0.0
    if outside > t.unsupported_weak and low <= 1 - outside <= high:
        return  # what has no support explains it, and is objected to by its own size
    if high < 1 - t.deficit_weak:
        yield (
            _level(-high, -(1 - t.deficit_refused)),
            where
            + "the candidate plays what the log does not, a few rare rows are missing, or propensities are too large.",
        )


def support(d: Diagnostics, span: float | None, t: Thresholds) -> Iterator[Objection]:
    """Object to what no reward of the log can tell, by the width of the bounds that it leaves.

    References
    ----------
    Manski (1990), Nonparametric bounds on treatment effects.
    """
    mass = d.unsupported_mass
    if mass is None:
        return
    weak, refused, wide = t.unsupported_weak, t.unsupported_refused, ""
    if t.margin is not None and span:
        refused = t.margin / span
        weak = refused / 5
        wide = f" These bounds are {mass * span:.4g} wide, and decisions rest on {t.margin:.4g}."
    if mass > weak:
        lies = "" if d.bounds is None else f"; the value lies between {d.bounds[0]:.4g} and {d.bounds[1]:.4g}"
        yield (
            _level(mass, refused),
            f"{mass:.1%} of the candidate's decisions are actions that the log cannot contain: "
            f"no log of this policy can value them{lies}.{wide}",
        )


def propensities(found: Evidence, t: Thresholds) -> Iterator[Objection]:
    """Object to propensities that are not those that acted, and name the action."""
    below = found.masked
    if found.by_action is not None and (worst := furthest(found.by_action, below=below)) is not None:
        yield from _wrong(
            worst,
            f"The log is refused: action {found.action(worst.cell)} has wrong propensities. Its sum of 1/p is {{}} "
            "times the number of rows in which it could be taken",
            t,
        )
    if found.by_choice is not None:
        worst = furthest(found.by_choice, below=False, scale=found.by_choice.n)
        if worst is not None and worst.size > t.excess_weak:
            yield (
                _level(worst.size, t.excess_refused),
                f"The weights of action {found.action(worst.cell)} sum to {worst.ratio:.3f} times the mass that the "
                f"candidate gives to it ({worst.low:.3f} to {worst.high:.3f}) and should sum to it: its logged "
                "propensities are too small where the candidate plays it.",
            )
    if found.by_state is not None and (worst := furthest(found.by_state, below=below)) is not None:
        feature, part, action = found.part(worst.cell)
        yield from _wrong(
            worst,
            f"The propensities of action {action} do not fit the states: where {feature} is {part}, its sum of 1/p is "
            "{} times the number of rows in which it could be taken",
            t,
        )
    rows = 0 if found.by_action is None else found.by_action.n
    if rows and found.mismatches / rows > t.mismatch_weak:
        yield (
            Trust.WEAK,
            f"In {found.mismatches / rows:.1%} of the rows the propensity is not the probability that the logged "
            "distribution gives to the executed action: one of the two is wrong.",
        )


def _wrong(worst: Deviation, sentence: str, t: Thresholds) -> Iterator[Objection]:
    if worst.size <= t.propensity_weak:
        return
    level = _level(worst.size, t.propensity_refused)
    said = sentence.format(f"{worst.ratio:.3f}")
    if level is Trust.WEAK:
        said = said.replace("The log is refused: action", "Action")
    direction = "small" if worst.ratio > 1 else "large"
    yield level, f"{said} ({worst.low:.3f} to {worst.high:.3f}) and should be 1: they are too {direction}."
