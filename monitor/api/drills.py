"""Drills over HTTP: read only. A drill is started at the command line, by whoever watches it."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter

from monitor import views
from monitor.api.given import number_of
from monitor.api.problems import Problem
from monitor.running.scheduler import Scheduler


def router(scheduler: Scheduler) -> APIRouter:
    """Build the routes."""
    parts = scheduler.parts
    routes = APIRouter(prefix="/drills", tags=["runbooks"])

    @routes.get("", summary="Drills, newest first")
    def listed(policy: str | None = None) -> list[dict[str, Any]]:
        """Answer the newest 200, each with what became of it; the steps are at its own address."""
        if policy is not None and policy not in parts.settings.policy:
            raise Problem(404, f"there is no policy {policy!r}; known: {', '.join(sorted(parts.settings.policy))}")
        with parts.database.read() as connection:
            return views.drills(connection, policy)

    @routes.get("/{identity}", summary="One drill with every step that was measured")
    def one(identity: str) -> dict[str, Any]:
        """Answer its steps with their times and limits, and whether the stored row is what its digest was taken of."""
        number = number_of(identity)
        with parts.database.read() as connection:
            found = views.drill(connection, number)
        if found is None:
            raise Problem(404, f"there is no drill {identity!r}")
        return found

    return routes
