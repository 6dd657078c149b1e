"""Who may act: the bearer of a token. Reading is open on the loopback interface until identities exist."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Depends, Request, Security
from fastapi.security import HTTPBearer
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from monitor import tokens
from monitor.api.problems import Problem, away
from monitor.clock import Clock
from monitor.store.database import Database, DatabaseUnavailableError
from monitor.tokens import Bearer

_READING = frozenset({"GET", "HEAD", "OPTIONS"})
_APPROVING, _ACKNOWLEDGING = ("/approve", "/advance"), ("/ack", "/acknowledge")
_CHALLENGE = {"WWW-Authenticate": "Bearer"}
_SCHEME = HTTPBearer(scheme_name="token", description="The API token.", auto_error=False)


class Guard:
    """Middleware that asks for a token of the right scope before anything else looks at what is not a GET.

    A dependency of the routes would come after the body has been read, and a new route could forget it.
    """

    def __init__(self, app: ASGIApp, database: Database, clock: Clock) -> None:
        self._app, self._database, self._clock = app, database, clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer 401 or 403."""
        if scope["type"] == "http" and scope["method"] not in _READING:
            try:
                found = await run_in_threadpool(self._bearer, Headers(scope=scope), needed(scope["path"]))
            except Problem as problem:
                return await problem.answer()(scope, receive, send)
            except DatabaseUnavailableError:
                return await away().answer()(scope, receive, send)
            scope.setdefault("state", {})["bearer"] = found
        return await self._app(scope, receive, send)

    def _bearer(self, headers: Headers, scope: str) -> Bearer:
        kind, _, token = headers.get("authorization", "").partition(" ")
        if kind.lower() != "bearer" or not token:
            raise Problem(401, "send the token as `Authorization: Bearer TOKEN`", _CHALLENGE)
        with self._database.read() as connection:
            found = tokens.bearer(connection, token.strip(), self._clock)
        if found is None:
            raise Problem(401, "this token is not known, was revoked, or has expired", _CHALLENGE)
        if not found.may(scope):
            raise Problem(403, f"the token {found.name!r} is not for this: it needs the scope {scope!r}")
        return found


def needed(path: str) -> str:
    """Return the scope that acting on an address needs.

    >>> needed("/rollouts/1/advance"), needed("/policies/p/acknowledge"), needed("/policies/p/kill")
    ('approve', 'ack', 'act')
    """
    if path.endswith(_APPROVING):
        return "approve"
    return "ack" if path.endswith(_ACKNOWLEDGING) else "act"


def bearer(request: Request, _documented: Annotated[Any, Security(_SCHEME)] = None) -> Bearer:
    """Return whose token the request came with; a dependency of every route that asks for a person."""
    found: Bearer = request.state.bearer
    return found


def actor(found: Annotated[Bearer, Depends(bearer)]) -> str:
    """Return the name of the token that the request came with; a dependency of every route that acts."""
    return found.name
