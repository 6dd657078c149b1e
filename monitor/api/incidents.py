"""Incidents over HTTP: look, take, write down, end; and who is on call."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Query
from fastapi.responses import JSONResponse
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field
from sqlalchemy import Connection

from monitor import incidents
from monitor.api.access import actor as token
from monitor.api.given import TEXT, known, number_of, since_1970
from monitor.api.idempotency import KEY, once
from monitor.api.problems import Problem
from monitor.incidents import oncall, opening
from monitor.incidents.acknowledging import LONGEST, SHORTEST
from monitor.running.scheduler import Scheduler
from monitor.views import incident as look
from monitor.views import incidents as many

_Key = Annotated[str | None, Header(description=KEY)]
_LATEST = 4_102_444_800.0  # 2100
_At = Annotated[AwareDatetime | None, Query(description="At which time; absent: now.")]


class Said(BaseModel):
    """Who says something about an incident."""

    model_config = ConfigDict(extra="forbid")
    by: str | None = Field(None, min_length=1, max_length=200, pattern=TEXT, description="Absent: the token's name.")


class AckRequest(Said):
    """What POST /incidents/{number}/ack takes."""

    seconds: float = Field(opening.HOLDS, ge=SHORTEST, le=LONGEST, description="How long it wakes nobody.")


class NoteRequest(Said):
    """What POST /incidents/{number}/note takes."""

    text: str = Field(min_length=1, max_length=10_000, pattern=TEXT, description="What is to be remembered.")


class StepRequest(Said):
    """What POST /incidents/{number}/steps/{step} takes."""

    skip: bool = Field(False, description="It is left out.")


class FollowUpRequest(Said):
    """What POST /incidents/{number}/follow-ups takes."""

    text: str = Field(min_length=1, max_length=2000, pattern=TEXT, description="What is to be done.")
    owner: str | None = Field(None, min_length=1, max_length=200, pattern=TEXT, description="Absent: who asks.")
    due: AwareDatetime | None = Field(None, description="Until when.")


def router(scheduler: Scheduler) -> APIRouter:
    """Build the routes."""
    parts = scheduler.parts
    routes = APIRouter(tags=["incidents"])

    def changed(
        identity: str, key: str | None, what: str, body: BaseModel, act: Callable[[Connection, int], bool]
    ) -> JSONResponse:
        def move() -> tuple[int, dict[str, Any]]:
            number = number_of(identity)
            if look(connection, number) is None:
                raise Problem(404, f"there is no incident {identity!r}")
            try:
                done = act(connection, number)
            except incidents.IncidentConflictError as error:
                raise Problem(409, str(error)) from None
            except incidents.IncidentError as error:
                raise Problem(422, str(error)) from None
            if not done:
                raise Problem(409, f"nothing of incident {identity} changed: it was done before, or is not there")
            return 200, look(connection, number) or {}

        with parts.database.begin() as connection:
            request = f"{what} {identity} {body.model_dump_json()}"
            answer = once(connection, key, request, parts.clock.now(), move)
        scheduler.loop.wake()
        return answer

    @routes.get("/incidents", summary="Incidents that are not closed, newest first")
    def listed(
        policy: str | None = None, every: bool = Query(False, alias="all", description="Those that are closed, too.")
    ) -> list[dict[str, Any]]:
        """Answer each with its state, who has it and when it escalates."""
        if policy is not None:
            known(parts.settings, policy)
        with parts.database.read() as connection:
            return many(connection, policy, every=every)

    @routes.get("/incidents/{number}", summary="One incident: runbook steps, notes, follow-ups, timeline")
    def one(number: str) -> dict[str, Any]:
        """Answer with everything that is known of it."""
        with parts.database.read() as connection:
            found = look(connection, number_of(number))
        if found is None:
            raise Problem(404, f"there is no incident {number!r}")
        return found

    @routes.post("/incidents/{number}/ack", summary="Take an incident for a while")
    def ack(
        number: str,
        body: AckRequest,
        actor: str = Depends(token),
        idempotency_key: _Key = None,
    ) -> JSONResponse:
        """Wake nobody until it expires."""
        return changed(
            number, idempotency_key, "ack", body,
            lambda c, n: incidents.acknowledge(c, parts.settings, parts.clock, n, body.by or actor, body.seconds),
        )  # fmt: skip

    def said(verb: str, summary: str, told: str, act: Callable[[Connection, int, str], bool]) -> None:
        def saying(number: str, body: Said, actor: str = Depends(token), idempotency_key: _Key = None) -> JSONResponse:
            return changed(number, idempotency_key, verb, body, lambda c, n: act(c, n, body.by or actor))

        routes.post(f"/incidents/{{number}}/{verb}", summary=summary, description=told, name=verb)(saying)

    said(
        "unack", "Give an incident back; it wakes people again", "Start its escalation again.",
        lambda c, n, who: incidents.unacknowledge(c, parts.clock, n, who),
    )  # fmt: skip
    said(
        "escalate", "Wake the next level now",
        "Tell the next level at once, without waiting for its time; whoever had taken the incident gives it back.",
        lambda c, n, who: incidents.escalate(c, parts.settings, parts.clock, n, who),
    )  # fmt: skip
    said(
        "mitigate", "Say that somebody acts",
        "Wake nobody for 30 minutes; that it helped is shown by alerts and the log alone.",
        lambda c, n, who: incidents.mitigate(c, parts.clock, n, who),
    )  # fmt: skip
    said(
        "resolve", "Say that an incident is over", "End it; 409 while something fires or a rollback is not confirmed.",
        lambda c, n, who: incidents.resolve(c, parts.settings, parts.clock, n, who),
    )  # fmt: skip

    @routes.post("/incidents/{number}/note", summary="Write a note into the timeline")
    def note(
        number: str,
        body: NoteRequest,
        actor: str = Depends(token),
        idempotency_key: _Key = None,
    ) -> JSONResponse:
        """Append it."""
        return changed(
            number, idempotency_key, "note", body,
            lambda c, n: incidents.note(c, parts.clock, n, body.by or actor, body.text),
        )  # fmt: skip

    @routes.post("/incidents/{number}/steps/{step}", summary="Say that a runbook step is done")
    def step(
        number: str, step: str, body: StepRequest, actor: str = Depends(token),
        idempotency_key: _Key = None,
    ) -> JSONResponse:  # fmt: skip
        """Mark it, and start the next one's clock."""

        def act(connection: Connection, identity: int) -> bool:
            who = body.by or actor
            return incidents.take_step(connection, parts.clock, identity, number_of(step), who, skip=body.skip)

        return changed(number, idempotency_key, f"step {step}", body, act)

    @routes.post("/incidents/{number}/follow-ups", summary="Write down what must be done afterwards")
    def follow_up(
        number: str, body: FollowUpRequest, actor: str = Depends(token),
        idempotency_key: _Key = None,
    ) -> JSONResponse:  # fmt: skip
        """Append it, with who does it and until when."""

        def act(connection: Connection, identity: int) -> bool:
            who, due = body.by or actor, None if body.due is None else since_1970(body.due)
            owner = body.owner or who
            return incidents.follow_up(connection, parts.clock, identity, who, body.text, owner, due) is not None

        return changed(number, idempotency_key, "follow-up", body, act)

    @routes.post("/incidents/{number}/follow-ups/{follow_up}/done", summary="Say that a follow-up is done")
    def done(
        number: str, follow_up: str, body: Said, actor: str = Depends(token),
        idempotency_key: _Key = None,
    ) -> JSONResponse:  # fmt: skip
        """Mark it."""
        return changed(
            number, idempotency_key, f"done {follow_up}", body,
            lambda c, n: incidents.follow_up_done(c, parts.clock, n, number_of(follow_up), body.by or actor),
        )  # fmt: skip

    @routes.get("/oncall", summary="Who is on call, and who is next")
    def on_call(at: _At = None) -> list[dict[str, Any]]:
        """Answer every rota with its turns and the gaps of the coming 168 hours."""
        when = parts.clock.now() if at is None else since_1970(at)
        if not 0 <= when <= _LATEST:
            raise Problem(404, "no rota reaches that time: choose one between 1970 and 2100")
        return oncall.shown(parts.settings, when)

    return routes
