"""Messages to people over HTTP: what is on its way, what could not be delivered, and a test of a channel."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Depends, Header, Query
from fastapi.responses import JSONResponse

from monitor.api.access import actor as token
from monitor.api.idempotency import KEY, once
from monitor.api.moving import move
from monitor.api.problems import Problem
from monitor.notify import by_hand, outbox
from monitor.running.scheduler import Scheduler
from monitor.views.notifications import notifications, of_identities


def router(scheduler: Scheduler) -> APIRouter:
    """Build the routes."""
    parts = scheduler.parts
    routes = APIRouter(tags=["notifications"])

    @routes.get("/notifications", summary="Messages that are on their way or could not be delivered, newest first")
    def listed(
        policy: str | None = None,
        every: bool = Query(False, alias="all", description="Those that are finished, too, the newest 500."),
    ) -> list[dict[str, Any]]:
        """Answer each with its channel, its state, its attempts and its last error."""
        if policy is not None and policy not in parts.settings.policy:
            raise Problem(404, f"there is no policy {policy!r}; known: {', '.join(sorted(parts.settings.policy))}")
        with parts.database.read() as connection:
            return notifications(connection, policy, every=every)

    @routes.post("/notifications/{identity}/replay", summary="Send a dead letter again")
    def replay(
        identity: str, actor: str = Depends(token), idempotency_key: str | None = Header(None, description=KEY)
    ) -> JSONResponse:
        """Send it to the receivers of its channel that do not have it."""
        named = ("notification", identity)
        done = move(scheduler, named, f"token:{actor}", idempotency_key, "replayed", outbox.replay, of_identities, dict)
        scheduler.telling.wake()
        return done

    @routes.post("/notifications/{identity}/cancel", summary="Stop sending a message, or close a dead letter")
    def cancel(
        identity: str, actor: str = Depends(token), idempotency_key: str | None = Header(None, description=KEY)
    ) -> JSONResponse:
        """Take it back where it is not finished."""
        named = ("notification", identity)
        return move(
            scheduler, named, f"token:{actor}", idempotency_key, "cancelled", outbox.cancel, of_identities, dict
        )

    @routes.post("/notify/{name}/test", summary="Send a test through a channel", status_code=202)
    def test(
        name: str, actor: str = Depends(token), idempotency_key: str | None = Header(None, description=KEY)
    ) -> JSONResponse:
        """Queue a test on the path of real messages; `GET /notifications?all=true` says what came of it."""
        if name not in parts.settings.notify:
            known = ", ".join(sorted(parts.settings.notify)) or "none"
            raise Problem(404, f"there is no [notify.{name}]; configured: {known}")

        def act() -> tuple[int, dict[str, Any]]:
            identity = by_hand.request(connection, parts.clock, name, f"token:{actor}")
            return 202, of_identities(connection, [identity])[0]

        with parts.database.begin() as connection:
            done = once(connection, idempotency_key, f"test {name}", parts.clock.now(), act)
        scheduler.telling.wake()
        return done

    return routes
