"""A store with a rollout in each state that a page can show, and people who have tokens; made by the product itself.

``python -m tests.rollout_seeds DIRECTORY`` makes it; ``with served(DIRECTORY, "healthy") as address`` serves it.
"""

from __future__ import annotations

import shutil
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from sqlalchemy import insert, update

from monitor import tokens
from monitor.acting import rollback
from monitor.clock import ManualClock
from monitor.log_store.schema import TIMESTAMP
from monitor.rollouts import apply, approve, draft, progress, stop
from monitor.rollouts.hold import Watch
from monitor.rollouts.store import of_identity
from monitor.runtime import build
from monitor.settings import load, shipped_triggers
from monitor.store.tables import actions, rollouts
from monitor.store.tables import tokens as token_rows
from monitor.tick import Parts, tick
from monitor.tokens import SCOPES, Bearer
from monitor.validate import decisions
from tests.seeds import NOW

HOUR = 3600.0
BEGAN = NOW - 2 * HOUR
EVERY = 4.0
PEOPLE = {name: f"token-of-{name}-for-the-browser-tests" for name in ("anna", "ben", "cleo", "dora")}
ANNA, BEN, CLEO = (Bearer(name, name, frozenset(SCOPES)) for name in ("anna", "ben", "cleo"))

_CONFIGURATION = """
[store]
url = "sqlite:///checkrein.db"
lake = "lake"
"""
_POLICY = """
[policy.{name}]
incumbent = "v6"
serving = "v6"
fallbacks = ["v6", "rules"]
actions = ["hold", "cool"]
lateness = "60s"

[policy.{name}.source]
kind = "parquet"
path = "logs"
poll = "1h"

[policy.{name}.rollout]
hold = "{hold}"
shadow_hold = "{hold}"
min_decisions = {least}

[policy.{name}.constraint.heat]
cost = "heat"
budget = 0.05
"""
_CANDIDATE = """
[policy.{name}.candidate.v7]
policy = "column:v7"
"""
# policy -> where its rollout stands: (stage or -1, what the candidate earns more, phase to reach, hold, min_decisions)
SEEDED: dict[str, tuple[int, float, str, str, int]] = {
    "bidder": (-1, 0.0, "draft", "7d", 1000),
    "cooling": (3, 0.2, "passed", "1h", 100),
    "heater": (2, 0.0, "paused", "4h", 100),
    "mixer": (5, 0.2, "stable", "1h", 100),
    "pricer": (3, 0.1, "baking", "4h", 100),
    "ranker": (3, 0.0, "inconclusive", "1h", 100_000),
    "router": (4, -1.0, "rolled_back", "1h", 100),
    "sorter": (-1, 0.0, "none", "7d", 1000),
}
WATCHED = ("reward_3sigma", "violation_warn")


def seed(directory: Path, names: tuple[str, ...] = tuple(SEEDED)) -> Path:
    """Make the store in an empty directory and return it."""
    directory.mkdir(parents=True, exist_ok=True)
    policies = "".join(
        _POLICY.format(name=name, hold=SEEDED[name][3], least=SEEDED[name][4]) + _more(name) for name in names
    )
    (directory / "checkrein.toml").write_text(_CONFIGURATION + policies, "utf-8")
    clock = ManualClock(BEGAN)
    parts = build(load(directory / "checkrein.toml"), clock)
    with parts.database.begin() as connection:
        for name, token in PEOPLE.items():
            can = "view act" if name == "dora" else " ".join(SCOPES)
            row = {**tokens._row(token, name, clock), "person": name, "can": can}
            connection.execute(insert(token_rows), [row])
    for name in names:
        clock.at = BEGAN
        _lives(parts, clock, name)
    clock.at = NOW
    parts.database.close()
    return directory


def looked(directory: Path) -> Path:
    """Let a worker have looked at every rollout just now by this machine's clock, as a server sees it; return it."""
    parts = build(load(directory / "checkrein.toml"), ManualClock(NOW))
    with parts.database.begin() as connection:
        connection.execute(update(rollouts).values(real_looked=time.time()))
    parts.database.close()
    return directory


def _more(name: str) -> str:
    """Leave on the triggers that can judge a new version; v7 is an off-policy candidate where nothing is judged."""
    off = [one for one in shipped_triggers() if one not in WATCHED]
    return "".join(f"\n[policy.{name}.trigger.{one}]\nenabled = false\n" for one in off) + (
        _CANDIDATE.format(name=name) if SEEDED[name][0] < 0 else ""
    )


