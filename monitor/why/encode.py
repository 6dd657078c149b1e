"""Tables as the arrays that ``ope`` takes: a column for each number, level and gap; actions by index."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

LEVELS = 12  # of a category; what is rarer is one more
COLUMNS = 60
ACTIONS = 40
BINS = 8  # of vector actions, along the direction in which they vary most
_LEAST = 30


@dataclass
class Encoder:
    """What the baseline's columns become; a level or a gap that the baseline does not have is a column that is 0 in it.

    Parameters
    ----------
    names
        The feature of each column.
    actions
        Names of the actions by index; numbers of bins where actions are vectors.
    """

    names: list[str] = field(default_factory=list)
    actions: list[str] = field(default_factory=list)
    _columns: list[Callable[[pa.Table], Floats]] = field(default_factory=list)
    _index: Callable[[pa.Table], Ints] = lambda table: np.zeros(len(table), np.int64)

    @staticmethod
    def learn(base: pa.Table, window: pa.Table, actions: Sequence[str]) -> Encoder:
        """Look at the baseline for values and levels, and at the window for gaps."""
        made = Encoder()
        made._actions(base, actions)
        for name in sorted(base.column_names):
            if name.startswith(("state.", "segment.")):
                made._feature(name, base, window)
        if len(made.names) > COLUMNS:
            made._screen(base, window)
        return made

    def states(self, table: pa.Table) -> Floats:
        """Return the columns of features, shape (rows, columns)."""
        if not self._columns:
            return np.empty((table.num_rows, 0))
        return np.column_stack([column(table) for column in self._columns])

    def index(self, table: pa.Table) -> Ints:
        """Return the index of each executed action, -1 for one that the baseline hardly took."""
        return self._index(table)

    def _feature(self, role: str, base: pa.Table, window: pa.Table) -> None:
        name, column = role.removeprefix("state."), base[role]
        text = pa.types.is_string(column.type) or pa.types.is_dictionary(column.type)
        if text:
            counted = pc.value_counts(_texts(base, role).drop_null()).to_pylist()
            ranked = sorted((-item["counts"], item["values"]) for item in counted)
            known = [level for count, level in ranked if -count >= _LEAST]
            top, seen = known[:LEVELS], [level for _count, level in ranked]
            for level in top[1:] if len(top) == len(seen) else top:
                self._add(name, partial(_is_level, role=role, level=level))
            if seen:
                among = pa.array(seen, pa.string())
                self._add(name, lambda t: 1.0 - _flag(pc.is_in(_texts(t, role), value_set=among)) - _gap(t, role))
        else:
            values = _numbers(base, role)
            finite = values[np.isfinite(values)]
            if not len(finite):
                return
            middle = float(np.median(finite))
            self._add(name, lambda t: np.where(np.isfinite(v := _numbers(t, role)), v, middle))
        if (_gap(base, role) > 0).any() or (_gap(window, role) > 0).any():
            self._add(name, lambda t: _gap(t, role))

    def _add(self, name: str, column: Callable[[pa.Table], Floats]) -> None:
        self.names.append(name)
        self._columns.append(column)

    def _screen(self, base: pa.Table, window: pa.Table) -> None:
        """Keep the columns that go with the reward or that moved most: more than rows can tell apart help nobody."""
        before, after = self.states(base), self.states(window)
        reward = np.nan_to_num(_numbers(base, "reward"))
        spread = np.where(before.std(axis=0) > 0, before.std(axis=0), 1.0)
        centered = (before - before.mean(axis=0)) / spread
        goes = np.abs(centered.T @ (reward - reward.mean()))
        moved = np.abs(after.mean(axis=0) - before.mean(axis=0)) / spread if len(after) else np.zeros(len(goes))
        kept = {int(i) for order in (np.argsort(-goes), np.argsort(-moved)) for i in order[: COLUMNS // 2]}
        self.names = [name for i, name in enumerate(self.names) if i in kept]
        self._columns = [column for i, column in enumerate(self._columns) if i in kept]

    def _actions(self, base: pa.Table, configured: Sequence[str]) -> None:
        if pa.types.is_list(base["action"].type):
            self._vectors(base)
            return
        counted = {item["values"]: item["counts"] for item in pc.value_counts(_texts(base, "action")).to_pylist()}
        named = list(configured) or sorted(counted, key=lambda name: (-counted[name], str(name)))
        common = [name for name in named if counted.get(name, 0) >= _LEAST]
        self.actions = common[:ACTIONS] or ["any"]
        known = pa.array(self.actions, pa.string())

        def index(table: pa.Table) -> Ints:
            found = pc.index_in(_texts(table, "action"), value_set=known)
            return np.asarray(pc.fill_null(found, -1).to_numpy(zero_copy_only=False), np.int64)

        self._index = index

    def _vectors(self, base: pa.Table) -> None:
        vectors = _vectors(base)
        vectors = vectors[np.isfinite(vectors).all(axis=1)]
        if not len(vectors):
            raise ValueError("no action of the baseline is a vector of one length")
        center, spread = vectors.mean(axis=0), np.where(vectors.std(axis=0) > 0, vectors.std(axis=0), 1.0)
        axis = np.linalg.svd((vectors - center) / spread, full_matrices=False)[2][0]
        along = (vectors - center) / spread @ axis
        edges = np.unique(np.quantile(along, np.arange(1, BINS) / BINS))
        low, high = float(along.min()), float(along.max())
        self.actions = [f"bin {i}" for i in range(len(edges) + 1)]

        def index(table: pa.Table) -> Ints:
            where = (_vectors(table, vectors.shape[1]) - center) / spread @ axis
            inside = (where >= low) & (where <= high)
            return np.where(inside, np.searchsorted(edges, where, side="right"), -1).astype(np.int64)

        self._index = index


def rewards_of(table: pa.Table, absent: str) -> Floats:
    """Return the rewards; what never came is 0 where the configuration says so, else nan."""
    found = _numbers(table, "reward")
    return np.nan_to_num(found) if absent == "zero" else found


def _numbers(table: pa.Table, name: str) -> Floats:
    if name not in table.column_names:
        return np.full(table.num_rows, np.nan)
    column = table[name]
    if pa.types.is_string(column.type):  # text in the window only: a number in the baseline
        return np.full(table.num_rows, np.nan)
    found: Floats = np.array(column.cast(pa.float64()).to_numpy(), dtype=np.float64)
    return np.where(np.isfinite(found), found, np.nan)


def _texts(table: pa.Table, name: str) -> pa.Array:
    if name not in table.column_names:
        return pa.nulls(table.num_rows, pa.string())
    column = table[name].cast(pa.string())
    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column


def _gap(table: pa.Table, name: str) -> Floats:
    """Return 1 where a feature is missing; a number that is not finite is."""
    if name not in table.column_names:
        return np.ones(table.num_rows)
    column = table[name]
    missing = np.asarray(column.is_null().to_numpy(), bool)
    if pa.types.is_floating(column.type):
        missing = missing | ~np.isfinite(np.array(column.to_numpy(), dtype=np.float64))
    return missing.astype(np.float64)


def _is_level(table: pa.Table, *, role: str, level: str) -> Floats:
    return _flag(pc.equal(_texts(table, role), level))


def _flag(found: pa.Array) -> Floats:
    return np.asarray(pc.fill_null(found, False).to_numpy(zero_copy_only=False), np.float64)


def _vectors(table: pa.Table, width: int | None = None) -> Floats:
    """Return vector actions, shape (rows, width); one of another length is nan."""
    lists = table["action"].to_pylist()
    width = width or max((len(one) for one in lists if one), default=1)
    found = np.full((len(lists), width), np.nan)
    for row, one in enumerate(lists):
        if one is not None and len(one) == width:
            found[row] = one
    return found
