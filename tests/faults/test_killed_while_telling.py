"""A server that is killed between sending a message and marking it: told again under the same id, never lost."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import select

from monitor.store.tables import notifications
from tests.receivers import Endpoint

if TYPE_CHECKING:
    from tests.faults.conftest import Site

TEXT = """
[policy.cooling]
incumbent = "v6"

[notify.duty]
kind = "alertmanager"
urls = ["{url}"]
timeout = "1s"
"""


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    made = Endpoint()
    yield made
    made.close()


@pytest.mark.full
def test_a_killed_server_loses_no_message(site: Site, endpoint: Endpoint, say: Callable[[str], None]) -> None:
    keys: list[str] = []

    def handle(headers: dict[str, str], body: bytes) -> tuple[int, Any]:
        keys.append(headers["idempotency-key"])
        if len(keys) == 1:
            site.kill("serve")  # it has sent, and dies before it is answered
        return 200, {}

    endpoint.handle = handle
    site.configure(TEXT.format(url=endpoint.url))
    site.serve()
    site.post("/notify/duty/test", key="k")
    site.until(lambda: not site.alive("serve"), "the server is not killed")
    site.restart("serve")
    site.until(site.healthy, "serve does not answer again")

    def row() -> Any:
        database = site.open()
        with database.read() as connection:
            found = connection.execute(select(notifications)).one()
        database.close()
        return found

    waited = site.until(lambda: row().state == "delivered", "the message is lost")
    assert keys == [row().id] * 2
    assert row().attempts == 2
    say(f"killed between send and mark; sent again under the same id {waited:.1f} s after the restart (lease 11 s).")
