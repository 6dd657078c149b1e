"""Rolling back while the database is down, against real receivers; and what the database is told later."""

from __future__ import annotations

import json
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from monitor import breakglass
from monitor.acting import by_hand
from monitor.breakglass.copy import COPY, JOURNAL, folder
from monitor.clock import ManualClock
from monitor.running.scheduler import Scheduler
from monitor.runtime import build
from monitor.settings import ConfigurationError, parse
from monitor.store.tables import actions, events, routes
from monitor.tick import Parts
from tests.command_line import CONFIGURATION, Desk
from tests.signed_receiver import SECRET, Opened, Site, sites

EPOCH = 1_750_000_000.0
WHY = "It endangers people."


@pytest.fixture
def open_site(tmp_path: Path) -> Iterator[Opened]:
    with sites(tmp_path) as opened:
        yield opened


@pytest.fixture
def site(open_site: Opened, monkeypatch: pytest.MonkeyPatch) -> Site:
    monkeypatch.setenv("HOOK_SECRET", SECRET)
    return open_site(now=EPOCH)


def built(root: Path, site: Site) -> Parts:
    """A product that knows one policy and one hook, and has written its copy."""
    url = f"http://127.0.0.1:{site.server.server_address[1]}/rollback"
    hook = {"kind": "webhook", "url": url, "secret": "env:HOOK_SECRET"}
    policy = {"incumbent": "v6", "serving": "v7", "fallbacks": ["v6", "rules"]}
    parts = build(parse({"policy": {"cooling": policy}, "hook": {"serving": hook}}, root), ManualClock(EPOCH))
    refresh(parts)
    return parts


def refresh(parts: Parts) -> bool:
    with parts.database.read() as connection:
        return breakglass.refresh(connection, parts.settings, parts.clock)


def break_glass(parts: Parts, to: str | None = None) -> breakglass.BrokenGlass:
    return breakglass.roll_back(parts.settings, parts.clock, "cooling", to, WHY)


def replay(parts: Parts) -> int:
    return breakglass.replay(parts.database, parts.settings, parts.clock)


def rows(parts: Parts, table: Any) -> list[Any]:
    with parts.database.read() as connection:
        return list(connection.execute(select(table)).all())


def test_the_serving_side_is_told_without_the_database(tmp_path: Path, site: Site) -> None:
    parts = built(tmp_path, site)
    parts.database.close()
    (tmp_path / "checkrein.db").rename(tmp_path / "away.db")
    done = break_glass(parts)
    assert (done.from_version, done.to_version, done.states) == ("v7", "v6", {"serving": "delivered"})
    assert site.health()["serving"] == "v6"
    assert done.generation == site.health()["generation"] > 1000
    assert "nothing confirms it" in done.sentence
    assert not (tmp_path / "checkrein.db").exists()  # nobody asked for it


def test_the_database_is_told_later_and_once(tmp_path: Path, site: Site) -> None:
    parts = built(tmp_path, site)
    done = break_glass(parts)
    journal = (folder(parts.settings) / JOURNAL).read_bytes()
    assert (replay(parts), replay(parts)) == (1, 0)
    (row,) = rows(parts, actions)
    assert (row.state, row.trigger, row.generation, row.to_version) == (
        "delivered",
        "break_glass",
        done.generation,
        "v6",
    )
    assert row.actor.startswith("break_glass:")
    (route,) = rows(parts, routes)
    assert (route.serving, route.generation, route.reason) == ("v6", done.generation, WHY)
    told = [event for event in rows(parts, events) if event.kind == "break_glass.replayed"]
    assert [json.loads(event.body)["generation"] for event in told] == [done.generation]
    (folder(parts.settings) / JOURNAL).write_bytes(journal)  # killed after the commit, before it was put aside
    assert replay(parts) == 0
    assert len(rows(parts, actions)) == 1
    with parts.database.begin() as connection:  # what comes next is newer, and v7 is not gone back to
        assert by_hand.request(connection, parts, "cooling", None, WHY, "test").to_version == "rules"


def test_a_killed_process_has_said_what_it_was_about_to_do(tmp_path: Path, site: Site) -> None:
    parts = built(tmp_path, site)
    break_glass(parts)
    path = folder(parts.settings) / JOURNAL
    lines = [line for line in path.read_bytes().splitlines(keepends=True) if line.strip()]
    path.write_bytes(lines[0] + lines[1][:40])  # the answer was never written down
    replay(parts)
    (row,) = rows(parts, actions)
    assert (row.state, row.real_due) == ("pending", EPOCH)  # sent again, with the same id and bytes
    loop = Scheduler(parts, "one").loop
    loop.run_due()
    assert rows(parts, actions)[0].state == "delivered"
    assert site.loader.switches == ["v6"]
    loop.close()


