"""What is under way over HTTP: the kill switch, and actions that wait for a person."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from fastapi import APIRouter, Depends, Header, Query
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field

from monitor.acting import by_hand, outbox
from monitor.api.access import actor as token
from monitor.api.given import known
from monitor.api.idempotency import KEY, once
from monitor.api.moving import move
from monitor.clock import stamp
from monitor.running.scheduler import Scheduler
from monitor.views.acting import STUCK, UNDER_WAY, acted, of_identities

_FIELDS = (
    "id",
    "policy",
    "hook",
    "state",
    "generation",
    "from_version",
    "to_version",
    "trigger",
    "attempts",
    "sentence",
)


class KillRequest(BaseModel):
    """What POST /policies/{policy}/kill takes."""

    model_config = ConfigDict(extra="forbid")
    reason: str = Field(min_length=3, max_length=2000, pattern=r"^[^\x00]*$", description="Why; kept with the event.")


def router(scheduler: Scheduler) -> APIRouter:
    """Build the routes."""
    parts = scheduler.parts
    routes = APIRouter(tags=["actions"])

    @routes.post(
        "/policies/{policy}/kill", summary="Stop a policy: its last fallback takes all traffic", status_code=202
    )
    def kill(
        policy: str,
        body: KillRequest,
        actor: str = Depends(token),
        idempotency_key: str | None = Header(None, description=KEY),
    ) -> JSONResponse:
        """Serve the safest version now, whatever is under way: one person, one step, never limited."""
        known(parts.settings, policy)

        def act() -> tuple[int, dict[str, Any]]:
            outcome = by_hand.stop(connection, parts, policy, body.reason, f"token:{actor}")
            return 200 if outcome.state == "unneeded" else 202, asdict(outcome)

        with parts.database.begin() as connection:
            request = f"kill {policy} {body.model_dump_json()}"
            answer = once(connection, idempotency_key, request, parts.clock.now(), act)
        scheduler.loop.wake()
        return answer

    @routes.get("/actions", summary="What was decided and is not done, newest first")
    def actions(
        policy: str | None = None, every: bool = Query(False, alias="all", description="Those that are finished, too.")
    ) -> list[dict[str, Any]]:
        """Answer each with its state, its attempts and its last error."""
        if policy is not None:
            known(parts.settings, policy)
        with parts.database.read() as connection:
            found = acted(connection, policy, dry_runs=True)
        return [_shown(item) for item in found if every or item["state"] in (*UNDER_WAY, *STUCK)]

    def moved(identity: str, actor: str, key: str | None, name: str, act: Callable[..., bool]) -> JSONResponse:
        answer = move(scheduler, ("action", identity), f"token:{actor}", key, name, act, of_identities, _shown)
        scheduler.loop.wake()
        return answer

    @routes.post("/actions/{identity}/replay", summary="Send a refused or given-up action again")
    def replay(
        identity: str, actor: str = Depends(token), idempotency_key: str | None = Header(None, description=KEY)
    ) -> JSONResponse:
        """Send it with the same id and bytes, so that a receiver that took it meanwhile does nothing twice."""
        return moved(identity, actor, idempotency_key, "replayed", outbox.replay)

    @routes.post("/actions/{identity}/cancel", summary="Stop sending an action; the route stays")
    def cancel(
        identity: str, actor: str = Depends(token), idempotency_key: str | None = Header(None, description=KEY)
    ) -> JSONResponse:
        """Take it back where it is not finished."""
        return moved(identity, actor, idempotency_key, "cancelled", outbox.cancel)

    return routes


def _shown(item: dict[str, Any]) -> dict[str, Any]:
    told = {name: item[name] for name in _FIELDS}
    return {**told, "requested": stamp(item["requested"]), "last_error": item["last_error"]}
