"""Rolling back by hand from the command line, with no server running, against a real receiver."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from examples.receiver import Receiver, server
from monitor.runtime import clock_of_environment
from monitor.store.tables import actions
from tests.command_line import CONFIGURATION, START, Desk, decisions, parquet


@pytest.fixture
def desk(
    tmp_path: Path, migrated_file: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Desk:
    return Desk(tmp_path, migrated_file, capsys, monkeypatch)


class Serving:
    """The reference receiver on a port; once it has switched, the new version logs its decisions as time goes by."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.clock, self.rows = folder, clock_of_environment(), 0
        self.ended, self.writers = threading.Event(), list[threading.Thread]()
        self.receiver = Receiver(folder / "state.json", ["whsec_c2VjcmV0"], self.switch, initial="v2")
        self.server = server(self.receiver, 0)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01})
        self.thread.start()

    def switch(self, _policy: str, version: str) -> str:
        self.writers.append(threading.Thread(target=self.log, args=(version, self.clock.now())))
        self.writers[-1].start()
        return hashlib.sha256(version.encode()).hexdigest()

    def log(self, version: str, begin: float) -> None:
        """Write a decision a second of the clock, a file at a time, each of them whole when it is there."""
        while not self.ended.wait(0.1):
            count = int(self.clock.now() - begin) - self.rows
            rows = [{**row, "version": version} for row in decisions(count, self.rows, begin)]
            whole = parquet(self.folder / "unfinished.parquet", rows)
            whole.rename(self.folder / f"logs/{version}-{self.rows:06}.parquet")
            self.rows += count

    def close(self) -> None:
        self.ended.set()
        for writer in self.writers:
            writer.join()
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


@pytest.fixture
def serving(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> Iterator[Serving]:
    """Serve v2 in a world whose clock runs 200 times as fast."""
    monkeypatch.setenv("HOOK_SECRET", "whsec_c2VjcmV0")
    monkeypatch.setenv("CHECKREIN_CLOCK", f"{START!r}/200.0/{time.time()!r}")
    (desk.folder / "logs").mkdir()
    site = Serving(desk.folder)
    hook = f'[hook.serving]\nkind = "webhook"\nurl = "{site.url}/rollback"\nsecret = "env:HOOK_SECRET"\n'
    text = CONFIGURATION.replace("[policy.shop]", '[policy.shop]\nlateness = "1s"')
    source = '[policy.shop.source]\nkind = "parquet"\npath = "logs"\n[policy.shop.confirm]\nwindow = "1s"\n'
    desk.configure(source + hook, text)
    yield site
    site.close()


def test_a_rollback_by_hand_needs_no_server_and_waits_for_the_decision_log(desk: Desk, serving: Serving) -> None:
    done = desk.run("rollback", "shop", "--reason", "It overspends.", "--wait", "300", "--json")
    assert done.status == 0, done.said
    assert (done.json["state"], done.json["confirmed"], done.json["states"]) == ("requested", True, ["confirmed"])
    assert serving.receiver.state("shop")["serving"] == "v1"
    assert 0 < desk.rows() <= serving.rows  # it read them itself
    assert desk.run("route", "shop", "--json").json["serving"] == "v1"
    twice = desk.run("rollback", "shop", "--reason", "Again.")
    assert twice.status == 1
    assert "No version is left to roll shop back to from v1" in twice.out


def test_a_rollback_without_wait_is_delivered_and_says_so(desk: Desk, serving: Serving) -> None:
    done = desk.run("rollback", "shop", "--reason", "It overspends.", "--to", "v0")
    assert done.status == 0
    assert done.out.splitlines()[:2] == ["shop goes from v2 to v0, generation 2: It overspends.", "Now: delivered."]
    assert desk.table(actions, "to_version", "state", "actor") == [("v0", "delivered", "cli")]


def test_a_rollback_that_reaches_nobody_is_kept_for_those_who_send_it_again(desk: Desk, serving: Serving) -> None:
    serving.close()
    done = desk.run("rollback", "shop", "--reason", "It overspends.")
    assert done.status == 3
    assert "cannot be reached" in done.out
    assert "`checkrein serve` or `checkrein worker` sends it again" in done.out
    assert desk.run("route", "shop", "--json").json["serving"] == "v1"
    assert desk.run("status").status == 1


def test_serve_says_which_port_is_taken_before_it_starts(desk: Desk, serving: Serving) -> None:
    done = desk.run("serve", "--port", serving.url.rpartition(":")[2])
    assert (done.status, done.out) == (2, "")
    assert "Address already in use; name another port" in done.err
    assert "only loopback" in desk.run("serve", "--host", "0.0.0.0").err
