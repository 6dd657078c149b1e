"""Every address that acts, of the OpenAPI document: nothing without a token that is for it, nothing twice."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from monitor import tokens
from monitor.api.access import needed
from monitor.clock import ManualClock
from monitor.store.database import Database
from tests.api_site import Api, problem

ROWS = {"/decisions", "/rewards"}  # the rows have ids of their own: landed twice, they are there once
ACTING = 25


@pytest.fixture
def api(database: Database, clock: ManualClock, tmp_path: Path) -> Api:
    return Api(database, clock, tmp_path)


def acting(api: Api) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Yield method, path and description of all that is no reading."""
    document = api.ask("GET", "/api/v1/openapi.json").json()
    for path, operations in document["paths"].items():
        for method, told in operations.items():
            if method != "get":
                yield method.upper(), path, told


def test_nothing_acts_without_a_token_or_with_one_that_is_for_something_else(api: Api, clock: ManualClock) -> None:
    with api.parts.database.begin() as connection:
        made = {
            scope: tokens.create(connection, clock, f"only-{scope}", "anna", [scope], 3600.0, "test")
            for scope in ("view", "act")
        }
    asked = 0
    for method, path, _told in acting(api):
        address = re.sub(r"\{\w+\}", "1", path)
        assert problem(api.ask(method, address), 401), path
        wrong = "act" if needed(address) == "approve" else "view"
        headers = {"authorization": f"Bearer {made[wrong]}"}
        assert f"needs the scope '{needed(address)}'" in problem(api.ask(method, address, headers=headers), 403), path
        asked += 1
    assert asked >= ACTING


def test_every_address_that_acts_takes_an_idempotency_key(api: Api) -> None:
    without = {
        path.removeprefix("/api/v1")
        for method, path, told in acting(api)
        if method != "PUT" and "idempotency-key" not in {one["name"].lower() for one in told.get("parameters", ())}
    }
    assert without == ROWS
