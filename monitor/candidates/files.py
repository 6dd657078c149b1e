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

from monitor.candidates.scored import TOLERANCE, CandidateError, Floats

MAX_BYTES = 64 * 2**20  # of weights
MAX_JSON = 16 * 2**20  # parsed JSON takes up to thirty times its size
MAX_NAMES = 100_000  # features or actions


def read(path: Path, limit: int = MAX_BYTES) -> bytes:
    """Return a file's bytes, refusing by its size before a byte is read.

    A symbolic link is followed, because mounted ConfigMaps and ``current`` folders are made of them; what it leads to
    must be a regular file.

    Raises
    ------
    CandidateError
        If it is missing, not a regular file, or larger than ``limit``.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)  # a pipe must not hold us up
        try:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                raise CandidateError(f"{path}: not a regular file")
            size, data = status.st_size, b""
            if size <= limit:
                with open(descriptor, "rb", closefd=False) as file:
                    data = file.read(limit + 1)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise CandidateError(f"{path}: cannot be read: {error.strerror}") from None
    except ValueError:
        raise CandidateError(f"{str(path)!r}: no file has such a name") from None
    if max(size, len(data)) > limit:
        raise CandidateError(f"{path}: {max(size, len(data)):,} bytes; a file like this may have at most {limit:,}")
    return data


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


def described(
    path: Path, digest: str | None, kind: str, required: Collection[str], optional: Collection[str]
) -> dict[str, Any]:
    """Return a candidate's JSON: bounded, then compared with the configuration's hash, then parsed.

    Raises
    ------
    CandidateError
        If any of that fails; names the file and the field.
    """
    data = read(path, MAX_JSON)
    if digest is not None:
        check_hash(path, data, digest)
    return parse(path, data, kind, required, optional)


def weights(path: Path, found: Mapping[str, Any], described_in: Path, digest: str | None) -> bytes:
    """Return the bytes of the weights that a JSON describes, compared with the hash that it gives.

    Where the configuration vouches for the JSON, the JSON must vouch for the weights: else nobody does.

    Raises
    ------
    CandidateError
        If the file cannot be read, is too large, or is not what the hash says.
    """
    data = read(path, MAX_BYTES)
    if "sha256" in found:
        check_hash(path, data, str(found["sha256"]))
    elif digest is not None:
        raise CandidateError(
            f"{described_in}: sha256 is missing; the configuration gives this file's hash, "
            f"so it must give the hash of {path.name}: {hashlib.sha256(data).hexdigest()}"
        )
    return data


def parse(path: Path, data: bytes, kind: str, required: Collection[str], optional: Collection[str]) -> dict[str, Any]:
    """Return a JSON object with exactly the known keys.

    Raises
    ------
    CandidateError
        If it is no JSON, has NaN or infinity in it, or lacks a key, or has one that is not known.
    """
    found = decoded(path, data)
    if not isinstance(found, dict) or found.get("kind") != kind:
        raise CandidateError(f'{path}: must be a JSON object with "kind": "{kind}"')
    known = {"kind", *required, *optional}
    if unknown := sorted(set(found) - known):
        raise CandidateError(f"{path}: unknown key {unknown[0]!a}; known keys: {', '.join(sorted(known))}")
    if missing := sorted(set(required) - set(found)):
        raise CandidateError(f"{path}: {missing[0]} is missing")
    return found


def decoded(path: Path, data: bytes) -> Any:
    """Return what JSON says, where it says it once.

    Raises
    ------
    CandidateError
        If it is no UTF-8 or no JSON, nested too deeply, has NaN or infinity in it, or a key twice.
    """

    def refuse(name: str) -> float:
        raise ValueError(f"it contains {name}; every number must be finite")

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict[str, Any]()
        for key, value in pairs:
            if key in found:  # two readers could take two different ones
                raise ValueError(f"it has the key {key[:80]!a} twice")
            found[key] = value
        return found

    try:
        return json.loads(data.decode("utf-8"), parse_constant=refuse, object_pairs_hook=once)
    except (ValueError, RecursionError, MemoryError) as error:
        raise CandidateError(f"{path}: not usable JSON: {error}") from None


def numbers(path: Path, field: str, value: Any, shape: tuple[int, ...]) -> Floats:
    """Return finite numbers of the expected shape.

    Raises
    ------
    CandidateError
        If they are not numbers, not finite or of another shape.
    """
    try:
        array = np.asarray(value)
    except (ValueError, OverflowError):
        raise CandidateError(f"{path}: {field} has rows of different length") from None
    if array.dtype.kind not in "iuf":
        raise CandidateError(f"{path}: {field} must hold numbers only")
    if array.shape != shape:
        raise CandidateError(f"{path}: {field} has shape {list(array.shape)}, expected {list(shape)}")
    if not np.isfinite(array).all():
        raise CandidateError(f"{path}: {field} has a number that is not finite")
    return array.astype(np.float64)


def distributions(path: Path, field: str, value: Any, shape: tuple[int, ...]) -> Floats:
    """Return probabilities whose last axis sums to 1.

    Raises
    ------
    CandidateError
        If they are no numbers of this shape, one is negative, or a row sums to something else; names the row.
    """
    found = numbers(path, field, value, shape)
    rows = found.reshape(-1, shape[-1])
    odd = np.flatnonzero((rows < 0).any(axis=1) | (np.abs(rows.sum(axis=1) - 1) > TOLERANCE))
    if len(odd):
        where = field if len(shape) == 1 else f"{field}[{odd[0]}]"
        row = rows[odd[0]]
        said = f"has {row.min():g}, which is negative" if row.min() < 0 else f"sums to {row.sum():.9g}, not to 1"
        raise CandidateError(f"{path}: {where} {said}")
    return found


def positive(path: Path, field: str, value: Any, shape: tuple[int, ...]) -> Floats:
    """Return finite numbers above 0.

    Raises
    ------
    CandidateError
        If they are no numbers of this shape or one is not above 0.
    """
    found = numbers(path, field, value, shape)
    if not (found > 0).all():
        raise CandidateError(f"{path}: {field} must be above 0")
    return found


def names(path: Path, field: str, value: Any) -> tuple[str, ...]:
    """Return a list of distinct names; whole numbers are written as text.

    Raises
    ------
    CandidateError
        If it is empty or too long, or has a duplicate or something that is no name.
    """
    if not isinstance(value, list) or not value or not all(type(item) in (str, int) for item in value):
        raise CandidateError(f"{path}: {field} must be a list of names")
    if len(value) > MAX_NAMES:
        raise CandidateError(f"{path}: {field} has {len(value):,} names; at most {MAX_NAMES:,} are read")
    found = tuple(str(item) for item in value)
    if len(set(found)) != len(found):
        raise CandidateError(f"{path}: {field} names something twice")
    if any("\ud800" <= letter <= "\udfff" for item in found for letter in item):
        raise CandidateError(f"{path}: {field} has a name that is no Unicode text")
    return found


def features(path: Path, found: Mapping[str, Any], configured: Sequence[str], none: bool = False) -> tuple[str, ...]:
    """Return the order of features, from the file or the configuration, which must agree; ``none`` allows none.

    Raises
    ------
    CandidateError
        If neither names them, or they differ.
    """
    if "features" not in found:
        if not configured and not none:
            raise CandidateError(f"{path}: features is missing, in the file and in the configuration")
        return tuple(configured)
    own = () if none and found["features"] == [] else names(path, "features", found["features"])
    if configured and tuple(configured) != own:
        raise CandidateError(f"{path}: features are {list(own)}, but the configuration says {list(configured)}")
    return own
