"""What was landed before: the same decision counts once, and a changed one is refused by the field that changed."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from sqlalchemy import select

from monitor.landing.land import Landed
from monitor.store.tables import (
    quarantine,
)
from monitor.summaries import summarise
from monitor.validate import Accepted, Reject
from tests.landings import START, Make, assert_same, lake_rows, log, mark, minutes, open_landing, plan, state


@pytest.fixture
def make(tmp_path: Path) -> Make:
    return partial(open_landing, tmp_path)


def test_the_same_chunk_landed_twice_moves_nothing(make: Make) -> None:
    landing = make()
    batch = Accepted(log(0, 500), (Reject(7, "reward", "reward is NaN", "{}"),))
    landing.decisions("bids", batch, "request 1")
    before = state(landing)
    landed = landing.decisions("bids", batch, "request 1")
    assert (landed.accepted, landed.duplicates, landed.quarantined) == (0, 500, 1)
    assert state(landing) == before


def test_a_chunk_behind_the_watermark_is_not_read_again_and_never_moves_it_back(make: Make) -> None:
    landing = make()
    landing.decisions("bids", Accepted(log(0, 100)), "log.csv", mark(100))
    landing.decisions("bids", Accepted(log(100, 100)), "log.csv", mark(200))
    before = state(landing)
    assert landing.decisions("bids", Accepted(log(0, 100)), "log.csv", mark(100)) == Landed(duplicates=100)
    assert state(landing) == before


def test_a_changed_decision_is_quarantined_with_the_field_that_changed(make: Make) -> None:
    landing = make()
    landing.decisions("bids", Accepted(log(0, 50, {"reward": np.full(50, 0.4)})), "request 1")
    changed = log(0, 50, {"reward": np.array([0.4] * 17 + [0.5] + [0.4] * 32)})
    landed = landing.decisions("bids", Accepted(changed), "request 2")
    assert (landed.accepted, landed.duplicates, landed.quarantined) == (0, 49, 1)
    said = "decision d17 was logged before with reward 0.4, now 0.5; rewards that change come as reward events"
    assert [(one.row, one.field, one.reason) for one in landed.rejects] == [(18, "reward", said)]
    with landing.database.read() as connection:
        row = connection.execute(select(quarantine)).one()
    assert (row.origin, row.row, row.reason) == ("request 2", 18, said)
    assert minutes(landing)["v1", "", START].rows == 33


def test_repeats_inside_one_batch_are_found_even_across_hours(make: Make) -> None:
    landing = make()
    again = log(4000, 3, {"decision_id": ["d4000", "d5", "d4002"]})
    landed = landing.decisions("bids", Accepted(pa.concat_tables([log(0, 10), log(0, 4), again])), "request")
    assert (landed.accepted, landed.duplicates, landed.quarantined) == (12, 4, 1)
    assert "d5" in landed.rejects[0].reason


def test_a_column_that_appears_later_is_not_the_same_decision(make: Make) -> None:
    landing = make()
    landing.decisions("bids", Accepted(log(0, 3)), "request 1")
    landed = landing.decisions("bids", Accepted(log(0, 3, {"shield": [None, None, "cap"]})), "request 2")
    assert (landed.duplicates, landed.quarantined, landed.rejects[0].field) == (2, 1, "shield")


def test_lists_and_types_are_compared_by_value(make: Make) -> None:
    landing = make()
    lists = [[0.5, 0.5], None, [1.0]]
    landing.decisions("bids", Accepted(log(0, 3, {"action_probs": lists})), "request 1")
    landed = landing.decisions("bids", Accepted(log(0, 3, {"action_probs": [[0.5, 0.5], None, [0.9]]})), "request 2")
    assert (landed.duplicates, landed.quarantined) == (2, 1)


def test_threads_that_race_with_overlapping_batches_land_every_row_once(make: Make) -> None:
    landings = [make(), make(), make()]
    batches = [(first, 300) for first in range(0, 1500, 150)]

    def work(number: int) -> int:
        order = np.random.default_rng(number).permutation(len(batches))
        found = [landings[number].decisions("bids", Accepted(log(*batches[i])), f"request {number} {i}") for i in order]
        return sum(landed.accepted for landed in found)

    with ThreadPoolExecutor(3) as pool:
        assert sum(pool.map(work, range(3))) == 1650
    assert sorted(lake_rows(landings[0])["decision_id"].to_pylist()) == sorted(f"d{i}" for i in range(1650))
    assert_same(minutes(landings[0]), summarise(log(0, 1650), plan(landings[0])))
