"""Every shipped trigger has a fault that it fires on, for a policy whose log has every column."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from monitor.clock import ManualClock
from monitor.drill.faults import FAULTS, fault_of
from monitor.drill.perform import drill
from monitor.drill.site import clear
from monitor.metrics import METRICS
from monitor.settings import Trigger, shipped_triggers
from monitor.tick import Parts
from tests.drilled import held, steps, world

ELSEWHERE = {"reward_late", "novelty"}  # need a log of their own, below


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Parts:
    return world(tmp_path_factory.mktemp("drill"))


def waits(parts: Parts) -> Callable[[float], None]:
    assert isinstance(parts.clock, ManualClock)
    return parts.clock.advance


def test_every_shipped_trigger_has_a_fault() -> None:
    shipped = {name: Trigger.model_validate(values) for name, values in shipped_triggers().items()}
    assert [name for name, trigger in shipped.items() if fault_of(trigger) is None] == []
    assert set(FAULTS) <= set(METRICS)


@pytest.mark.full
@pytest.mark.parametrize("trigger", sorted(set(shipped_triggers()) - ELSEWHERE))
def test_every_shipped_trigger_fires_on_its_fault(parts: Parts, trigger: str) -> None:
    found = drill(parts, "p", trigger, by="ada", wait=waits(parts))
    assert found["state"] == "passed", found["sentence"]
    assert {"healthy", "fault", "fired", "paged"} <= set(steps(found))


@pytest.mark.full
@pytest.mark.parametrize("trigger", ["reward_late", "reward_3sigma"])
def test_rewards_that_come_later_come_later_in_a_drill_too(tmp_path: Path, trigger: str) -> None:
    parts = world(tmp_path, policy={"reward_horizon": "15m", "candidate": {}})
    found = drill(parts, "p", trigger, by="ada", wait=waits(parts))
    assert found["state"] == "passed", found["sentence"]


@pytest.mark.full
def test_novelty_is_drilled_with_the_network_of_the_baseline(tmp_path: Path) -> None:
    parts = world(tmp_path, policy={"metrics": {"novelty": True}})
    before = held(parts)
    found = drill(parts, "p", "novelty", by="ada", wait=waits(parts))
    assert found["state"] == "passed", found["sentence"]
    assert held(parts) == before


LEFT = """
import time
from monitor.drill.site import workspace
with workspace() as home:
    print(home, flush=True)
    time.sleep(600)
"""


@pytest.mark.full
def test_kill_9_leaves_a_directory_that_the_next_drill_removes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    environment = {**os.environ, "TMPDIR": str(tmp_path), "PYTHONPATH": str(Path(__file__).resolve().parents[1])}
    with subprocess.Popen([sys.executable, "-c", LEFT], stdout=subprocess.PIPE, text=True, env=environment) as one:
        assert one.stdout is not None
        home = Path(one.stdout.readline().strip())
        (home / "drill.db").write_bytes(b"half a drill")
        assert clear() == []
        one.kill()
        one.wait()
    assert clear() == [home]
    assert not home.exists()
