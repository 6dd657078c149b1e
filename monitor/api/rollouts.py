"""Rollouts over HTTP: start, approve, advance, pause, go on, abort; raising exposure takes two people's tokens."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Query
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Connection

from monitor.api.access import bearer as presented
from monitor.api.given import TEXT, known, number_of
from monitor.api.idempotency import KEY, once
from monitor.api.problems import Problem, document
from monitor.rollouts import approve, draft, stop
from monitor.rollouts.approve import Agreed
from monitor.rollouts.store import RolloutError
from monitor.running.scheduler import Scheduler
from monitor.tokens import Bearer
from monitor.views import rollouts as view

_STATUS = {"unknown": 404, "conflict": 409, "forbidden": 403, "invalid": 422}


class StartRequest(BaseModel):
    """What POST /rollouts takes."""

    model_config = ConfigDict(extra="forbid")
    policy: str = Field(pattern=TEXT, description="Whose version.")
    to: str = Field(min_length=1, max_length=200, pattern=TEXT, description="The version that is to serve.")
    reason: str = Field(min_length=3, max_length=2000, pattern=TEXT, description="Why; approvers read it.")


class AgreeRequest(BaseModel):
    """What POST /rollouts/{id}/approve and /advance take."""

    model_config = ConfigDict(extra="forbid")
    digest: str = Field(pattern=r"^[0-9a-f]{64}$", description="`wanted.digest` of what this person has looked at.")


class StopRequest(BaseModel):
    """What POST /rollouts/{id}/pause, /resume and /abort take."""

    model_config = ConfigDict(extra="forbid")
    reason: str = Field(min_length=3, max_length=2000, pattern=TEXT, description="Why; kept with the event.")


def router(scheduler: Scheduler) -> APIRouter:
    """Build the routes."""
    parts = scheduler.parts
    routes = APIRouter(prefix="/rollouts", tags=["rollouts"])
    common = (parts.settings, parts.clock)

    def acted(key: str | None, request: str, act: Callable[[Connection], tuple[int, dict[str, Any]]]) -> JSONResponse:
        def once_only() -> tuple[int, dict[str, Any]]:
            try:
                return act(connection)
            except RolloutError as error:
                raise Problem(_STATUS[error.kind], str(error)) from None

        with parts.database.begin() as connection:
            answer = once(connection, key, request, parts.clock.now(), once_only)
        scheduler.loop.wake()
        return answer

    def agreed(connection: Connection, found: Agreed) -> tuple[int, dict[str, Any]]:
        if found.refused:  # answered, not raised: the draft has new evidence, and that is kept
            return 409, document(409, found.sentence, changed=found.changed, digest=found.row.evidence_sha256)
        return 200, view.rollout(connection, *common, found.row.id)

    @routes.get("", summary="Rollouts that are open, newest first")
    def listed(
        policy: str | None = None, every: bool = Query(False, alias="all", description="Those that have ended, too.")
    ) -> list[dict[str, Any]]:
        """Answer each with its stages, hold, judgement, approvals and route."""
        if policy is not None:
            known(parts.settings, policy)
        with parts.database.read() as connection:
            return view.listed(connection, *common, policy, every=every)

    @routes.get("/{identity}", summary="One rollout: stages, hold, judgement with reasons, approvals")
    def one(identity: str) -> dict[str, Any]:
        with parts.database.read() as connection:
            try:
                return view.rollout(connection, *common, number_of(identity))
            except RolloutError as error:
                raise Problem(_STATUS[error.kind], str(error)) from None

    @routes.post("", summary="Start a rollout: a draft that moves nothing until two people approve it", status_code=201)
    def start(
        body: StartRequest,
        bearer: Annotated[Bearer, Depends(presented)],
        idempotency_key: str | None = Header(None, description=KEY),
    ) -> JSONResponse:
        """Write the draft with its evidence; the token's person is the author, who does not approve it."""
        known(parts.settings, body.policy)

        def act(connection: Connection) -> tuple[int, dict[str, Any]]:
            row = draft.start(connection, *common, body.policy, candidate=body.to, reason=body.reason, bearer=bearer)
            return 201, view.rollout(connection, *common, row.id)

        return acted(idempotency_key, f"rollout {bearer.name} {body.model_dump_json()}", act)

    @routes.post("/{identity}/approve", summary="Approve a draft as one person, bound to its evidence's digest")
    def approved(
        identity: str,
        body: AgreeRequest,
        bearer: Annotated[Bearer, Depends(presented)],
        idempotency_key: str | None = Header(None, description=KEY),
    ) -> JSONResponse:
        """Agree to the evidence; 409 with what changed where it is not what this person saw."""

        def act(connection: Connection) -> tuple[int, dict[str, Any]]:
            return agreed(connection, approve.approve(connection, *common, number_of(identity), bearer, body.digest))

        return acted(idempotency_key, f"approve rollout {identity} {bearer.name} {body.digest}", act)

    @routes.post("/{identity}/advance", summary="Agree as one person that a passed stage goes on to the next")
    def advanced(
        identity: str,
        body: AgreeRequest,
        bearer: Annotated[Bearer, Depends(presented)],
        idempotency_key: str | None = Header(None, description=KEY),
    ) -> JSONResponse:
        """Agree to the judgement; the last of the people who are needed raises the exposure by one stage."""

        def act(connection: Connection) -> tuple[int, dict[str, Any]]:
            return agreed(connection, approve.advance(connection, *common, number_of(identity), bearer, body.digest))

        return acted(idempotency_key, f"advance rollout {identity} {bearer.name} {body.digest}", act)

    def stopped(verb: str, summary: str) -> None:
        act_on = {"pause": stop.pause, "resume": stop.resume, "abort": stop.abort}[verb]

        def stopping(
            identity: str,
            body: StopRequest,
            bearer: Annotated[Bearer, Depends(presented)],
            idempotency_key: str | None = Header(None, description=KEY),
        ) -> JSONResponse:
            def act(connection: Connection) -> tuple[int, dict[str, Any]]:
                row = act_on(connection, *common, number_of(identity), body.reason, f"token:{bearer.name}")
                return 200, view.rollout(connection, *common, row.id)

            return acted(idempotency_key, f"{verb} rollout {identity} {body.model_dump_json()}", act)

        routes.post(f"/{{identity}}/{verb}", summary=summary, name=verb)(stopping)

    stopped("pause", "Stop a rollout's clock; its share stays")
    stopped("resume", "Go on with a paused rollout")
    stopped("abort", "End a rollout in any phase; the incumbent takes all traffic again")
    return routes
