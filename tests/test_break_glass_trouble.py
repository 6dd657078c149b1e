"""Break-glass where not all is as it should be: no name, hooks that hang, damage, decisions that came later."""

from __future__ import annotations

import getpass
import json
import logging
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from monitor import breakglass
from monitor.acting import by_hand, rollback
from monitor.acting.confirm import acknowledge
from monitor.breakglass.copy import COPY, JOURNAL, folder
from monitor.clock import ManualClock
from monitor.running.scheduler import Scheduler
from monitor.runtime import build
from monitor.settings import ConfigurationError, parse
from monitor.store.tables import actions, events, heartbeats, routes
from monitor.tick import Parts

EPOCH = 1_750_000_000.0
WHY = "It endangers people."
POLICY = {"incumbent": "v6", "serving": "v7", "fallbacks": ["v6", "rules"]}
LONG = "60s"  # which no hook of a green test needs


def built(root: Path, hooks: dict[str, str], policies: tuple[str, ...] = ("cooling",), **store: str) -> Parts:
    """Return the parts of a product whose hooks are lines of a shell, with a fresh copy."""
    hook = {name: {"kind": "command", "command": ["sh", "-c", line], "timeout": LONG} for name, line in hooks.items()}
    told = {"policy": dict.fromkeys(policies, POLICY), "hook": hook, "store": store}
    parts = build(parse(told, root), ManualClock(EPOCH))
    Scheduler(parts, "one")._break_glass()
    return parts


def break_glass(parts: Parts, to: str | None = None, policy: str = "cooling") -> breakglass.BrokenGlass:
    return breakglass.roll_back(parts.settings, parts.clock, policy, to, WHY)


def replay(parts: Parts) -> int:
    return breakglass.replay(parts.database, parts.settings, parts.clock)


def rows(parts: Parts, table: Any) -> list[Any]:
    with parts.database.read() as connection:
        return list(connection.execute(select(table)).all())


def pages(parts: Parts) -> list[str]:
    return [json.loads(row.body)["why"] for row in rows(parts, events) if row.kind == "page"]


def test_an_account_without_a_name_may_stop_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A container's user often has a number and no line in the password file."""
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(os, "getuid", lambda: 2_000_123_456)
    with pytest.raises((KeyError, OSError)):
        getpass.getuser()
    parts = built(tmp_path, {"serving": "true"})
    assert break_glass(parts).states == {"serving": "delivered"}
    replay(parts)
    assert rows(parts, actions)[0].actor == "break_glass:uid 2000123456"


def test_a_hook_that_hangs_keeps_no_other_from_being_told(tmp_path: Path) -> None:
    waits = f"while [ ! -e {tmp_path}/told ]; do sleep 0.02; done"
    parts = built(tmp_path, {"a": waits, "b": f"touch {tmp_path}/told"})
    assert break_glass(parts).states == {"a": "delivered", "b": "delivered"}


def test_who_stops_another_policy_does_not_wait_for_the_receivers_of_the_first(tmp_path: Path) -> None:
    line = f"[ $CHECKREIN_POLICY = q ] && touch {tmp_path}/told; while [ ! -e {tmp_path}/told ]; do sleep 0.02; done"
    parts = built(tmp_path, {"serving": line}, ("p", "q"))
    with ThreadPoolExecutor(2) as pool:
        done = list(pool.map(lambda policy: break_glass(parts, None, policy), ("p", "q")))
    assert [one.states for one in done] == [{"serving": "delivered"}] * 2
    assert replay(parts) == 2


def test_a_damaged_journal_keeps_nobody_from_stopping_and_the_copy_current(tmp_path: Path) -> None:
    parts = built(tmp_path, {"serving": "true"})
    first = break_glass(parts)
    path = folder(parts.settings) / JOURNAL
    path.write_text(path.read_text().replace("It endangers people", "Nothing to see here"))
    second = break_glass(parts, "rules")
    assert (second.from_version, second.generation > first.generation) == ("v6", True)
    with parts.database.begin() as connection:
        by_hand.request(connection, parts, "cooling", None, WHY, "test")
    with pytest.raises(ConfigurationError, match="line 1 was changed after it was written; ask who did it, and move"):
        Scheduler(parts, "one")._break_glass()
    assert '\\"serving\\":\\"v6\\"' in (folder(parts.settings) / COPY).read_text()


def test_whom_nobody_reached_may_be_told_the_same_once_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(breakglass.act, "ATTEMPTS", (0.0,))
    parts = built(tmp_path, {"serving": f"test -e {tmp_path}/up"})
    assert break_glass(parts, "v6").states == {"serving": "pending"}
    (tmp_path / "up").touch()
    again = break_glass(parts, "v6")
    assert (again.from_version, again.to_version, again.states) == ("v7", "v6", {"serving": "delivered"})
    with pytest.raises(ConfigurationError, match="served by v6: name another"):
        break_glass(parts, "v6")


