"""A receiver that hangs: the others are told as if it were not there."""

from __future__ import annotations

import statistics
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from monitor.acting.sending import SENDERS
from tests.receivers import Site as Receivers

PATIENCE = 300.0
TIMES = 8
HANGING = [f"p{number}" for number in range(2 * SENDERS)]  # twice as many as a hook has senders


@pytest.mark.fault(4)
def test_a_hung_receiver_delays_no_other(receivers: Receivers, say: Callable[[str], None]) -> None:
    site, release, stop, hanging = receivers, threading.Event(), threading.Event(), threading.Semaphore(0)

    def hangs(headers: dict[str, str], body: bytes) -> tuple[int, Any]:
        hanging.release()
        release.wait(2 * PATIENCE)
        return 200, {}

    site.configure(a={"policies": HANGING}, b={"url": site.b.url, "policies": ["p10", "p11"]})
    loop = threading.Thread(target=site.loop.run_forever, args=(stop,))

    def told(times: int) -> list[float]:
        """Roll back one of the others again and again; return how long each took to arrive."""
        took = []
        for number in range(times):
            begun = time.monotonic()
            (action,) = site.roll_back(f"p{10 + number % 2}", to_version=f"v{number % 4 // 2 + 5}")
            site.loop.wake()
            assert site.b.got.acquire(timeout=PATIENCE), "the other receiver is not told"
            assert site.b.ids()[-1] == action
            took.append(time.monotonic() - begun)
        return took

    loop.start()
    try:
        before = told(TIMES)
        site.a.handle = hangs
        for policy in HANGING:
            site.roll_back(policy)
        site.loop.wake()
        for _ in range(SENDERS):
            assert hanging.acquire(timeout=PATIENCE)
        meanwhile = told(TIMES)
        assert len(site.a.bodies) == SENDERS, "every sender of the hook that hangs still hangs"
    finally:
        release.set()
        stop.set()
        site.loop.wake()
        loop.join(PATIENCE)
    assert not loop.is_alive()
    slower = max(meanwhile) - max(before)
    say(
        f"{SENDERS} senders hung: {TIMES} rollbacks of another hook arrived in {statistics.median(meanwhile):.3f} s"
        f" each, {statistics.median(before):.3f} s before; the slowest took {slower:+.3f} s (aim: <= 1 s more)"
    )
