"""The FastAPI application: /api/v1 with its OpenAPI document, /healthz, /readyz and /metrics at the root."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import Any

from fastapi import FastAPI
from fastapi.responses import JSONResponse, PlainTextResponse

from monitor import status
from monitor.api import (
    actions,
    alerts,
    drift_reports,
    drills,
    foreign,
    incidents,
    logs,
    notifications,
    policies,
    problems,
    reviews,
    rollouts,
    silences,
)
from monitor.api.access import Guard
from monitor.api.exposition import exposition
from monitor.running.scheduler import Scheduler

# 503 of a probe is an answer like 200: the same document, and a problem only where the database is away.
_NOT: dict[int | str, dict[str, Any]] = {
    503: {
        "description": "It is not; the document says what",
        "content": {"application/json": {}, problems.MEDIA_TYPE: {"schema": problems.SCHEMA}},
    }
}


def create_app(scheduler: Scheduler, *, run: bool = True) -> FastAPI:
    """Build the application around a scheduler.

    Parameters
    ----------
    scheduler
        Holds the configuration, the database and the clock, whether it runs here or not.
    run
        Whether the application starts and stops the scheduler with itself (``serve``), or another process
        runs it (``web``).
    """

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        if run:
            scheduler.start()
        try:
            yield
        finally:
            if run:
                scheduler.stop()

    app = FastAPI(
        title="Checkrein",
        version=version("checkrein"),
        openapi_url="/api/v1/openapi.json",
        docs_url=None,  # its assets come from outside; the document itself is served
        redoc_url=None,
        lifespan=lifespan,
        responses=problems.RESPONSES,
    )
    app.add_middleware(Guard, database=scheduler.parts.database, clock=scheduler.parts.clock)
    problems.install(app)
    app.include_router(logs.router(scheduler), prefix="/api/v1")
    app.include_router(policies.router(scheduler), prefix="/api/v1")
    app.include_router(silences.router(scheduler), prefix="/api/v1")
    app.include_router(reviews.router(scheduler), prefix="/api/v1")
    app.include_router(alerts.router(scheduler), prefix="/api/v1")
    app.include_router(actions.router(scheduler), prefix="/api/v1")
    app.include_router(rollouts.router(scheduler), prefix="/api/v1")
    app.include_router(notifications.router(scheduler), prefix="/api/v1")
    app.include_router(foreign.router(scheduler), prefix="/api/v1")
    app.include_router(incidents.router(scheduler), prefix="/api/v1")
    app.include_router(drift_reports.router(scheduler), prefix="/api/v1")
    app.include_router(drills.router(scheduler), prefix="/api/v1")
    parts = scheduler.parts

    @app.get("/healthz", tags=["operation"], summary="Whether every part of this process runs")
    def healthz() -> JSONResponse:
        alive = scheduler.alive() if run else {}
        healthy = all(alive.values())
        return JSONResponse({"healthy": healthy, "parts": alive}, 200 if healthy else 503)

    @app.get(
        "/readyz",
        tags=["operation"],
        summary="Whether the database answers, and somebody judges and acts",
        responses=_NOT,
    )
    def readyz() -> JSONResponse:
        """Answer which passes, and whether the action loop, are late, whichever process runs them."""
        with parts.database.read() as connection:
            stale: dict[str, Any] = status.stale_jobs(connection, parts.settings, parts.clock)
            stale |= status.stale_loop(connection, parts.clock)
        return JSONResponse({"ready": not stale, "stale": stale}, 200 if not stale else 503)

    @app.get("/metrics", tags=["operation"], summary="Prometheus metrics", response_class=PlainTextResponse)
    def metrics() -> PlainTextResponse:
        with parts.database.read() as connection:
            text = exposition(connection, parts.settings, parts.clock)
        return PlainTextResponse(text, media_type="text/plain; version=0.0.4; charset=utf-8")

    return app
