"""A receiver that says 200 and does nothing: never green, paged within two minutes."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import select

from monitor.acting import by_hand
from monitor.acting.actions import ActionLoop
from monitor.clock import ManualClock, stamp
from monitor.runtime import build
from monitor.settings import load
from monitor.store.tables import actions, events
from monitor.tick import Parts, tick

if TYPE_CHECKING:
    from tests.faults.conftest import Site

BOUND = 120.0


def go_on(site: Site, parts: Parts, loop: ActionLoop, clock: ManualClock, seconds: int, version: str) -> None:
    """Let time pass: the log says that ``version`` acts, and the action loop makes its passes."""
    for _ in range(seconds):
        row = {"decision_id": f"{clock.now()}", "ts": stamp(clock.now()), "version": version, "action": "a"}
        with (site.root / "log.jsonl").open("a") as file:
            file.write(json.dumps(row) + "\n")
        clock.advance(1.0)
        if clock.now() % 5 == 0:
            tick(parts, "p")
        loop.run_due()


@pytest.mark.fault(5)
@pytest.mark.parametrize("idle", [True, False], ids=["does-nothing", "acknowledges-and-does-nothing"])
def test_a_receiver_that_only_says_200_is_paged_within_two_minutes(
    site: Site, say: Callable[[str], None], monkeypatch: pytest.MonkeyPatch, idle: bool
) -> None:
    monkeypatch.setenv("CHECKREIN_HOOK_SECRET", site.SECRET)
    source = '[policy.p.source]\nkind = "jsonl"\npath = "log.jsonl"\n'
    site.configure(f'[policy.p]\nincumbent = "v6"\nserving = "v7"\n{source}', timeout="60s", health=True)
    site.receiver(*(["--idle"] if idle else []))
    epoch = time.time() // 5 * 5  # the receiver refuses signatures that are more than 300 s away from its own clock
    clock = ManualClock(epoch)
    parts = build(load(site.config), clock)
    loop = ActionLoop(parts.database, parts.settings, clock, "one")
    with parts.database.begin() as connection:
        by_hand.request(connection, parts, "p", None, "the fault test asks", "test")
    go_on(site, parts, loop, clock, 130, "v7")

    def state() -> tuple[str, list[float]]:
        with parts.database.read() as connection:
            now = connection.execute(select(actions.c.state)).scalar_one()
            paged = connection.execute(select(events.c.real_at).where(events.c.kind == "page")).scalars().all()
        return now, list(paged)

    now, paged = state()
    assert now == "unconfirmed"
    assert len(paged) == 1
    assert paged[0] - epoch <= BOUND
    go_on(site, parts, loop, clock, 150, "v7")
    resent = len(site.posts())
    assert resent >= 3, "it is sent again for as long as nothing moves"
    assert len(set(site.posts())) == 1
    assert state() == ("unconfirmed", paged), "nothing unconfirmed turns green, and one trouble is one page"
    loop.close()
    say(f"unconfirmed and paged {paged[0] - epoch:.0f} s after the decision (bound: 120), sent {resent} times in 280 s")
