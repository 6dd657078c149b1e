"""Reference bins: what a frozen baseline counts features and rewards with, learned from its own rows alone.

Equal-mass edges of the reference; over both samples, one outlier would hide a shift (one value of 1e4 in 10,000
rows turned the distance of a one-sigma shift from 0.33 into 0.006).
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from monitor.summaries.plan import Feature, Plan

BINS = 20
MOST_LEVELS = 50
REWARD_BINS = 40


def with_reference(plan: Plan, sample: pa.Table) -> Plan:
    """Return the plan with the bins of a reference sample; features without a single value are left out.

    >>> sample = pa.table({"state.load": [0.0, 1.0, 2.0, 3.0], "reward": [0.0, 1.0, 1.0, 0.0]})
    >>> with_reference(Plan(), sample).features[0].edges
    (0.5, 1.5, 2.5)
    """
    features = []
    for name in sorted(column for column in sample.column_names if column.startswith("state.")):
        column = sample[name]
        text = pa.types.is_string(column.type) or pa.types.is_dictionary(column.type)
        found = _levels(name[6:], column) if text else _bins(name[6:], column)
        if found is not None:
            features.append(found)
    rewards = _numbers(sample["reward"]) if "reward" in sample.column_names else np.empty(0)
    actions = plan.actions or _actions(sample)
    return replace(plan, actions=actions, features=tuple(features), reward_edges=_reward_edges(rewards))


def _actions(sample: pa.Table) -> tuple[str, ...]:
    """Actions that the reference played, for a policy whose configuration lists none; vectors have none."""
    if "action" not in sample.column_names or pa.types.is_nested(sample["action"].type):
        return ()
    seen = [action for action in sample["action"].unique().to_pylist() if action is not None]
    return tuple(
        sorted(seen, key=lambda action: (not action.isdigit(), int(action) if action.isdigit() else 0, action))
    )


def _numbers(column: pa.ChunkedArray) -> NDArray[np.float64]:
    values = column.cast(pa.float64()).drop_null().to_numpy()
    return np.asarray(values[np.isfinite(values)], np.float64)


def _bins(name: str, column: pa.ChunkedArray) -> Feature | None:
    values = _numbers(column)
    if len(values) == 0:
        return None
    low, high = float(values.min()), float(values.max())
    return Feature(name, low, high, tuple(float(edge) for edge in _inner(values) if low < edge <= high))


def _inner(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Edges of equal mass, as far as ties allow.

    A value that fills more than one bin alone is parted from what is above it: where 97% are zero every quantile is
    zero, and without that edge nothing would tell zeros from the rest. Few distinct values have a bin each.
    """
    distinct, counts = np.unique(values, return_counts=True)
    above = (distinct[1:] + distinct[:-1]) / 2
    if len(distinct) <= BINS:
        return above
    heavy = above[counts[:-1] > len(values) / BINS]
    return np.unique(np.concatenate([np.quantile(values, np.arange(1, BINS) / BINS), heavy]))


def _levels(name: str, column: pa.ChunkedArray) -> Feature | None:
    counted = pc.value_counts(column.cast(pa.string()).drop_null())
    pairs = sorted((-item["counts"], item["values"]) for item in counted.to_pylist())
    levels = tuple(level for _count, level in pairs[:MOST_LEVELS])
    return Feature(name, levels=levels) if levels else None


def _reward_edges(values: NDArray[np.float64]) -> tuple[float, ...]:
    if len(values) == 0:
        return ()
    distinct = np.unique(values)
    if len(distinct) <= REWARD_BINS:  # a few distinct rewards: one bin each
        half = float(np.diff(distinct).min()) / 2 if len(distinct) > 1 else 0.5
        between = (distinct[1:] + distinct[:-1]) / 2
        return (float(distinct[0]) - half, *(float(edge) for edge in between), float(distinct[-1]) + half)
    low, high = np.quantile(values, [0.001, 0.999])
    if low == high:  # nearly all are one value
        low, high = values.min(), values.max()
    return tuple(float(edge) for edge in np.linspace(low, high, REWARD_BINS + 1))
