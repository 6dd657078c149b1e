"""One attempt of a command hook, with real programs."""

from __future__ import annotations

import json
import os
import select
import sys
from pathlib import Path

import pytest

from monitor.hooks import HOOKS, Acknowledgement, Answer
from monitor.settings import Hook

NOW = 1_750_000_000.5
BODY = json.dumps(
    {"id": "act_1", "data": {"policy": "cooling", "from_version": "v7", "to_version": "v6", "generation": 2}}
).encode()
SHOWN = {"generation": 2, "serving": "v6", "artifact_sha256": "ab"}


def run(*argv: str, timeout: str = "200s") -> Answer:
    hook = Hook.model_validate({"kind": "command", "command": argv, "timeout": timeout})
    return HOOKS["command"](hook, "act_1", BODY, NOW)


def test_a_command_gets_the_event_and_its_names(tmp_path: Path) -> None:
    out = tmp_path / "seen.json"
    script = (
        "import json, os, sys\n"
        "names = ('ACTION_ID', 'POLICY', 'FROM', 'TO', 'GENERATION')\n"
        "seen = {name: os.environ['CHECKREIN_' + name] for name in names}\n"
        f"json.dump([sys.stdin.read(), seen, sys.argv[1]], open({str(out)!r}, 'w'))\n"
    )
    assert run(sys.executable, "-c", script, "$HOME; exit 1").outcome == "delivered"  # no shell reads the arguments
    body, seen, argument = json.loads(out.read_text())
    assert (body, argument) == (BODY.decode(), "$HOME; exit 1")
    assert seen == {"ACTION_ID": "act_1", "POLICY": "cooling", "FROM": "v7", "TO": "v6", "GENERATION": "2"}


@pytest.mark.parametrize(("status", "outcome"), [(0, "delivered"), (1, "retry"), (75, "retry"), (100, "blocked")])
def test_the_exit_status_of_a_command_decides(status: int, outcome: str) -> None:
    answer = run("sh", "-c", f"echo because >&2; exit {status}")
    assert answer.outcome == outcome
    assert "because" in answer.detail


def test_what_a_command_prints_may_be_the_acknowledgement() -> None:
    assert run("echo", json.dumps(SHOWN)).acknowledged == Acknowledgement(2, "v6", "ab")


def test_a_command_that_does_not_exist_is_said() -> None:
    answer = run("/nonexistent/rollback")
    assert answer.outcome == "retry"
    assert "cannot be started" in answer.detail


def test_a_command_that_hangs_is_killed_with_its_children(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    # The child holds the pipe open for writing; its end is seen when the last writer is gone.
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    answer = run("sh", "-c", f"sleep 300 > {pipe} & echo started > {pipe}; wait", timeout="5s")
    assert answer.outcome == "retry"
    assert "was killed" in answer.detail
    os.set_blocking(reader, True)
    assert os.read(reader, 100) == b"started\n"
    assert select.select([reader], [], [], 300)[0]
    assert os.read(reader, 100) == b""
    os.close(reader)


def test_a_child_that_outlives_the_command_delays_nothing(tmp_path: Path) -> None:
    answer = run("sh", "-c", "sleep 3000 & echo $! > " + str(tmp_path / "pid"), timeout="200s")
    pid = int((tmp_path / "pid").read_text())
    os.kill(pid, 0)  # it is still there, and the answer is here
    os.kill(pid, 9)
    assert answer.outcome == "delivered"
