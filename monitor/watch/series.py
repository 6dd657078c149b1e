"""Read a timestamped CSV file: its time and value columns, whatever they are called, and what was odd about them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from monitor.watch.expected import Floats

_TIMES = ("timestamp", "time", "ts", "datetime", "date")
_LEAST_ROWS = 100
_SECONDS = ((1e17, 1e9), (1e14, 1e6), (1e11, 1e3))  # an epoch in nanoseconds, microseconds, milliseconds


class WatchError(ValueError):
    """The file cannot be watched; the message names the column or row and the fix."""


@dataclass(frozen=True)
class Read:
    """One series.

    Parameters
    ----------
    time
        Seconds since 1970, shape (n,).
    value
        NaN where missing or not finite, shape (n,).
    texts
        The two columns as the file wrote them, (time, value) rows.
    notes
        Sentences about what a reader should know.
    """

    time: Floats
    value: Floats
    texts: pd.DataFrame
    notes: tuple[str, ...]


def read(path: Path, value: str, time: str | None = None) -> Read:
    """Read the time and value columns of a CSV file.

    Raises
    ------
    WatchError
        If a column is absent, a time is none, or there are too few rows.
    """
    try:
        frame = pd.read_csv(path, dtype=str, keep_default_na=False, skipinitialspace=True)
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
        raise WatchError(f"{path}: not a CSV file with a header line: {error}") from None
    columns = ", ".join(frame.columns)
    if value not in frame.columns:
        raise WatchError(f"{path}: no column {value!r} for --value; it has {columns}")
    time = time or next((name for word in _TIMES for name in frame.columns if name.lower() == word), None)
    if time is None or time not in frame.columns:
        asked = f"no column {time!r}" if time else f"no column is called {' or '.join(_TIMES)}"
        raise WatchError(f"{path}: {asked}: name the column of times with --time; it has {columns}")
    if len(frame) < _LEAST_ROWS:
        raise WatchError(f"{path}: {len(frame)} rows; at least {_LEAST_ROWS} are needed to know what is usual")
    seconds, zoned = _seconds(frame[time], path, time)
    numbers = pd.to_numeric(frame[value], errors="coerce").to_numpy(np.float64).copy()
    infinite = np.isinf(numbers)
    numbers[infinite] = np.nan
    notes = [] if zoned else [f"{time} names no zone: read as UTC"]
    if missing := int(np.isnan(numbers).sum()):
        first = int(np.isnan(numbers).argmax()) + 2
        notes.append(f"{missing} rows have no finite number in {value} (the first is line {first}): not scored")
    if missing == len(frame):
        raise WatchError(f"{path}: no row has a number in {value!r}; its first value is {frame[value].iloc[0]!r}")
    if back := int((np.diff(seconds) < 0).sum()):
        line = int((np.diff(seconds) < 0).argmax()) + 3
        notes.append(f"{back} rows are earlier than the row before (the first is line {line}): taken in file order")
    texts = pd.DataFrame({"timestamp": frame[time], "value": frame[value]})
    return Read(seconds, numbers, texts, tuple(notes))


def _seconds(texts: pd.Series, path: Path, column: str) -> tuple[Floats, bool]:
    numbers = pd.to_numeric(texts, errors="coerce").to_numpy(np.float64)
    if bool(np.isfinite(numbers).all()):
        scale = next((unit for least, unit in _SECONDS if np.median(np.abs(numbers)) >= least), 1.0)
        return np.asarray(numbers / scale, np.float64), True
    times = pd.to_datetime(texts, errors="coerce", utc=True, format="ISO8601")
    if bool(times.isna().any()):
        other = pd.to_datetime(texts, errors="coerce", utc=True, format="mixed")
        if bool(other.isna().any()):
            row = int(other.isna().to_numpy().argmax())
            raise WatchError(
                f"{path}: line {row + 2}: {texts.iloc[row]!r} in {column!r} is not a time; "
                "write it as 2026-11-20T06:00:00Z, or as seconds since 1970"
            )
        times = other
    zoned = bool(texts.str.contains(r"(?:Z|[+-]\d\d:?\d\d)$").iloc[0])
    return np.asarray((times - pd.Timestamp(0, tz="UTC")).dt.total_seconds(), np.float64), zoned
