"""Reading a policy file that somebody else wrote: bounded, hashed, parsed without ever running anything."""

from __future__ import annotations

import hashlib
import json
import os
import stat
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from monitor.candidates.scored import CandidateError, Floats

MAX_BYTES = 64 * 2**20


def read(path: Path, limit: int = MAX_BYTES) -> bytes:
    """Return a file's bytes, refusing by its size before a byte is read.

    Raises
    ------
    CandidateError
        If it is missing, not a regular file, or larger than ``limit``.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)  # a pipe must not hold us up
    except OSError as error:
        raise CandidateError(f"{path}: cannot be read: {error.strerror}") from None
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        os.close(descriptor)
        raise CandidateError(f"{path}: not a regular file")
    with os.fdopen(descriptor, "rb") as file:
        if status.st_size > limit:
            raise CandidateError(f"{path}: {status.st_size:,} bytes; a candidate's file may have at most {limit:,}")
        return file.read(limit)


def check_hash(path: Path, data: bytes, expected: str) -> None:
    """Compare the bytes that will be parsed, not the file again, with their SHA-256.

    Raises
    ------
    CandidateError
        If they differ.
    """
    actual = hashlib.sha256(data).hexdigest()
    if actual != expected.lower():
        raise CandidateError(
            f"{path}: its SHA-256 is {actual}, but {expected} was expected: the file was changed or mixed up"
        )


def parse(path: Path, data: bytes, kind: str, required: Collection[str], optional: Collection[str]) -> dict[str, Any]:
    """Return a JSON object with exactly the known keys.

    Raises
    ------
    CandidateError
        If it is no JSON, has NaN or infinity in it, or lacks a key, or has one that is not known.
    """

    def refuse(name: str) -> float:
        raise ValueError(f"it contains {name}; every number must be finite")

    try:
        found = json.loads(data.decode("utf-8"), parse_constant=refuse)
    except (ValueError, RecursionError) as error:
        raise CandidateError(f"{path}: not usable JSON: {error}") from None
    if not isinstance(found, dict) or found.get("kind") != kind:
        raise CandidateError(f'{path}: must be a JSON object with "kind": "{kind}"')
    known = {"kind", *required, *optional}
    if unknown := sorted(set(found) - known):
        raise CandidateError(f"{path}: unknown key {unknown[0]}; known keys: {', '.join(sorted(known))}")
    if missing := sorted(set(required) - set(found)):
        raise CandidateError(f"{path}: {missing[0]} is missing")
    return found


def numbers(path: Path, field: str, value: Any, shape: tuple[int, ...]) -> Floats:
    """Return finite numbers of the expected shape.

    Raises
    ------
    CandidateError
        If they are not numbers, not finite or of another shape.
    """
    try:
        array = np.asarray(value)
    except ValueError:
        raise CandidateError(f"{path}: {field} has rows of different length") from None
    if array.dtype.kind not in "iuf":
        raise CandidateError(f"{path}: {field} must hold numbers only")
    if array.shape != shape:
        raise CandidateError(f"{path}: {field} has shape {list(array.shape)}, expected {list(shape)}")
    if not np.isfinite(array).all():
        raise CandidateError(f"{path}: {field} has a number that is not finite")
    return array.astype(np.float64)


def names(path: Path, field: str, value: Any) -> tuple[str, ...]:
    """Return a list of distinct names; whole numbers are written as text.

    Raises
    ------
    CandidateError
        If it is empty, or has a duplicate or something that is no name.
    """
    if not isinstance(value, list) or not value or not all(type(item) in (str, int) for item in value):
        raise CandidateError(f"{path}: {field} must be a list of names")
    found = tuple(str(item) for item in value)
    if len(set(found)) != len(found):
        raise CandidateError(f"{path}: {field} names something twice")
    return found


def features(path: Path, found: Mapping[str, Any], configured: Sequence[str]) -> tuple[str, ...]:
    """Return the order of features, from the file or the configuration, which must agree.

    Raises
    ------
    CandidateError
        If neither names them, or they differ.
    """
    if "features" not in found:
        if not configured:
            raise CandidateError(f"{path}: features is missing, in the file and in the configuration")
        return tuple(configured)
    own = names(path, "features", found["features"])
    if configured and tuple(configured) != own:
        raise CandidateError(f"{path}: features are {list(own)}, but the configuration says {list(configured)}")
    return own
