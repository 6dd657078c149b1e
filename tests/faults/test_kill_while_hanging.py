"""The kill switch while a receiver hangs: the route moves at once, and the receiver ends where the kill said."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import select

from monitor.store.tables import actions

if TYPE_CHECKING:
    from tests.faults.conftest import Site

POLICIES = ("terminal", "http")
WHY = "It endangers people."


def configuration() -> str:
    policy = '[policy.{}]\nincumbent = "v6"\nserving = "v7"\nfallbacks = ["v6", "rules"]\n'
    return "".join(policy.format(name) for name in POLICIES)


def serving(site: Site, policy: str) -> tuple[str, int]:
    answer = site.get(f"/api/v1/policies/{policy}/route")
    assert answer is not None
    return answer.json()["serving"], answer.json()["generation"]


def acted(site: Site) -> list[Any]:
    database = site.open()
    with database.read() as connection:
        found = list(connection.execute(select(actions)).all())
    database.close()
    return found


@pytest.mark.fault(14)
@pytest.mark.full
def test_the_kill_switch_works_while_the_receiver_hangs(site: Site, say: Callable[[str], None]) -> None:
    site.configure(configuration(), timeout="60s")
    site.receiver("--hang", "1")
    site.serve()
    for policy in POLICIES:
        answer = site.post(f"/policies/{policy}/rollback", key=f"back-{policy}", json={"reason": "Reward fell."})
        assert answer is not None
        assert answer.status_code == 202
    site.until(lambda: len(site.posts()) == 2, "the rollbacks do not reach the receiver")
    assert {row.state for row in acted(site)} == {"in_flight"}

    site.start("kill", ["-m", "monitor", "kill", "terminal", "--reason", WHY], {})
    by_terminal = site.until(lambda: serving(site, "terminal") == ("rules", 3), "the terminal's kill does not work")
    begun = time.monotonic()
    answer = site.post("/policies/http/kill", key="kill-http", json={"reason": WHY})
    by_http = time.monotonic() - begun
    assert answer is not None
    assert answer.status_code == 202
    assert [serving(site, policy) for policy in POLICIES] == [("rules", 3)] * 2
    assert [row.state for row in acted(site) if row.to_version == "v6"] == ["superseded"] * 2

    def obeyed() -> bool:
        return [site.served().get(name, {}).get("serving") for name in POLICIES] == ["rules"] * 2

    site.kill("receiver")
    site.receiver()
    waited = site.until(obeyed, "the receiver does not obey")
    site.until(lambda: all(row.acknowledged for row in acted(site) if row.to_version == "rules"), "not acknowledged")
    assert [site.served()[name]["generation"] for name in POLICIES] == [3, 3]
    assert len(acted(site)) == 4
    site.until(lambda: not site.alive("kill"), "the terminal does not come back")
    assert "terminal goes from v6 to rules, generation 3" in site.printed()
    assert not site.errors()
    say(
        f"the receiver hung; killed in {by_terminal:.1f} s from a terminal and {by_http:.2f} s over HTTP; obeyed"
        f" {waited:.1f} s after it was back"
    )
