"""An alert that flaps twenty times in ten minutes: two pages, and every flap on record."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import func, select

from monitor.clock import ManualClock
from monitor.store.database import Database
from monitor.store.tables import transitions
from tests.paged import judged, pages, parts_of

FLAPS, SPAN, MOST = 20, 600.0, 2


@pytest.mark.fault(12)
def test_twenty_flaps_in_ten_minutes_page_at_most_twice(
    database: Database, clock: ManualClock, tmp_path: Path, say: Callable[[str], None]
) -> None:
    parts = parts_of(database, clock, tmp_path)
    for turn in range(2 * FLAPS):
        clock.advance(SPAN / FLAPS / 2)
        judged(parts, turn % 2 == 0)
    with database.read() as connection:
        moved = connection.execute(select(func.count()).select_from(transitions)).scalar_one()
    assert moved == 2 * FLAPS
    assert [page["why"] for page in pages(parts)] == ["firing", "flapping"]
    say(f"{FLAPS} flaps in 10 minutes: {len(pages(parts))} pages (bound: {MOST}), {moved} transitions on record")
