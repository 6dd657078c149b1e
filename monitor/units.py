"""Durations and percentages as people write them in checkrein.toml."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import BeforeValidator

_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|d|w)")


def seconds(text: Any) -> float:
    """Read a duration such as "15m" as seconds; a bare number is refused because its unit is a guess.

    >>> seconds("15m"), seconds("1h30m")
    (900.0, 5400.0)
    """
    if isinstance(text, str):
        parts = _DURATION.findall(text)
        if parts and _DURATION.sub("", text).strip() == "":
            return sum(float(number) * _SECONDS[unit] for number, unit in parts)
    raise ValueError(f'{text!r} is not a duration: write a number and a unit, such as "15m" (ms, s, m, h, d, w)')


def human(duration: float) -> str:
    """Write seconds as the largest unit that divides them.

    >>> human(900), human(86400 * 180), human(0.5)
    ('15m', '180d', '0.5s')
    """
    for unit in ("d", "h", "m"):
        if duration >= _SECONDS[unit] and duration % _SECONDS[unit] == 0:
            return f"{duration / _SECONDS[unit]:g}{unit}"
    return f"{duration:g}s"


Duration = Annotated[float, BeforeValidator(seconds, json_schema_input_type=str)]
