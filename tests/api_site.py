"""An API over a real database and lake, asked through its own ASGI interface, for the tests of monitor/api."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import httpx
from sqlalchemy import Table, select

from monitor import tokens
from monitor.acting import rollback
from monitor.api.app import create_app
from monitor.clock import ManualClock
from monitor.landing.land import Landing
from monitor.running.scheduler import Scheduler
from monitor.settings import parse
from monitor.store.database import Database
from monitor.store.tables import manifest
from monitor.tick import Parts

POLICIES = {
    "cooling": {"incumbent": "v6", "serving": "v7", "fallbacks": ["v6", "rules"], "actions": ["hold", "cool"]},
    "heating": {"incumbent": "v1", "actions": ["off", "on"], "skew": "1h"},
}
NDJSON = "application/x-ndjson"


class Api:
    """The application, its parts, a client and the first token."""

    def __init__(
        self, database: Database, clock: ManualClock, root: Path, policies: Mapping[str, Any] = POLICIES, **more: Any
    ) -> None:
        settings = parse({"store": {"lake": "lake"}, "policy": policies, **more}, root)
        self.parts = Parts(settings, database, clock, Landing(database, settings, clock))
        with database.begin() as connection:
            for name in policies:
                rollback.ensure_policy(connection, settings, name)
                rollback.ensure_route(connection, settings, clock, name)
        self.scheduler = Scheduler(self.parts, "test")
        self.app = create_app(self.scheduler, run=False)
        self.raises = True
        self.token = tokens.ensure(database, clock) or ""

    def ask(self, method: str, path: str, **options: Any) -> httpx.Response:
        """Send one request through the whole application; a fault of it is raised here unless ``raises`` is off."""

        async def send() -> httpx.Response:
            transport = httpx.ASGITransport(app=self.app, raise_app_exceptions=self.raises)
            async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
                return await client.request(method, path, **options)

        return asyncio.run(send())

    def get(self, path: str, **options: Any) -> httpx.Response:
        return self.ask("GET", f"/api/v1{path}", **options)

    def post(
        self, path: str, body: Any = None, kind: str = "application/json", headers: Mapping[str, str] | None = None
    ) -> httpx.Response:
        """POST bytes as they are, anything else as JSON, with the token."""
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        given = {"authorization": f"Bearer {self.token}", "content-type": kind, **(headers or {})}
        return self.ask("POST", f"/api/v1{path}", content=content, headers=given)

    def lines(self, rows: Sequence[Mapping[str, Any]], path: str = "/decisions") -> httpx.Response:
        """POST rows as JSON lines."""
        return self.post(path, "\n".join(json.dumps(row) for row in rows).encode(), NDJSON)

    def rows(self, table: Table) -> list[Any]:
        with self.parts.database.read() as connection:
            return list(connection.execute(select(table)).all())

    def lake(self, policy: str, kind: str = "decisions") -> list[dict[str, Any]]:
        """Return the rows of the lake's files that count."""
        files = [row.file for row in self.rows(manifest) if (row.policy, row.kind) == (policy, kind)]
        return [row for file in files for row in self.parts.landing.lake.open(file).to_pylist()]


def decision(identity: str, **changes: Any) -> dict[str, Any]:
    """Return one decision as a log has it; None takes a field away."""
    row: dict[str, Any] = {"decision_id": identity, "ts": "2025-06-15T15:05:00Z", "policy": "cooling", "version": "v7"}
    row |= {"action": "hold", "propensity": 0.5, "reward": 1.0, **changes}
    return {name: value for name, value in row.items() if value is not None}


def problem(answer: httpx.Response, status: int) -> str:
    """Check that an answer is a problem document of this status, and return its sentence."""
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json"), answer.text
    told = answer.json()
    assert told["status"] == status
    assert told["type"]
    assert told["title"]
    return str(told["detail"])
