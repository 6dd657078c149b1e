"""Uniform numbers from decision ids: the same id draws the same number wherever and whenever it lands.

Simple tabulation hashing (Zobrist, 1970): with it bottom-k and priority samples keep their guarantees (Thorup, 2013,
"Bottom-k and priority sampling ... with minimal independence"). Own and not a library's, because a hash that another
release computes otherwise would sample other decisions.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

_PLACES = 64  # longer ids use the tables again
_MIX = (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB)


def draws(ids: Any, salt: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return two independent uniform numbers in (0, 1] of each id, shapes (rows,).

    >>> draws(pa.array(["d1", "d2", "d1"]), "bids/v2")[0].round(4).tolist()
    [0.8049, 0.7761, 0.8049]
    """
    hashed = _tabulated(ids) ^ np.uint64(int.from_bytes(hashlib.blake2b(salt.encode(), digest_size=8).digest(), "big"))
    return _uniform(_mixed(hashed)), _uniform(_mixed(hashed + np.uint64(_MIX[0])))


def identity(policy: str, version: str, decision_id: str, hour: int) -> str:
    """Return the id of an item: a decision's id is unique within its event hour.

    >>> identity("bids", "v2", "d1", 5)
    '99a6ca0b322b977c'
    """
    named = "\x1f".join((policy, version, decision_id, str(hour)))
    return hashlib.blake2b(named.encode(), digest_size=8).hexdigest()


def _tabulated(ids: Any) -> NDArray[np.uint64]:
    """Return the 64-bit hash of each text, shape (rows,)."""
    column = ids.combine_chunks() if isinstance(ids, pa.ChunkedArray) else ids
    encoded = column.cast(pa.large_binary())
    if not len(encoded):
        return np.zeros(0, np.uint64)
    # Concatenated anew: a slice keeps the buffers of the whole.
    encoded = pa.concat_arrays([encoded]) if not encoded.offset else encoded.take(pa.array(np.arange(len(encoded))))
    offsets = np.frombuffer(encoded.buffers()[1], np.int64, len(encoded) + 1)
    first, last = int(offsets[0]), int(offsets[-1])
    data = encoded.buffers()[2]
    if data is None or first == last:
        return np.zeros(len(encoded), np.uint64)
    letters = np.frombuffer(data, np.uint8, last)[first:]
    lengths = np.diff(offsets)
    place = (np.arange(len(letters)) - np.repeat(offsets[:-1] - first, lengths)) % _PLACES
    terms = _table()[place, letters]
    sums = np.concatenate([np.zeros(1, np.uint64), np.cumsum(terms, dtype=np.uint64)])
    hashed: NDArray[np.uint64] = sums[offsets[1:] - first] - sums[offsets[:-1] - first] + lengths.astype(np.uint64)
    return hashed


@lru_cache(maxsize=1)
def _table() -> NDArray[np.uint64]:
    """Return a random number of each letter at each place, shape (places, 256)."""
    drawn = hashlib.shake_256(b"checkrein shadow review 1").digest(_PLACES * 256 * 8)
    return np.frombuffer(drawn, "<u8").astype(np.uint64).reshape(_PLACES, 256)


def _mixed(hashed: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Return the finaliser of splitmix64 (Steele, Lea and Flood, 2014) of each number."""
    mixed = (hashed ^ (hashed >> np.uint64(30))) * np.uint64(_MIX[1])
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(_MIX[2])
    return mixed ^ (mixed >> np.uint64(31))


def _uniform(hashed: NDArray[np.uint64]) -> NDArray[np.float64]:
    numbers: NDArray[np.float64] = ((hashed >> np.uint64(11)).astype(np.float64) + 1.0) * 2.0**-53
    return numbers
