"""A rollout over a log that lands as it is written: real passes, a serving side that obeys the route, and people."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from sqlalchemy import select

from monitor.acting import route
from monitor.acting.confirm import acknowledge, confirm
from monitor.bucketing.baseline import freeze
from monitor.clock import ManualClock
from monitor.rollouts import approve, draft, progress
from monitor.rollouts.hold import Watch
from monitor.runtime import build
from monitor.settings import parse, shipped_triggers
from monitor.store.tables import rollouts
from monitor.tick import Parts, tick
from tests.passes import BASE, START, put
from tests.passes import log as healthy
from tests.rollout_desk import ANNA, BEN, CLEO

STEP = 900.0
WATCHED = ("reward_3sigma", "violation_warn")  # the first has no reference for a new version, the second needs none
RULE = {"hold": "1h", "shadow_hold": "1h", "min_decisions": 100}


def written(begin: float, share: float, reward: float, *, shadow: bool) -> pa.Table:
    """A quarter of an hour of decisions, one every 2 s, the candidate's with another mean."""
    rng = np.random.default_rng([7, int(begin)])
    n = int(STEP / 2)
    ts = begin + 2.0 * np.arange(n)
    new = rng.random(n) < share
    columns: dict[str, Any] = {
        "decision_id": [f"d{int(at)}" for at in ts],
        "ts": pa.array((ts * 1e6).astype(np.int64), pa.timestamp("us", tz="UTC")),
        "version": np.where(new, "v7", "v6").tolist(),
        "action": rng.choice(["hold", "cool"], n).tolist(),
        "propensity": np.full(n, 0.5),
        "reward": 1.0 + np.where(new, reward, 0.0) + rng.normal(0, 0.3, n),
        "cost.heat": np.zeros(n),
        "arm": ["live"] * n,
    }
    table = pa.table(columns)
    if not shadow:
        return table
    ids = pa.array([f"s{int(at)}" for at in ts])
    also = table.set_column(0, "decision_id", ids).set_column(2, "version", pa.array(["v7"] * n))
    return pa.concat_tables([table, also.set_column(7, "arm", pa.array(["shadow"] * n))])


class World:
    """The log, the passes over it, the serving side that does what the route says, and the people."""

    def __init__(
        self,
        folder: Path,
        reward: float,
        stages: tuple[float, ...] = (0.0, 0.25, 1.0),
        watched: tuple[str, ...] = WATCHED,
    ) -> None:
        (folder / "logs").mkdir()
        policy = {
            "incumbent": "v6", "serving": "v6", "fallbacks": ["v6", "rules"], "actions": ["hold", "cool"],
            "source": {"kind": "parquet", "path": "logs", "poll": "15m"}, "skew": "2h",
            "rollout": {**RULE, "stages": stages},
            "comparison": {"margin": "20%"},
            "trigger": {name: {"enabled": name in watched} for name in shipped_triggers()},
            "constraint": {"heat": {"cost": "heat", "budget": 0.05}},
        }  # fmt: skip
        self.clock = ManualClock(BASE)
        self.parts: Parts = build(parse({"policy": {"p": policy}}, folder), self.clock)
        base = healthy(START, 96, version="v6").select(
            ["decision_id", "ts", "version", "action", "propensity", "reward", "cost.heat"]
        )
        put(self.parts, base)
        tick(self.parts, "p", BASE)
        freeze(self.parts, "p", START, BASE, "test")
        self.reward, self.watch, self.phases = reward, Watch(), [""]
        with self.parts.database.begin() as connection:
            common = (connection, self.parts.settings, self.clock)
            draft.start(*common, "p", candidate="v7", reason="Better by the estimate.", bearer=ANNA)
            for one in (BEN, CLEO):
                approve.approve(*common, 1, one, self.row(connection).evidence_sha256)

    def row(self, connection: Any) -> Any:
        return connection.execute(select(rollouts)).one()

    def step(self, wrong: float = 0.0, *, silent: bool = False, people: bool = True) -> str:
        """A quarter of an hour: decisions are served as the route says, land, and are looked at; people agree.

        ``wrong`` is how far the machine's clock is off when it is looked at; ``silent`` is a log that stops.
        """
        parts = self.parts
        with parts.database.read() as connection:
            served = route.current(connection, parts.settings, self.clock, "p")
            before = self.row(connection)
        shadow = before.stage == 0 and before.phase != "stable"
        if not silent:
            put(parts, written(self.clock.now(), served.split.get("v7", 0.0), self.reward, shadow=shadow))
        self.clock.advance(STEP)
        self.clock.at += wrong
        tick(parts, "p")
        with parts.database.begin() as connection:
            said = (served.generation, served.serving, None, "serving side")
            acknowledge(connection, self.clock, "p", *said)
            confirm(connection, parts.settings, self.clock)
        progress.run(parts, "p", self.watch)
        with parts.database.begin() as connection:
            row = self.row(connection)
            if row.phase == "passed" and people:
                for one in (ANNA, BEN):
                    approve.advance(connection, parts.settings, self.clock, 1, one, row.judgement_sha256)
            row = self.row(connection)
        self.clock.at -= wrong
        place = f"{row.stage} {row.phase}"
        if self.phases[-1] != place:
            self.phases.append(place)
        return str(row.phase)

    def until(self, *phases: str) -> str:
        for _ in range(60):
            if (phase := self.step()) in phases:
                return phase
        with self.parts.database.read() as connection:
            note = self.row(connection).note
        raise AssertionError(f"it did not come to {phases}: {self.phases}: {note}")
