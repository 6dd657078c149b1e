"""A store for the pages where people work: a review queue, messages, dead letters, jobs, drills and people's tokens.

``python -m tests.desk_seeds DIRECTORY [RECEIVER]`` makes one.
"""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path
from typing import Any

from sqlalchemy import insert, update

from monitor.clock import ManualClock
from monitor.drill import kept
from monitor.drill.steps import Steps
from monitor.notify.message import Message, enqueue
from monitor.review import judging
from monitor.runtime import build
from monitor.settings import load
from monitor.store.database import insert_new
from monitor.store.tables import (
    actions,
    alerts,
    backtests,
    heartbeats,
    notifications,
    review_days,
    reviews,
    transitions,
)
from monitor.store.tables import tokens as token_rows
from monitor.tick import Parts
from tests.seeds import NOW, TOKEN

ANNA, BEN = "the-token-of-anna-for-the-tests", "the-token-of-ben-for-the-tests"
LOOKS = "the-token-of-zoe-who-only-looks"
HOSTILE = '<img src=x onerror="document.title=1">'  # a policy's name, a state's value, a note
DEAD = "ntf_dead"
STUCK = "act_dead"
DAY = 86_400.0
_CONFIGURATION = """
[store]
url = "sqlite:///checkrein.db"
lake = "lake"

[notify.duty]
kind = "alertmanager"
urls = ["{receiver}"]

[notify.team]
kind = "apprise"
urls = ["env:CHECKREIN_TEAM_URL"]
policies = ["cooling"]
digest = true
"""
_POLICY = """
[policy.{name}]
incumbent = "v6"
serving = "v7"
fallbacks = ["v6"]
actions = ["hold", "cool", "heat"]
"""
STATE = {
    "state.inlet": 24.53,
    "state.outside": 15.1,
    "state.note": HOSTILE,
    f"state.{HOSTILE}": 1.0,
    "segment.hall": "north",
    "candidate_probs.v8": [0.12, 0.81, 0.07],
    "propensity": 0.5,
}


def seed_desk(directory: Path, receiver: str = "http://127.0.0.1:9/alerts", real: float | None = None) -> Path:
    """Make the store in an empty directory, and return it; ``real`` is the machine's clock where it is served."""
    directory.mkdir(parents=True, exist_ok=True)
    policies = [json.dumps(name, ensure_ascii=True) for name in ("cooling", "bidder", HOSTILE)]
    text = _CONFIGURATION.format(receiver=receiver) + "".join(_POLICY.format(name=name) for name in policies)
    (directory / "checkrein.toml").write_text(text, "utf-8")
    clock = ManualClock(NOW)
    parts = build(load(directory / "checkrein.toml"), clock)
    _people(parts)
    _reviews(parts, clock)
    now = clock.real() if real is None else real
    _messages(parts, clock, now)
    _jobs(parts, now)
    _drills(parts, clock)
    _fired(parts)
    parts.database.close()
    return directory


def _people(parts: Parts) -> None:
    blank = {"revoked": None, "person": None, "can": None, "real_expires": None, "created": NOW - 90 * DAY}
    rows = [
        {**blank, "sha256": _digest(TOKEN), "name": "serving"},
        {**blank, "sha256": _digest(ANNA), "name": "anna-laptop", "person": "Anna", "can": "view ack act approve"},
        {**blank, "sha256": _digest(BEN), "name": "ben-laptop", "person": "Ben", "can": "view ack act"},
        {**blank, "sha256": _digest(LOOKS), "name": "zoe-tablet", "person": "Zoe", "can": "view"},
        {**blank, "sha256": _digest("old"), "name": "carl-old", "person": "Carl", "can": "act", "real_expires": 1.0},
        {**blank, "sha256": _digest("gone"), "name": "dana-lost", "person": "Dana", "can": "act", "revoked": NOW - DAY},
    ]
    for row in rows[1:4]:
        row["real_expires"] = 4_102_444_800.0  # 2100
    with parts.database.begin() as connection:
        insert_new(connection, token_rows, rows)


