"""Landing decisions: exactly once, whatever happens between the lake and the commit."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from sqlalchemy import select

from monitor.bucketing import sealing
from monitor.log_store.lake import LakeFullError
from monitor.store.database import DatabaseUnavailableError
from monitor.store.tables import (
    baselines,
    manifest,
    policies,
    watermarks,
)
from monitor.summaries import summarise
from monitor.summaries.plan import Plan
from monitor.validate import Accepted
from tests.landings import START, Make, assert_same, lake_rows, log, mark, minutes, open_landing, plan, state


@pytest.fixture
def make(tmp_path: Path) -> Make:
    return partial(open_landing, tmp_path)


def test_landed_chunks_add_up_to_the_summary_of_the_whole_log(make: Make) -> None:
    landing = make()
    for first in range(0, 9000, 1500):
        landed = landing.decisions("bids", Accepted(log(first, 1500)), "log.csv", mark(first + 1500))
        assert (landed.accepted, landed.duplicates) == (1500, 0)
    assert_same(minutes(landing), summarise(log(0, 9000), plan(landing)))
    wanted = ["decision_id", "ts", "reward"]
    same = lake_rows(landing).select(wanted).equals(log(0, 9000).select(wanted))
    assert same
    with landing.database.read() as connection:
        assert len(connection.execute(select(manifest.c.hour).distinct()).all()) == 3
        assert connection.execute(select(policies.c.last_ts)).scalar_one() == START + 8999
        assert connection.execute(select(watermarks.c.rows)).scalar_one() == 9000


def test_a_locked_database_accepts_nothing_and_the_repeat_leaves_no_second_file(make: Make) -> None:
    landing, other = make(busy=0.1), make()
    landing.decisions("bids", Accepted(log(0, 10)), "log.csv", mark(10))
    before = state(landing)
    with other.database.begin(), pytest.raises(DatabaseUnavailableError, match="locked"):
        landing.decisions("bids", Accepted(log(10, 200)), "log.csv", mark(210))
    assert state(landing) == before
    orphaned = set(landing.lake.root.rglob("*.parquet"))
    assert landing.decisions("bids", Accepted(log(10, 200)), "log.csv", mark(210)).accepted == 200
    assert set(landing.lake.root.rglob("*.parquet")) == orphaned, "the repeat wrote the orphans' own names"
    assert_same(minutes(landing), summarise(log(0, 210), plan(landing)))


ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[1])}
CRASH = """
import os, signal
from pathlib import Path
import tests.landings as t
from monitor.bucketing import buckets
from monitor.validate import Accepted
landing = t.open_landing(Path({folder!r}))
landing.decisions("bids", Accepted(t.log(0, 1000)), "log.csv", t.mark(1000))
original = buckets.add
def die(*args, **kwargs):
    original(*args, **kwargs)
    os.kill(os.getpid(), signal.SIGKILL)
buckets.add = die
landing.decisions("bids", Accepted(t.log(1000, 5000)), "log.csv", t.mark(6000))
"""


def test_a_process_killed_inside_the_commit_loses_nothing_and_repeats_nothing(make: Make, tmp_path: Path) -> None:
    landing = make()
    script = textwrap.dedent(CRASH).format(folder=str(tmp_path))
    done = subprocess.run([sys.executable, "-c", script], check=False, env=ENVIRONMENT)
    assert done.returncode == -signal.SIGKILL
    assert_same(minutes(landing), summarise(log(0, 1000), plan(landing)))
    assert lake_rows(landing).num_rows == 1000, "files that nobody named do not exist for a reader"
    landed = landing.decisions("bids", Accepted(log(1000, 5000)), "log.csv", mark(6000))
    assert (landed.accepted, landed.duplicates) == (5000, 0)
    assert_same(minutes(landing), summarise(log(0, 6000), plan(landing)))


def test_a_baseline_frozen_between_look_and_commit_is_noticed(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    landing, other = make(), make()
    landing.decisions("bids", Accepted(log(0, 60)), "request 1")
    frozen = Plan(actions=("low", "high"), reward_edges=(-1.0, 0.0, 1.0))
    score = landing._tools.scorer.score

    def freeze_meanwhile(*args: Any) -> pa.Table:
        monkeypatch.undo()
        with other.database.begin() as connection:
            row = {"policy": "bids", "begin": START, "end": START + 60, "frozen": 0.0, "actor": "ann", "digest": ""}
            connection.execute(baselines.insert().values(plan=frozen.to_json(), **row))
        return score(*args)

    monkeypatch.setattr(landing._tools.scorer, "score", freeze_meanwhile)
    landing.decisions("bids", Accepted(log(60, 60)), "request 2")
    assert_same(minutes(landing), summarise(log(0, 120), frozen))


def test_a_seal_between_look_and_commit_makes_the_rows_late(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    landing, other = make(), make()
    landing.decisions("bids", Accepted(log(0, 60)), "request 1")
    score = landing._tools.scorer.score

    def seal_meanwhile(*args: Any) -> pa.Table:
        monkeypatch.undo()
        sealing.seal(other.database, "bids", START + 120, set())
        return score(*args)

    monkeypatch.setattr(landing._tools.scorer, "score", seal_meanwhile)
    assert landing.decisions("bids", Accepted(log(60, 120)), "request 2").late == 60
    assert {key[2] for key in minutes(landing)} == {START, START + 120}


def test_a_full_disk_accepts_nothing_and_names_the_path_and_the_fix(make: Make, tmp_path: Path) -> None:
    landing = make()
    landing.database.close()
    script = f"""
    import resource
    from pathlib import Path
    import tests.landings as t
    from monitor.log_store.lake import LakeFullError
    from monitor.validate import Accepted
    landing = t.open_landing(Path({str(tmp_path)!r}))
    rows = t.log(0, 20000, every=0.1)
    landing.lake.root.mkdir()
    landing.database.close()  # the last one writes the log of changes back: only the lake is to meet the limit
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
    try:
        landing.decisions("bids", Accepted(rows), "log.csv", t.mark(20000))
    except LakeFullError as error:
        print(error)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)],
        check=True,
        text=True,
        capture_output=True,
        env=ENVIRONMENT,
    )
    assert "policy=bids/decisions" in done.stdout, done.stderr
    assert "free space or point store.lake at a larger disk" in done.stdout
    assert not [path for path in landing.lake.root.rglob("*") if path.is_file()]
    assert not any(state(landing).values())
    assert landing.decisions("bids", Accepted(log(0, 20000, every=0.1)), "log.csv", mark(20000)).accepted == 20000


def test_errors_other_than_a_full_disk_are_not_called_one(make: Make) -> None:
    landing = make()
    landing.lake.root.write_text("a file where the lake should be")
    with pytest.raises(OSError, match="lake") as caught:
        landing.decisions("bids", Accepted(log(0, 5)), "request")
    assert not isinstance(caught.value, LakeFullError)
    assert not any(state(landing).values())
