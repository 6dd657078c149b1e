"""Drift reports over HTTP: ask for one, and see what became of those that were asked for."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from fastapi import APIRouter, Depends, Header, Query
from fastapi.responses import JSONResponse
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from monitor.api.access import actor as token
from monitor.api.idempotency import KEY, once
from monitor.api.problems import Problem
from monitor.drift_report import kept
from monitor.drift_report.asked import Wish, ask
from monitor.running.scheduler import Scheduler


class ReportRequest(BaseModel):
    """What POST /policies/{policy}/drift-report takes."""

    model_config = ConfigDict(extra="forbid")
    version: str | None = Field(None, min_length=1, pattern=r"^[^\x00]*$", description="Absent: the one that serves.")
    begin: AwareDatetime | None = Field(None, alias="from", description="Absent: an hour before the end.")
    end: AwareDatetime | None = Field(None, alias="to", description="Absent: the newest decision.")


def router(scheduler: Scheduler) -> APIRouter:
    """Build the routes."""
    parts = scheduler.parts
    routes = APIRouter(tags=["policies"])

    def known(policy: str) -> str:
        if policy not in parts.settings.policy:
            listed = ", ".join(sorted(parts.settings.policy))
            raise Problem(404, f"no policy {policy!r} is configured; configured: {listed}")
        return policy

    @routes.post("/policies/{policy}/drift-report", summary="Ask for Evidently's drift report", status_code=202)
    def report(
        policy: str,
        body: ReportRequest,
        actor: str = Depends(token),
        idempotency_key: str | None = Header(None, description=KEY),
    ) -> JSONResponse:
        """Put a report of a version's rows against the frozen baseline on the list; a worker process makes it."""
        wish = Wish(known(policy), body.version, _seconds(body.begin), _seconds(body.end))

        def act() -> tuple[int, dict[str, Any]]:
            try:
                identity = ask(connection, parts.settings, parts.clock, wish, f"token:{actor}")
            except ValueError as error:
                raise Problem(422, str(error)) from None
            return 202, kept.one(connection, identity)

        request = f"drift-report {policy} {body.model_dump_json()}"
        with parts.database.begin() as connection:
            return once(connection, idempotency_key, request, parts.clock.now(), act)

    @routes.get("/policies/{policy}/drift-reports", summary="Its newest drift reports, and what became of them")
    def reports(
        policy: str, most: int = Query(20, ge=1, le=200, description="Reports, the newest first.")
    ) -> list[dict[str, Any]]:
        with parts.database.read() as connection:
            return kept.listed(connection, known(policy), most)

    return routes


def _seconds(moment: datetime | None) -> float | None:
    return None if moment is None else moment.timestamp()
