"""Summaries as bytes: a checked header, then one zstd frame of plain numbers. Nothing is ever unpickled.

Layout, little-endian: "CRS", format, CRC-32 of all that follows, kind, bytes an integer takes, plan digest, the
ten counts of the Layout, number of sparse cells; then, compressed, the floats, the integers (in the fewest bytes
that hold the largest) and the steps between sparse cells (uint32).
"""

from __future__ import annotations

import struct
import zlib
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from monitor.summaries.layout import Layout
from monitor.summaries.parts import Parts, frozen

FORMAT = 3  # 2: tracked values; 3: wr2 of candidates
_MAGIC = b"CRS"
_HEAD = struct.Struct("<3sBI")  # what is read before anything is believed
_BODY = struct.Struct("<BB8sHHBIHIIHIH")  # kind, width, digest, layout
_KEYS = struct.Struct("<I")
START = _HEAD.size + _BODY.size + _KEYS.size
_MAX_BYTES = 1 << 28  # no honest summary comes near; a forged length must not allocate the machine
# Cells of sparse counts are stored from this offset, so that every step is positive.
KEY_OFFSET = 1 << 17
_zstd = pa.Codec("zstd", compression_level=1)


class Sealed(NamedTuple):
    """A checked blob: its header (equal headers decode alike), number of sparse cells, raw size, compressed frame."""

    shape: bytes
    sparse: int
    size: int
    frame: bytes


def encode(kind: int, digest: str, layout: Layout, parts: Parts) -> bytes:
    """Return the bytes of a summary."""
    top = max(int(parts.counts.max(initial=0)), int(parts.weights.max(initial=0)))
    width = 1 if top < 1 << 8 else 2 if top < 1 << 16 else 4 if top < 1 << 32 else 8
    dtype = f"<u{width}"
    floats = np.concatenate((parts.compensated, parts.sums, parts.low, parts.high)).astype("<f8", copy=False)
    steps = np.diff(parts.keys + KEY_OFFSET, prepend=0).astype("<u4")
    payload = b"".join(
        (floats.tobytes(), parts.counts.astype(dtype).tobytes(), parts.weights.astype(dtype).tobytes(), steps.tobytes())
    )
    rest = b"".join(
        (
            _BODY.pack(kind, width, bytes.fromhex(digest or "0" * 16), *layout),
            _KEYS.pack(len(parts.keys)),
            _zstd.compress(payload, asbytes=True),
        )
    )
    return _HEAD.pack(_MAGIC, FORMAT, zlib.crc32(rest)) + rest


def check(body: bytes, kind: int, name: str) -> Sealed:
    """Check a blob without decompressing it.

    Raises
    ------
    ValueError
        If these are not the whole, undamaged bytes of a summary of this kind in a known format.
    """
    if len(body) < START or body[:3] != _MAGIC:
        raise ValueError(f"not a {name}: {len(body)} bytes that do not begin like a summary; re-summarise the bucket")
    _, written, checksum = _HEAD.unpack_from(body)
    if written != FORMAT:
        raise ValueError(
            f"this {name} has format {written} and this version reads format {FORMAT}: "
            f"{'upgrade Checkrein' if written > FORMAT else 're-summarise the bucket'}"
        )
    if zlib.crc32(body[_HEAD.size :]) != checksum:
        raise ValueError(f"these bytes of a {name} are truncated or damaged; re-summarise the bucket")
    if body[_HEAD.size] != kind:
        raise ValueError(f"these bytes are another kind of summary (kind {body[_HEAD.size]}), not a {name}")
    shape = body[_HEAD.size : START - _KEYS.size]
    sparse: int = _KEYS.unpack_from(body, START - _KEYS.size)[0]
    _, width, layout = read_shape(shape)
    counts, *floats = layout.sizes
    size = 8 * sum(floats) + width * (counts + sparse) + 4 * sparse
    if width not in (1, 2, 4, 8) or size > _MAX_BYTES:
        raise ValueError(f"these bytes of a {name} claim impossible sizes; re-summarise the bucket")
    return Sealed(shape, sparse, size, body[START:])


def decompress(frames: list[bytes], size: int) -> bytes:
    """Return the payloads of checked blobs one after the other: joined zstd frames decompress in one call.

    Raises
    ------
    ValueError
        If they do not decompress to the sizes that their headers say.
    """
    try:
        payload: bytes = _zstd.decompress(b"".join(frames), size, asbytes=True)
    except (pa.ArrowException, OSError) as error:
        raise ValueError(f"these bytes of a summary do not decompress ({error}); re-summarise the bucket") from None
    if len(payload) != size:
        raise ValueError("these bytes of a summary are truncated; re-summarise the bucket")
    return payload


@lru_cache(maxsize=256)
def read_shape(shape: bytes) -> tuple[str, int, Layout]:
    """Return plan digest, integer width and layout of a header."""
    _, width, digest, *layout = _BODY.unpack(shape)
    return ("" if digest == bytes(8) else digest.hex()), width, Layout(*layout)


def decode(blob: Sealed) -> tuple[str, Layout, Parts]:
    """Return plan digest, layout and numbers of a checked blob."""
    digest, width, layout = read_shape(blob.shape)
    payload = decompress([blob.frame], blob.size)
    counts, compensated, sums, low, high = layout.sizes
    dtype = f"<u{width}"
    floats = np.frombuffer(payload, "<f8", compensated + sums + low + high)
    at = floats.nbytes
    integers = np.frombuffer(payload, dtype, counts + blob.sparse, at).astype(np.int64)
    steps = np.frombuffer(payload, "<u4", blob.sparse, at + width * len(integers))
    keys = np.cumsum(steps, dtype=np.int64) - KEY_OFFSET if blob.sparse else np.zeros(0, np.int64)
    cuts = np.cumsum((compensated, sums, low))
    pairs, added, least, greatest = np.split(floats, cuts)
    parts = (integers[:counts], pairs, added, least, greatest, keys, integers[counts:])
    return digest, layout, Parts(*(frozen(part) for part in parts))
