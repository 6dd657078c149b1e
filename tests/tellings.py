"""A site whose people are told through real local receivers, for the tests of notifications."""

from __future__ import annotations

import json
from typing import Any

from sqlalchemy import select

from monitor import settings
from monitor.clock import ManualClock
from monitor.notify import Message, enqueue
from monitor.notify.loop import NotificationLoop
from monitor.store.database import Database
from monitor.store.tables import events, notifications
from tests.receivers import Endpoint


def message(**changes: Any) -> Message:
    """Return a page of incident 7."""
    said = {"kind": "page", "policy": "p0", "severity": "page", "title": "Reward fell", "text": "It fell by a third."}
    return Message(**{**said, "dedup": "incident:7", "incident": 7, "link": "/incidents/7", **changes})


class Told:
    """A policy, channels and a loop; the receiver of the channel ``duty`` is ``a``."""

    def __init__(self, database: Database, clock: ManualClock, a: Endpoint, **channels: dict[str, Any]) -> None:
        self.database, self.clock, self.a = database, clock, a
        duty = {"kind": "alertmanager", "urls": [a.url], "timeout": "100s"}
        policy = {"incumbent": "v6", "serving": "v7", "fallbacks": ["v6"]}
        self.settings = settings.parse({"policy": {"p0": policy}, "notify": {"duty": duty, **channels}})
        self.loop = self.another()

    def another(self) -> NotificationLoop:
        return NotificationLoop(self.database, self.settings, self.clock, "test")

    def tell(self, channel: str = "duty", **changes: Any) -> str:
        with self.database.begin() as connection:
            return enqueue(connection, self.clock, [channel, channel], message(**changes))[0]

    def run(self, advance: float = 0.0) -> int:
        self.clock.advance(advance)
        return self.loop.run_due()

    def row(self, identity: str) -> Any:
        with self.database.read() as connection:
            return connection.execute(select(notifications).where(notifications.c.id == identity)).one()

    def state(self, identity: str) -> str:
        return str(self.row(identity).state)

    def kinds(self, dedup: str = "") -> list[str]:
        """Return what the receiver got, by the kind of message; of one trouble, or of all."""
        got = [json.loads(body) for body in self.a.bodies]
        return [one["commonLabels"]["kind"] for one in got if dedup in one["groupKey"]]

    def events(self) -> list[str]:
        with self.database.read() as connection:
            return list(connection.execute(select(events.c.kind).order_by(events.c.id)).scalars())