def test_whom_nobody_reached_the_action_loop_reaches_later(
    tmp_path: Path, open_site: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOOK_SECRET", SECRET)
    monkeypatch.setattr(breakglass.act, "ATTEMPTS", (0.0, 0.0))
    site = open_site(now=EPOCH)
    parts = built(tmp_path, site)
    site.server.server_close()
    done = break_glass(parts)
    assert done.states == {"serving": "pending"}
    assert "cannot be reached" in done.details[0]
    replay(parts)
    assert [row.state for row in rows(parts, actions)] == ["pending"]


def test_each_is_newer_than_the_one_before_also_while_the_copy_is_old(tmp_path: Path, site: Site) -> None:
    parts = built(tmp_path, site)
    first, second = break_glass(parts), break_glass(parts, "rules")
    assert (second.from_version, second.to_version) == ("v6", "rules")
    assert replay(parts) == 2
    third = break_glass(parts, "v6")  # the journal is gone, the copy not yet written anew
    assert first.generation < second.generation < third.generation
    assert site.health() | {"artifact_sha256": ""} == {
        "policy": "cooling", "generation": third.generation, "serving": "v6", "artifact_sha256": ""
    }  # fmt: skip
    with pytest.raises(ConfigurationError, match="served by v6: name another"):
        break_glass(parts, "v6")


def test_what_the_route_moved_on_to_is_not_undone(tmp_path: Path, site: Site) -> None:
    parts = built(tmp_path, site)
    break_glass(parts)
    with parts.database.begin() as connection:
        connection.execute(routes.update().values(serving="v9", generation=99_999))
    replay(parts)
    assert rows(parts, routes)[0].serving == "v9"
    assert rows(parts, actions)[0].state == "superseded"


def test_the_copy_follows_the_route_and_only_then(tmp_path: Path, site: Site) -> None:
    parts = built(tmp_path, site)
    assert not refresh(parts)
    with parts.database.begin() as connection:
        by_hand.request(connection, parts, "cooling", None, WHY, "test")
    assert refresh(parts)
    assert break_glass(parts).from_version == "v6"
    assert stat.S_IMODE((folder(parts.settings) / "key").stat().st_mode) == 0o600


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda text: text.replace("127.0.0.1", "127.0.0.2"), "was not written by this product, or was changed"),
        (lambda text: text[:-20], "is damaged"),
        (lambda text: "[]", "is damaged"),
        (lambda text: None, "is not there: `checkrein serve`"),
    ],
)
def test_a_copy_that_was_changed_is_refused_and_written_anew(
    tmp_path: Path, site: Site, change: Any, said: str
) -> None:
    parts = built(tmp_path, site)
    path = folder(parts.settings) / COPY
    changed = change(path.read_text())
    path.unlink() if changed is None else path.write_text(changed)
    with pytest.raises(breakglass.CopyError, match=said):
        break_glass(parts)
    assert site.loader.switches == []
    assert refresh(parts)
    assert break_glass(parts).states == {"serving": "delivered"}


def test_a_journal_that_was_changed_is_not_replayed(tmp_path: Path, site: Site) -> None:
    parts = built(tmp_path, site)
    break_glass(parts)
    path = folder(parts.settings) / JOURNAL
    path.write_text(path.read_text().replace("It endangers people", "Nothing to see here"))
    with pytest.raises(ConfigurationError, match="was changed after it was written"):
        replay(parts)
    assert rows(parts, actions) == []


def test_the_scheduler_keeps_the_copy_and_replays_the_journal(tmp_path: Path, site: Site) -> None:
    parts = built(tmp_path, site)
    break_glass(parts)
    Scheduler(parts, "one")._break_glass()
    assert rows(parts, routes)[0].serving == "v6"
    assert break_glass(parts).from_version == "v6"


def test_the_same_from_a_terminal(
    tmp_path: Path, migrated_file: Path, site: Site, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = Desk(tmp_path, migrated_file, capsys, monkeypatch)
    desk.configure('[hook.serving]\nkind = "command"\ncommand = ["true"]\n')
    Scheduler(desk.parts(), "one")._break_glass()
    away = '[store]\nurl = "sqlite:////nowhere/at/all.db"\n'
    desk.configure("", away + CONFIGURATION)
    asked = ("rollback", "shop", "--reason", WHY)
    refused = desk.run(*asked)
    assert (refused.status, "--break-glass" in refused.err) == (3, True)
    done = desk.run(*asked, "--break-glass", "--json")
    assert (done.status, done.json["to_version"], done.json["states"]) == (0, "v1", {"serving": "delivered"})
    assert (
        "the copy has no policy 'shp'; it has shop" in desk.run("rollback", "shp", "--reason", WHY, "--break-glass").err
    )
