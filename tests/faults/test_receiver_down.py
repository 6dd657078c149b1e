"""A receiver that is down for ten minutes: a person knows within 30 s, and it is told within 70 s of being back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import select

from monitor.store.tables import events
from tests.receivers import EPOCH
from tests.receivers import Site as Receivers

DOWN = 600.0
PAGED, DELIVERED = 30.0, 70.0  # the bounds, on the injected clock
BUSY = {"p0", "p1", "p2"}


def nobody(headers: dict[str, str], body: bytes) -> None:
    """Cut the connection without an answer, as a process that is killed does."""
    return


def unwell(headers: dict[str, str], body: bytes) -> tuple[int, Any]:
    """Answer that it cannot."""
    return 503, {}


def pages(site: Receivers) -> dict[str, list[float]]:
    """Return when each policy was paged about, after the decision."""
    found: dict[str, list[float]] = {}
    with site.database.read() as connection:
        for row in connection.execute(select(events).where(events.c.kind == "page")):
            found.setdefault(row.policy, []).append(row.real_at - EPOCH)
    return found


@pytest.mark.fault(3)
@pytest.mark.parametrize("handle", [nobody, pytest.param(unwell, marks=pytest.mark.full)])
def test_ten_minutes_without_a_receiver_are_paged_and_made_good(
    receivers: Receivers, say: Callable[[str], None], handle: Callable[..., Any]
) -> None:
    site = receivers
    site.a.handle = handle
    sent = {action for policy in sorted(BUSY) for action in site.roll_back(policy)}
    site.run()
    while site.clock.now() < EPOCH + DOWN:
        site.run(1.0 if 25 <= site.clock.now() - EPOCH < 35 else 5.0)
    told = pages(site)
    assert set(told) == BUSY
    assert {len(times) for times in told.values()} == {1}, "one trouble is one page"
    late = max(times[0] for times in told.values())
    assert late <= PAGED
    attempts = sorted(row.attempts for row in site.rows())
    site.a.handle = lambda headers, body: (200, {})
    while any(row.state == "pending" for row in site.rows()) and site.clock.now() < EPOCH + DOWN + 2 * DELIVERED:
        site.run(1.0)
    delivered = [row.real_delivered - EPOCH - DOWN for row in site.rows()]
    assert max(delivered) <= DELIVERED
    assert set(site.a.ids()) == sent, "every attempt carries the same id"
    say(
        f"down 10 minutes, {len(sent)} rollbacks, {attempts[0]} to {attempts[-1]} attempts each: paged {late:.0f} s"
        f" after the first failure (bound: 30), delivered {min(delivered):.0f} to {max(delivered):.0f} s after it was"
        " back (bound: 70)"
    )
