"""Were both versions given the same states? The standardised difference of every feature."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from monitor.comparing.minutes import Minutes
from monitor.summaries.plan import Feature, Plan
from ope.comparing.arms import Arm, Pair, effect, total

MOST = 0.1
"""Standardised mean difference up to which two arms count as alike (Austin, 2009)."""
_STRETCHES = 240  # of the stage, into which its buckets are merged: enough to see what comes in clusters
_MOST_LEVELS = 20


@dataclass(frozen=True)
class Imbalance:
    """One feature: its standardised difference, and whether it is more than chance."""

    feature: str
    smd: float
    certain: bool


def imbalances(minutes: Minutes, plan: Plan, alpha: float) -> list[Imbalance]:
    r"""Return every feature's difference between the arms, the largest first.

    .. math:: \mathrm{SMD} = \frac{|\bar x_c - \bar x_i|}{\sqrt{(s_c^2 + s_i^2) / 2}}

    of the number of the reference bin of a feature (under is -1), or of each level of a category. Against a test of the
    difference alone, which with a million rows finds any difference: it asks whether it is large too. ``alpha`` is
    shared by all of them (Bonferroni).
    """
    starts = minutes.together
    if not (starts and plan.features):
        return []
    parts = [part.tolist() for part in np.array_split(np.array(starts), min(len(starts), _STRETCHES))]
    measures = [
        (feature, name, scores) for feature in plan.features for name, scores in _scores(feature) if len(scores) > 1
    ]
    counts = {
        feature.name: [
            tuple(
                np.sum([arm[start]["features"].counts(feature.name) for start in part], axis=0)
                for arm in (minutes.candidate, minutes.incumbent)
            )
            for part in parts
        ]
        for feature in plan.features
    }
    found = []
    for feature, name, scores in measures:
        pairs: list[Pair] = [(_arm(one, scores), _arm(other, scores)) for one, other in counts[feature.name]]
        seen = effect(pairs, 1 - alpha / len(measures))
        candidate, incumbent = total(pairs)
        if seen.value is None or candidate.n < 2 or incumbent.n < 2:
            continue
        spread = (candidate.spread / (candidate.n - 1) + incumbent.spread / (incumbent.n - 1)) / 2
        smd = abs(seen.value) / np.sqrt(spread) if spread > 0 else (0.0 if seen.value == 0 else np.inf)
        certain = seen.low is not None and seen.high is not None and not seen.low <= 0 <= seen.high
        found.append(Imbalance(name, float(smd), certain))
    return sorted(found, key=lambda one: -one.smd)


def _scores(feature: Feature) -> Iterator[tuple[str, NDArray[np.float64]]]:
    """Yield what is compared of a feature: a name, and the value of each of its cells; missing cells are left out."""
    cells = feature.cells
    if feature.category:
        for place, level in enumerate(cells[:-1][:_MOST_LEVELS]):
            yield f"{feature.name}={level}", (np.arange(len(cells) - 1) == place).astype(np.float64)
    else:
        bins = len(cells) - 3
        yield feature.name, np.array([*range(bins), -1, bins], np.float64)


def _arm(counts: NDArray[np.int64], scores: NDArray[np.float64]) -> Arm:
    known = counts[: len(scores)].astype(np.float64)
    n = int(known.sum())
    if not n:
        return Arm()
    mean = float(known @ scores) / n
    return Arm(n, mean, float(known @ (scores - mean) ** 2), float(scores.min()), float(scores.max()))
