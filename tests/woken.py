"""A policy with people to be woken, the loop that wakes them, and what they got."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sqlalchemy import insert, select, update

from monitor import incidents
from monitor.acting.actions import ActionLoop
from monitor.clock import ManualClock
from monitor.incidents.auditor import Auditor
from monitor.settings import Notify
from monitor.store.database import Database
from monitor.store.tables import actions, events, incident_steps, notifications, traffic
from monitor.store.tables import incidents as table
from monitor.tick import Parts
from tests.paged import judged, parts_of

ROTA = {"people": ["anna", "bo"], "start": "2025-06-09T09:00:00Z", "every": "7d", "zone": "Europe/Berlin"}
PEOPLE = {"anna": {"notify": ["anna_phone"]}, "bo": {"notify": ["bo_phone"]}, "cleo": {"notify": ["cleo_phone"]}}
LEVELS = [
    {"notify": ["oncall:first"], "within": "5m"},
    {"notify": ["oncall:first", "person:cleo"], "within": "10m"},
    {"notify": ["room"], "within": "15m"},
]
CONFIGURED = {"person": PEOPLE, "oncall": {"first": ROTA}, "escalation": {"night": {"levels": LEVELS}}}
CHANNELS = ("anna_phone", "bo_phone", "cleo_phone", "room")


def channel(**changes: Any) -> Notify:
    """Return the settings of a channel that nothing in these tests sends through."""
    return Notify.model_validate({"urls": ["env:CHECKREIN_TEST_CHANNEL"], **changes})


class House:
    """Policy p (tests.paged) with channels, and a loop that passes when told to."""

    def __init__(self, database: Database, clock: ManualClock, root: Path, *, named: bool = True, **more: Any) -> None:
        tables = {**CONFIGURED, **more}
        self.parts: Parts = parts_of(database, clock, root, tables, **({"escalation": "night"} if named else {}))
        self.clock, self.database = clock, database
        self.serve(CHANNELS)
        self.loop = ActionLoop(database, self.parts.settings, clock, "one")
        self.watch = Auditor(self.parts)

    def serve(self, channels: tuple[str, ...]) -> None:
        """Configure these channels, of every policy."""
        object.__setattr__(self.parts.settings, "notify", {name: channel() for name in channels})

    def go(self, seconds: float = 0.0) -> None:
        """Let time pass, then make one pass of the loop."""
        self.clock.advance(seconds)
        self.loop.run_due()

    def fire(self, trigger: str = "low", bad: bool = True) -> None:
        """Judge one window of a trigger and let the loop see it."""
        judged(self.parts, bad, trigger)
        self.go()

    def sent(self, kind: str | None = None) -> list[tuple[str, str]]:
        """Return (kind, channel) of every message, oldest first."""
        found = [(row.kind, row.channel) for row in self.rows(notifications, "real_requested", "channel")]
        return [one for one in found if kind in {None, one[0]}]

    def texts(self, kind: str) -> list[str]:
        """Return the texts of the messages of a kind, oldest first."""
        found = self.rows(notifications, "real_requested", "channel")
        return [json.loads(row.body)["text"] for row in found if row.kind == kind]

    def rows(self, of: Any = table, *order: str) -> list[Any]:
        with self.database.read() as connection:
            return list(connection.execute(select(of).order_by(*(of.c[name] for name in order or ("id",)))).all())

    def steps(self) -> list[Any]:
        return self.rows(incident_steps, "incident", "number")

    def kinds(self) -> list[str]:
        return [row.kind for row in self.rows(events)]

    @property
    def one(self) -> Any:
        """The only incident."""
        (row,) = self.rows()
        return row

    def ack(self, by: str = "anna", lasts: float | None = None, number: int = 1) -> bool:
        with self.database.begin() as connection:
            return incidents.acknowledge(connection, self.parts.settings, self.clock, number, by, lasts)

    def resolve(self, by: str = "anna") -> bool:
        with self.database.begin() as connection:
            return incidents.resolve(connection, self.parts.settings, self.clock, 1, by)

    def change(self, of: Any, **values: Any) -> None:
        with self.database.begin() as connection:
            connection.execute(update(of).values(**values))

    def confirm(self) -> None:
        """Let the serving side acknowledge the rollback, and the decision log show that the traffic moved."""
        values: Mapping[str, Any] = {"acknowledged": self.clock.now(), "real_acknowledged": self.clock.real()}
        self.change(actions, **values)
        begin = self.clock.now() // 10 * 10
        rows = [{"policy": "p", "start": begin + 10 * n, "version": "v6", "rows": 20} for n in range(11)]
        with self.database.begin() as connection:
            connection.execute(insert(traffic), rows)
        self.go(115.0)
