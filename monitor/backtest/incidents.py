"""Labelled incidents: a CSV of when something was truly wrong, and what of it the firings found."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from monitor.settings import ConfigurationError


@dataclass(frozen=True)
class Incident:
    """A span of time in which something was wrong."""

    start: float
    end: float
    label: str


def read_incidents(path: Path) -> list[Incident]:
    """Read a CSV with the columns start, end and, optionally, label; times as RFC 3339 or seconds since 1970.

    Raises
    ------
    ConfigurationError
        If it cannot be read; names the row, the field and the fix.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = list(csv.DictReader(file))
            columns = rows[0].keys() if rows else set()
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ConfigurationError(f"--incidents {path}: cannot be read: {error}") from None
    missing = [name for name in ("start", "end") if name not in columns]
    if missing:
        why = f"has no column {missing[0]}" if rows else "holds no incident"
        raise ConfigurationError(f"--incidents {path}: {why}; its first line is start,end,label")
    found = []
    for number, row in enumerate(rows, 2):
        start, end = (_time(path, number, name, row[name]) for name in ("start", "end"))
        if end <= start:
            raise ConfigurationError(f"--incidents {path}, row {number}: end {row['end']} is not after its start")
        found.append(Incident(start, end, (row.get("label") or "").strip()))
    return sorted(found, key=lambda one: (one.start, one.end))


def during(incidents: Iterable[Incident], begin: float, end: float) -> Incident | None:
    """Return the first incident that a span of time overlaps.

    >>> night = Incident(0.0, 100.0, "night")
    >>> during([night], 90.0, 105.0) == night, during([night], 100.0, 115.0) is None
    (True, True)
    """
    return next((one for one in incidents if begin < one.end and end > one.start), None)


def _time(path: Path, number: int, name: str, text: str | None) -> float:
    written = (text or "").strip()
    try:
        number_of_seconds = float(written)
        if math.isfinite(number_of_seconds):
            return number_of_seconds
    except ValueError:
        pass
    try:
        moment = datetime.fromisoformat(written)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        fix = "write it as 2026-11-20T06:00:00Z or as seconds since 1970"
        raise ConfigurationError(f"--incidents {path}, row {number}, {name}: {written!r} is not a time; {fix}")
    return moment.timestamp()
