"""The review queue as rows land: the same one in any order, batches, repeats and workers, and nothing lost."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from sqlalchemy import event, select

from monitor.review.sizes import measured
from monitor.settings.review import Review
from monitor.store.tables import review_days, review_verdicts, reviews
from monitor.summaries.plan import Plan, Tracked
from monitor.validate import Accepted
from tests.landings import START, Make, log, open_landing
from tests.review_queue import of, shadows

REVIEW = {"per_day": 8, "largest": 3}
ROWS = 720
ACTIONS = Plan(actions=("low", "high"))


@pytest.fixture
def make(tmp_path: Path) -> Make:
    at = START + ROWS * 60.0 + 600.0

    def one(name: str = "one", **policy: Any) -> Any:
        folder = tmp_path / name
        folder.mkdir(exist_ok=True)
        return open_landing(folder, at=at, **{"review": REVIEW, **policy})

    return partial(one)


def land(landing: Any, table: pa.Table, origin: str = "log.csv") -> Any:
    return landing.decisions("bids", Accepted(table), origin)


def test_the_queue_is_the_largest_and_a_sample_of_each_day(make: Make) -> None:
    landing = make()
    land(landing, shadows(0, ROWS))
    items, days = of(landing)
    assert [day[2] - days[0][2] for day in days] == [0, 1]
    by = {name: index for index, name in enumerate(column.name for column in reviews.c if column.name != "added")}
    for day in days:
        mine = [item for item in items if item[by["day"]] == day[2]]
        assert sorted(item[by["stratum"]] for item in mine) == ["largest"] * 3 + ["sampled"] * 5
        assert all(item[by["inclusion"]] == 1.0 for item in mine if item[by["stratum"]] == "largest")
        assert all(0.0 < item[by["inclusion"]] < 1.0 for item in mine if item[by["stratum"]] == "sampled")
        least = min(item[by["size"]] for item in mine if item[by["stratum"]] == "largest")
        assert all(item[by["size"]] <= least for item in mine if item[by["stratum"]] == "sampled")
        rows, paired, differing, large = day[5:9]
        assert rows == paired > differing > large > 30
        total = sum(1.0 / item[by["inclusion"]] for item in mine)
        assert 0.3 * large < total < 3.0 * large
    assert {item[by["live_version"]] for item in items} == {"v1"}
    assert {item[by["sense"]] for item in items} == {"probability"}


def test_any_order_batching_and_repetition_gives_the_same_queue(make: Make) -> None:
    whole = make("whole")
    land(whole, shadows(0, ROWS))
    drawing = random.Random(4)
    cut = make("cut")
    starts = list(range(0, ROWS, 60))
    drawing.shuffle(starts)
    for number, first in enumerate(starts):
        land(cut, shadows(first, 60), f"{number}.csv")
        if number % 4 == 0:
            again = land(cut, shadows(first, 60), f"{number}-again.csv")
            assert (again.accepted, again.duplicates) == (0, 60)
    assert of(cut) == of(whole)
    land(cut, shadows(0, ROWS), "all-again.csv")
    assert of(cut) == of(whole)


def test_several_workers_give_the_same_queue_as_one(make: Make) -> None:
    whole = make("whole")
    land(whole, shadows(0, 600))
    workers = [make("shared"), make("shared")]

    def work(number: int) -> int:
        offset = (150, 0)[number]
        landed = [land(workers[number], shadows(at, 150), f"{at}.csv") for at in range(offset, 600, 300)]
        return sum(one.accepted for one in landed)

    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(work, (0, 1))) == [300, 300]
    assert of(workers[0]) == of(whole)


@pytest.mark.full
def test_a_landing_that_ends_before_its_commit_leaves_no_trace_and_its_repeat_the_same_queue(make: Make) -> None:
    whole, killed = make("whole"), make("killed")
    for first in (0, 600):
        land(whole, shadows(first, 600), f"{first}.csv")
    land(killed, shadows(0, 600), "0.csv")
    before = of(killed)

    def die(*_arguments: Any) -> None:
        raise KeyboardInterrupt

    event.listen(killed.database.engine, "commit", die)
    with pytest.raises(KeyboardInterrupt):
        land(killed, shadows(600, 600), "600.csv")
    event.remove(killed.database.engine, "commit", die)
    assert of(killed) == before
    land(killed, shadows(600, 600), "600.csv")
    assert of(killed) == of(whole)


def test_what_somebody_judged_is_displaced_and_not_lost(make: Make) -> None:
    landing = make()
    land(landing, shadows(0, 40), "0.csv")
    with landing.database.begin() as connection:
        judged = connection.execute(select(reviews.c.id)).scalars().all()
        mine = {"reviewer": "anna", "name": "Anna", "verdict": "neutral", "note": "", "at": 1.0}
        connection.execute(review_verdicts.insert(), [{"review": one, **mine} for one in judged])
    land(landing, shadows(40, 560), "40.csv")
    with landing.database.read() as connection:
        found = {row.id: row for row in connection.execute(select(reviews))}
        days = connection.execute(select(review_days)).all()
    displaced = [one for one in judged if found[one].state == "displaced"]
    assert displaced
    assert all(found[one].inclusion == 0.0 for one in displaced)
    assert sum(row.state == "open" for row in found.values()) == 8 * len(days)


def test_planted_cases_are_queued_beside_the_sample_and_counted_in_nothing(make: Make) -> None:
    bare, planted = make("bare"), make("planted")
    table = shadows(0, 800)
    land(bare, table)
    cases = shadows(0, 20).set_column(0, "decision_id", pa.array([f"planted-{i}" for i in range(20)]))
    land(planted, pa.concat_tables([table, cases]))
    items, days = of(planted)
    assert days == of(bare)[1]
    extra = set(items) - set(of(bare)[0])
    assert len(extra) == 5
    assert {item[-6] for item in extra} == {"planted"}


def test_the_size_of_a_queue_is_that_of_the_day_it_began(make: Make) -> None:
    first = make("same")
    land(first, shadows(0, 100), "0.csv")
    other = make("same", review={"per_day": 12, "largest": 0})
    land(other, shadows(100, 450), "100.csv")
    items, days = of(other)
    assert [day[3:5] for day in days] == [(8, 3), (12, 0)]
    assert len(items) == 20


def test_a_log_without_shadows_leaves_no_queue(make: Make) -> None:
    landing = make()
    land(landing, log(0, 500, {"arm": ["live"] * 500, "proposed_action": ["high"] * 500}))
    assert of(landing) == ([], [])


def rows(**columns: Any) -> pa.Table:
    n = len(columns["action"])
    return pa.table({"version": ["v9"] * n, **columns})


def test_both_ways_of_writing_a_shadow_row_are_the_same_pair() -> None:
    one = measured(rows(action=["low"], proposed_action=["high"]), ACTIONS, Review())
    two = measured(rows(action=["high"], incumbent_action=["low"]), ACTIONS, Review())
    both = measured(rows(action=["hold"], proposed_action=["high"], incumbent_action=["low"]), ACTIONS, Review())
    for pairs in (one, two, both):
        assert (pairs.live.to_pylist(), pairs.own.to_pylist(), pairs.size.tolist()) == (["low"], ["high"], [1.0])
    alone = measured(rows(action=["low"]), ACTIONS, Review())
    assert (len(alone.size), alone.table.num_rows) == (0, 0)


@pytest.mark.parametrize(
    ("columns", "size"),
    [
        ({"candidate_probs.v9": [[0.1, 0.9]]}, 1.6),
        ({"candidate_probs.v9": [[0.9, 0.1]]}, 0.0),  # it would rather have done what was done
        ({"candidate_probs.v9": [0.2]}, 1.2),  # of what was executed: its own action has at most the rest
        ({"pi.v9": [0.2]}, 1.2),
        ({"candidate_probs.v8": [[0.1, 0.9]]}, 1.0),  # of another version: nothing is known
        ({"candidate_probs.v9": [None]}, 1.0),
        ({"action_probs": [[0.1, 0.9]], "propensity": [0.1]}, 1.0),  # of what acted, not of the shadow
        ({"q_value": [5.0], "incumbent_q_value": [2.0], "q_std": [0.5]}, 3.0),
        ({"q_value": [2.0], "incumbent_q_value": [5.0], "q_std": [0.5]}, 3.0),
        ({"q_value": [2.0], "incumbent_q_value": [5.0], "q_std": [0.0], "candidate_probs.v9": [[0.1, 0.9]]}, 1.6),
        ({"q_value": [1e308], "incumbent_q_value": [-1e308], "q_std": [1e-300]}, 1e9),
        ({}, 1.0),
    ],
)
def test_the_size_of_a_discrete_disagreement(columns: dict[str, Any], size: float) -> None:
    found = measured(rows(action=["low"], proposed_action=["high"], **columns), ACTIONS, Review())
    assert found.size.tolist() == pytest.approx([size])


def test_the_shadows_own_distribution_counts_where_action_is_its_own() -> None:
    own = {"incumbent_action": ["low"], "action_probs": [[0.1, 0.9]], "propensity": [0.9]}
    assert measured(rows(action=["high"], **own), ACTIONS, Review()).size.tolist() == pytest.approx([1.6])
    few = {"incumbent_action": ["low"], "propensity": [0.4]}
    assert measured(rows(action=["high"], **few), ACTIONS, Review()).size.tolist() == pytest.approx([0.8])


def test_a_unit_of_value_is_configured_or_the_rows_own() -> None:
    logged = {"proposed_action": ["high"], "q_value": [5.0], "incumbent_q_value": [2.0]}
    assert measured(rows(action=["low"], **logged), ACTIONS, Review(value_unit=3.0)).size.tolist() == [0.5]
    assert measured(rows(action=["low"], **logged), ACTIONS, Review()).size.tolist() == [1.0]  # no unit: unmeasured


def test_action_vectors_are_apart_in_units_of_their_spread() -> None:
    table = rows(action=[[0.0, 0.0], [0.0, 0.0], [1.0]], proposed_action=[[1.0, 0.0], [0.0, 0.0], [2.0]])
    edges = tuple(np.linspace(0.0, 4.0, 5).tolist())
    tracked = [Tracked(f"action_diversity/{i}", "element", ("action",), (float(i),), edges) for i in (0, 1)]
    plan = Plan(tracked=tuple(tracked))
    found = measured(table, plan, Review())
    assert found.differ.tolist() == [True, False, True]
    assert found.size.tolist() == pytest.approx([np.sqrt(0.5) / 4 / 0.25, 0.0, 1.0])  # the last has no second element
    given = measured(table, Plan(), Review(spread=(1.0, 1.0), distance=0.5))
    assert given.size.tolist() == pytest.approx([np.sqrt(0.5) / 0.5, 0.0, 1.0])
    assert measured(table, Plan(), Review()).size.tolist() == [1.0, 0.0, 1.0]


CRASH = """
import os, signal
from pathlib import Path
import tests.landings as t
from monitor.review import arriving
from monitor.validate import Accepted
from tests.review_queue import shadows
landing = t.open_landing(Path({folder!r}), at={at!r}, review={review!r})
original = arriving.put
def die(*args, **kwargs):
    original(*args, **kwargs)
    os.kill(os.getpid(), signal.SIGKILL)
arriving.put = die
landing.decisions("bids", Accepted(shadows(600, 600)), "600.csv")
"""


@pytest.mark.full
def test_a_process_killed_inside_the_commit_queues_nothing_and_its_repeat_the_same(make: Make, tmp_path: Path) -> None:
    whole, killed = make("whole"), make("killed")
    for first in (0, 600):
        land(whole, shadows(first, 600), f"{first}.csv")
    land(killed, shadows(0, 600), "0.csv")
    before = of(killed)
    at = START + ROWS * 60.0 + 600.0
    script = CRASH.format(folder=str(tmp_path / "killed"), at=at, review=REVIEW)
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[1])}
    done = subprocess.run([sys.executable, "-c", script], check=False, env=environment)
    assert done.returncode == -signal.SIGKILL
    assert of(killed) == before
    assert land(killed, shadows(600, 600), "600.csv").accepted == 600
    assert of(killed) == of(whole)
