"""Canonical JSON and its digest: equal data has equal bytes, and so one address.

RFC 8785's form: sorted keys, no spaces, shortest numbers, whole floats as integers, no NaN.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from typing import Any


def canonical(value: Any) -> str:
    """Return the canonical JSON of plain data.

    Raises
    ------
    ValueError
        If a number is not finite or a value is not JSON's.

    Examples
    --------
    >>> canonical({"b": 1.0, "a": [0.1, None, "é"]})
    '{"a":[0.1,null,"é"],"b":1}'
    """
    return json.dumps(_plain(value), sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def digest(value: Any) -> str:
    """Return the SHA-256 of the canonical JSON, in hexadecimal.

    >>> digest({"a": 1}) == digest({"a": 1.0})
    True
    """
    return hashlib.sha256(canonical(value).encode()).hexdigest()


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, bool) or value is None or isinstance(value, str | int):
        return value
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError(f"{value} has no place in evidence")
        return int(value) if value.is_integer() and abs(value) < 2**53 else value
    raise ValueError(f"{type(value).__name__} has no place in evidence")
