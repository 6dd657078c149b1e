"""How a tracked number follows from a row: from that row alone, so that any split of a log counts the same.

What needs other rows of its episode is a sum over rows by construction (a discounted return is the sum of
gamma^step r over the rows, divided by the episodes that began), or a column that landing wrote beside the row.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

from monitor.summaries.columns import numbers
from monitor.summaries.parts import Floats, frozen
from monitor.summaries.plan import Tracked


@dataclass
class Rows:
    """A batch, and its columns as numbers, each read once."""

    batch: Any
    reward: Floats  # as the plan reads it: an absent one may stand for zero
    _read: dict[str, Floats] = field(default_factory=dict)

    def __getitem__(self, name: str) -> Floats:
        """Return a column as float64, NaN where it is missing."""
        if name == "reward":
            return self.reward
        if name not in self._read:
            self._read[name] = numbers(self.batch, name)
        return self._read[name]


def _column(rows: Rows, one: Tracked) -> Floats:
    """Return the number as it is logged."""
    return rows[one.columns[0]]


def _above(rows: Rows, one: Tracked) -> Floats:
    """Return 1 where the number is above ``at[0]``, 0 where it is not, missing where it is missing."""
    values = rows[one.columns[0]]
    return np.where(np.isnan(values), np.nan, values > one.at[0])


def _discounted(rows: Rows, one: Tracked) -> Floats:
    """Return gamma^(step - first) times the number, with ``at`` = (gamma, first)."""
    return _discount(rows, one) * rows[one.columns[0]]


def _begins(rows: Rows, one: Tracked) -> Floats:
    """Return 1 in the first row of an episode and 0 in all others, with ``at`` = (first,)."""
    step = rows["step"]
    return np.where(np.isnan(step), np.nan, step == one.at[0])


def _error(rows: Rows, one: Tracked) -> Floats:
    """Return the predicted value less the reward."""
    return rows["q_value"] - rows["reward"]


def _error_between(rows: Rows, one: Tracked) -> Floats:
    """Return the error where the predicted value is in [at[0], at[1]), missing elsewhere."""
    predicted = rows["q_value"]
    inside = (predicted >= one.at[0]) & (predicted < one.at[1])
    return np.where(inside, predicted - rows["reward"], np.nan)


def _episode_error(rows: Rows, one: Tracked) -> Floats:
    """Return this row's part of (value predicted at the first step - discounted return), with ``at`` = (gamma, first).

    Summed over an episode's rows and divided by the episodes it is the error of the first step's prediction.
    """
    first = rows["step"] == one.at[1]
    return np.where(first, rows["q_value"], 0.0) - _discount(rows, one) * rows["reward"]


def _residual(rows: Rows, one: Tracked) -> Floats:
    """Return a number less the line that the reference drew through it: y - (a + b x), with ``at`` = (a, b)."""
    x, y = (rows[name] for name in one.columns)
    return y - (one.at[0] + one.at[1] * x)


def _product(rows: Rows, one: Tracked) -> Floats:
    """Return the product of two numbers; missing where either is."""
    return rows[one.columns[0]] * rows[one.columns[1]]


def _where(rows: Rows, one: Tracked) -> Floats:
    """Return the first number in the rows that have the second one too."""
    return np.where(np.isfinite(rows[one.columns[1]]), rows[one.columns[0]], np.nan)


def _element(rows: Rows, one: Tracked) -> Floats:
    """Return element ``at[0]`` of a list, missing where the list is shorter."""
    return element(rows.batch, one.columns[0], int(one.at[0]))


def _at_bounds(rows: Rows, one: Tracked) -> Floats:
    """Return 1 where element ``at[0]`` is at or beyond ``at[1]`` or ``at[2]``, 0 where it is between."""
    values = _element(rows, one)
    return np.where(np.isnan(values), np.nan, (values <= one.at[1]) | (values >= one.at[2]))


def _distance(rows: Rows, one: Tracked) -> Floats:
    """Return the Euclidean distance between two lists, missing where either is or their lengths differ."""
    (a, sizes), (b, others) = (_lists(rows.batch, name) for name in one.columns)
    result = np.full(len(sizes), np.nan)
    for size in np.unique(sizes[(sizes == others) & (sizes > 0)]).tolist():
        both = np.flatnonzero((sizes == size) & (others == size))
        total = np.zeros(len(both))
        for i in range(size):
            total += (a(i)[both] - b(i)[both]) ** 2
        result[both] = np.sqrt(total)
    return result


FORMULAS: dict[str, Callable[[Rows, Tracked], Floats]] = {
    "column": _column,
    "above": _above,
    "discounted": _discounted,
    "begins": _begins,
    "error": _error,
    "error_between": _error_between,
    "episode_error": _episode_error,
    "residual": _residual,
    "product": _product,
    "where": _where,
    "element": _element,
    "at_bounds": _at_bounds,
    "distance": _distance,
}


def values_of(batch: Any, tracked: Sequence[Tracked], reward: Floats) -> Iterator[tuple[Tracked, Floats]]:
    """Yield each tracked number of every row, float64, NaN where it cannot be known, shape (rows,).

    Parameters
    ----------
    batch
        Canonical rows.
    tracked
        What is wanted.
    reward
        The reward as the plan reads it, shape (rows,).

    Examples
    --------
    >>> batch = pa.RecordBatch.from_pydict({"step": [0, 1, 2], "cost.heat": [1.0, None, 4.0]})
    >>> cost = Tracked("episode_cost/heat", "discounted", ("cost.heat", "step"), (0.5, 0.0))
    >>> [(one.name, values.tolist()) for one, values in values_of(batch, [cost], np.zeros(3))]
    [('episode_cost/heat', [1.0, nan, 1.0])]
    """
    rows = Rows(batch, reward)
    with np.errstate(over="ignore", invalid="ignore"):
        for one in tracked:
            yield one, frozen(np.ascontiguousarray(FORMULAS[one.formula](rows, one), dtype=np.float64))


def element(batch: Any, name: str, index: int) -> Floats:
    """Return one element of a column of lists as float64, NaN where there is none, shape (rows,)."""
    return _lists(batch, name)[0](index)


def _discount(rows: Rows, one: Tracked) -> Floats:
    gamma, first = one.at
    return np.asarray(np.power(gamma, rows["step"] - first), np.float64)


def _lists(batch: Any, name: str) -> tuple[Callable[[int], Floats], Any]:
    """Return a function from index to elements, and the length of each list (0 where there is none)."""
    place = batch.schema.get_field_index(name)
    column = batch.column(place) if place >= 0 else None
    if isinstance(column, pa.ChunkedArray):
        column = column.combine_chunks()
    if column is None or not (pa.types.is_list(column.type) or pa.types.is_large_list(column.type)):
        return (lambda _i: np.full(batch.num_rows, np.nan)), np.zeros(batch.num_rows, np.int64)
    offsets = column.offsets.to_numpy().astype(np.int64)
    sizes = np.where(column.is_valid().to_numpy(zero_copy_only=False), np.diff(offsets), 0)
    values = column.values
    flat = values.cast(pa.float64()).to_numpy(zero_copy_only=False)

    def at(i: int) -> Floats:
        result = np.full(len(sizes), np.nan)
        there = np.flatnonzero(sizes > i)
        result[there] = flat[offsets[there] + i]
        return result

    return at, sizes
