"""What landed decisions count towards: live and late buckets, traffic, single events, quarantine and candidates."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from sqlalchemy import func, select

from monitor.bucketing import sealing
from monitor.store.tables import (
    quarantine,
    single_events,
    traffic,
)
from monitor.summaries import summarise
from monitor.validate import Accepted, Reject
from tests.landings import START, Make, assert_same, lake_rows, log, minutes, open_landing, plan


@pytest.fixture
def make(tmp_path: Path) -> Make:
    return partial(open_landing, tmp_path)


def test_rows_for_a_sealed_bucket_land_are_counted_and_change_no_verdict(make: Make) -> None:
    landing = make()
    landing.decisions("bids", Accepted(log(0, 300)), "request 1")
    sealing.seal(landing.database, "bids", START + 120, {300})
    judged = minutes(landing)
    others = log(0, 240, {"decision_id": [f"l{i}" for i in range(240)]}, seed=1)
    landed = landing.decisions("bids", Accepted(others), "request 2")
    assert (landed.accepted, landed.late) == (240, 120)
    after = minutes(landing)
    assert after["v1", "", START] == judged["v1", "", START]
    assert after["v1", "", START + 120].rows == 2 * judged["v1", "", START + 120].rows
    late = minutes(landing, late=True)
    assert {key[2] for key in late} == {START, START + 60}
    assert late["v1", "", START]["tallies"]["late"] == 40
    landing.rebuild("bids", START, START + 300)
    assert_same(minutes(landing), after)
    assert_same(minutes(landing, late=True), late)


def test_traffic_is_counted_by_version_without_shadows_and_without_history(make: Make) -> None:
    landing = make(at=START + 3700.0)
    arms = ["shadow" if i % 10 == 0 else None for i in range(3650)]
    landing.decisions("bids", Accepted(log(0, 3650, {"arm": pa.array(arms, pa.string())})), "request")
    with landing.database.read() as connection:
        rows = connection.execute(select(traffic)).all()
    assert min(row.start for row in rows) > START + 100
    by_start = {(row.start, row.version): row.rows for row in rows}
    assert by_start[START + 1000, "v1"] + by_start[START + 1000, "v2"] == 9


def test_shadow_rows_are_never_in_live_buckets(make: Make) -> None:
    landing = make()
    landing.decisions("bids", Accepted(log(0, 30, {"arm": ["live", "shadow", "canary"] * 10})), "request")
    found = minutes(landing)
    assert {segment for _version, segment, _start in found} == {"", "arm=shadow"}
    assert sum(one.rows for key, one in found.items() if key[1] == "") == 20


def test_single_events_name_the_decision_and_are_bounded(make: Make) -> None:
    cap = {"cap": {"cost": "spend", "limit": 1.0, "hard": True}}
    landing = make(constraint=cap)
    spend = np.where(np.arange(450) % 450 < 300, 2.0, 1.0)
    columns = {"cost.spend": spend, "irreversible": [i in {5, 6} for i in range(450)], "version": ["v1"] * 450}
    columns["override"] = pa.array(["ann" if i == 6 else None for i in range(450)])
    landed = landing.decisions("bids", Accepted(log(0, 450, columns)), "request")
    with landing.database.read() as connection:
        rows = connection.execute(select(single_events).order_by(single_events.c.id)).all()
    assert landed.events == len(rows) == 101
    assert (rows[0].decision_id, rows[0].value, rows[0].rows) == ("d0", 2.0, 1)
    assert (rows[99].decision_id, rows[99].value, rows[99].rows) == ("d99", 2.0, 201), (
        "the last one stands for the rest"
    )
    assert (rows[100].metric, rows[100].decision_id, rows[100].key) == ("irreversible_action", "d5", "high")


def test_quarantine_is_bounded_and_counted_whole(make: Make) -> None:
    landing = make()
    rejects = tuple(Reject(i + 1, "ts", "no ts", f"{i}") for i in range(1500))
    landed = landing.decisions("bids", Accepted(log(0, 0), rejects), "request")
    with landing.database.read() as connection:
        assert connection.execute(select(func.count()).select_from(quarantine)).scalar_one() == 1000
    assert landed.quarantined == 1500


def test_candidates_are_scored_into_lake_and_buckets_and_a_broken_one_stops_nothing(
    make: Make, caplog: pytest.LogCaptureFixture
) -> None:
    landing = make(candidate={"good": {"policy": "column:good"}, "gone": {"policy": "linear:gone.json"}})
    landing.decisions("bids", Accepted(log(0, 10, {"candidate_probs.good": np.full(10, 0.25)})), "request")
    table = lake_rows(landing)
    assert table["pi.good"].to_pylist() == [0.25] * 10
    assert table["pi.gone"].null_count == 10
    assert "candidate.gone" in caplog.text
    total = minutes(landing)["v1", "", START]
    assert total["candidates"].sums(1)[1] == pytest.approx(0.5 * total.rows)


def test_a_candidate_whose_file_changed_is_scored_again_and_its_old_values_are_mixed_with_nothing(
    make: Make, tmp_path: Path
) -> None:
    def write(bias: float) -> float:
        model: dict[str, Any] = {"kind": "linear_softmax", "features": ["load"], "actions": ["low", "high"]}
        model |= {"weights": [[0.0], [0.0]], "bias": [0.0, bias]}
        (tmp_path / "next.json").write_text(json.dumps(model))
        return float(np.exp(bias) / (1 + np.exp(bias)))

    def expected(rows: int, high: float) -> list[float]:
        return [high if i % 2 else 1 - high for i in range(rows)]

    landing = make(candidate={"next": {"policy": "linear:next.json"}})
    before = write(1.0)
    landing.decisions("bids", Accepted(log(0, 90)), "request")
    assert lake_rows(landing)["pi.next"].to_pylist() == pytest.approx(expected(90, before))
    after = write(-2.5)
    assert landing.recount("bids") == 1, "the buckets are counted with the other policy"
    landing.decisions("bids", Accepted(log(90, 30)), "request 2")
    scored = log(0, 120, {"pi.next": expected(120, after)})
    assert_same(minutes(landing), summarise(scored, plan(landing)))
    other = make(candidate={"next": {"policy": "linear:next.json"}})
    assert other.recount("bids") == 0, "nothing changed since"
    assert_same(minutes(other), summarise(scored, plan(other)))


def test_a_plan_that_changed_counts_every_bucket_again(make: Make) -> None:
    make().decisions("bids", Accepted(log(0, 4000, {"cost.spend": np.arange(4000.0)})), "request")
    landing = make(constraint={"cap": {"cost": "spend", "limit": 99.5}})
    landing.decisions("bids", Accepted(log(4000, 10, {"cost.spend": np.full(10, 0.0)})), "request 2")
    columns = {"cost.spend": np.concatenate([np.arange(4000.0), np.zeros(10)])}
    assert_same(minutes(landing), summarise(log(0, 4010, columns), plan(landing)))
