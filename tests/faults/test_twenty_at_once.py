"""Twenty policies fire at once: five are rolled back, the rest is one page, and nobody is forgotten."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from monitor import status
from monitor.acting import by_hand
from monitor.acting.actions import ActionLoop
from monitor.acting.limits import LIMIT_PER_HOUR
from monitor.bucketing import baseline
from monitor.clock import ManualClock, stamp
from monitor.running.scheduler import Scheduler
from monitor.runtime import build
from monitor.settings import parse, shipped_triggers
from monitor.store.tables import actions, alerts, events, incidents, routes
from monitor.tick import tick
from tests.receivers import SECRET, Endpoint

EPOCH, WINDOW, CALM = 1_750_000_200.0, 300.0, 12
HARD = ["hard0", "hard1"]  # their limit may not be passed at all


@pytest.fixture
def receiver(monkeypatch: pytest.MonkeyPatch) -> Iterator[Endpoint]:
    monkeypatch.setenv("HOOK_SECRET", SECRET)
    made = Endpoint()
    yield made
    made.close()


def configuration(receiver: Endpoint, soft: Sequence[str]) -> dict[str, Any]:
    on = {"violation_budget", "hard_constraint"}
    policies: dict[str, Any] = {}
    for name in (*soft, *HARD):
        limit = {"cost": "heat", "limit": 1.0, "budget": 0.01, "hard": name in HARD}
        source = {"kind": "jsonl", "path": f"logs/{name}.jsonl", "poll": "5m"}
        policies[name] = {"incumbent": "v6", "serving": "v7", "constraint": {"heat": limit}, "source": source}
    return {
        "policy": policies,
        "hook": {"serving": {"kind": "webhook", "url": receiver.url, "secret": "env:HOOK_SECRET"}},
        "trigger": {name: {"window": "5m"} if name in on else {"enabled": False} for name in shipped_triggers()},
    }


def write(folder: Path, policy: str, begin: float, end: float, heat: float) -> None:
    """Log a decision every 3 s in [begin, end)."""
    row = {"version": "v7", "action": "a", "reward": 1.0, "cost.heat": heat}
    lines = [json.dumps({"decision_id": f"{at}", "ts": stamp(at), **row}) for at in range(int(begin), int(end), 3)]
    with (folder / f"{policy}.jsonl").open("a") as file:
        file.write("\n".join(lines) + "\n")


@pytest.mark.fault(11)
@pytest.mark.parametrize("policies", [7, pytest.param(20, marks=pytest.mark.full)])
def test_five_of_all_are_rolled_back_and_the_rest_is_one_page(
    tmp_path: Path, receiver: Endpoint, say: Callable[[str], None], policies: int
) -> None:
    soft = [f"soft{number:02}" for number in range(policies)]
    folder, clock = tmp_path / "logs", ManualClock(EPOCH + CALM * WINDOW)
    folder.mkdir()
    parts = build(parse(configuration(receiver, soft), tmp_path), clock)
    scheduler = Scheduler(parts, "one")
    loop = ActionLoop(parts.database, parts.settings, clock, "one")

    def go_on(bad: Sequence[str]) -> None:
        """Let a window pass in which these policies do what they may not, and judge all of them."""
        for name in (*soft, *HARD):
            write(folder, name, clock.now(), clock.now() + WINDOW, heat=1.5 if name in bad else 0.5)
        clock.advance(WINDOW)
        for name in (*soft, *HARD):
            scheduler.judge(name)
        scheduler._judge_events()  # as its own thread does
        loop.run_due()

    def found(table: Any) -> list[Any]:
        with parts.database.read() as connection:
            return list(connection.execute(select(table).order_by(*table.primary_key.columns)).all())

    def moved() -> list[str]:
        return sorted(row.policy for row in found(routes) if row.serving == "v6")

    for name in (*soft, *HARD):
        write(folder, name, EPOCH, clock.now(), heat=0.5)
        tick(parts, name, EPOCH)
        baseline.freeze(parts, name, EPOCH, clock.now(), "test")
    for _ in range(2):
        go_on(bad=soft)
    fired = {row.policy for row in found(alerts) if row.trigger == "violation_budget" and row.state == "firing"}
    assert fired == set(soft)
    first = moved()
    assert len(first) == LIMIT_PER_HOUR
    limited = [row for row in found(actions) if row.state == "limited"]
    assert sorted([*first, *(row.policy for row in limited)]) == soft, "each that fired is rolled back or held, once"
    assert all("A person must decide." in row.last_error for row in limited)
    pages = [json.loads(row.body) for row in found(events) if row.kind == "page"]
    assert [page["action"] in {row.id for row in limited} for page in pages if page["why"] == "limited"] == [True]
    waiting = [row for row in found(incidents) if row.led_by is not None]
    assert len(waiting) == len(limited) - 1, "one incident of those that are held wakes people for all of them"
    assert {row.level for row in waiting} == {0}
    with parts.database.read() as connection:
        shown = {name: status.of(connection, parts.settings, clock, name) for name in soft}
    assert {one["state"] for one in shown.values()} == {"rollback"}
    assert {name for name, one in shown.items() if "limited" in [a["state"] for a in one["actions"]]} == {
        row.policy for row in limited
    }
    go_on(bad=(*soft, *HARD))
    assert moved() == sorted([*HARD, *first]), "a hard limit is never limited, and nothing else moves"
    for row in limited:
        with parts.database.begin() as connection:
            done = by_hand.request(connection, parts, row.policy, None, "A person decides.", "ada")
        assert done.state == "requested", "neither is a person"
    loop.run_due()
    loop.close()
    assert moved() == sorted((*soft, *HARD))
    assert {row.state for row in found(incidents) if row.policy in {one.policy for one in limited}} == {"mitigating"}
    assert [row.state for row in found(actions)].count("limited") == 0, "decided is not held any more"
    posted = {json.loads(body)["subject"] for body in receiver.bodies}
    assert posted == {*soft, *HARD}
    whys = [json.loads(row.body)["why"] for row in found(events) if row.kind == "page"]
    assert whys.count("limited") == 1
    say(
        f"{policies} fired at once: {len(first)} rolled back, {len(limited)} held and shown, 1 page; 2 hard limits"
        f" passed the limit, and a person all {len(limited)}; {len(posted)} receivers' policies told"
    )
