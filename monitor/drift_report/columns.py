"""Which columns a report compares, in a form that Evidently can read, and how far each moved by our own measure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from detectors.jensen_shannon import js_divergence
from monitor.bucketing.reference import MOST_LEVELS, with_reference
from monitor.summaries.plan import Feature, Plan

MOST = 50  # columns: a report costs about half a second a column
OTHER = "(other)"


@dataclass(frozen=True)
class Compared:
    """The columns of a report.

    Parameters
    ----------
    numbers, levels
        Names of the columns with numbers and with levels.
    bits
        Jensen-Shannon divergence of each in bits, over the reference's cells; not debiased.
    left_out
        Columns that are not in the report, with the reason.
    kept
        Levels of each column that stay; the others are taken together.
    """

    numbers: list[str]
    levels: list[str]
    bits: dict[str, float]
    left_out: dict[str, str]
    kept: dict[str, tuple[str, ...]]

    def of(self, table: pa.Table) -> pa.Table:
        """Return a side of the report: numbers finite or null, levels that no page can take for markup."""
        columns = {name: _numbers(table, name) for name in self.numbers}
        columns |= {name: _levels(table, name, self.kept[name]) for name in self.levels}
        return pa.table({plain(name): column for name, column in columns.items()})


def plain(text: str) -> str:
    """Return text that is no markup, whoever shows it: a level of a log is a stranger's text.

    >>> plain("<b>")
    '‹b›'
    """
    return text.replace("<", "‹").replace(">", "›")


def compared(reference: pa.Table, current: pa.Table) -> Compared:
    """Choose the columns of two samples: those with values on both sides, of many the ones that moved furthest.

    Examples
    --------
    >>> before = pa.table({"state.load": [0.0, 1.0] * 50, "state.gone": [1.0] * 100, "action": ["up"] * 100})
    >>> after = pa.table({"state.load": [1.0] * 100, "action": ["up"] * 100})
    >>> found = compared(before, after)
    >>> found.numbers, found.levels, found.left_out
    (['state.load'], ['action'], {'state.gone': 'no value in the span'})
    >>> {name: round(bits, 3) for name, bits in found.bits.items()}
    {'state.load': 0.311, 'action': 0.0}

    Raises
    ------
    ValueError
        If no column has values on both sides.
    """
    numbers, levels, bits = list[str](), list[str](), dict[str, float]()
    left_out, kept = dict[str, str](), dict[str, tuple[str, ...]]()
    for name in sorted({*reference.column_names, *current.column_names}):
        if any(name in side.column_names and pa.types.is_nested(side[name].type) for side in (reference, current)):
            left_out[name] = "a list of values"
            continue
        text = any(_text(side, name) for side in (reference, current))
        sides = [_strings(side, name) if text else _numbers(side, name) for side in (reference, current)]
        empty = [where for where, side in zip(("baseline", "span"), sides, strict=True) if not len(side.drop_null())]
        if empty:
            left_out[name] = f"no value in the {empty[0]}"
            continue
        feature = with_reference(Plan(), pa.table({f"state.{name}": sides[0]})).features[0]
        counts = [_counts(feature, side) for side in sides]
        bits[name] = js_divergence(*counts)
        if text:
            kept[name] = feature.levels[:MOST_LEVELS]
        (levels if text else numbers).append(name)
    if not bits:
        raise ValueError("no column has values both in the baseline and in the span")
    furthest = set(sorted(bits, key=lambda name: -bits[name])[:MOST])
    left_out |= {name: f"{MOST} others moved further" for name in bits if name not in furthest}
    numbers = [name for name in numbers if name in furthest]
    levels = [name for name in levels if name in furthest]
    return Compared(numbers, levels, {name: bits[name] for name in (*numbers, *levels)}, left_out, kept)


def _text(table: pa.Table, name: str) -> bool:
    if name not in table.column_names:
        return False
    kind = table[name].type
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_dictionary(kind))


def _numbers(table: pa.Table, name: str) -> Any:
    if name not in table.column_names:
        return pa.nulls(table.num_rows, pa.float64())
    values = table[name].cast(pa.float64()).to_numpy()
    return pa.array(np.where(np.isfinite(values), values, np.nan), from_pandas=True)


def _strings(table: pa.Table, name: str) -> Any:
    return table[name].cast(pa.string()) if name in table.column_names else pa.nulls(table.num_rows, pa.string())


def _levels(table: pa.Table, name: str, kept: tuple[str, ...]) -> Any:
    values = _strings(table, name).to_pylist()
    return pa.array(
        [None if value is None else plain(value) if value in kept else OTHER for value in values], pa.string()
    )


def _counts(feature: Feature, column: Any) -> NDArray[np.int64]:
    """Count values into the reference's cells: its levels and the rest, or its bins."""
    values = column.drop_null()
    if feature.category:
        place = pc.index_in(values, value_set=pa.array(feature.levels)).fill_null(len(feature.levels))
        return np.bincount(place.to_numpy().astype(np.int64), minlength=len(feature.levels) + 1)
    found = np.searchsorted(feature.edges, values.to_numpy(zero_copy_only=False), side="right")
    return np.bincount(found, minlength=len(feature.edges) + 1)
