"""Fault 13: what people agreed to, a hold and an escalation are where they were after every kill -9, each once."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import closing
from typing import Any

import pytest
from sqlalchemy import func, select

from monitor import tokens
from monitor.clock import SystemClock
from monitor.store.tables import rollout_approvals
from tests.faults.conftest import Site
from tests.faults.test_survives_kill import ask_until

STAGED = """[policy.p]
incumbent = "v6"
fallbacks = ["v6", "rules"]
escalation = "night"
[policy.p.rollout]
stages = [0, 0.5, 1.0]
approvals = 3
[notify.duty]
kind = "alertmanager"
urls = ["http://127.0.0.1:9/"]
[escalation.night]
levels = [{notify = ["duty"], within = "30s"}, {notify = ["duty"], within = "30s"}, {notify = ["duty"], within = "1h"}]
"""


@pytest.mark.fault(13)
@pytest.mark.full
def test_approvals_a_hold_and_an_escalation_survive_kills(site: Site, say: Callable[[str], None]) -> None:
    site.configure(STAGED)
    site.serve()
    with closing(site.open()) as database, database.begin() as connection:
        own = {
            name: tokens.create(connection, SystemClock(), name, name, tokens.SCOPES, 86400.0, "test")
            for name in ("anna", "ben", "cleo", "dora")
        }

    def killed() -> None:
        site.kill("serve")
        site.restart("serve")
        site.until(site.healthy, "serve does not answer")

    def asked(who: str, what: str, **body: Any) -> Any:
        answer = ask_until(site, what, f"{who} {what}", token=own[who], json=body)
        assert answer.status_code < 300, answer.text
        return answer.json()

    def shown(path: str) -> Any:
        answer = site.get(f"/api/v1{path}")
        return {} if answer is None or answer.status_code != 200 else answer.json()

    digest = asked("anna", "/rollouts", policy="p", to="v7", reason="Better.")["wanted"]["digest"]
    for number, who in enumerate(("ben", "cleo", "dora"), 1):
        asked(who, "/rollouts/1/approve", digest=digest)
        killed()
        assert asked(who, "/rollouts/1/approve", digest=digest), "the same request is answered as it was"
        with closing(site.open()) as database, database.read() as connection:
            assert connection.execute(select(func.count()).select_from(rollout_approvals)).scalar_one() == number
    site.until(lambda: shown("/rollouts/1").get("phase") == "baking", "the rollout does not begin")
    killed()
    assert shown("/rollouts/1")["phase"] == "baking"
    asked("anna", "/rollouts/1/pause", reason="A holiday.")
    killed()
    assert shown("/rollouts/1")["phase"] == "paused"
    asked("anna", "/rollouts/1/abort", reason="Enough.")

    asked("anna", "/policies/p/kill", reason="It endangers people.")
    asked("anna", "/incidents/1/unack")

    def levels() -> list[str]:
        told = shown("/incidents/1").get("timeline", [])
        texts = [one["text"] for one in told if one["kind"] == "incident.escalated"]
        return [found[1] for text in texts if (found := re.search(r"[Ll]evel (\d) of 3", text))]

    site.until(lambda: len(levels()) >= 1, "nobody is woken")
    killed()
    site.until(lambda: len(levels()) >= 3, "the escalation stands still")
    killed()
    assert levels() == ["1", "2", "3"], "one after the other, each once"
    assert not site.errors()
    say(f"{site.kills['serve']} kills -9: 3 approvals once each, the hold and the pause kept, 3 levels in their order")
