"""How large a disagreement is, in thresholds: 1 and more is large.

The first of these that a row's columns can say: the gap of the predicted values, the shadow's probabilities, the
distance of action vectors. Where none can, every disagreement counts as large and as large as the others: what nobody
can measure is looked at, not dropped.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from monitor.log_store.arrow import common_type, differs, shaped
from monitor.settings.review import Review
from monitor.summaries.plan import Plan

SENSES = ("unmeasured", "value_gap", "probability", "distance")
MOST = 1e9  # a gap over a vanishing q_std must not outweigh everything else for ever
Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class Pairs:
    """Shadow decisions that have a live action beside them, and how far the two are apart; arrays of shape (rows,)."""

    table: pa.Table
    live: Any
    own: Any
    differ: NDArray[np.bool_]
    size: Numbers
    sense: NDArray[np.int8]

    @property
    def large(self) -> NDArray[np.bool_]:
        """Where the actions differ by a threshold or more."""
        found: NDArray[np.bool_] = self.differ & (self.size >= 1.0)
        return found


def measured(shadow: pa.Table, plan: Plan, asked: Review) -> Pairs:
    """Pair shadow rows with what acted, and measure the disagreements.

    The live action is ``incumbent_action``, or ``action`` where the row has a ``proposed_action``; the shadow's is
    ``proposed_action``, else ``action``. A row that has neither of the two cannot be paired.

    Examples
    --------
    >>> rows = pa.table({"version": ["v2", "v2"], "action": ["low", "low"], "proposed_action": ["low", "high"],
    ...                  "candidate_probs.v2": [[0.6, 0.4], [0.1, 0.9]]})
    >>> measured(rows, Plan(actions=("low", "high")), Review()).size.round(2).tolist()
    [0.0, 1.6]
    """
    kind = common_type([shadow.column(name).type for name in _ACTIONS if name in shadow.column_names])
    action, proposed, incumbent = (_whole(shaped(shadow, name, kind)) for name in _ACTIONS)
    executed = pc.if_else(proposed.is_valid(), action, pa.nulls(len(action), kind))
    live = pc.if_else(incumbent.is_valid(), incumbent, executed)
    own = pc.if_else(proposed.is_valid(), proposed, action)
    there = live.is_valid()
    table = shadow
    if there.false_count:  # a copy of all columns otherwise
        table, live, own = shadow.filter(there), live.filter(there), own.filter(there)
    differ = differs(live, own)
    size = np.where(differ, 1.0, 0.0)
    sense = np.zeros(len(differ), np.int8)
    rows = np.flatnonzero(differ)
    if len(rows):
        read = [name for name in table.column_names if name in _READ or name.startswith(_FAMILIES)]
        some, a, b = table.select(read).take(pa.array(rows)), live.take(pa.array(rows)), own.take(pa.array(rows))
        for number, sizes in (
            (3, _distance(a, b, plan, asked)),
            (2, _probability(some, a, b, plan) / asked.margin),
            (1, _value_gap(some, asked)),
        ):
            known = np.isfinite(sizes)
            size[rows[known]] = np.clip(sizes[known], 0.0, MOST)
            sense[rows[known]] = number
    return Pairs(table, live, own, differ, size, sense)


_ACTIONS = ("action", "proposed_action", "incumbent_action")
_READ = {"version", "proposed_action", "propensity", "action_probs", "q_value", "incumbent_q_value", "q_std"}
_FAMILIES = ("candidate_probs.", "pi.")


def _value_gap(table: pa.Table, asked: Review) -> Numbers:
    """Return |Q(own action) - Q(live action)| over its unit and threshold."""
    own, live = _column(table, "q_value"), _column(table, "incumbent_q_value")
    unit = _column(table, "q_std") if asked.value_unit is None else np.full(len(own), asked.value_unit)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        gap: Numbers = np.where(unit > 0, np.minimum(np.abs(own - live) / unit / asked.value_gap, MOST), np.nan)
    return gap


def _probability(table: pa.Table, live: Any, own: Any, plan: Plan) -> Numbers:
    """Return the shadow's probability of its own action less that of the live one.

    Of two that are not both logged, the missing one counts as what makes the disagreement largest: it is better looked
    at than missed.
    """
    mine, theirs = (np.full(table.num_rows, np.nan) for _ in range(2))
    if not plan.actions or pa.types.is_list(live.type) or pa.types.is_null(live.type):
        return mine
    places = [pc.index_in(side.cast(pa.string()), pa.array(plan.actions)) for side in (own, live)]
    proposed = (
        table.column("proposed_action").is_valid().to_numpy()
        if "proposed_action" in table.column_names
        else np.zeros(table.num_rows, bool)
    )
    _fill(mine, _column(table, "propensity"), ~proposed)  # then the behaviour is the shadow's own
    if "action_probs" in table.column_names:
        for side, place in zip((mine, theirs), places, strict=True):
            _fill(side, _picked(table.column("action_probs"), place), ~proposed)
    codes, versions = coded(table.column("version"))
    for code, version in enumerate(versions):
        here = codes == code
        for name in (f"pi.{version}", f"candidate_probs.{version}"):
            if name not in table.column_names:
                continue
            column = table.column(name)
            if pa.types.is_list(column.type):
                for side, place in zip((mine, theirs), places, strict=True):
                    _fill(side, _picked(column, place), here)
            else:  # of the row's ``action``
                executed = _column(table, name)
                _fill(mine, executed, here & ~proposed)
                _fill(theirs, executed, here & proposed)
    mine = np.where(np.isnan(mine), 1.0 - theirs, mine)
    theirs = np.where(np.isnan(theirs) & ~np.isnan(mine), 0.0, theirs)
    return mine - theirs


def _distance(live: Any, own: Any, plan: Plan, asked: Review) -> Numbers:
    """Return the root mean square of the elements' differences, each over its spread, over the threshold."""
    found = np.full(len(live), np.nan)
    spread = np.array(asked.spread or spread_of(plan))
    if not pa.types.is_list(live.type) or not len(spread):
        return found
    lengths = [pc.list_value_length(side).to_numpy(zero_copy_only=False) for side in (live, own)]
    rows = np.flatnonzero((lengths[0] == len(spread)) & (lengths[1] == len(spread)))
    vectors = [_flat(side.take(pa.array(rows))).reshape(-1, len(spread)) for side in (live, own)]
    with np.errstate(over="ignore", invalid="ignore"):
        scaled = (vectors[1] - vectors[0]) / spread
        found[rows] = np.minimum(np.sqrt(np.mean(scaled**2, axis=1)) / asked.distance, MOST)
    return found


