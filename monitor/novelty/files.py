"""Where a novelty network is kept: beside the decisions, under the SHA-256 of its bytes, which the plan names."""

from __future__ import annotations

import hashlib
from pathlib import Path
from urllib.parse import quote

import pyarrow as pa

from monitor.candidates import CandidateError
from monitor.candidates.files import check_hash, read
from monitor.log_store.durable import store
from monitor.novelty.network import Network, NoveltyError


def keep(lake: Path, policy: str, network: Network) -> str:
    """Write a network into the lake, durable when this returns, and return its SHA-256.

    Raises
    ------
    LakeFullError
        If the disk, a quota or the file size limit is reached.
    """
    body = network.to_bytes()
    digest = hashlib.sha256(body).hexdigest()
    store(path_of(lake, policy, digest), pa.py_buffer(body))
    return digest


def load(lake: Path, policy: str, digest: str) -> Network:
    """Read the network of this SHA-256.

    Raises
    ------
    NoveltyError
        If its file is missing, too large, or not what its name says; names the file.
    """
    path = path_of(lake, policy, digest)
    try:
        data = read(path)
        check_hash(path, data, digest)
    except CandidateError as error:
        raise NoveltyError(str(error)) from None
    return Network.from_bytes(data)


def path_of(lake: Path, policy: str, digest: str) -> Path:
    """Return where the network of a policy with this SHA-256 is.

    >>> path_of(Path("lake"), "bids", "0a1b").as_posix()
    'lake/policy=bids/novelty/0a1b.safetensors'
    """
    return lake / f"policy={quote(policy, safe='')}" / "novelty" / f"{digest}.safetensors"
