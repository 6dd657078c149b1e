"""Which kernels run: the compiled ones where numba can be imported, numpy otherwise."""

from __future__ import annotations

from functools import lru_cache
from types import ModuleType

from monitor.summaries import plain


@lru_cache(maxsize=1)
def engine() -> ModuleType:
    """Return the module of the kernels. Numba is imported at the first count, not when a summary is only read."""
    try:
        from monitor.summaries import kernels
    except ImportError:
        return plain
    return kernels
