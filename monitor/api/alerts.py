"""Alerts over HTTP: what is open, one alert by its id, and a silence for exactly that one."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Depends, Header
from fastapi.responses import JSONResponse
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from monitor import incidents
from monitor.alerting import acknowledging, alert_ids, silences
from monitor.api.access import actor as token
from monitor.api.given import TEXT, since_1970
from monitor.api.idempotency import KEY, once
from monitor.api.incidents import AckRequest
from monitor.api.problems import Problem
from monitor.running.scheduler import Scheduler
from monitor.units import seconds
from monitor.views.alert import alert, open_alerts


class AlertSilence(BaseModel):
    """What POST /alerts/{id}/silence takes: until when, or for how long."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)
    until: AwareDatetime | None = Field(None, description="When it ends by itself, RFC 3339; at most 7 days ahead.")
    for_: str | None = Field(None, alias="for", max_length=20, description='How long instead, such as "2h".')
    reason: str = Field(min_length=3, max_length=2000, pattern=TEXT, description="Why; shown on the alert.")
    owner: str | None = Field(None, max_length=200, pattern=TEXT, description="Who answers; absent: the token's name.")


def router(scheduler: Scheduler) -> APIRouter:
    """Build the routes."""
    parts = scheduler.parts
    routes = APIRouter(prefix="/alerts", tags=["alerts"])

    @routes.get("", summary="Alerts that are pending, firing or recovering, worst first")
    def every(policy: str | None = None) -> list[dict[str, Any]]:
        """Answer each with its id, its overlays and why it fired."""
        if policy is not None and policy not in parts.settings.policy:
            known = ", ".join(sorted(parts.settings.policy))
            raise Problem(404, f"no policy {policy!r} is configured; configured: {known}")
        with parts.database.read() as connection:
            return open_alerts(connection, parts.settings, parts.clock, policy)

    @routes.get("/{identity}", summary="One alert in any state, with its transitions and what lies over it")
    def one(identity: str) -> dict[str, Any]:
        """Answer 404 for an alert that was never judged."""
        with parts.database.read() as connection:
            found = alert(connection, parts.settings, parts.clock, identity)
        if found is None:
            raise _unknown(identity)
        return found

    @routes.post("/{identity}/silence", summary="Page nobody about this alert for a while", status_code=201)
    def silence(
        identity: str,
        body: AlertSilence,
        actor: str = Depends(token),
        idempotency_key: str | None = Header(None, description=KEY),
    ) -> JSONResponse:
        """Mute the pages about one series of a trigger under one version; what rolls back is never muted."""

        def act() -> tuple[int, dict[str, Any]]:
            where = alert_ids.find(connection, identity)
            if where is None or where[0] not in parts.settings.policy:
                raise _unknown(identity)
            policy, version, trigger, key = where
            owner = actor if body.owner is None else body.owner
            try:
                until = _until(body, parts.clock.now())
                made = silences.add(
                    connection, parts.settings, parts.clock, policy, trigger=trigger, version=version, key=key,
                    owner=owner, reason=body.reason, until=until, actor=f"token:{actor}",
                )  # fmt: skip
            except ValueError as error:
                raise Problem(422, str(error)) from None
            return 201, {**made, "alert": identity}

        request = f"silence alert {identity} {body.model_dump_json()}"
        with parts.database.begin() as connection:
            return once(connection, idempotency_key, request, parts.clock.now(), act)

    @routes.post("/{identity}/ack", summary="Take the open incident of this alert's policy for a while")
    def ack(
        identity: str,
        body: AckRequest,
        actor: str = Depends(token),
        idempotency_key: str | None = Header(None, description=KEY),
    ) -> JSONResponse:
        """Wake nobody until it expires; 409 where the alert is over or has woken nobody."""

        def act() -> tuple[int, dict[str, Any]]:
            who, lasts = body.by or actor, body.seconds
            try:
                done = acknowledging.acknowledge(connection, parts.settings, parts.clock, identity, who, lasts)
            except incidents.IncidentConflictError as error:
                raise Problem(409, str(error)) from None
            except incidents.IncidentError as error:
                raise Problem(422, str(error)) from None
            if done is None:
                raise _unknown(identity)
            return 200, done

        request = f"acknowledge alert {identity} {body.model_dump_json()}"
        with parts.database.begin() as connection:
            answer = once(connection, idempotency_key, request, parts.clock.now(), act)
        scheduler.loop.wake()
        return answer

    return routes


def _until(body: AlertSilence, now: float) -> float:
    """Return when it ends; ValueError says what is wrong."""
    if body.for_ is not None and body.until is None:
        return now + seconds(body.for_)
    if body.until is None or body.for_ is not None:
        raise ValueError("say when the silence ends: either until or for")
    return since_1970(body.until)


def _unknown(identity: str) -> Problem:
    return Problem(404, f"there is no alert {identity!r}: GET /api/v1/alerts lists those that are open with their ids")
