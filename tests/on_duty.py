"""A seeded firing store with people on call: its incident wakes them, a silence and a foreign alert lie beside it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import update

from monitor import incidents
from monitor.acting.actions import ActionLoop
from monitor.alerting import silences
from monitor.clock import Clock, SpedClock
from monitor.incidents.oncall import DAY
from monitor.runtime import build
from monitor.settings import load
from monitor.store.database import insert_new
from monitor.store.tables import actions, alerts, foreign_alerts, incident_steps
from monitor.tick import Parts
from tests.seeds import NOW

POLICY = "cooling"
_PEOPLE = """
[person.anna]
notify = ["anna_phone"]
[person.bo]
notify = ["bo_phone"]

[notify.anna_phone]
urls = ["env:CHECKREIN_TEST_ANNA"]
[notify.bo_phone]
urls = ["env:CHECKREIN_TEST_BO"]

[oncall.plant]
people = ["anna", "bo"]
start = "2025-06-09T09:00:00"
until = "2025-06-20T07:00:00Z"
every = "7d"
zone = "Europe/Berlin"

[escalation.night]
levels = [
  { notify = ["oncall:plant"], within = "5m" },
  { notify = ["oncall:plant", "person:bo"], within = "10m" },
]
"""


def staff(directory: Path) -> Path:
    """Write people, a rota and an escalation into a seeded store's configuration."""
    file = directory / "checkrein.toml"
    text = file.read_text("utf-8")
    file.write_text(text.replace(f"[policy.{POLICY}]", f'[policy.{POLICY}]\nescalation = "night"') + _PEOPLE, "utf-8")
    return directory


@contextmanager
def opened(directory: Path, clock: Clock | None = None) -> Iterator[Parts]:
    """Open a store on the clock of ``seeds.served``: the log's time is NOW, the one of people is the machine's."""
    parts = build(load(directory / "checkrein.toml"), clock or SpedClock(NOW, 1.0, time.time()))
    try:
        yield parts
    finally:
        parts.database.close()


def wake(parts: Parts) -> int:
    """Let the action loop pass once, so that the first level is woken; return the incident's number.

    The store was seeded years ago by the machine's clock, so the clock of the runbook's step begins now.
    """
    real, c = parts.clock.real(), incident_steps.c
    with parts.database.begin() as connection:
        began = update(incident_steps).where(c.real_deadline.is_not(None))
        connection.execute(began.values(real_started=real, real_deadline=real + c.within))
    loop = ActionLoop(parts.database, parts.settings, parts.clock, "one")
    loop.run_due()
    loop.close()
    with parts.database.read() as connection:
        row = incidents.rows.current(connection, POLICY)
    assert row is not None
    return int(row.id)


def surround(parts: Parts) -> None:
    """Add a silence, and an alert that another Alertmanager told of."""
    now = parts.clock.now()
    with parts.database.begin() as connection:
        silences.add(
            connection, parts.settings, parts.clock, "ranker", trigger="entropy_collapse", version="v7", owner="bo",
            reason="The explorer is being replaced", until=now + DAY, actor="token:tests",
        )  # fmt: skip
        row = {"fingerprint": "f00d", "starts": now - 600.0, "status": "firing", "ends": None, "policy": POLICY}
        row |= {"name": "ChillerPressureLow", "labels": '{"alertname":"ChillerPressureLow","site":"north"}'}
        row |= {"annotations": '{"summary":"Chiller 2 is below 2 bar."}', "generator_url": "", "receiver": "checkrein"}
        insert_new(connection, foreign_alerts, [{**row, "first_seen": now - 600.0, "last_seen": now - 30.0}])


def calm(parts: Parts) -> None:
    """Let nothing fire any more and every rollback be confirmed, as the log would show after a while."""
    now = parts.clock.now()
    with parts.database.begin() as connection:
        connection.execute(update(alerts).values(state="inactive"))
        connection.execute(update(actions).values(state="confirmed", acknowledged=now, confirmed=now))
