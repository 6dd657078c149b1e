"""Nothing is promoted early or blindly: not by a clock that is set, not by summer time, not while the log is silent."""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import select

from monitor.rollouts import approve
from monitor.rollouts.store import RolloutError
from monitor.store.tables import alerts
from tests.rollout_desk import ANNA
from tests.rollout_world import STEP, WATCHED, World

HOUR = 3600.0
JUMPS = (
    0.0,
    0.0,
    HOUR,
    HOUR,
    0.0,
    -HOUR,
    -HOUR,
)  # steps of a quarter of an hour; seven, so that stages meet all of them
SUMMER = "AAA0BBB-1,J1/0,J171/3"  # ends on 20 June at 02:00 UTC, in the middle of the first hold


def held(world: World, wrong: Callable[[int], float]) -> dict[str, float]:
    """Take the rollout to its end; return how long each stage was held, by a clock that nobody sets.

    The machine's clock is wrong while stages are held.
    """
    begun: dict[str, float] = {}
    lasted: dict[str, float] = {}
    for number in range(30):
        phase = world.step(wrong(number) if world.phases[-1].endswith("baking") else 0.0)
        now, stage = world.clock.monotonic(), world.phases[-1].split(" ")[0]
        if phase == "baking":
            begun.setdefault(stage, now)
        for one in begun.keys() - lasted.keys():
            if (one, "baking") != (stage, phase):
                lasted[one] = now - begun[one]
        if phase == "stable":
            return lasted
    with world.parts.database.read() as connection:
        raise AssertionError(f"it comes to no end: {world.phases}: {world.row(connection).note}")


@pytest.mark.fault(8)
@pytest.mark.parametrize("how", ["jumps", pytest.param("summer time", marks=pytest.mark.full)])
def test_no_hold_ends_early_when_the_clock_is_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, say: Callable[[str], None], how: str
) -> None:
    world = World(tmp_path, 0.0, stages=(0.25, 1.0))
    if how == "jumps":
        lasted = held(world, lambda number: JUMPS[number % len(JUMPS)])
    else:
        monkeypatch.setenv("TZ", SUMMER)
        time.tzset()
        try:
            begun = time.localtime(world.clock.now()).tm_isdst
            lasted = held(world, lambda _number: 0.0)
            assert (begun, time.localtime(world.clock.now()).tm_isdst) == (1, 0)
        finally:
            os.environ.pop("TZ")
            time.tzset()
    assert lasted.keys() == {"0", "1"}
    assert min(lasted.values()) >= HOUR, "promoted early"
    told = ", ".join(f"stage {stage} {seconds / 60:.0f} min" for stage, seconds in lasted.items())
    say(f"{how}: holds of 60 minutes lasted {told} by a clock that nobody sets")


@pytest.mark.fault(9)
def test_a_silent_log_promotes_nothing(tmp_path: Path, say: Callable[[str], None]) -> None:
    world = World(tmp_path, 0.0, stages=(0.25, 1.0), watched=(*WATCHED, "no_data"))
    for _ in itertools.takewhile(lambda _: world.step(people=False) != "passed", range(40)):
        pass
    assert world.phases[-1] == "0 passed"
    phases = [world.step(silent=True, people=False) for _ in range(5)]
    with world.parts.database.begin() as connection:
        row = world.row(connection)
        silent = connection.execute(select(alerts.c.state).where(alerts.c.trigger == "no_data")).scalars().all()
        with pytest.raises(RolloutError):
            approve.advance(connection, world.parts.settings, world.clock, 1, ANNA, row.judgement_sha256)
    assert (set(silent), phases[-1], row.stage) == ({"firing"}, "inconclusive", 0)
    assert "no_data" in row.note
    blocked = next(number for number, phase in enumerate(phases, 1) if phase != "passed")
    say(f"a stage that had passed was held {blocked * STEP / 60:.0f} min after the log stopped")