def test_what_a_receiver_acknowledged_in_the_dark_is_acknowledged(tmp_path: Path) -> None:
    """Otherwise each break-glass pages two minutes after its replay that nobody acknowledged it."""
    answer = '{"generation": \'$CHECKREIN_GENERATION\', "serving": "v6", "artifact_sha256": "abc"}'
    parts = built(tmp_path, {"says": f"echo '{answer}'", "silent": "true"})
    break_glass(parts)
    replay(parts)
    found = {row.hook: (row.state, row.acknowledged, row.artifact_sha256, row.attempts) for row in rows(parts, actions)}
    assert found == {"says": ("delivered", EPOCH, "abc", 1), "silent": ("delivered", None, None, 1)}


def test_without_a_hook_the_serving_process_acknowledges_the_route(tmp_path: Path) -> None:
    parts = built(tmp_path, {})
    done = break_glass(parts)
    replay(parts)
    with parts.database.begin() as connection:
        assert acknowledge(connection, parts.clock, "cooling", done.generation, "v6", None, "token:serving") == 1


def test_what_was_refused_in_the_dark_pages_once(tmp_path: Path) -> None:
    parts = built(tmp_path, {"serving": "exit 100"})
    assert break_glass(parts).states == {"serving": "blocked"}
    journal = (folder(parts.settings) / JOURNAL).read_bytes()
    replay(parts)
    (folder(parts.settings) / JOURNAL).write_bytes(journal)
    replay(parts)
    assert pages(parts) == ["blocked"]


def test_a_policy_that_was_taken_out_since_is_on_record_once(tmp_path: Path) -> None:
    parts = built(tmp_path, {"serving": "true"}, ("cooling", "other"))
    break_glass(parts)
    journal = (folder(parts.settings) / JOURNAL).read_bytes()
    parts.settings = built(tmp_path, {"serving": "true"}, ("other",)).settings
    (folder(parts.settings) / JOURNAL).write_bytes(journal)
    replay(parts)
    assert [row.policy for row in rows(parts, events) if row.kind == "break_glass.replayed"] == ["cooling"]
    (row,) = rows(parts, actions)
    assert (row.policy, row.state) == ("cooling", "delivered")
    assert {row.policy: row.serving for row in rows(parts, routes)}["cooling"] == "v6"


def test_a_hook_that_was_taken_out_since_blocks_the_action_and_pages(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(breakglass.act, "ATTEMPTS", (0.0,))
    parts = built(tmp_path, {"old": "exit 1"})
    break_glass(parts)
    parts.settings = parts.settings.model_copy(update={"hook": {}})
    replay(parts)
    loop = Scheduler(parts, "one").loop
    loop.run_due()
    loop.close()
    assert [row.state for row in rows(parts, actions)] == ["blocked"]
    assert pages(parts) == ["blocked"]


def test_a_kill_after_the_break_glass_is_not_undone_by_its_replay(tmp_path: Path) -> None:
    parts = built(tmp_path, {"serving": "true"})
    assert isinstance(parts.clock, ManualClock)
    done = break_glass(parts)
    parts.clock.advance(1)
    with parts.database.begin() as connection:
        by_hand.stop(connection, parts, "cooling", "Still dangerous.", "test")
    assert replay(parts) == 1
    (route,) = rows(parts, routes)
    assert (route.serving, route.generation) == ("rules", done.generation + 1)
    found = [(row.generation, row.to_version, row.state) for row in rows(parts, actions)]
    assert sorted(found) == [
        (2, "rules", "superseded"),
        (done.generation, "v6", "superseded"),
        (done.generation + 1, "rules", "pending"),  # whoever obeyed the break-glass would refuse generation 2
    ]


def test_a_trigger_after_the_break_glass_does_not_undo_it(tmp_path: Path) -> None:
    parts = built(tmp_path, {"serving": "true"})
    assert isinstance(parts.clock, ManualClock)
    done = break_glass(parts, "rules")
    parts.clock.advance(1)
    with parts.database.begin() as connection:
        rollback.request(
            connection, parts.settings, parts.clock, "cooling", from_version="v7", reason="r", trigger="t",
            actor="checkrein", mode="automatic",
        )  # fmt: skip
    replay(parts)
    (route,) = rows(parts, routes)
    assert (route.serving, route.generation) == ("rules", done.generation)


def test_a_directory_that_cannot_be_written_is_shown_and_said_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    parts = built(tmp_path, {"serving": "true"}, break_glass="glass")
    place = folder(parts.settings)
    for file in place.iterdir():
        file.unlink()
    place.rmdir()
    place.write_text("a file is in the way")
    scheduler = Scheduler(parts, "one")
    with caplog.at_level(logging.ERROR):
        for _ in range(20):
            scheduler._guarded("break_glass", scheduler._break_glass)
    assert [record.getMessage() for record in caplog.records] == ["break_glass failed"]
    assert "failed:break_glass" in {row.part for row in rows(parts, heartbeats)}
    place.unlink()
    scheduler._guarded("break_glass", scheduler._break_glass)
    assert (place / COPY).exists()
