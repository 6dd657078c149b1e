"""Laws of overlays over random histories: they change who is told, and nothing else.

A history is a list of passes; each judges some alerts good or bad, and before some of them a silence is made or ended
or a trigger is switched between dry run and live.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sqlalchemy import select

from monitor import events
from monitor.alerting import silences
from monitor.alerting.alert_ids import identify
from monitor.alerting.inhibitions import Where
from monitor.alerting.overlays import over
from monitor.clock import ManualClock
from monitor.store.database import Database
from monitor.store.tables import actions, alerts, notices, routes, transitions, verdicts
from monitor.store.tables import events as log
from monitor.tick import Parts
from tests.paged import LIMIT, RULE, parts_of, passed

QUICK = {"enabled": True, "for": "1 window", "clear": "1 window"}
WHERE = [
    ("*", "no_data", ""), ("v7", "low", "inlet"), ("v7", "low", "load"), ("v6", "low", ""), ("v7", "other", ""),
    ("v7", "mild", ""), ("v7", "grave", ""), ("v6", "grave", ""), ("v7", "grim", ""),
]  # fmt: skip
NAMES = ("low", "other", "mild", "grave", "grim", "no_data")
NO_RULES = {"blind": {"enabled": False}, "rolled_back": {"enabled": False}}
STEP = 661.0  # four beginnings and ends lie further apart than 30 minutes: nothing flaps
SEEDS = [*range(2), *(pytest.param(seed, marks=pytest.mark.full) for seed in range(2, 42))]


@dataclass(frozen=True)
class Step:
    """What happens in one pass: windows, a silence of a trigger from here on, dry runs from here on."""

    windows: dict[tuple[str, str, str], bool]
    silence: tuple[str, float] | None
    dry: frozenset[str]


def history(seed: int, passes: int = 14) -> list[Step]:
    rng = np.random.default_rng(seed)
    state = dict.fromkeys(WHERE, False)
    dry: frozenset[str] = frozenset()
    steps = []
    for _ in range(passes):
        judged = [where for where in WHERE if rng.random() < 0.7]
        for where in judged:
            state[where] = bool(rng.random() < 0.35) != state[where]
        named = str(rng.choice(["", *NAMES]))
        silence = (named, float(rng.integers(1, 6)) * STEP + 1.0) if rng.random() < 0.4 else None
        if rng.random() < 0.3:
            dry = frozenset(name for name in NAMES if rng.random() < 0.3)
        steps.append(Step({where: state[where] for where in judged}, silence, dry))
    return steps


class World:
    """A database in which a history is lived, with or without what lies over its alerts."""

    def __init__(self, database: Database, root: Path, *, silent: bool, rules: bool, dry: bool) -> None:
        self.database, self.root, self.clock = database, root, ManualClock(1_750_000_000.0)
        self.silent, self.rules, self.dry = silent, rules, dry
        self._made: dict[tuple[bool, frozenset[str]], Parts] = {}
        self.parts = self._parts(frozenset())

    def _parts(self, dry: frozenset[str]) -> Parts:
        asked = (self.rules, dry)
        if asked not in self._made:
            self._made[asked] = self._new_parts(dry)
        return self._made[asked]

    def _new_parts(self, dry: frozenset[str]) -> Parts:
        named: dict[str, dict[str, Any]] = {name: {"dry_run": name in dry} for name in NAMES}
        for name, severity in (("other", "page"), ("grim", "rollback")):
            named[name] |= {**RULE, **LIMIT, "severity": severity}
        named["no_data"] |= QUICK
        tables = {"inhibit": {} if self.rules else NO_RULES}
        return parts_of(self.database, self.clock, self.root, tables, trigger=named, limit_per_day=99)

    def live(self, step: Step) -> None:
        self.clock.advance(STEP)
        self.parts = self._parts(step.dry if self.dry else frozenset())
        if step.silence is not None and self.silent:
            trigger, length = step.silence
            with self.database.begin() as connection:
                silences.add(
                    connection, self.parts.settings, self.clock, "p", trigger=trigger, version="", owner="anna",
                    reason="Known.", until=self.clock.now() + length, actor="cli",
                )  # fmt: skip
        passed(self.parts, step.windows, kept=True)

    def rest(self) -> None:
        """End every overlay, and do one pass that judges nothing, 30 minutes later: no page is too young to repeat."""
        self.clock.advance(7 * STEP)
        with self.database.begin() as connection:
            for one in silences.listed(connection, self.clock, "p"):
                silences.end(connection, self.clock, one["id"], "cli")
        self.rules = False
        self.parts = self._parts(frozenset())
        passed(self.parts, {})

    def rows(self, table: Any, *left_out: str) -> list[dict[str, Any]]:
        with self.database.read() as connection:
            found = connection.execute(select(table).order_by(*table.primary_key.columns))
            return [{k: v for k, v in row._mapping.items() if k not in left_out} for row in found]

    def pages(self) -> list[tuple[float, list[dict[str, Any]]]]:
        with self.database.read() as connection:
            found = connection.execute(select(log).where(log.c.kind == events.PAGE).order_by(log.c.id))
            return [(row.at, json.loads(row.body).get("alerts", [])) for row in found]


Open = Callable[..., World]


@pytest.fixture
def world(tmp_path: Path, migrated_file: Path) -> Iterator[Open]:
    import shutil

    opened: list[Database] = []

    def make(**lies: bool) -> World:
        path = tmp_path / f"{len(opened)}.db"
        shutil.copyfile(migrated_file, path)
        opened.append(Database(f"sqlite:///{path}"))
        return World(opened[-1], tmp_path, **{"silent": False, "rules": False, "dry": False, **lies})

    yield make
    for one in opened:
        one.close()


@pytest.mark.parametrize("seed", SEEDS)
def test_states_and_verdicts_are_equal_with_and_without_overlays_and_so_are_rollbacks_without_dry_runs(
    world: Open, seed: int
) -> None:
    plain, muted, whole = world(), world(silent=True, rules=True), world(silent=True, rules=True, dry=True)
    for step in history(seed):
        for one in (plain, muted, whole):
            one.live(step)
    for table in (verdicts, alerts, transitions):
        assert plain.rows(table) == muted.rows(table)
        assert plain.rows(table, "dry_run") == whole.rows(table, "dry_run")
    told = [len(one.pages()) for one in (plain, muted)]
    assert told[0] > 0
    made = ("id", "body", "reason")
    assert plain.rows(actions, *made) == [] or sorted(map(str, plain.rows(actions, *made))) == sorted(
        map(str, muted.rows(actions, *made))
    )
    assert plain.rows(routes) == muted.rows(routes)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_dry_run_never_pages_and_what_still_fires_when_the_last_overlay_ends_pages_within_one_pass(
    world: Open, seed: int
) -> None:
    one = world(silent=True, rules=True, dry=True)
    dry_at: dict[float, frozenset[str]] = {}
    for step in history(seed):
        one.live(step)
        dry_at[one.clock.now()] = step.dry
    for at, told in one.pages():
        assert not {alert["trigger"] for alert in told} & dry_at[at]
    with one.database.read() as connection:
        lies = over(connection, one.parts.settings, one.clock.now(), "p")
    muted = {where for where in WHERE if lies.mutes(Where("p", *where))}
    one.rest()
    paged = {alert["id"] for _at, told in one.pages() for alert in told}
    last = {alert["id"] for at, told in one.pages() for alert in told if at == one.clock.now()}
    known = {(row["version"], row["trigger"], row["key"]): row["told"] for row in one.rows(notices)}
    for row in one.rows(alerts):
        where = (row["version"], row["trigger"], row["key"])
        if row["state"] == "firing" and row["severity"] == "page":
            assert (known[where], identify("p", *where) in paged) == ("firing", True), where
            assert where not in muted or identify("p", *where) in last, where
        else:
            assert identify("p", *where) not in last, where
