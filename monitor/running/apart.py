"""The environment of a process that runs somebody else's library or model: nothing secret, and quiet."""

from __future__ import annotations

import os
from pathlib import Path

_PASSED_ON = ("PATH", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "SYSTEMROOT")
_QUIET = {"DO_NOT_TRACK": "1", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}


def environment(home: Path) -> dict[str, str]:
    """Return variables that a process apart may see: no passwords, tokens or addresses, and one thread.

    >>> sorted(set(environment(Path("somewhere"))) & {"HOME", "CHECKREIN_TOKEN", "OMP_NUM_THREADS"})
    ['HOME', 'OMP_NUM_THREADS']
    """
    kept = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    return {**kept, **_QUIET, "HOME": str(home), "TMPDIR": str(home)}
