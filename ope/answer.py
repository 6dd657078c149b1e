"""From sums to an answer, or to the reasons why there is none."""

from __future__ import annotations

from ope.bounds import Bounds, reach, span
from ope.estimate import Estimate
from ope.estimator import Estimator
from ope.intervals import INTERVALS, Sample
from ope.registry import ESTIMATORS
from ope.sums import WeightSums
from ope.verdict.health import judge
from ope.verdict.trust import Judgement, Trust, worst


def from_weights(
    name: str,
    sums: WeightSums,
    *,
    level: float = 0.95,
    judgement: Judgement | None = None,
    rewards: tuple[float, float] | None = None,
) -> Estimate:
    """Estimate from stored weight sums alone, as a live view does; the same numbers as from the rows.

    Parameters
    ----------
    name
        An estimator with ``of_weights``: "ips" or "snips".
    sums
        Merged sums of the span.
    level
        Coverage of both intervals.
    judgement
        The candidate's verdict; None: judged here from the sums.
    rewards
        Smallest and largest reward of the span. Without them the anytime interval is too narrow as long as few rows
        with a reward have come (see ``ope.sequence.slowed``).

    Raises
    ------
    ValueError
        If the estimator needs more than these sums, or ``level`` is outside (0, 1).

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(1)
    >>> sums = WeightSums.from_rows(rng.uniform(0.5, 1.5, 4000), rng.normal(1.0, 0.1, 4000))
    >>> round(from_weights("snips", sums).value, 2)
    1.0
    """
    item = ESTIMATORS.get(name)
    if item is None or item.of_weights is None:
        live = ", ".join(key for key, found in ESTIMATORS.items() if found.of_weights is not None)
        raise ValueError(f"{name!r} cannot be told from weight sums; those that can: {live}")
    found, limits = item.of_weights(sums), None if rewards is None else Bounds(*rewards, sums.w_max)
    width = span(item, None, limits, None)
    sample = Sample(found, clock=sums.ess, span=width, reach=reach(found, width))
    return answer(item, sample, sums, level=level, judgement=judgement or judge(sums))


def answer(
    item: Estimator,
    sample: Sample,
    weights: WeightSums,
    *,
    level: float,
    judgement: Judgement,
    interval: str = "delta",
    tuning: float | None = None,
) -> Estimate:
    """Put the numbers into an Estimate, or into its reasons where they must not be quoted.

    Raises
    ------
    ValueError
        If ``level`` is outside (0, 1) or ``interval`` is unknown.
    """
    if not 0 < level < 1:
        raise ValueError(f"level is {level}, but must lie between 0 and 1, such as 0.95")
    if interval not in INTERVALS:
        raise ValueError(f"no interval is called {interval!r}; available: {', '.join(INTERVALS)}")
    sums = sample.sums
    trust, reasons = worst(judgement.verdict, item.at_most), list(judgement.reasons)
    if item.note:
        reasons.append(item.note)
    if tuning is not None and tuning < weights.w_max:
        trust = worst(trust, item.cut_at_most)
    if tuning is not None:
        reasons.append(f"lambda is {tuning:.6g}." if item.tuned is None else item.tuned(tuning, weights))
    if sums.flat and trust is not Trust.REFUSED:
        trust = Trust.REFUSED
        reasons.append(
            f"What {item.name} averages is the same on every row, but for less than doubles resolve beside its size, "
            "so no error can be told from this log."
            if item.model
            else "The rewards of the rows that carry weight are equal, but for less than doubles resolve beside their "
            "size, so no error can be told from this log."
        )
    n, ess, value, stderr = int(sums.n), weights.ess, sums.value, sums.stderr
    if value is None or stderr is None or trust is Trust.REFUSED:
        if value is not None:
            error = "unknown" if stderr is None else f"{stderr:.6g}"
            reasons.append(f"Not to be quoted: {item.name} comes to {value:.6g} with a standard error of {error}.")
        return Estimate(
            item.name, None, None, None, None, level, interval, None, None, n, ess, Trust.REFUSED, tuple(reasons)
        )
    low, high = INTERVALS[interval](sample, level) or (None, None)
    always_low, always_high = INTERVALS["sequence"](sample, level) or (None, None)
    return Estimate(
        item.name, value, stderr, low, high, level, interval, always_low, always_high, n, ess, trust, tuple(reasons)
    )
