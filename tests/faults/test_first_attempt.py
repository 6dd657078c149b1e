"""From the commit of a trigger to the first attempt: half a second at most where nothing is busy, p99 within two."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from sqlalchemy import select

from monitor.acting.sending import PERIOD
from monitor.store.tables import actions, transitions
from tests.receivers import Site as Receivers

if TYPE_CHECKING:
    from tests.faults.conftest import Site

BOUND = 2.0
ASKED = 48
POLICIES = [f"p{number:02}" for number in range(40)]


def quantiles(waits: Sequence[float]) -> str:
    half, most, longest = np.quantile(waits, [0.5, 0.99, 1.0])
    return f"p50 {half:.2f} s, p99 {most:.2f} s, max {longest:.2f} s"


@pytest.mark.fault(2)
def test_whoever_commits_the_next_pass_sends_it(receivers: Receivers, say: Callable[[str], None]) -> None:
    """Nobody wakes the loop: another process decided, at any moment between two of its passes."""
    site, draw, begun = receivers, random.Random(2), receivers.clock.now()
    for number in range(ASKED):
        site.clock.at = begun + number * PERIOD + draw.uniform(0.0, PERIOD)
        site.roll_back(f"p{number % 12}", to_version=f"v{6 + number // 12 % 2}" if number > 11 else "v6")
        site.clock.at = begun + (number + 1) * PERIOD
        assert site.loop.run_due() == 1
    waits = [row.real_first_attempt - row.real_requested for row in site.rows()]
    assert len(waits) == ASKED
    assert float(np.quantile(waits, 0.99)) <= BOUND
    told = quantiles(waits)
    say(f"{ASKED} rollbacks that another process committed, on the injected clock: {told} (bound: p99 <= 2 s)")


def decision(policy: str, melt: int) -> dict[str, Any]:
    at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    row = {"decision_id": f"{policy}-{melt}", "ts": at, "policy": policy, "version": "v7", "action": "a"}
    return {**row, "cost.melt": melt}


@pytest.mark.full
@pytest.mark.fault(2)
def test_a_committed_trigger_is_sent_at_once(site: Site, say: Callable[[str], None]) -> None:
    """Real processes, at full load: forty policies do what they may not, all at once."""
    text = '[policy.{0}]\nincumbent = "v6"\nserving = "v7"\n[policy.{0}.constraint.melt]\ncost = "melt"\nhard = true\n'
    site.configure("".join(text.format(name) for name in POLICIES), timeout="60s")
    site.receiver()
    site.serve()
    site.until(lambda: (found := site.get("/readyz")) is not None and found.status_code == 200, "it is not ready")
    answer = site.post("/decisions", json=[decision(name, 1) for name in POLICIES])
    assert answer is not None
    assert answer.status_code == 200, answer.text
    database = site.open()

    def first() -> dict[str, float]:
        with database.read() as connection:
            tried = select(actions).where(actions.c.real_first_attempt.is_not(None))
            return {row.policy: row.real_first_attempt for row in connection.execute(tried)}

    site.until(lambda: len(first()) == len(POLICIES), "not all of them are sent")
    with database.read() as connection:
        fired = select(transitions).where(transitions.c.trigger == "hard_constraint", transitions.c.new == "firing")
        created = {row.policy: row.real_created for row in connection.execute(fired)}
    database.close()
    waits = [at - created[policy] for policy, at in first().items()]
    assert min(waits) >= 0.0, "sent before it was decided"
    say(f"{len(waits)} hard limits broken at once, trigger to first attempt: {quantiles(waits)} (aim: p99 <= 2 s)")
