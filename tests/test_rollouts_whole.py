"""A version's whole way, from a draft to serving, over a log that lands as it is written; and one that is worse."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import select

from monitor.acting import route
from monitor.store.tables import events, incidents
from tests.passes import BASE, HOUR
from tests.rollout_world import World


@pytest.mark.full
def test_a_version_that_is_no_worse_comes_to_serve(tmp_path: Path) -> None:
    world = World(tmp_path, 0.0)
    world.until("stable")
    with world.parts.database.read() as connection:
        found = route.current(connection, world.parts.settings, world.clock, "p")
        kinds = list(connection.execute(select(events.c.kind).order_by(events.c.id)).scalars())
    assert (found.serving, dict(found.split), found.generation) == ("v7", {"v7": 1.0}, 4)
    stages = [place for place in world.phases if place.endswith("baking")]
    assert stages == ["0 baking", "1 baking", "2 baking"]
    assert kinds.count("rollout.stage.requested") == 3  # 25%, 100%, and that it serves
    assert kinds.count("rollout.agreed") == 2 + 2 * 2
    assert world.clock.now() - BASE > 3 * HOUR


@pytest.mark.full
def test_a_version_that_is_worse_is_rolled_back_at_its_first_share(tmp_path: Path) -> None:
    world = World(tmp_path, -0.5)
    world.until("rolled_back", "stable")
    assert world.phases[-1] == "1 rolled_back"
    with world.parts.database.read() as connection:
        found = route.current(connection, world.parts.settings, world.clock, "p")
        (incident,) = connection.execute(select(incidents)).all()
    assert dict(found.split) == {"v6": 1.0}
    assert incident.rolled_back == '["v7"]'
