"""`checkrein web` and `checkrein worker` apart: what one takes, the other does, also when it was away meanwhile."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import select

from monitor.store.database import Database
from monitor.store.tables import actions

if TYPE_CHECKING:
    from tests.faults.conftest import Site

POLICY = """
[policy.p]
incumbent = "v6"
serving = "v7"
fallbacks = ["v6", "rules"]
[policy.p.constraint.melt]
cost = "melt"
hard = true
"""


def decision(identity: str, version: str, melt: int) -> dict[str, Any]:
    at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    return {"decision_id": identity, "ts": at, "policy": "p", "version": version, "action": "a", "cost.melt": melt}


def answered(site: Site, path: str) -> tuple[int, dict[str, Any]]:
    answer = site.get(path)
    return (0, {}) if answer is None else (answer.status_code, answer.json())


def taken(site: Site, path: str, key: str | None = None, **body: Any) -> None:
    answer = site.post(path, key, **body)
    assert answer is not None
    assert answer.is_success, answer.text


def acknowledged(database: Database) -> list[str]:
    with database.read() as connection:
        done = select(actions.c.to_version).where(actions.c.acknowledged.is_not(None))
        return list(connection.execute(done.order_by(actions.c.generation)).scalars())


@pytest.mark.fault(1)
def test_what_web_takes_is_done_by_the_worker(site: Site, say: Callable[[str], None], empty_url: str) -> None:
    site.configure(f'{POLICY}[store]\nurl = "{empty_url}"\n', timeout="60s")
    site.receiver()
    site.start("web", ["-m", "monitor", "web", "--port", str(site.port)], {})
    site.until(site.healthy, "web does not answer")
    assert answered(site, "/healthz") == (200, {"healthy": True, "parts": {}})
    assert answered(site, "/readyz") == (503, {"ready": False, "stale": {"judge:p": None, "actions": None}})
    taken(site, "/decisions", json=[decision("d1", "v7", 0)])
    site.worker()
    site.until(lambda: answered(site, "/readyz") == (200, {"ready": True, "stale": {}}), "the worker is not seen")
    database = Database(empty_url, busy=300.0)
    taken(site, "/policies/p/rollback", "one", json={"reason": "the fault test asks"})
    asked = site.until(lambda: acknowledged(database) == ["v6"], "the rollback is not delivered")
    taken(site, "/decisions", json=[decision("d2", "v6", 1)])
    seen = site.until(lambda: acknowledged(database) == ["v6", "rules"], "the violation is not judged")
    site.kill("worker")
    taken(site, "/policies/p/rollback", "two", json={"reason": "while the worker is dead", "to": "v7"})
    assert answered(site, "/api/v1/policies/p/route")[1]["serving"] == "v7"
    taken(site, "/policies/p/kill", "three", json={"reason": "while the worker is dead"})
    assert answered(site, "/api/v1/policies/p/route")[1]["serving"] == "rules"
    site.restart("worker")
    late = site.until(lambda: acknowledged(database) == ["v6", "rules", "rules"], "what waited is not delivered")
    database.close()
    assert site.served()["p"]["generation"] == 5
    assert (site.end("web"), site.end("worker")) == (0, 0)
    assert not site.errors()
    say(
        f"asked at web, acknowledged by way of the worker {asked:.1f} s later; a hard violation posted to web was"
        f" judged, sent and acknowledged in {seen:.1f} s; a kill while it was dead {late:.1f} s after it was back"
    )