def _lives(parts: Parts, clock: ManualClock, policy: str) -> None:
    stage, gain, phase, _hold, _least = SEEDED[policy]
    with parts.database.begin() as connection:
        rollback.ensure_policy(connection, parts.settings, policy)
        rollback.ensure_route(connection, parts.settings, clock, policy)
    if phase == "none":
        return
    if policy == "router":  # one was given up before
        first = _draft(parts, policy, "v7", "An earlier try.")
        with parts.database.begin() as connection:
            stop.abort(connection, parts.settings, clock, first, "The reward was logged wrong.", "token:anna")
    identity = _draft(parts, policy, "v7", "Better by the off-policy estimate.")
    _agree(parts, identity, *((BEN,) if stage < 0 else (BEN, CLEO)))
    if stage < 0:
        return
    share = _begin(parts, clock, policy, identity, stage)
    watch = Watch()
    progress.run(parts, policy, watch)  # applied
    _land(parts, policy, BEGAN, NOW - 60.0, share, gain)
    clock.at = NOW
    tick(parts, policy, NOW - 60.0)
    _put(parts, identity, baked=1.7 * HOUR)
    for _ in range(3 if phase not in ("baking", "paused") else 1):
        progress.run(parts, policy, watch)
    if phase == "paused":
        with parts.database.begin() as connection:
            stop.pause(connection, parts.settings, clock, identity, "The plant is being serviced.", "token:anna")
    if phase == "passed":
        _agree(parts, identity, ANNA)
    with parts.database.read() as connection:
        row = of_identity(connection, identity)
    assert row.phase == phase, f"{policy} is {row.phase}: {row.note}"


def _draft(parts: Parts, policy: str, candidate: str, reason: str) -> int:
    with parts.database.begin() as connection:
        made = draft.start(
            connection, parts.settings, parts.clock, policy, candidate=candidate, reason=reason, bearer=ANNA
        )
    return int(made.id)


def _agree(parts: Parts, identity: int, *people: Bearer) -> None:
    for one in people:
        with parts.database.begin() as connection:
            row, common = of_identity(connection, identity), (connection, parts.settings, parts.clock)
            if row.phase == "draft":
                approve.approve(*common, identity, one, row.evidence_sha256)
            else:
                approve.advance(*common, identity, one, row.judgement_sha256)


def _begin(parts: Parts, clock: ManualClock, policy: str, identity: int, stage: int) -> float:
    """Ask for a stage as if the ones before had passed, and let the log have shown it; returns its share."""
    _put(parts, identity, phase="passed", stage=stage - 1)
    with parts.database.begin() as connection:
        route = rollback.locked_route(connection, parts.settings, clock, policy)
        row = of_identity(connection, identity)
        row = apply.begin(connection, parts.settings, clock, row, route, "Agreed by ben and cleo.", "person:cleo")
        here = update(actions).where(actions.c.policy == policy, actions.c.generation == row.generation)
        done = {"state": "confirmed", "acknowledged": clock.now() + 4, "confirmed": clock.now() + 40}
        connection.execute(here.values(**done))
    return float(parts.settings.policy[policy].rollout.stages[stage])


def _put(parts: Parts, identity: int, **values: Any) -> None:
    with parts.database.begin() as connection:
        connection.execute(update(rollouts).where(rollouts.c.id == identity).values(**values))


def _land(parts: Parts, policy: str, begin: float, end: float, share: float, gain: float) -> None:
    """Land decisions of both versions by their shares; the candidate earns ``gain`` more."""
    rows = int((end - begin) / EVERY)
    random = np.random.default_rng([5, len(policy), rows])
    new = random.random(rows) < share
    raw = pa.table(
        {
            "decision_id": [f"{policy}-{number}" for number in range(rows)],
            "ts": pa.array(((begin + EVERY * np.arange(rows)) * 1e6).astype(np.int64)).cast(TIMESTAMP),
            "policy": [policy] * rows,
            "version": np.where(new, "v7", "v6"),
            "action": random.choice(["hold", "cool"], rows),
            "propensity": np.full(rows, 0.5),
            "reward": 2.0 + gain * new + random.normal(0, 0.3, rows),
            "cost.heat": (random.random(rows) < 0.01).astype(float),
        }
    )
    accepted = decisions(
        raw, columns={}, policy=policy, version=None, known=[policy], zone=None, latest=NOW, origin="seed",
        actions=("hold", "cool"), origin_digest="", first_row=1,
    )  # fmt: skip
    assert not accepted.rejects, accepted.rejects[:3]
    parts.landing.decisions(policy, accepted, "seed")


if __name__ == "__main__":
    target = Path(sys.argv[1])
    shutil.rmtree(target, ignore_errors=True)
    seed(target)
