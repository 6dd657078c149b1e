"""Silences over HTTP: who is not woken for which alerts, until when, by whom and why."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Depends, Header, Query
from fastapi.responses import JSONResponse
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from monitor.alerting import silences
from monitor.api.access import actor as token
from monitor.api.given import TEXT, known, number_of, since_1970
from monitor.api.idempotency import KEY, once
from monitor.api.problems import Problem
from monitor.running.scheduler import Scheduler


class SilenceRequest(BaseModel):
    """What POST /alerts/silences takes."""

    model_config = ConfigDict(extra="forbid")
    policy: str = Field(pattern=TEXT, description="Whose alerts.")
    trigger: str = Field("", pattern=TEXT, description="One trigger; absent: all.")
    version: str = Field("", max_length=200, pattern=TEXT, description="One version; absent: all.")
    until: AwareDatetime = Field(description="When it ends by itself, RFC 3339; at most 7 days ahead.")
    reason: str = Field(min_length=3, max_length=2000, pattern=TEXT, description="Why; shown on the alert.")
    owner: str | None = Field(None, max_length=200, pattern=TEXT, description="Who answers; absent: the token's name.")


def router(scheduler: Scheduler) -> APIRouter:
    """Build the routes."""
    parts = scheduler.parts
    routes = APIRouter(prefix="/alerts/silences", tags=["alerts"])

    @routes.get("", summary="Silences that hold, newest first")
    def listed(
        policy: str | None = None, every: bool = Query(False, alias="all", description="Those that are over, too.")
    ) -> list[dict[str, Any]]:
        """Answer each with its owner, reason and end."""
        with parts.database.read() as connection:
            return silences.listed(connection, parts.clock, policy and known(parts.settings, policy), every=every)

    @routes.post("", summary="Page nobody about some alerts for a while; rollbacks go on", status_code=201)
    def add(
        body: SilenceRequest,
        actor: str = Depends(token),
        idempotency_key: str | None = Header(None, description=KEY),
    ) -> JSONResponse:
        """Mute pages about matching alerts; their state moves and is recorded, and what rolls back is never muted."""
        known(parts.settings, body.policy)

        def act() -> tuple[int, dict[str, Any]]:
            named = {"trigger": body.trigger, "version": body.version, "reason": body.reason}
            until = since_1970(body.until)
            owner = actor if body.owner is None else body.owner
            try:
                made = silences.add(
                    connection, parts.settings, parts.clock, body.policy,
                    **named, owner=owner, until=until, actor=f"token:{actor}",
                )  # fmt: skip
            except silences.SilenceError as error:
                raise Problem(422, str(error)) from None
            return 201, made

        with parts.database.begin() as connection:
            return once(connection, idempotency_key, f"silence {body.model_dump_json()}", parts.clock.now(), act)

    @routes.post("/{identity}/end", summary="End a silence; what still fires pages at the next pass")
    def end(
        identity: str, actor: str = Depends(token), idempotency_key: str | None = Header(None, description=KEY)
    ) -> JSONResponse:
        """End it before its time."""

        def act() -> tuple[int, dict[str, Any]]:
            number = number_of(identity)
            ended = silences.end(connection, parts.clock, number, f"token:{actor}")
            found = silences.shown(connection, parts.clock, number)
            if found is None:
                raise Problem(404, f"there is no silence {identity!r}")
            if not ended:
                raise Problem(409, f"silence {identity} is {found['state']} already")
            return 200, found

        with parts.database.begin() as connection:
            return once(connection, idempotency_key, f"end silence {identity}", parts.clock.now(), act)

    return routes
