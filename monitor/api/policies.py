"""Policies over HTTP: status, the route that serving processes obey, rolling back and acknowledging."""

from __future__ import annotations

import asyncio
import time
from dataclasses import asdict
from typing import Any

from fastapi import APIRouter, Depends, Header, Query, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field
from starlette.concurrency import run_in_threadpool

from monitor import status
from monitor.acting import by_hand, confirm, route
from monitor.api.access import actor as token
from monitor.api.idempotency import KEY, once
from monitor.api.problems import Problem, document
from monitor.live.told import compared
from monitor.running.scheduler import Scheduler
from monitor.views.budget import budget
from monitor.why.told import told

_POLL = 0.1  # real seconds between looks of a long poll
_TEXT = r"^[^\x00]*$"  # PostgreSQL stores no NUL


class RollbackRequest(BaseModel):
    """What POST /policies/{policy}/rollback takes."""

    model_config = ConfigDict(extra="forbid")
    reason: str = Field(min_length=3, max_length=2000, pattern=_TEXT, description="Why; kept with the event.")
    to: str | None = Field(None, min_length=1, description="Version to serve; absent: the next of the fallback chain.")


class Acknowledgement(BaseModel):
    """What a serving process says once it serves a generation."""

    model_config = ConfigDict(extra="forbid")
    generation: int = Field(ge=1)
    serving: str = Field(pattern=_TEXT)
    artifact_sha256: str | None = Field(None, pattern=_TEXT)


def router(scheduler: Scheduler) -> APIRouter:
    """Build the routes."""
    parts = scheduler.parts
    routes = APIRouter(tags=["policies"])

    def known(policy: str) -> str:
        if policy not in parts.settings.policy:
            raise Problem(
                404, f"no policy {policy!r} is configured; configured: {', '.join(sorted(parts.settings.policy))}"
            )
        return policy

    def read_route(policy: str) -> route.Route:
        with parts.database.read() as connection:
            return route.current(connection, parts.settings, parts.clock, policy)

    @routes.get("/policies", summary="All policies, worst first")
    def policies() -> list[dict[str, Any]]:
        with parts.database.read() as connection:
            found = [status.of(connection, parts.settings, parts.clock, name) for name in parts.settings.policy]
        return sorted(found, key=lambda item: (-status.RANK[item["state"]], item["policy"]))

    @routes.get("/policies/{policy}/status", summary="One policy: states, metrics, alerts, data age")
    def one(policy: str) -> dict[str, Any]:
        with parts.database.read() as connection:
            return status.of(connection, parts.settings, parts.clock, known(policy))

    @routes.get("/policies/{policy}/budget", summary="Each rollback trigger's share of the false-alarm budget")
    def shares(policy: str) -> dict[str, Any]:
        with parts.database.read() as connection:
            return budget(connection, parts.settings, known(policy))

    @routes.get("/policies/{policy}/candidates", summary="Each candidate against the version that serves")
    def rivals(policy: str) -> dict[str, Any]:
        """Return estimates, differences with anytime intervals, all of them together, and what earlier ones earned."""
        with parts.database.read() as connection:
            return compared(connection, parts.settings, parts.clock, known(policy))

    @routes.get(
        "/policies/{policy}/route",
        summary="The version that should serve",
        responses={304: {"description": "Unchanged"}},
    )
    async def current(
        policy: str,
        wait: float = Query(0.0, ge=0.0, le=60.0, description="Seconds to wait for a change of If-None-Match's route."),
        if_none_match: str | None = Header(None),
    ) -> Response:
        """Answer the desired state; with ``wait`` and ``If-None-Match`` as soon as it changes, else 304 at the end."""
        known(policy)
        deadline = time.monotonic() + wait
        while True:
            found = await run_in_threadpool(read_route, policy)
            headers = {"ETag": found.etag, "Cache-Control": "no-store"}
            if not _matches(if_none_match, found.etag):
                return JSONResponse(found.json(), 200, headers)
            if time.monotonic() >= deadline or scheduler.draining.is_set():
                headers["X-Valid-Until"] = found.json()["valid_until"]
                return Response(status_code=304, headers=headers)
            await asyncio.sleep(_POLL)

    @routes.post("/policies/{policy}/rollback", summary="Roll back by hand", status_code=202)
    def roll_back(
        policy: str,
        body: RollbackRequest,
        actor: str = Depends(token),
        idempotency_key: str | None = Header(None, description=KEY),
    ) -> JSONResponse:
        """Serve another version now: one person, one step, the same path as an automatic rollback."""
        known(policy)

        def act() -> tuple[int, dict[str, Any]]:
            versions = status.versions(connection, parts.settings, policy)
            if body.to is not None and body.to not in versions:
                raise Problem(422, f"{policy} has no version {body.to!r}; it has {', '.join(versions)}")
            try:
                outcome = by_hand.request(connection, parts, policy, body.to, body.reason, f"token:{actor}")
            except ValueError as error:  # `to` serves already
                raise Problem(409, str(error)) from None
            if outcome.state == "requested":
                return 202, asdict(outcome)
            return 409, document(409, outcome.sentence, **asdict(outcome))

        request = f"rollback {policy} {body.model_dump_json()}"
        with parts.database.begin() as connection:
            answer = once(connection, idempotency_key, request, parts.clock.now(), act)
        scheduler.loop.wake()
        return answer

    @routes.post("/policies/{policy}/acknowledge", summary="Say which generation is served")
    def acknowledge(
        policy: str,
        body: Acknowledgement,
        actor: str = Depends(token),
        idempotency_key: str | None = Header(None, description=KEY),
    ) -> JSONResponse:
        """Take the serving side's word that it serves a generation; the rollback is confirmed once the log shows it."""
        known(policy)

        def act() -> tuple[int, dict[str, Any]]:
            said = (body.generation, body.serving, body.artifact_sha256)
            matched = confirm.acknowledge(connection, parts.clock, policy, *said, f"token:{actor}")
            return 200, {"policy": policy, "generation": body.generation, "matched": matched}

        request = f"acknowledge {policy} {body.model_dump_json()}"
        with parts.database.begin() as connection:
            return once(connection, idempotency_key, request, parts.clock.now(), act)

    @routes.get("/policies/{policy}/why", summary="Why its newest firings moved, and whether a rollback helps")
    def explained(
        policy: str, most: int = Query(20, ge=1, le=200, description="Firings, the newest first.")
    ) -> list[dict[str, Any]]:
        """Return what was told of firings, with every number; one that could not be told says why."""
        with parts.database.read() as connection:
            return told(connection, known(policy), most)

    return routes


def _matches(if_none_match: str | None, etag: str) -> bool:
    """Compare as RFC 9110 says for a GET: weakly, because a proxy that compresses marks the tag weak."""
    tags = [tag.strip() for tag in (if_none_match or "").split(",")]
    return "*" in tags or etag in [tag.removeprefix("W/") for tag in tags]
