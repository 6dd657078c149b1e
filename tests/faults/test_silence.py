"""A log that stops: silence is an alert of its own, and it resolves nothing."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import select

from monitor import status
from monitor.bucketing import baseline
from monitor.clock import ManualClock, stamp
from monitor.running.scheduler import Scheduler
from monitor.runtime import build
from monitor.settings import parse
from monitor.store.tables import alerts, transitions
from monitor.tick import Parts, tick

EPOCH = 1_750_000_200.0  # a full five minutes
WINDOW = 300.0
SILENT = EPOCH + 9000.0
TOML = {
    "policy": {
        "p": {
            "incumbent": "v6",
            "serving": "v7",
            "source": {"kind": "jsonl", "path": "log.jsonl", "poll": "1m"},
            "constraint": {"heat": {"cost": "heat", "limit": 1.0, "budget": 0.01}},
        }
    },
    "trigger": {
        "reward_3sigma": {"window": "2m", "severity": "page"},
        "violation_warn": {"window": "2m"},
        "violation_budget": {"window": "2m", "severity": "page"},
    },
}


def write(path: Path, begin: float, end: float, reward: float, heat: float) -> None:
    """Log a decision every 2 s in [begin, end)."""
    draw = random.Random(begin)
    at, lines = begin, []
    while at < end:
        row = {"decision_id": f"{at}", "ts": stamp(at), "version": "v7", "action": "a", "cost.heat": heat}
        lines.append(json.dumps({**row, "reward": round(draw.gauss(reward, 0.1), 6)}) + "\n")
        at += 2.0
    with path.open("a") as file:
        file.write("".join(lines))


def run(parts: Parts, scheduler: Scheduler, clock: ManualClock, seconds: float) -> None:
    """Pass once a minute, as the beat does."""
    for _ in range(int(seconds / 60)):
        clock.advance(60)
        scheduler.judge("p")


@pytest.mark.fault(9)
def test_three_silent_intervals_alert_within_one_more_and_resolve_nothing(
    tmp_path: Path, say: Callable[[str], None]
) -> None:
    clock, log = ManualClock(EPOCH + 7200), tmp_path / "log.jsonl"
    parts = build(parse(TOML, tmp_path), clock)
    write(log, EPOCH, EPOCH + 7200, reward=1.0, heat=0.5)
    tick(parts, "p", EPOCH)
    baseline.freeze(parts, "p", EPOCH, EPOCH + 5400, "test")
    scheduler = Scheduler(parts, "one")
    while clock.now() < SILENT:  # half an hour of bad decisions, then nothing
        write(log, clock.now(), clock.now() + 60, reward=0.2, heat=1.5)
        run(parts, scheduler, clock, 60)

    def states() -> dict[str, tuple[str, str]]:
        with parts.database.read() as connection:
            found = select(alerts).where(alerts.c.version != "v6")
            return {row.trigger: (row.state, row.health) for row in connection.execute(found)}

    before = states()
    firing = {name for name, (state, _health) in before.items() if state == "firing"}
    assert {"reward_3sigma", "violation_warn", "violation_budget"} <= firing
    run(parts, scheduler, clock, 3600)
    with parts.database.read() as connection:
        since = select(transitions).where(transitions.c.created > SILENT + WINDOW)
        moved = connection.execute(since.order_by(transitions.c.id)).all()
    assert [(row.trigger, row.new) for row in moved] == [("no_data", "firing")], "silence moved something else"
    alerted = moved[0].created - SILENT
    assert alerted <= 4 * WINDOW, f"the alert came {alerted:g} s after the log stopped"
    with parts.database.read() as connection:
        shown = status.of(connection, parts.settings, clock, "p")["state"]
    assert status.RANK[shown] > status.RANK["warning"], "silence is shown as health"
    after = states()
    assert {name for name, (state, _health) in after.items() if state == "firing"} == {*firing, "no_data"}
    assert {after[name][1] for name in firing} == {"no_data"}, "a firing alert without data must say so"
    for _ in range(20):
        write(log, clock.now(), clock.now() + 60, reward=1.0, heat=0.5)
        run(parts, scheduler, clock, 60)
    healed = states()
    assert {healed[name][0] for name in ("no_data", "reward_3sigma", "violation_warn")} == {"resolved"}
    say(
        f"log stopped, no_data fired {alerted:.0f} s later = {alerted / WINDOW:.2f} intervals of {WINDOW:g} s (bound:"
        f" 4); {len(firing)} firing alerts stayed firing through 1 h of silence and resolved when data came back"
    )
