"""Facts that come from stored summaries: no row of the log is read again."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from functools import reduce
from typing import Any

import numpy as np
from sqlalchemy import Connection

from detectors import DETECTORS, Series, State
from detectors.design_effect import design_effect
from monitor.bucketing import buckets
from monitor.checklists.span import Span, load
from monitor.metrics import METRICS
from monitor.metrics.candidates import sums
from monitor.metrics.metric import Metric
from monitor.summaries import BucketSummary
from ope import WeightSums, difference_of_weights, from_weights
from runbooks.checklist.facts import CandidateValue, ConstraintCount, Diversity, Modes, Shape

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
Found = Sequence[tuple[int, BucketSummary]]


def gather(connection: Connection, span: Span, alpha: float) -> dict[str, Any]:
    """Return the fields of ``Facts`` that summaries of the span and of the baseline fill."""
    found = load(connection, span, span.version, span.begin, span.end)
    total = merged(found)
    then = _baseline(connection, span)
    past = merged(then)
    candidate, seen = _candidate(connection, span, alpha)
    datasets = {"summaries": _cited(span, f"summaries of {span.version}", [*found, *seen])}
    if span.frozen is not None:
        datasets["baseline"] = _cited(span, f"baseline {span.frozen.id}", then)
    return {
        "rows": total.rows,
        "constraints": _constraints(span, found, total),
        "candidate": candidate,
        "reward": _shape(total),
        "reward_baseline": _shape(past),
        "modes": _modes(span, total, then),
        "diversity": _diversity(span, total, past),
        "datasets": datasets,
    }


def merged(found: Found) -> BucketSummary:
    """Add buckets."""
    return reduce(lambda left, item: left + item[1], found, BucketSummary())


def _baseline(connection: Connection, span: Span) -> Found:
    """Return the baseline's buckets: the judged version's, or everybody's where it did not act then."""
    if span.frozen is None:
        return []
    begin, end = span.frozen.begin, span.frozen.end
    own = load(connection, span, span.version, begin, end)
    if own:
        return own
    names = buckets.versions(connection, span.policy, 3600, begin, end)
    return [item for name in names for item in load(connection, span, name, begin, end)]


def _candidate(connection: Connection, span: Span, alpha: float) -> tuple[CandidateValue | None, Found]:
    if span.version not in span.plan.candidates:
        return None, []
    found: list[tuple[int, BucketSummary]] = []
    for name in buckets.versions(connection, span.policy, 60, span.begin, span.end):
        found += load(connection, span, name, span.begin, span.end)
    whole = merged(found) if found else None
    total: WeightSums = WeightSums() if whole is None else sums(whole, span.version)
    rewards = (whole["reward"].min, whole["reward"].max) if whole is not None and whole["reward"].n else None
    level = 1.0 - alpha
    estimate = from_weights("snips", total, level=level, rewards=rewards)
    beside = difference_of_weights("snips", total, level=level, rewards=rewards)
    return CandidateValue(
        "snips", estimate.value, estimate.anytime_low, estimate.n, estimate.ess, estimate.trust.value,
        estimate.reasons, total.r / total.n if total.n else None, beside.anytime_low, alpha,
    ), found  # fmt: skip


def _constraints(span: Span, found: Found, total: BucketSummary) -> tuple[ConstraintCount, ...]:
    rows = []
    counted = [(start, summary["constraints"]) for start, summary in found]
    for name, configured in sorted(span.settings.policy[span.policy].constraint.items()):
        one = total["constraints"][name] if total.rows else None
        n = one.n if one else 0
        finite = n - one.infinite if one else 0
        mean = one.mean_cost if one and finite else None
        error = None
        if one and finite > 1 and mean is not None:
            error = math.sqrt(max(0.0, (one.cost_sq - finite * mean**2) / (finite - 1)) / finite)
        rows.append(
            ConstraintCount(
                name,
                n,
                one.violations if one else 0,
                one.missing if one else 0,
                configured.hard,
                configured.budget,
                mean,
                error,
                configured.cost_budget,
                _design_effect([(start, one[name]) for start, one in counted], n),
            )
        )
    return tuple(rows)


def _design_effect(counted: Sequence[tuple[int, Any]], n: int) -> float:
    """Return how many correlated rows are worth one independent one, from the order of the windows."""
    violations = sum(one.violations for _start, one in counted)
    if not 0 < violations < n:
        return 1.0
    table = np.array([[one.violations, one.n - one.violations] for _start, one in counted], dtype=np.float64)
    share = violations / n
    effect = design_effect(np.array([start for start, _one in counted]), table, [share, 1 - share])
    return float(n / effect.effective(n, windows=max(effect.windows, 1)))


def _shape(total: BucketSummary) -> Shape | None:
    if not total.rows or total["reward"].n < 2:
        return None
    reward, quantiles = total["reward"], total["reward_quantiles"]
    deviation = math.sqrt(reward.variance)
    values = {f"{q:g}": float(quantiles.quantile(q)) for q in QUANTILES}
    shape = Shape(int(reward.n), reward.mean, deviation, values, quantiles.cvar(0.05))
    finite = math.isfinite(deviation + shape.mean + shape.cvar + sum(values.values()))
    return shape if finite else None


def _modes(span: Span, now: BucketSummary, then: Found) -> Modes | None:
    """Return whether the reward of the span has a peak more than the baseline's, by the detector ``dip``."""
    metric = METRICS["reward_distribution"]
    ordered = sorted(then, key=lambda item: item[0])
    baseline = _series(metric, span, ordered)
    series = _series(metric, span, [(int(span.end), now)] if now.rows else [], baseline)
    if not len(series) or series.counts is None or baseline.counts is None:
        return None
    verdict = DETECTORS["dip"].scan(series)[0]
    if verdict.state not in {State.OK, State.FIRE} or verdict.statistic is None:
        return None
    return Modes(verdict.statistic, verdict.state is State.FIRE, verdict.reason)


def _series(metric: Metric, span: Span, found: Found, baseline: Series | None = None) -> Series:
    points = [metric.point(summary, span.plan, "") for _start, summary in found]
    counts = [point.counts for point in points if point.counts is not None]
    return Series(
        time=np.array([float(start) for start, _summary in found]),
        value=np.array([point.value for point in points]),
        stderr=np.array([point.stderr for point in points]),
        n=np.array([point.n for point in points], dtype=np.int64),
        baseline=baseline,
        counts=np.array(counts) if counts and len(counts) == len(points) else None,
        labels=metric.labels(span.plan, ""),
    )


def _diversity(span: Span, now: BucketSummary, then: BucketSummary) -> Diversity | None:
    metric = METRICS["action_entropy"]
    if not now.rows or not then.rows:
        return None
    points = [metric.point(summary, span.plan, "") for summary in (now, then)]
    if any(point.counts is None or point.n == 0 for point in points):
        return None
    top = [float(np.max(point.counts)) / point.n for point in points if point.counts is not None]
    return Diversity(points[0].n, points[0].value, top[0], points[1].value, top[1])


def _cited(span: Span, what: str, found: Found) -> Any:
    ordered = sorted(found, key=lambda item: item[0])
    digests = sorted(f"{start} {hashlib.sha256(one.to_bytes()).hexdigest()}" for start, one in ordered)
    first, last = (float(ordered[0][0]), float(ordered[-1][0])) if ordered else (None, None)
    return span.cite(what, sum(one.rows for _start, one in ordered), first, last, digests)
