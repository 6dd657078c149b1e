"""Who may act: the bearer of a token. Reading is open on the loopback interface until identities exist."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Request, Security
from fastapi.security import HTTPBearer
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from monitor import tokens
from monitor.api.problems import Problem, away
from monitor.store.database import Database, DatabaseUnavailableError

_READING = frozenset({"GET", "HEAD", "OPTIONS"})
_CHALLENGE = {"WWW-Authenticate": "Bearer"}
_SCHEME = HTTPBearer(scheme_name="token", description="The API token.", auto_error=False)


class Guard:
    """Middleware that asks for a token before anything else looks at a request that is not a GET.

    A dependency of the routes would come after the body has been read, and a new route could forget it.
    """

    def __init__(self, app: ASGIApp, database: Database) -> None:
        self._app, self._database = app, database

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer 401."""
        if scope["type"] == "http" and scope["method"] not in _READING:
            try:
                name = await run_in_threadpool(_bearer, self._database, Headers(scope=scope))
            except Problem as problem:
                return await problem.answer()(scope, receive, send)
            except DatabaseUnavailableError:
                return await away().answer()(scope, receive, send)
            scope.setdefault("state", {})["actor"] = name
        return await self._app(scope, receive, send)


def actor(request: Request, _documented: Annotated[Any, Security(_SCHEME)] = None) -> str:
    """Return the name of the token that the request came with; a dependency of every route that acts."""
    name: str = request.state.actor
    return name


def _bearer(database: Database, headers: Headers) -> str:
    scheme, _, token = headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise Problem(401, "send the token as `Authorization: Bearer TOKEN`", _CHALLENGE)
    name = tokens.name_of(database, token.strip())
    if name is None:
        raise Problem(401, "this token is not known, or was revoked", _CHALLENGE)
    return name
