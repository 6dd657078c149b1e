"""How kernels are compiled: on first use, without the GIL, cached beside the source or in the user's cache."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from numba import njit


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return the compiled function; an installed package that cannot be written to compiles in memory."""
    try:
        return njit(nogil=True, cache=True, error_model="numpy")(function)  # type: ignore[no-any-return]
    except RuntimeError:  # no directory for the cache can be written: compile in memory
        return njit(nogil=True, error_model="numpy")(function)  # type: ignore[no-any-return]
