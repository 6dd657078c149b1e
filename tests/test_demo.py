"""The demo, as a newcomer runs it: it ends 0 only when the log has confirmed the rollback."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

COMMAND = [sys.executable, "-m", "monitor", "demo"]


@pytest.mark.full
def test_the_demo_ends_with_a_rollback_that_the_log_confirmed(tmp_path: Path) -> None:
    done = subprocess.run(
        [*COMMAND, "--headless", "--json", "--directory", str(tmp_path / "run")],
        capture_output=True,
        text=True,
        check=False,
        timeout=1800,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    document = json.loads(done.stdout)
    what = [event["what"] for event in document["events"]]
    assert document["confirmed"] is True
    order = [
        "world.fault_injected",
        "rollback.requested",
        "world.switched",
        "action.acknowledged",
        "action.confirmed",
        "done",
    ]
    assert [what.index(one) for one in order if one != "world.switched"] == sorted(
        what.index(one) for one in order if one != "world.switched"
    )
    assert "world.switched" in what
    assert [event["rows"] for event in document["events"] if "rows" in event] == [1_209_600]
    fired = [
        event for event in document["events"] if event["what"] == "transition" and event["body"]["new"] == "firing"
    ]
    assert {"hard_constraint", "reward_3sigma"} & {event["body"]["trigger"] for event in fired}
    print(f"\ndemo: {document['wall_s']} s from start to confirmation")


def test_an_unknown_world_is_named(tmp_path: Path) -> None:
    done = subprocess.run(
        [*COMMAND, "--world", "nowhere", "--headless", "--directory", str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 2
    assert "nowhere" in done.stderr


def test_a_directory_that_holds_a_run_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "checkrein.db").write_bytes(b"")
    done = subprocess.run(
        [*COMMAND, "--headless", "--directory", str(tmp_path)], capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 2
    assert "already holds a run" in done.stderr
