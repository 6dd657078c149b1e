"""Reports as they are kept and read: a row for each, the HTML compressed in the lake under its SHA-256."""

from __future__ import annotations

import gzip
import hashlib
import json
import re
from typing import Any

import pyarrow as pa
from sqlalchemy import Connection, select

from monitor.clock import stamp
from monitor.log_store.durable import store
from monitor.log_store.lake import Lake
from monitor.store.tables import drift_reports

FOLDER = "reports"


def keep(lake: Lake, html: bytes) -> str:
    """Write a report durably and return its SHA-256."""
    digest = hashlib.sha256(html).hexdigest()
    store(lake.root / FOLDER / f"{digest}.html.gz", pa.py_buffer(gzip.compress(html, 6, mtime=0)))
    return digest


def html(lake: Lake, sha256: str) -> bytes:
    """Return a report as it was made.

    Raises
    ------
    ValueError
        If the lake has none of this digest, or another one under its name.
    """
    path = lake.root / FOLDER / f"{sha256}.html.gz"
    if not re.fullmatch(r"[0-9a-f]{64}", sha256) or not path.exists():
        raise ValueError("the lake has no report of this digest")
    try:
        body = gzip.decompress(path.read_bytes())
    except (OSError, EOFError, ValueError):
        body = b""
    if hashlib.sha256(body).hexdigest() != sha256:
        raise ValueError("the file in the lake is not the one that was kept: its digest differs")
    return body


def listed(connection: Connection, policy: str, most: int = 20) -> list[dict[str, Any]]:
    """Return the newest reports of a policy, whatever became of them, newest first."""
    c = drift_reports.c
    found = select(drift_reports).where(c.policy == policy).order_by(c.id.desc()).limit(most)
    return [shown(row) for row in connection.execute(found)]


def one(connection: Connection, identity: int) -> dict[str, Any]:
    """Return one report."""
    return shown(connection.execute(select(drift_reports).where(drift_reports.c.id == identity)).one())


def by_digest(connection: Connection, sha256: str) -> dict[str, Any] | None:
    """Return the report with this HTML, None where there is none."""
    c = drift_reports.c
    found = select(drift_reports).where(c.sha256 == sha256, c.state == "made").order_by(c.id).limit(1)
    row = connection.execute(found).one_or_none()
    return None if row is None else shown(row)


def shown(row: Any) -> dict[str, Any]:
    """Return a row as the API, the pages and the command line show it."""
    named = ("id", "policy", "version", "baseline", "transition", "actor", "state", "sentence", "sha256", "bits")
    times = {name: stamp(getattr(row, name)) for name in ("begin", "end", "asked")}
    made = None if row.made is None else stamp(row.made)
    url = f"/reports/{row.sha256}" if row.state == "made" else None
    return {**{name: getattr(row, name) for name in named}, **times, "made": made, "url": url, **json.loads(row.body)}
