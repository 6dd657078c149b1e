"""Errors as application/problem+json (RFC 9457)."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from monitor.store.database import DatabaseUnavailableError

MEDIA_TYPE = "application/problem+json"
SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "What is wrong, and what to do."},
    },
}
# What an OpenAPI document says of the errors that every operation may answer with.
RESPONSES: dict[int | str, dict[str, Any]] = {
    "4XX": {"description": "The request is wrong; the detail says how", "content": {MEDIA_TYPE: {"schema": SCHEMA}}},
    "5XX": {"description": "Send it again after Retry-After", "content": {MEDIA_TYPE: {"schema": SCHEMA}}},
}


class Problem(Exception):  # noqa: N818 - RFC 9457 calls it a problem
    """An answer that is not the one asked for: status, and a sentence with the fix."""

    def __init__(self, status: int, detail: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(detail)
        self.status, self.detail, self.headers = status, detail, dict(headers or {})

    def answer(self) -> JSONResponse:
        """Return the problem as a response."""
        return answer(self.status, self.detail, self.headers)


def document(status: int, detail: str, **more: Any) -> dict[str, Any]:
    """Return the members of a problem document."""
    return {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status, "detail": detail, **more}


def answer(status: int, detail: str, headers: Mapping[str, str] | None = None, **more: Any) -> JSONResponse:
    """Build the response with the problem document."""
    return JSONResponse(document(status, detail, **more), status, dict(headers or {}), media_type=MEDIA_TYPE)


def away() -> Problem:
    """Return the problem of a database that does not answer."""
    detail = "the database is locked or away; nothing of this request was kept: send it again"
    return Problem(503, detail, {"Retry-After": "1"})


def install(app: FastAPI) -> None:
    """Make every error of the application a problem document."""

    @app.exception_handler(Problem)
    async def _problem(_request: Request, error: Problem) -> JSONResponse:
        return error.answer()

    @app.exception_handler(HTTPException)
    async def _http(_request: Request, error: HTTPException) -> JSONResponse:
        return answer(error.status_code, str(error.detail), error.headers)

    @app.exception_handler(RequestValidationError)
    async def _invalid(_request: Request, error: RequestValidationError) -> JSONResponse:
        faults = [
            {"where": ".".join(str(part) for part in item["loc"]), "message": item["msg"]} for item in error.errors()
        ]
        detail = "; ".join(f"{fault['where']}: {fault['message']}" for fault in faults)
        return answer(422, detail, errors=faults)

    @app.exception_handler(DatabaseUnavailableError)
    async def _database(_request: Request, _error: DatabaseUnavailableError) -> JSONResponse:
        return away().answer()

    @app.exception_handler(Exception)
    async def _surprise(_request: Request, _error: Exception) -> JSONResponse:
        return answer(500, "this is a fault of the server; its log says more")
