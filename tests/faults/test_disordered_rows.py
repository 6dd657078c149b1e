"""Rows that come late, twice and in any order, but before their bucket's deadline: the verdicts of the ordered log."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from sqlalchemy import func, select

from monitor import validate
from monitor.bucketing import baseline
from monitor.clock import ManualClock
from monitor.running.scheduler import Scheduler
from monitor.runtime import build
from monitor.settings import parse
from monitor.store.tables import manifest, summaries, transitions, verdicts
from monitor.tick import Parts, tick

EPOCH = 1_750_000_200.0
CALIBRATED, END = EPOCH + 2400.0, EPOCH + 4800.0
HORIZON, LATENESS = 300.0, 600.0
TOML = {
    "policy": {
        "p": {
            "incumbent": "v6",
            "serving": "v7",
            "reward_horizon": f"{HORIZON:g}s",
            "lateness": f"{LATENESS:g}s",
            "constraint": {"heat": {"cost": "heat", "limit": 1.0, "budget": 0.05}},
            "limit_per_day": 0,
        }
    },
    "trigger": {
        name: {"window": "1m"}
        for name in ("reward_3sigma", "reward_rolling_2sigma", "violation_warn", "violation_budget", "state_drift")
    },
}
Row = dict[str, Any]


def log(seed: int) -> tuple[list[Row], list[Row]]:
    """Draw decisions every second, and the reward that follows each of them a while later."""
    draw = random.Random(seed)
    decisions, rewards, at = [], [], EPOCH
    while at < END:
        bad = at > CALIBRATED + 1200
        row: Row = {"decision_id": f"d{at:.0f}", "ts": int(at * 1e6), "version": draw.choice(["v6", "v7", "v7"])}
        row |= {"action": draw.choice("abc"), "cost.heat": draw.gauss(0.2, 0.4), "state.x": draw.gauss(bad, 1.0)}
        decisions.append(row)
        told = {"decision_id": row["decision_id"], "ts": int((at + draw.uniform(1, HORIZON)) * 1e6)}
        rewards.append({**told, "reward": draw.gauss(1.0 - 0.3 * bad, 0.3)})
        at += 1.0
    return decisions, rewards


def table(rows: Sequence[Row]) -> pa.Table:
    made = pa.Table.from_pylist(list(rows))
    return made.set_column(made.column_names.index("ts"), "ts", made["ts"].cast(pa.timestamp("us", "UTC")))


def land(parts: Parts, decisions: Sequence[Row], rewards: Sequence[Row], name: str) -> None:
    """Take rows in through the doors of the API."""
    latest = END + 86400
    if decisions:
        given: dict[str, Any] = {"columns": {}, "policy": "p", "version": None, "known": ["p"], "zone": None}
        given |= {"latest": latest, "actions": (), "origin": name, "origin_digest": name, "first_row": 1}
        accepted = validate.decisions(table(decisions), **given)
        assert not accepted.rejects
        parts.landing.decisions("p", accepted, name)
    if rewards:
        accepted = validate.rewards(table(rewards), latest=latest, origin=name, first_row=1)
        assert not accepted.rejects
        parts.landing.rewards("p", accepted, name)


def found(parts: Parts) -> tuple[list[tuple[Any, ...]], list[tuple[Any, ...]], int]:
    """Return verdicts and transitions without the time of writing, and the decisions in the lake."""
    with parts.database.read() as connection:
        judged = [
            tuple(value for key, value in row._mapping.items() if key != "judged")
            for row in connection.execute(select(verdicts).order_by(*verdicts.primary_key.columns))
        ]
        columns = [transitions.c[name] for name in ("version", "trigger", "key", "old", "new", "at", "evidence")]
        moved = [tuple(row) for row in connection.execute(select(*columns).order_by(*columns))]
        rows = connection.execute(select(func.sum(manifest.c.rows)).where(manifest.c.kind == "decisions")).scalar_one()
        late = connection.execute(select(func.count()).select_from(summaries).where(summaries.c.late)).scalar_one()
    assert late == 0, "the test sent rows that came after their deadline"
    return judged, moved, int(rows)


def ordered(root: Path, decisions: list[Row], rewards: list[Row]) -> Parts:
    """One landing of the whole log, one pass."""
    root.mkdir()
    parts = build(parse(TOML, root), ManualClock(END + HORIZON + LATENESS))
    land(parts, decisions, rewards, "all")
    baseline.freeze(parts, "p", EPOCH, CALIBRATED, "test")
    tick(parts, "p", END + HORIZON + LATENESS)
    return parts


def disordered(root: Path, decisions: list[Row], rewards: list[Row], seed: int) -> tuple[Parts, int]:
    """Rows arrive a minute's worth at a time: up to 8 minutes late, shuffled, one in ten of them twice."""
    root.mkdir()
    draw, clock = random.Random(seed), ManualClock(EPOCH)
    parts = build(parse(TOML, root), clock)
    arrivals: list[tuple[float, str, Row]] = []
    for kind, rows in (("d", decisions), ("r", rewards)):
        for row in rows:
            times = 1 + (draw.random() < 0.1)
            arrivals += [(row["ts"] / 1e6 + draw.uniform(0, 480), kind, row) for _ in range(times)]
    scheduler, sent, frozen = Scheduler(parts, "one"), 0, False
    while clock.now() < END + HORIZON + LATENESS + 120:
        clock.advance(60)
        now = [(kind, row) for at, kind, row in arrivals if clock.now() - 60 <= at < clock.now()]
        draw.shuffle(now)
        sent += 1
        mine = {kind: [row for one, row in now if one == kind] for kind in "dr"}
        land(parts, mine["d"], mine["r"], f"batch {sent}")
        if frozen:
            scheduler.judge("p")
        elif clock.now() >= CALIBRATED + HORIZON + LATENESS:
            baseline.freeze(parts, "p", EPOCH, CALIBRATED, "test")
            frozen = True
    tick(parts, "p", END + HORIZON + LATENESS)
    return parts, len(arrivals)


@pytest.mark.fault(10)
@pytest.mark.parametrize("seed", [1, pytest.param(2, marks=pytest.mark.full), pytest.param(3, marks=pytest.mark.full)])
def test_disorder_before_the_deadline_changes_no_verdict(tmp_path: Path, say: Callable[[str], None], seed: int) -> None:
    decisions, rewards = log(seed)
    one = ordered(tmp_path / "ordered", decisions, rewards)
    other, arrived = disordered(tmp_path / "disordered", decisions, rewards, seed)
    expected, got = found(one), found(other)
    assert expected[2] == got[2] == len(decisions)
    assert [row for row in got[0] if row not in expected[0]] == []
    assert got == expected
    fired = sum("firing" in row for row in got[1])
    assert fired > 2
    say(
        f"{len(decisions)} decisions and as many rewards in {arrived} late, shuffled and repeated rows: {len(got[0])}"
        f" verdicts and {len(got[1])} transitions ({fired} firing) equal to the ordered log's, bit for bit"
    )
