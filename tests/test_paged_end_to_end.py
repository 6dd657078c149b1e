"""From bad rewards in the log to "it is over": who is told what and when, over real receivers, nothing simulated.

The log is posted, judged and sealed as it always is; messages go out by Apprise and to a receiver that speaks
PagerDuty's Events API; people answer over HTTP. Only the clock is the test's.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from monitor.alerting.alert_ids import identify
from monitor.clock import ManualClock, stamp
from monitor.settings import shipped_triggers
from monitor.store.database import Database
from monitor.tick import tick
from tests.api_site import Api
from tests.paged import LIMIT, RULE
from tests.receivers import Endpoint

MINUTE = 60.0
EVERY = 4.0
TABLES: dict[str, Any] = {
    "trigger": {**{name: {"enabled": False} for name in shipped_triggers()}, "low": {**RULE, **LIMIT}},
    "person": {"anna": {"notify": ["phone"]}, "bo": {"notify": ["duty"]}},
    "escalation": {
        "night": {
            "levels": [{"notify": ["person:anna"], "within": "5m"}, {"notify": ["person:bo"], "within": "10m"}],
        }
    },
}
POLICY = {"incumbent": "v6", "serving": "v7", "fallbacks": ["v6"], "actions": ["hold"], "escalation": "night"}


class Night:
    """A policy, its log, two receivers, and the passes and loops that a server runs."""

    def __init__(self, database: Database, clock: ManualClock, root: Path, phone: dict[str, Any], duty: Endpoint):
        pager = {"kind": "pagerduty", "routing_key": "env:DUTY_KEY", "url": f"{duty.url}/v2/enqueue"}
        tables = {**TABLES, "notify": {"phone": phone, "duty": pager}}
        tables["trigger"]["low"]["severity"] = "page"
        self.api, self.clock, self.version, self.reward = (
            Api(database, clock, root, {"p": POLICY}, **tables),
            clock,
            "v7",
            1.0,
        )
        self.draw = np.random.default_rng(11)

    def minutes(self, minutes: int, step: int = 1) -> None:
        """Let time pass: the log grows, is judged, and whoever is due is told, every ``step`` minutes."""
        for _ in range(minutes // step):
            at = self.clock.now()
            rows = [self.row(at + EVERY * number) for number in range(int(step * MINUTE / EVERY))]
            self.clock.advance(step * MINUTE)
            assert self.api.lines(rows).status_code == 200
            tick(self.api.parts, "p")
            self.api.scheduler.loop.run_due()
            self.api.scheduler.telling.run_due()

    def row(self, at: float) -> dict[str, Any]:
        named = {"decision_id": f"{self.version}-{at}", "ts": stamp(at), "policy": "p", "version": self.version}
        return {
            **named,
            "action": "hold",
            "propensity": 1.0,
            "reward": round(float(self.draw.normal(self.reward, 0.1)), 3),
        }

    @property
    def incident(self) -> dict[str, Any]:
        found: dict[str, Any] = self.api.get("/incidents/1").json()
        return found


def told(duty: Endpoint) -> list[tuple[str, str]]:
    """Return (what PagerDuty was asked to do, under which key)."""
    bodies = [json.loads(body) for body in duty.bodies]
    return [(body["event_action"], body["dedup_key"]) for body in bodies]


@pytest.fixture
def receivers(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Endpoint, Endpoint]]:
    phone, duty = Endpoint(), Endpoint()
    duty.handle = lambda headers, body: (202, {"status": "success"})
    monkeypatch.setenv("PHONE_URL", phone.url.replace("http://", "json://"))
    monkeypatch.setenv("DUTY_KEY", "R" * 32)
    yield phone, duty
    phone.close()
    duty.close()


@pytest.mark.parametrize("kind", ["alertmanager", pytest.param("apprise", marks=pytest.mark.full)])
def test_a_night(
    database: Database, clock: ManualClock, tmp_path: Path, receivers: tuple[Endpoint, Endpoint], kind: str
) -> None:
    phone, duty = receivers
    channel = {"urls": ["env:PHONE_URL"]} if kind == "apprise" else {"kind": kind, "urls": [phone.url]}
    night = Night(database, clock, tmp_path, channel, duty)

    def heard() -> list[str]:
        """Return what the phone got: woken, acknowledged, resolved."""
        bodies = [json.loads(body) for body in phone.bodies]
        if kind == "apprise":
            words = [body["title"].partition(": ")[0].lower() for body in bodies]
        else:
            words = [body["commonLabels"]["kind"] for body in bodies]
        return [word if word in {"acknowledged", "resolved"} else "woken" for word in words]

    night.minutes(5)
    assert (phone.bodies, duty.bodies) == ([], []), "nothing is wrong yet"

    night.reward = 0.1
    while not phone.bodies:
        night.minutes(1)
    assert (heard(), told(duty)) == (["woken"], []), "the first level is anna, by phone"
    night.minutes(4)
    assert told(duty) == []
    night.minutes(1)
    assert told(duty) == [("trigger", "incident-1")], "nobody answered for 5 minutes: bo"
    assert night.incident["level"] == 2

    alert = identify("p", "v7", "low", "")
    assert night.api.post(f"/alerts/{alert}/ack", {"by": "bo", "seconds": 600}).json()["incident"] == 1
    night.minutes(1)
    assert (heard(), told(duty)[1:]) == (["woken", "acknowledged"], [("acknowledge", "incident-1")])
    night.minutes(8)
    assert (len(heard()), len(told(duty))) == (2, 2), "bo has it: nobody is woken"
    night.minutes(2)
    assert (heard()[2:], night.incident["state"]) == (["woken"], "triggered"), "it expired: anna again"

    assert night.api.post("/policies/p/rollback", {"reason": "Reward fell."}).status_code == 202
    night.minutes(1)
    assert night.incident["ack_by"] == "token:first", "whoever rolls back has it"
    night.version, night.reward = "v6", 1.0  # the serving side obeys
    route = night.api.get("/policies/p/route").json()
    served = {"generation": route["generation"], "serving": route["serving"]}
    assert night.api.post("/policies/p/acknowledge", served).json()["matched"] == 1
    night.minutes(5)
    assert night.incident["state"] == "mitigated", "the log shows v6 alone"

    night.minutes(40, step=5)
    assert (heard(), night.incident["state"]) == (["woken", "acknowledged", "woken", "woken", "resolved"], "closed")
    assert [what for what, _key in told(duty)] == ["trigger", "acknowledge", "trigger", "resolve"]
    assert {key for _what, key in told(duty)} == {"incident-1"}
    assert night.api.get("/alerts").json() == []
