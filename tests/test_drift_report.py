"""Evidently's drift report is asked for, made aside, kept and told; without Evidently it is a note."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from sqlalchemy import select

from monitor.clock import SpedClock
from monitor.drift_report import job
from monitor.drift_report.asked import COURTESY, Wish, ask
from monitor.drift_report.columns import MOST, compared
from monitor.drift_report.process import Worker
from monitor.drift_report.sample import ROWS, sample
from monitor.running.scheduler import Scheduler
from monitor.running.slots import LEASE
from monitor.store.tables import drift_reports, events, slots, transitions, verdicts
from monitor.tick import Parts
from tests.drifts import AFTER, BARE, advance, drifted_at, opened, reports
from tests.firings import FAULT, HOUR, healthy_at, log
from tests.passes import BASE, pass_at, put


@pytest.fixture(scope="module")
def healthy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return healthy_at(tmp_path_factory.mktemp("healthy"))


@pytest.fixture
def drifted(healthy: Path, tmp_path: Path) -> Parts:
    """A policy whose load has moved by 1.6 sigma for three hours, judged."""
    return drifted_at(healthy, tmp_path / "site")


def module(folder: Path, code: str) -> Worker:
    """Return a worker that finds this in place of Evidently, and nothing else that is not in the standard library."""
    package = folder / "packages" / "evidently"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text(code)
    return Worker(BARE, 20.0, {"PYTHONPATH": str(package.parent)})


def test_without_evidently_a_firing_gets_a_note_and_the_passes_go_on(drifted: Parts) -> None:
    assert job.run(drifted, "one", worker=Worker(BARE)) == 1
    (found,) = reports(drifted)
    assert found["state"] == "failed"
    assert found["sentence"].startswith("The drift report of v7, 2025-06-20T0")
    assert "Evidently is not installed: pip install 'checkrein[evidently]'." in found["sentence"]
    assert found["transition"] is not None
    assert job.run(drifted, "one", worker=Worker(BARE)) == 0  # told once, not tried for ever
    put(drifted, log(FAULT + 3 * HOUR, 0.5, "states"))
    pass_at(drifted, AFTER + HOUR / 2)
    with drifted.database.read() as connection:
        judged = connection.execute(select(verdicts.c.end).where(verdicts.c.trigger == "state_drift")).scalars().all()
        kinds = connection.execute(select(events.c.kind)).scalars().all()
    assert max(judged) > AFTER
    assert "drift_report.failed" in kinds


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("raise ImportError('numpy is too new')", "Evidently cannot be loaded (ImportError: numpy is too new)."),
        ("import numpy_of_another_planet", "Evidently cannot be loaded (ModuleNotFoundError: No module named 'numpy_"),
        ("raise RuntimeError('odd')", "Evidently failed (RuntimeError: odd)."),
        ("import os; os._exit(7)", "the worker process ended with status 7."),
        (
            "import socket; socket.create_connection(('127.0.0.1', 9))",
            "Evidently failed (PermissionError: the drift report's worker may not use the network",
        ),
    ],
    ids=["broken", "incomplete", "failing", "dead", "talking"],
)
def test_a_broken_evidently_is_a_note(drifted: Parts, tmp_path: Path, code: str, said: str) -> None:
    assert job.run(drifted, "one", worker=module(tmp_path, code)) == 1
    (found,) = reports(drifted)
    assert found["state"] == "failed"
    assert said in found["sentence"]
    assert found["url"] is None


HANGS = "import os, signal; open(os.environ['SEEN'], 'w').write(str(os.getpid())); signal.pause()"


def test_a_worker_that_hangs_is_ended_at_its_limit(drifted: Parts, tmp_path: Path) -> None:
    slow = module(tmp_path, HANGS)
    seen = tmp_path / "seen"
    slow = Worker(slow.python, 2.0, {**slow.environment, "SEEN": str(seen)})
    assert job.run(drifted, "one", worker=slow) == 1
    assert "it took longer than 2 s." in reports(drifted)[0]["sentence"]
    assert not Path(f"/proc/{seen.read_text()}").exists()


def test_a_server_that_ends_leaves_the_report_to_the_next_one(drifted: Parts, tmp_path: Path) -> None:
    stopping = threading.Event()
    stopping.set()
    slow = module(tmp_path, "import signal; signal.pause()")
    assert job.run(drifted, "one", stopping, slow) == 0
    assert reports(drifted)[0]["state"] == "asked"
    assert job.run(drifted, "two", worker=Worker(BARE)) == 0  # it may still be at work
    advance(drifted, LEASE + 1.0)
    assert job.run(drifted, "two", worker=Worker(BARE)) == 1


def test_the_scheduler_makes_reports_and_ends_without_waiting_for_one(drifted: Parts) -> None:
    drifted.database.close()
    parts = opened(drifted.settings.base, SpedClock(AFTER + 60.0, 1.0, time.time()))
    running, deadline = Scheduler(parts, "one"), time.monotonic() + 60.0
    running.start()
    try:
        while not claimed(parts) and time.monotonic() < deadline:
            threading.Event().wait(0.05)
    finally:
        running.stop()
    assert claimed(parts) == [False]  # begun, not done
    assert reports(parts)[0]["state"] == "asked"


def claimed(parts: Parts) -> list[bool]:
    with parts.database.read() as connection:
        return list(connection.execute(select(slots.c.done).where(slots.c.job == job.JOB)).scalars())


def test_a_rollback_goes_first_and_a_version_gets_a_report_an_hour(drifted: Parts) -> None:
    advance(drifted, -COURTESY)
    assert job.run(drifted, "one", worker=Worker(BARE)) == 0
    advance(drifted, COURTESY)
    while job.run(drifted, "one", worker=Worker(BARE)):
        pass
    with drifted.database.read() as connection:
        fired = connection.execute(select(transitions.c.id).where(transitions.c.new == "firing")).all()
    assert len(fired) > len(reports(drifted)) == 1
    assert claimed(drifted) == [True]


def wish(parts: Parts, **span: Any) -> int:
    with parts.database.begin() as connection:
        return ask(connection, parts.settings, parts.clock, Wish("p", **span), "token:first")


def test_a_person_asks_for_any_span_and_goes_first(drifted: Parts) -> None:
    identity = wish(drifted, begin=BASE, end=BASE + 1800.0)
    assert job.run(drifted, "one", worker=Worker(BARE)) == 1
    newest = reports(drifted)[::-1][0]
    assert (newest["id"], newest["state"], newest["actor"]) == (identity, "failed", "token:first")
    assert newest["end"] == "2025-06-20T00:30:00Z"


@pytest.mark.parametrize(
    ("span", "said"),
    [
        ({"version": "v7", "begin": FAULT + 2.0, "end": FAULT + 3.0}, "v7 decided nothing between"),
        ({"version": "v9"}, "v9 decided nothing between"),
    ],
)
def test_what_cannot_be_compared_is_said(drifted: Parts, span: dict[str, Any], said: str) -> None:
    wish(drifted, **span)
    assert job.run(drifted, "one", worker=Worker(BARE)) == 1
    assert said in next(one["sentence"] for one in reports(drifted) if one["state"] == "failed")


def test_what_makes_no_sense_is_refused(drifted: Parts) -> None:
    with pytest.raises(ValueError, match="not before its end"):
        wish(drifted, begin=BASE, end=BASE)


def test_the_sample_is_bounded_and_the_same_again(drifted: Parts) -> None:
    identity = wish(drifted, version="v7")
    with drifted.database.read() as connection:
        row = connection.execute(select(drift_reports).where(drift_reports.c.id == identity)).one()
        first, again = (sample(connection, drifted.landing.lake, "none", row) for _ in range(2))
    assert first.reference.equals(again.reference)
    assert first.reference.num_rows == ROWS
    assert first.current.num_rows == 360
    assert first.of == "v7"
    assert first.reference.column_names == ["state.load", "action", "state.kind"]
    loads = [np.asarray(side["state.load"]) for side in (first.reference, first.current)]
    assert abs(loads[0].mean()) < 0.05
    assert loads[1].mean() < -1.4
    assert first.columns.bits["state.load"] > 0.2
    assert first.columns.bits["state.kind"] < 0.02


def test_what_a_column_may_hold_is_bounded() -> None:
    n = 400
    odd = pa.table(
        {
            "state.wild": [np.inf, -np.inf, np.nan, 1e300] * (n // 4),
            "state.same": [1.0] * n,
            "state.none": pa.nulls(n, pa.float64()),
            "state.ids": [f"<b>{i}" for i in range(n)],
            "state.mixed": ["a"] * n,
            "action": [[0.1, 0.2]] * n,
            **{f"state.x{i:02}": np.full(n, float(i)) for i in range(MOST)},
        }
    )
    other = odd.set_column(odd.column_names.index("state.mixed"), "state.mixed", pa.array([2.0] * n))
    found = compared(odd, other)
    assert len(found.bits) == MOST
    assert found.left_out["action"] == "a list of values"
    assert found.left_out["state.none"] == "no value in the baseline"
    assert "state.mixed" in found.levels  # text on one side is text
    side = found.of(odd)
    assert side.column_names[: len(found.numbers)] == found.numbers
    if "state.ids" in found.levels:
        levels = set(side["state.ids"].to_pylist())
        assert len(levels) == 51
        assert not any("<" in level for level in levels)
    with pytest.raises(ValueError, match="no column has values both"):
        compared(odd.select(["state.none"]), other.select(["state.none"]))
