"""POST decisions and rewards: NDJSON, a JSON array or Arrow IPC; what is refused is listed, the rest is kept."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pyarrow as pa
from fastapi import APIRouter, Depends, Request
from fastapi.responses import JSONResponse
from starlette.concurrency import run_in_threadpool

from monitor import validate
from monitor.api import by_policy
from monitor.api.access import actor
from monitor.api.problems import Problem
from monitor.landing.land import Landed
from monitor.log_store.lake import LakeFullError
from monitor.log_store.schema import no_decisions
from monitor.running.scheduler import Scheduler
from monitor.sources import payload
from monitor.store.database import DatabaseUnavailableError
from monitor.validate import Accepted, Reject

Raw = tuple[pa.Table, tuple[Reject, ...]]

LARGEST_BODY = 64 * 1024 * 1024
LISTED = 100
_PARTLY: dict[int | str, dict[str, Any]] = {207: {"description": "Some rows were quarantined; they are listed"}}
_ROW = {"type": "object", "minProperties": 1}
_ROWS = {"schema": {"oneOf": [{"type": "array", "items": _ROW}, _ROW]}}
_BODY = {
    "requestBody": {
        "required": True,
        "description": "Rows by role, up to 64 MiB, gzip allowed.",
        "content": {"application/x-ndjson": {}, "application/json": _ROWS, payload.ARROW: {}},
    }
}


def router(scheduler: Scheduler) -> APIRouter:
    """Build the two routes."""
    routes = APIRouter(tags=["logs"], dependencies=[Depends(actor)])

    @routes.post("/decisions", summary="Log decisions", responses=_PARTLY, openapi_extra=_BODY)
    async def decisions(request: Request) -> JSONResponse:
        """Land decisions: one row a decision, columns named by role (docs/decision-log.md)."""
        return await run_in_threadpool(_take, scheduler, await _body(request), dict(request.headers), _decisions)

    @routes.post("/rewards", summary="Log delayed rewards", responses=_PARTLY, openapi_extra=_BODY)
    async def rewards(request: Request, policy: str) -> JSONResponse:
        """Land rewards and outcomes of decisions of ``policy`` that were logged before, or will be."""
        _known(scheduler, policy)

        def land(scheduler: Scheduler, raw: Raw, origin: str) -> list[Landed]:
            latest = scheduler.parts.clock.now() + scheduler.parts.settings.policy[policy].skew
            accepted = validate.rewards(raw[0], latest=latest, origin=origin, first_row=1)
            accepted = replace(accepted, rejects=(*raw[1], *accepted.rejects))
            return [scheduler.parts.landing.rewards(policy, accepted, origin)]

        return await run_in_threadpool(_take, scheduler, await _body(request), dict(request.headers), land)

    return routes


def _known(scheduler: Scheduler, policy: str) -> None:
    if policy not in scheduler.parts.settings.policy:
        known = ", ".join(sorted(scheduler.parts.settings.policy))
        raise Problem(404, f"no policy {policy!r} is configured; configured: {known}")


async def _body(request: Request) -> bytes:
    parts, size = [], 0
    async for part in request.stream():
        size += len(part)
        if size > LARGEST_BODY:
            raise Problem(413, f"the body is larger than {LARGEST_BODY} bytes: send smaller batches")
        parts.append(part)
    return b"".join(parts)


def _take(
    scheduler: Scheduler, body: bytes, headers: dict[str, str], land: Callable[[Scheduler, Raw, str], list[Landed]]
) -> JSONResponse:
    origin = f"http:{hashlib.sha256(body).hexdigest()[:16]}"
    try:
        raw = payload.decode(body, headers.get("content-type", ""), headers.get("content-encoding", ""))
        landed = land(scheduler, raw, origin)
    except payload.PayloadError as error:
        raise Problem(error.status, str(error)) from None
    except validate.MappingError as error:
        raise Problem(400, str(error)) from None
    except LakeFullError as error:
        raise Problem(507, str(error), {"Retry-After": "10"}) from None
    if any(item.events for item in landed):
        scheduler.wake()
    return _answer(landed)


def _decisions(scheduler: Scheduler, raw: Raw, origin: str) -> list[Landed]:
    """Land the rows of each policy by themselves: names of actions, types of features and the skew are its own."""
    landing, configured = scheduler.parts.landing, scheduler.parts.settings.policy
    if not configured:
        raise Problem(404, "no policy is configured: add [policy.NAME] to checkrein.toml")
    batches, strange = by_policy.split(scheduler.parts, raw[0], origin)
    if strange or raw[1]:  # rows of no policy are kept with the batch that they came in
        first = next(iter(batches), sorted(configured)[0])
        batch = batches.get(first, Accepted(no_decisions()))
        batches[first] = replace(batch, rejects=(*raw[1], *strange, *batch.rejects))
    landed: dict[str, Landed] = {}
    for name, accepted in batches.items():
        try:
            landed[name] = landing.decisions(name, accepted, origin)
        except (LakeFullError, DatabaseUnavailableError) as error:
            if not landed:
                raise
            detail = f"rows of {', '.join(landed)} were kept, those of {name} were not ({error}): send all of it again"
            status = 507 if isinstance(error, LakeFullError) else 503
            raise Problem(status, f"{detail}; what was kept is not counted twice", {"Retry-After": "10"}) from None
    return list(landed.values())


def _answer(landed: list[Landed]) -> JSONResponse:
    names = ("accepted", "duplicates", "late", "waiting", "quarantined")
    body: dict[str, Any] = {name: sum(getattr(item, name) for item in landed) for name in names}
    refused = sorted((reject for item in landed for reject in item.rejects), key=lambda reject: reject.row)
    body["rows"] = [vars(reject) for reject in refused[:LISTED]]
    return JSONResponse(body, 207 if body["quarantined"] else 200)
