"""Delayed rewards: whatever the order of arrival, the buckets are those of the complete log."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from sqlalchemy import func, select

from monitor.bucketing import sealing
from monitor.bucketing.plans import configured_plan
from monitor.clock import ManualClock
from monitor.landing import rewards
from monitor.landing.land import Landing
from monitor.log_store.schema import TIMESTAMP
from monitor.settings import parse
from monitor.store.database import Database
from monitor.store.tables import metadata, quarantine, summaries, waiting_rewards
from monitor.summaries import BucketSummary, summarise
from monitor.validate import Accepted

START = 1_750_003_200
DAY = 86400
Make = Callable[..., Landing]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    def landing(**policy: Any) -> Landing:
        bids = {"incumbent": "v1", "actions": ["low", "high"], "reward_horizon": "2h", **policy}
        store = {"lake": "lake", "url": f"sqlite:///{tmp_path}/state.db"}
        configured = parse({"store": store, "policy": {"bids": bids}}, tmp_path)
        database = Database(configured.store.url, 30.0)
        metadata.create_all(database.engine)
        return Landing(database, configured, ManualClock(START + DAY))

    return landing


def decisions(rows: int, reward: Any = None, every: int = 13) -> pa.Table:
    at = (START + np.arange(rows) * every) * 1_000_000
    return pa.table(
        {
            "decision_id": [f"d{i}" for i in range(rows)],
            "ts": pa.array(at).cast(TIMESTAMP),
            "policy": ["bids"] * rows,
            "version": ["v1" if i % 3 else "v2" for i in range(rows)],
            "action": ["high" if i % 2 else "low" for i in range(rows)],
            "reward": pa.array(reward if reward is not None else [None] * rows, pa.float64()),
        }
    )


def events(
    ids: list[int],
    values: list[float],
    columns: Mapping[str, Any] | None = None,
    *,
    after: int = 60,
    names: list[str] | None = None,
) -> pa.Table:
    at = (START + np.array(ids, np.int64) * 13 + after) * 1_000_000
    return pa.table(
        {
            "decision_id": [f"d{i}" for i in ids],
            "ts": pa.array(at, pa.int64()).cast(TIMESTAMP),
            "event_id": pa.array(names if names is not None else [None] * len(ids), pa.string()),
            "decision_ts": pa.nulls(len(ids), TIMESTAMP),
            "reward": pa.array(values, pa.float64()),
            **(columns or {}),
        }
    )


def minutes(landing: Landing, late: bool = False) -> dict[tuple[str, str, int], BucketSummary]:
    where = (summaries.c.resolution == 60) & summaries.c.late.is_(late)
    with landing.database.read() as connection:
        rows = connection.execute(select(summaries).where(where)).all()
    return {(row.version, row.segment, row.start): BucketSummary.from_bytes(row.body) for row in rows}


def assert_counted(landing: Landing, complete: pa.Table) -> None:
    found, expected = minutes(landing), summarise(complete, configured_plan(landing.settings, "bids"))
    assert found.keys() == expected.keys()
    for key, summary in expected.items():
        for mine, theirs in zip(found[key].parts, summary.parts, strict=True):
            np.testing.assert_allclose(mine, theirs, rtol=1e-9, atol=1e-9)


def count(landing: Landing, table: Any) -> int:
    with landing.database.read() as connection:
        return int(connection.execute(select(func.count()).select_from(table)).scalar_one())


def test_a_reward_that_comes_later_is_counted_in_the_bucket_of_its_decision(make: Make) -> None:
    landing = make()
    landing.decisions("bids", Accepted(decisions(600)), "log")
    landed = landing.rewards("bids", Accepted(events([3, 599], [1.5, -2.0])), "request")
    assert (landed.accepted, landed.waiting) == (2, 0)
    reward: list[float | None] = [None] * 600
    reward[3], reward[599] = 1.5, -2.0
    assert_counted(landing, decisions(600, reward))


def test_a_reward_that_comes_first_waits_and_is_counted(make: Make) -> None:
    landing = make()
    landed = landing.rewards("bids", Accepted(events([0, 1, 2, 50], [1.0, 2.0, 3.0, 4.0])), "request")
    assert (landed.accepted, landed.waiting) == (0, 4)
    assert landing.rewards("bids", Accepted(events([0], [1.0])), "again").duplicates == 1
    landing.decisions("bids", Accepted(decisions(3)), "log")
    assert count(landing, waiting_rewards) == 1
    assert_counted(landing, decisions(3, [1.0, 2.0, 3.0]))
    with landing.database.begin() as connection:
        assert rewards.expire(connection, "bids", START + DAY + 1, START + DAY + 1) == 1
    assert (count(landing, waiting_rewards), count(landing, quarantine)) == (0, 1)


def test_a_final_reward_is_final(make: Make) -> None:
    landing = make()
    landing.decisions("bids", Accepted(decisions(10)), "log")
    landing.rewards("bids", Accepted(events([4], [1.0])), "request 1")
    before = minutes(landing)
    assert landing.rewards("bids", Accepted(events([4], [1.0], after=90)), "request 2").duplicates == 1
    landed = landing.rewards("bids", Accepted(events([4], [0.5], after=95)), "request 3")
    assert (landed.accepted, landed.quarantined, landed.rejects[0].field) == (0, 1, "reward")
    assert "final reward 1.0, now 0.5" in landed.rejects[0].reason
    assert minutes(landing) == before


def test_a_final_outcome_may_follow_a_final_reward(make: Make) -> None:
    landing = make()
    landing.decisions("bids", Accepted(decisions(10)), "log")
    landing.rewards("bids", Accepted(events([4], [1.0])), "request 1")
    sale = events([4], [1.0], {"outcome.sale": [20.0]}, after=90)
    assert landing.rewards("bids", Accepted(sale), "request 2").accepted == 1
    with landing.database.read() as connection:
        joined = rewards.read(landing.lake, connection, "bids", START, START + 999, mode="final")
    assert (joined["reward"][4].as_py(), joined["outcome.sale"][4].as_py()) == (1.0, 20.0)


def test_additive_rewards_sum_and_an_event_counts_once(make: Make) -> None:
    landing = make(reward_events="additive")
    landing.decisions("bids", Accepted(decisions(4, [10.0, None, 10.0, 10.0])), "log")
    batch = Accepted(events([0, 0, 1], [1.0, 2.0, 0.5], names=["a", "b", "c"]))
    assert landing.rewards("bids", batch, "request 1").accepted == 3
    assert landing.rewards("bids", batch, "request 2").duplicates == 3
    other = landing.rewards("bids", Accepted(events([0], [9.0], names=["a"])), "request 3")
    assert (other.accepted, other.quarantined, other.rejects[0].field) == (0, 1, "reward")
    assert_counted(landing, decisions(4, [13.0, 0.5, 10.0, 10.0]))


def test_a_reward_for_a_sealed_bucket_lands_is_counted_late_and_changes_nothing(make: Make) -> None:
    landing = make()
    landing.decisions("bids", Accepted(decisions(20)), "log")
    sealing.seal(landing.database, "bids", START + 120, set())
    before = minutes(landing)
    landed = landing.rewards("bids", Accepted(events([0, 19], [5.0, 5.0])), "request")
    assert (landed.accepted, landed.late) == (2, 1)
    after = minutes(landing)
    assert {key for key in after if after[key] != before[key]} == {("v1", "", START + 240)}
    landing.rebuild("bids", START, START + 300)
    assert minutes(landing) == after


def test_a_reward_beyond_the_horizon_waits_unless_it_names_the_time_of_its_decision(make: Make) -> None:
    landing = make()
    landing.decisions("bids", Accepted(decisions(2)), "log")
    assert landing.rewards("bids", Accepted(events([0], [1.0], after=5 * 3600)), "request 1").waiting == 1
    named = events([1], [1.0], after=5 * 3600)
    named = named.set_column(3, "decision_ts", pa.array([START * 1_000_000]).cast(TIMESTAMP))
    assert landing.rewards("bids", Accepted(named), "request 2").accepted == 1


@pytest.mark.parametrize("mode", ["final", "additive"])
@pytest.mark.parametrize("seed", range(3))
def test_any_order_of_arrival_gives_the_buckets_of_the_complete_log(make: Make, mode: str, seed: int) -> None:
    draw = np.random.default_rng(seed)
    landing = make(reward_events=mode)
    logged = [float(value) if draw.random() < 0.5 else None for value in draw.normal(size=400)]
    log = decisions(400, logged)
    ids = draw.permutation(400)[:200].tolist() if mode == "final" else draw.integers(0, 400, 300).tolist()
    values = draw.normal(size=len(ids)).tolist()
    later = events(ids, values, names=[f"e{i}" for i in range(len(ids))])
    work: list[tuple[str, pa.Table]] = [
        ("decisions", log.take(part)) for part in np.array_split(draw.permutation(400), 5)
    ]
    work += [("rewards", later.take(part)) for part in np.array_split(draw.permutation(len(ids)), 5)]
    work += [work[i] for i in draw.integers(0, len(work), 4)]  # deliveries that are repeated
    for number in draw.permutation(len(work)):
        kind, table = work[number]
        getattr(landing, kind)("bids", Accepted(table), f"request {number}")
    total = list(logged)
    for row, value in zip(ids, values, strict=True):
        total[row] = value if mode == "final" else (total[row] or 0.0) + value
    assert_counted(landing, decisions(400, total))
    assert (count(landing, waiting_rewards), count(landing, quarantine)) == (0, 0)
    landing.compact("bids", START + DAY)
    landing.rebuild("bids", START, START + DAY)
    assert_counted(landing, decisions(400, total))
