"""Alerts of other Alertmanagers over HTTP: their webhook comes in, and what they told is read."""

from __future__ import annotations

import hashlib
from typing import Annotated, Any

from fastapi import APIRouter, Body, Depends, Header, Query
from fastapi.responses import JSONResponse

from monitor.api.access import actor as token
from monitor.api.idempotency import KEY, once
from monitor.api.problems import Problem, document
from monitor.events import canonical
from monitor.notify import foreign
from monitor.running.scheduler import Scheduler
from monitor.views.notifications import foreign_alerts

_SCHEMA = foreign.Webhook.model_json_schema()
_ALERT = _SCHEMA.pop("$defs")["Alert"]
_SCHEMA["properties"]["alerts"]["items"] = _ALERT
_TEXT = {name: _ALERT["properties"]["generatorURL"][name] for name in ("type", "pattern", "maxLength")}
for _name in ("labels", "annotations"):  # pydantic says nothing of names that do not fit
    _ALERT["properties"][_name] |= {"propertyNames": _TEXT, "additionalProperties": _TEXT}
    _ALERT["properties"][_name].pop("patternProperties")
_TAKES = {"requestBody": {"required": True, "content": {"application/json": {"schema": _SCHEMA}}}}


def router(scheduler: Scheduler) -> APIRouter:
    """Build the routes."""
    parts = scheduler.parts
    routes = APIRouter(tags=["alerts"])

    @routes.post("/hooks/alertmanager", summary="Take in Alertmanager's webhook, version 4", openapi_extra=_TAKES)
    def take(
        body: Annotated[Any, Body()] = None,
        actor: str = Depends(token),
        idempotency_key: str | None = Header(None, description=KEY),
    ) -> JSONResponse:
        """Keep its alerts; where some cannot be read the others are kept, and 422 names each field and place."""
        try:
            receiver, good, bad = foreign.read(body)
        except foreign.ForeignError as error:
            raise Problem(422, str(error)) from None

        def act() -> tuple[int, dict[str, Any]]:
            named = (parts.settings.policy, receiver, good.values(), f"token:{actor}")
            new = foreign.take(connection, parts.clock, *named)
            if not bad:
                return 200, {"accepted": len(good), "new": new}
            detail = "; ".join(fault["message"] for fault in bad[:5]) + f"; the other {len(good)} alerts are kept"
            return 422, document(422, detail, errors=bad[:100], accepted=len(good), new=new)

        digest = hashlib.sha256(_bytes(body)).hexdigest()
        with parts.database.begin() as connection:
            return once(connection, idempotency_key, f"alertmanager {digest}", parts.clock.now(), act)

    @routes.get("/foreign-alerts", summary="Alerts that other Alertmanagers told of, newest first")
    def listed(
        policy: str | None = Query(None, description="Those whose label `policy` names it."),
        every: bool = Query(False, alias="all", description="Those that are resolved, too."),
    ) -> list[dict[str, Any]]:
        """Answer each with its labels, its start and, where it is resolved, its end."""
        if policy is not None and policy not in parts.settings.policy:
            raise Problem(404, f"there is no policy {policy!r}; known: {', '.join(sorted(parts.settings.policy))}")
        with parts.database.read() as connection:
            return foreign_alerts(connection, policy, every=every)

    return routes


def _bytes(body: Any) -> bytes:
    """Return bytes that are the same for the same body, also where its keys hold what no encoding has."""
    try:
        return canonical(body).encode("utf-8", "surrogatepass")
    except ValueError:  # NaN and infinities
        return repr(body).encode("utf-8", "backslashreplace")