def item(identity: str, policy: str = "cooling", **changes: Any) -> dict[str, Any]:
    """Return one row of the queue."""
    row = {"id": identity, "policy": policy, "version": "v8", "live_version": "v7", "day": int(NOW // DAY)}
    row |= {"decision_id": f"s-{identity}", "ts": NOW - 7200, "added": NOW - 7000, "live_action": '"hold"'}
    row |= {"shadow_action": '"cool"', "sense": "probability", "size": 1.38, "draw": 0.5, "tie": 0.5}
    row |= {"stratum": "sampled", "inclusion": 0.25, "snapshot": json.dumps(STATE), "state": "open", "verdict": ""}
    return {**row, "exploit": None, **changes}


def _reviews(parts: Parts, clock: ManualClock) -> None:
    rows = [
        item("r01", added=NOW - 3 * DAY, size=2.6, stratum="largest", inclusion=1.0),
        item("r02", added=NOW - 2 * DAY, shadow_action='"heat"'),
        item("r03", sense="value_gap", size=3.1),
        item("r04", sense="unmeasured", size=1.0, live_action="[0.25, 1.0]", shadow_action="[0.75, 0.2]"),
        item("r05", added=NOW - DAY),
        *[item(f"d{n:02}", added=NOW - 4 * DAY, size=1.0 + n / 10) for n in range(12)],
        item("h01", HOSTILE, live_action=json.dumps(HOSTILE), decision_id=HOSTILE),
    ]
    days = {"policy": "cooling", "version": "v8", "day": int(NOW // DAY), "per_day": 20, "largest": 5}
    with parts.database.begin() as connection:
        connection.execute(insert(reviews), rows)
        counts = {"rows": 4000, "paired": 4000, "differing": 310, "large": 64, "threshold": 0.2}
        connection.execute(insert(review_days).values(**days, **counts))

        def says(who: str, identity: str, verdict: str, note: str = "") -> None:
            judging.judge(connection, clock, identity, by=who, verdict=verdict, note=note, actor="seed")

        for n in range(12):
            both = "improvement" if n % 3 else "neutral"
            says("Anna", f"d{n:02}", both, "It was far too warm.")
            says("Ben", f"d{n:02}", "exploit" if n == 4 else both)
        says("Carl", "d04", "improvement")
        says("Carl", "r02", "exploit", HOSTILE)
        says("Carl", "h01", "exploit", HOSTILE)


def _messages(parts: Parts, clock: ManualClock, real: float) -> None:
    page = Message("page", "cooling", "page", "Reward of cooling fell", "It fell by a third.", "incident:7", 7)
    with parts.database.begin() as connection:
        gone = enqueue(connection, clock, ["duty"], page)[0]
        late = enqueue(connection, clock, ["team"], page)[0]
        dead = enqueue(connection, clock, ["duty"], Message(**{**vars(page), "title": HOSTILE, "dedup": "incident:6"}))[
            0
        ]
        c = notifications.c

        def set_(identity: str, **values: Any) -> None:
            connection.execute(update(notifications).where(c.id == identity).values(**values))

        set_(gone, state="delivered", attempts=1, real_delivered=real - 400.0, real_due=None)
        set_(late, attempts=3, real_requested=real - 900.0, last_error="The receiver did not answer within 10 s.")
        told = "The receiver answered 410: the key was revoked."
        set_(dead, id=DEAD, state="dead_letter", attempts=10, real_due=None, last_error=told)
        row: dict[str, Any] = {"id": STUCK, "policy": "bidder", "kind": "rollback", "hook": "serving"}
        row |= {"state": "dead_letter", "generation": 2, "from_version": "v7", "to_version": "v6", "body": "{}"}
        row |= {"reason": "Reward fell.", "actor": "checkrein", "trigger": "reward_3sigma"}
        row |= {"requested": NOW - 1800, "real_requested": real - 1800}
        connection.execute(insert(actions).values(**row, attempts=12, last_error="Connection refused.", fence=0))


def _jobs(parts: Parts, real: float) -> None:
    at = NOW
    rows = [
        {"part": name, "real_at": real - age, "at": at - age, "note": note}
        for name, age, note in (
            ("actions", 2.0, "worker one"),
            ("watchdog", 4.0, ""),
            ("auditor", 20.0, "every alert is cared for"),
            ("estimate:cooling", 1200.0, ""),
            ("failed:checklist:bidder", 300.0, "OSError: No space left on device"),
        )
    ]
    with parts.database.begin() as connection:
        insert_new(connection, heartbeats, rows)


def _drills(parts: Parts, clock: ManualClock) -> None:
    rules = parts.settings.triggers("cooling")
    for name, ago, slow in (("reward_3sigma", 40 * DAY, 0.0), ("hard_constraint", DAY, 70.0), ("kill", DAY, 0.0)):
        steps = Steps()
        steps.add("fired", "passed", "It fired in the first faulty window.", at=NOW - ago)
        steps.within("paged", 1.2, 30.0, "The page was queued")
        steps.within("confirmed", 12.4 + slow, 60.0, "Confirmed from the drill's log")
        clock.at = NOW - ago
        begun = kept.Begun("cooling", name, "v7", "builtin", "anna", NOW - ago, clock.real())
        rule = rules.get(name)
        with parts.database.begin() as connection:
            kept.write(
                connection, parts.settings, clock, begun, steps, to_version="v6", seconds=12.4 + slow, trigger=rule
            )
    clock.at = NOW


def _fired(parts: Parts) -> None:
    where = {"policy": "cooling", "version": "v7", "key": ""}
    stands = {"since": NOW - 900, "streak": 3, "judged_until": NOW - 60, "reason": "Reward fell.", "dry_run": False}
    moved = {**where, "old": "pending", "new": "firing", "severity": "rollback", "at": NOW - 900, "created": NOW - 890}
    body = {"from": "2025-05-01T00:00:00Z", "to": "2025-06-01T00:00:00Z", "windows": 2976, "notes": [], "firings": [{}]}
    body |= {"triggers": [{"trigger": "reward_3sigma", "firings": 1, "false_alarms": None}], "rollbacks": {"count": 1}}
    with parts.database.begin() as connection:
        insert_new(
            connection,
            alerts,
            [
                {**where, **stands, "trigger": name, "state": state, "health": health, "severity": rule.severity}
                for (name, rule), (state, health) in zip(
                    sorted(parts.settings.triggers("cooling").items()),
                    [("inactive", "ok"), ("inactive", "insufficient"), ("firing", "ok"), ("pending", "ok")],
                    strict=False,
                )
            ],
        )
        told = {"real_created": NOW, "evidence": "{}", "trigger": "reward_3sigma"}
        connection.execute(insert(transitions).values(**moved, **told))
        span = {"policy": "cooling", "begin": NOW - 30 * DAY, "end": NOW - DAY, "changes": "[]", "code": "0.1.0"}
        span |= {"actor": "anna", "sha256": "0" * 64, "body": json.dumps(body), "recorded": NOW - DAY}
        connection.execute(insert(backtests).values(**span, real_recorded=NOW - DAY))


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


if __name__ == "__main__":
    seed_desk(Path(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else "http://127.0.0.1:9/alerts")
