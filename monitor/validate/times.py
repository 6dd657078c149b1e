"""Timestamps: one instant or none; nothing is guessed."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pt
from numpy.typing import NDArray

from monitor.log_store.schema import TIMESTAMP
from monitor.validate.cast import filled
from monitor.validate.faults import Faults, Mask, show
from monitor.validate.roles import MappingError

_CLOCK = r"^\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d+)?)?"
_ZONED = _CLOCK + r"(Z|[+-]\d\d(:?\d\d)?)$"
_NAIVE = _CLOCK + "$"
_EXAMPLE = "2026-01-31T12:00:00Z"
_NAT = np.iinfo(np.int64).min


def instants(column: pa.Array, field: str, zone: str | None, faults: Faults) -> pa.Array:
    """Return a column as UTC microseconds, null where a row has a fault, which is noted.

    Text is ISO 8601 with a zone. Naive times need ``zone``; an hour that a clock change skips or repeats names no one
    instant and is refused, as is a bare number, whose unit would be a guess. Digits below microseconds are cut off.

    Raises
    ------
    MappingError
        If ``zone`` is no time zone.

    Examples
    --------
    >>> faults = Faults(2)
    >>> text = pa.array(["1970-01-01T01:00:00+01:00", "1970-01-01T00:00:00"])
    >>> instants(text, "ts", None, faults).cast("int64").to_pylist()
    [0, None]
    >>> faults.good.tolist()
    [True, False]
    """
    kind = column.type
    value = _quoter(column)

    def naive(index: int) -> str:
        return (
            f"{field} is {value(index)}, which has no time zone: "
            f'log UTC as in {_EXAMPLE}, or set zone = "..." of the source'
        )

    def number(index: int) -> str:
        return f"{field} is {value(index)}: a bare number has no unit (seconds? ms?): write it as in {_EXAMPLE}"

    def wrong(index: int) -> str:
        return f"{field} is {value(index)}, which is no timestamp: write it as in {_EXAMPLE}"

    if pt.is_timestamp(kind):
        if kind.tz is not None:
            return column.cast(TIMESTAMP, safe=False)
        if zone is not None:
            return _localised(column.cast(pa.timestamp("us"), safe=False), field, zone, faults, value)
        faults.add(filled(column), field, naive)
        return pa.nulls(len(column), TIMESTAMP)
    if not pt.is_string(kind):
        plain = pt.is_integer(kind) or pt.is_floating(kind) or pt.is_decimal(kind)
        faults.add(filled(column), field, number if plain else wrong)
        return pa.nulls(len(column), TIMESTAMP)
    try:
        return column.cast(TIMESTAMP)
    except pa.ArrowInvalid:
        pass
    text = pc.replace_substring_regex(pc.utf8_trim_whitespace(column), r"(\.\d{6})\d+", r"\1")
    zoned, local = (_matches(text, pattern) for pattern in (_ZONED, _NAIVE))
    result = np.full(len(column), _NAT)
    result[zoned] = _bisected(text.filter(pa.array(zoned)), TIMESTAMP)
    if zone is None:
        faults.add(local, field, naive)
    else:
        read = np.full(len(column), _NAT)
        read[local] = _bisected(text.filter(pa.array(local)), pa.timestamp("us"))
        times = _stamps(read, pa.timestamp("us"))
        known = _localised(times, field, zone, faults, value).cast(pa.int64()).fill_null(_NAT).to_numpy()
        result[local] = known[local]
        faults.add(local & (read == _NAT), field, wrong)
    numeric = _matches(text, r"^-?\d+(\.\d+)?([eE][+-]?\d+)?$")
    faults.add(numeric, field, number)
    faults.add(filled(column) & ~numeric & ~local & (result == _NAT), field, wrong)
    return _stamps(result, TIMESTAMP)


def _quoter(column: pa.Array) -> Callable[[int], str]:
    def quote(index: int) -> str:
        try:
            value = column[index].as_py()
        except ValueError:  # nanoseconds need pandas
            value = str(column[index])
        return show(value.isoformat() if isinstance(value, datetime) else value)

    return quote


def _matches(text: pa.Array, pattern: str) -> Mask:
    mask: Mask = pc.match_substring_regex(text, pattern).fill_null(False).to_numpy(zero_copy_only=False)
    return mask


def _stamps(micros: NDArray[np.int64], kind: pa.DataType) -> pa.Array:
    return pa.array(micros, mask=micros == _NAT).cast(kind)


def _bisected(text: pa.Array, kind: pa.DataType) -> NDArray[np.int64]:
    """Cast by halves until what cannot be cast (month 13) is alone."""
    try:
        values: NDArray[np.int64] = text.cast(kind).cast(pa.int64()).to_numpy()
        return values
    except pa.ArrowInvalid:
        half = len(text) // 2
        if half == 0:
            return np.array([_NAT])
        return np.concatenate([_bisected(text[:half], kind), _bisected(text[half:], kind)])


def _localised(times: pa.Array, field: str, zone: str, faults: Faults, value: Callable[[int], str]) -> pa.Array:
    try:
        early, late = (
            pc.assume_timezone(times, zone, ambiguous=end, nonexistent=end) for end in ("earliest", "latest")
        )
    except pa.ArrowInvalid as error:
        raise MappingError(f'zone = "{zone}" is no time zone: use a name such as "Europe/Berlin" ({error})') from None
    early, late = (item.cast(TIMESTAMP) for item in (early, late))
    twice = pc.not_equal(early, late).fill_null(False).to_numpy(zero_copy_only=False)
    faults.add(
        twice, field, lambda i: f"{field} is {value(i)}, which {zone} skips or repeats when clocks change: log UTC"
    )
    return pc.if_else(pa.array(twice), pa.scalar(None, TIMESTAMP), early) if twice.any() else early
