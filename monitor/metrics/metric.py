"""The shape of a metric: how a bucket's summary becomes the points that detectors judge."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from monitor.summaries import BucketSummary
from monitor.summaries.plan import Plan


@dataclass(frozen=True)
class Point:
    """One metric in one window: value, in-window standard error, the rows behind it, and counts of a distribution."""

    value: float
    stderr: float
    n: int
    counts: NDArray[np.int64] | None = None


NOTHING = Point(float("nan"), float("nan"), 0)


@dataclass(frozen=True)
class Metric:
    """One entry of METRICS.

    Parameters
    ----------
    title
        Words for people, with ``{key}`` where the constraint, feature or candidate goes.
    unit
        What the value is measured in.
    keys
        Plan -> the keys it is computed for; ``("",)`` for a metric that has one series only.
    point
        (summary, plan, key) -> Point of one window.
    labels
        (plan, key) -> names of the cells of ``counts``.
    scope
        "version": one series per policy version; "policy": all live traffic of the policy together.
    event
        Whether something else than mature windows of buckets is judged: single decisions as they arrive, or what
        became of the other triggers.
    needs
        Roles of the log without which the metric has nothing to say.
    optional
        Whether few logs have what it needs, so that its absence is worth half a line and not a warning.
    """

    title: str
    unit: str
    keys: Callable[[Plan], tuple[str, ...]]
    point: Callable[[BucketSummary, Plan, str], Point]
    labels: Callable[[Plan, str], tuple[str, ...]] = lambda _plan, _key: ()
    scope: Literal["version", "policy"] = "version"
    event: bool = False
    needs: tuple[str, ...] = ()
    optional: bool = False

    def subject(self, key: str) -> str:
        """Return the words that begin a sentence about one series of it."""
        words = self.title.format(key=key)
        return words[0].upper() + words[1:]


def one(_plan: Plan) -> tuple[str, ...]:
    """Return the single key of a metric that has one series only."""
    return ("",)


def share(count: int, n: int) -> Point:
    """Return a share with its binomial standard error.

    >>> share(1, 4)
    Point(value=0.25, stderr=0.21650635094610965, n=4, counts=None)
    """
    if n == 0:
        return NOTHING
    p = count / n
    return Point(p, math.sqrt(p * (1 - p) / n), n)
