"""Which policy a candidate's name stands for: its configuration and the content of its files."""

from __future__ import annotations

import hashlib
from pathlib import Path

from monitor import settings

_FILES = {"linear": ("",), "mlp": ("policy.json", "policy.safetensors")}
_seen: dict[Path, tuple[tuple[int, int, int], str]] = {}  # what a file was when its digest was made


def fingerprint(spec: settings.Candidate, base: Path) -> str:
    """Return sixteen hexadecimal digits that change when the candidate's configuration or a file of it changes.

    A file is read again only when its time, size or inode changed, so that asking before every batch costs nothing.

    Examples
    --------
    >>> one, other = (settings.Candidate(policy=f"column:{name}") for name in ("a", "b"))
    >>> fingerprint(one, Path()) == fingerprint(one, Path()) != fingerprint(other, Path())
    True
    """
    kind, _, where = spec.policy.partition(":")
    parts = [spec.policy, *spec.features]
    parts += [_digest(base / where / file if file else base / where) for file in _FILES.get(kind, ())]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def _digest(path: Path) -> str:
    try:
        status = path.stat()
        now = (status.st_mtime_ns, status.st_size, status.st_ino)
        known = _seen.get(path)
        if known is not None and known[0] == now:
            return known[1]
        with path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return "not there"  # loading says why
    _seen[path] = (now, found)
    return found
