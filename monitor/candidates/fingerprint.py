"""Which policy a candidate's name stands for: its configuration and the content of its files."""

from __future__ import annotations

import hashlib
import os
import stat
from pathlib import Path

from monitor import settings
from monitor.candidates.files import MAX_BYTES

_seen: dict[Path, tuple[tuple[int, int, int], str]] = {}  # what a file was when its digest was made


def fingerprint(spec: settings.Candidate, base: Path) -> str:
    """Return sixteen hexadecimal digits that change when the candidate's configuration or a file of it changes.

    A file is read again only when its time, size or inode changed, so that asking before every batch costs nothing.
    What loading would refuse without reading it, such as a pipe or a device, is not read here either.

    Examples
    --------
    >>> one, other = (settings.Candidate(policy=f"column:{name}") for name in ("a", "b"))
    >>> fingerprint(one, Path()) == fingerprint(one, Path()) != fingerprint(other, Path())
    True
    """
    kind, _, where = spec.policy.partition(":")
    parts = [spec.policy, *spec.features, *filter(None, [spec.sha256])]
    parts += [_digest(file) for file in _files(kind, base / where)]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def _files(kind: str, path: Path) -> list[Path]:
    if kind == "column":
        return []
    if kind == "mlp":
        return [path / "policy.json", path / "policy.safetensors"]
    return [path, path.parent / f"{path.stem}.json"] if kind == "onnx" else [path]


def _digest(path: Path) -> str:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    except (OSError, ValueError):
        return "not there"
    try:
        status = os.fstat(descriptor)
        now = (status.st_mtime_ns, status.st_size, status.st_ino)
        if not stat.S_ISREG(status.st_mode) or status.st_size > MAX_BYTES:
            return f"not read: {now}"  # loading says why
        if path not in _seen or _seen[path][0] != now:
            with open(descriptor, "rb", closefd=False) as file:
                _seen[path] = (now, hashlib.sha256(file.read(MAX_BYTES)).hexdigest())
    except OSError:
        return "not there"
    finally:
        os.close(descriptor)
    return _seen[path][1]