def spread_of(plan: Plan) -> tuple[float, ...]:
    """Return the range of each element of the action in the baseline, empty where it has none."""
    edges = {one.name: one.edges for one in plan.tracked if one.name.startswith("action_diversity/")}
    named = [edges.get(f"action_diversity/{i}", ()) for i in range(len(edges))]
    return tuple(one[-1] - one[0] for one in named) if all(named) else ()


def coded(column: Any) -> tuple[NDArray[np.int64], list[str]]:
    """Return the number of each row's text, shape (rows,), and the texts that the numbers stand for."""
    encoded = pc.dictionary_encode(_whole(column))
    return encoded.indices.to_numpy(zero_copy_only=False).astype(np.int64), encoded.dictionary.to_pylist()


def _picked(column: Any, place: Any) -> Numbers:
    """Return one number of each row's list, NaN where the list or the place is not there."""
    lists = _whole(column)
    lengths = lists.value_lengths().fill_null(0).to_numpy(zero_copy_only=False).astype(np.int64)
    places = place.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)
    flat = _flat(lists)
    starts = np.cumsum(lengths) - lengths
    known = (places >= 0) & (places < lengths)
    found = np.full(len(lengths), np.nan)
    found[known] = flat[(starts + places)[known]]
    return found


def _fill(side: Numbers, values: Numbers, where: NDArray[np.bool_]) -> None:
    known = where & np.isfinite(values)
    side[known] = values[known]


def _column(table: pa.Table, name: str) -> Numbers:
    if name not in table.column_names:
        return np.full(table.num_rows, np.nan)
    values: Numbers = table.column(name).cast(pa.float64()).to_numpy()
    return values


def _flat(lists: Any) -> Numbers:
    values: Numbers = pc.list_flatten(lists).cast(pa.float64()).to_numpy(zero_copy_only=False)
    return values


def _whole(column: Any) -> Any:
    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column


def actions_of(side: Any, rows: Sequence[int]) -> list[Any]:
    """Return the actions of some rows as JSON values."""
    found: list[Any] = side.take(pa.array(rows, pa.int64())).to_pylist()
    return found
