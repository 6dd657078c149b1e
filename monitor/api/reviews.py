"""The shadow review over HTTP: what waits for people, one item, a verdict, and how far reviewers agree."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Query
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field

from monitor.api.access import bearer
from monitor.api.given import known
from monitor.api.idempotency import KEY, once
from monitor.api.problems import Problem
from monitor.review import concluded, judging, told
from monitor.running.scheduler import Scheduler
from monitor.tokens import Bearer
from runbooks.reviews import Verdict


class VerdictRequest(BaseModel):
    """What POST /reviews/{identity}/verdict takes; the token says who judges."""

    model_config = ConfigDict(extra="forbid")
    verdict: Verdict = Field(description="What the shadow's action is, beside the live one.")
    note: str = Field(
        "", max_length=2000, pattern=r"^[^\x00]*$", description="Why; others see it when they have judged."
    )


def router(scheduler: Scheduler) -> APIRouter:
    """Build the routes."""
    parts = scheduler.parts
    routes = APIRouter(tags=["reviews"])

    def there(found: dict[str, Any] | None, identity: str) -> dict[str, Any]:
        if found is None:
            raise Problem(404, f"there is no review {identity!r}")
        return found

    @routes.get("/reviews", summary="Shadow disagreements that wait for reviewers")
    def listed(
        policy: str | None = None,
        every: bool = Query(False, alias="all", description="Decided and displaced ones, too."),
    ) -> list[dict[str, Any]]:
        """Answer the newest days first; verdicts are there only where an item is decided."""
        with parts.database.read() as connection:
            return told.listed(connection, parts.clock, policy and known(parts.settings, policy), every=every)

    @routes.get("/reviews/{identity}", summary="One disagreement, with what its row says")
    def one(identity: str) -> dict[str, Any]:
        """Answer without verdicts until it is decided, so that nobody judges after another."""
        if "\x00" in identity:
            raise Problem(404, "there is no review with NUL in its id")
        with parts.database.read() as connection:
            return there(told.one(connection, parts.clock, identity), identity)

    @routes.post("/reviews/{identity}/verdict", summary="Judge a disagreement; an exploit pages")
    def judge(
        identity: str,
        body: VerdictRequest,
        token: Annotated[Bearer, Depends(bearer)],
        idempotency_key: str | None = Header(None, description=KEY),
    ) -> JSONResponse:
        """Take the verdict of the token's person, or change it; two different people decide an item."""
        if "\x00" in identity:
            raise Problem(404, "there is no review with NUL in its id")

        def act() -> tuple[int, dict[str, Any]]:
            said = {"verdict": body.verdict.value, "note": body.note, "actor": f"token:{token.name}"}
            try:
                found = judging.judge(connection, parts.clock, identity, by=token.who, **said)
            except judging.ReviewError as error:
                raise Problem(422, str(error)) from None
            return 200, there(found, identity)

        with parts.database.begin() as connection:
            asked = f"review {identity} {token.name} {body.model_dump_json()}"
            return once(connection, idempotency_key, asked, parts.clock.now(), act)

    @routes.get("/policies/{policy}/review-agreement", summary="How far the reviewers of a policy agree")
    def agreement(policy: str) -> dict[str, Any]:
        """Answer agreement beyond chance, and how often each verdict is true of large disagreements."""
        with parts.database.read() as connection:
            return concluded.agreement(connection, known(parts.settings, policy))

    return routes
