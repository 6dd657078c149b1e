"""A file is there wholly, and survives a power cut, or is not there at all."""

from __future__ import annotations

import errno
import os
import uuid
from contextlib import suppress
from pathlib import Path

import pyarrow as pa

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class LakeFullError(Exception):
    """The lake cannot be written; the batch was not accepted and may be sent again after the fix."""


def store(path: Path, body: pa.Buffer) -> None:
    """Write a file: under a temporary name, synced, renamed, and the directory synced.

    Raises
    ------
    LakeFullError
        If the disk, a quota or the file size limit is reached; nothing half written is left.
    """
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}.tmp")
    try:
        _make(path.parent)
        _write(temporary, body)
        os.replace(temporary, path)
        sync(path.parent)
    except OSError as error:
        if error.errno not in _FULL:
            raise
        fix = "free space or point store.lake at a larger disk, then send the batch again"
        raise LakeFullError(
            f"{path}: cannot be written: {error.strerror}. Nothing of the batch was accepted: {fix}"
        ) from error
    finally:
        with suppress(OSError):
            temporary.unlink()


def _write(path: Path, body: pa.Buffer) -> None:
    handle = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o640)
    try:
        rest = memoryview(body)
        while rest:
            rest = rest[os.write(handle, rest) :]
        os.fsync(handle)
    finally:
        os.close(handle)


def _make(folder: Path) -> None:
    """Create a directory and sync each new entry in its parent."""
    new = [path for path in (folder, *folder.parents) if not path.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    for path in new:
        sync(path.parent)


def sync(folder: Path) -> None:
    """Put the names of a directory on disk."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
