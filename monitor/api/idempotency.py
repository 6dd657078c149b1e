"""Idempotency-Key: the same request again gets the answer of the first, another one under its key gets 422."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from typing import Any

from fastapi.responses import JSONResponse
from sqlalchemy import Connection, select, update

from monitor.api.problems import MEDIA_TYPE, Problem
from monitor.store.database import insert_new
from monitor.store.tables import idempotency

KEY = "A repeated request with this key gets the first one's answer and does nothing."  # of the header, in OpenAPI
_TAKEN = 0  # status of a key whose request is still at work; no other transaction ever sees it


def once(
    connection: Connection, key: str | None, request: str, now: float, act: Callable[[], tuple[int, dict[str, Any]]]
) -> JSONResponse:
    """Run ``act`` once per key, inside the caller's write transaction, and answer as it did then.

    The key is taken before acting: of two requests that come together, the second one waits for the first one's end.

    Raises
    ------
    Problem
        422 if the key was used for another request.
    """
    if not key:
        return _answer(*act())
    digest = hashlib.sha256(request.encode()).hexdigest()
    mine = {"key": key, "request_sha256": digest, "status": _TAKEN, "answer": "", "created": now}
    insert_new(connection, idempotency, [mine])
    row = connection.execute(select(idempotency).where(idempotency.c.key == key)).one()
    if row.request_sha256 != digest:
        raise Problem(422, f"Idempotency-Key {key!r} was used for another request: choose a new one")
    if row.status != _TAKEN:
        return _answer(row.status, json.loads(row.answer), {"Idempotency-Replayed": "true"})
    status, body = act()
    here = update(idempotency).where(idempotency.c.key == key)
    connection.execute(here.values(status=status, answer=json.dumps(body)))
    return _answer(status, body)


def _answer(status: int, body: dict[str, Any], headers: dict[str, str] | None = None) -> JSONResponse:
    return JSONResponse(body, status, headers, media_type=MEDIA_TYPE if status >= 400 else None)
