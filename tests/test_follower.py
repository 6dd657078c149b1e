"""A serving process that follows the route over real HTTP: it obeys, remembers, and does not serve on in the dark."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import uvicorn
from sqlalchemy import select

from examples.follower import Follower
from monitor.clock import ManualClock
from monitor.store.database import Database
from monitor.store.tables import actions
from tests.api_site import Api
from tests.ports import free_port

PATIENCE = 180.0
HOOK = {"kind": "webhook", "url": "http://127.0.0.1:9/", "secret": "env:NONE"}


class Served:
    """The application on a port of its own, which can be closed and opened again."""

    def __init__(self, api: Api) -> None:
        self.api, self.port = api, free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.open()

    def open(self) -> None:
        self.api.scheduler.draining.clear()
        self.server = uvicorn.Server(uvicorn.Config(self.api.app, "127.0.0.1", self.port, log_level="error"))
        self.thread = threading.Thread(target=self.server.run, daemon=True)
        self.thread.start()
        until(lambda: self.server.started)

    def close(self) -> None:
        self.api.scheduler.draining.set()  # long polls answer now
        self.server.should_exit = True
        self.thread.join(PATIENCE)


def until(condition: Callable[[], bool]) -> None:
    deadline, pause = time.monotonic() + PATIENCE, threading.Event()
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        pause.wait(0.01)


@pytest.fixture
def served(database: Database, clock: ManualClock, tmp_path: Path) -> Iterator[Served]:
    found = Served(Api(database, clock, tmp_path, hook={"serving": HOOK}))
    yield found
    found.close()


class Process:
    """What a serving process does with the versions that it is told."""

    def __init__(self, served: Served, state: Path, *, broken: tuple[str, ...] = ()) -> None:
        self.now, self.loaded, self.broken = 1000.0, list[str](), broken
        self.follower = Follower(
            served.url, "cooling", self.load, fallback="rules", state=state, token=served.api.token,
            monotonic=lambda: self.now,
        )  # fmt: skip

    def load(self, version: str) -> str:
        if version in self.broken:
            raise OSError(f"{version} cannot be loaded")
        self.loaded.append(version)
        return f"sha256 of {version}"


def roll_back(api: Api, to: str) -> None:
    answer = api.ask(
        "POST", "/api/v1/policies/cooling/rollback", json={"reason": "Try it.", "to": to},
        headers={"Authorization": f"Bearer {api.token}"},
    )  # fmt: skip
    assert answer.status_code == 202, answer.text


def test_it_serves_what_the_route_says_and_acknowledges_it(served: Served, tmp_path: Path) -> None:
    process = Process(served, tmp_path / "route.json")
    assert process.follower.step(0)
    assert (process.follower.serving, process.follower.generation) == ("v7", 1)
    roll_back(served.api, "v6")
    assert process.follower.step(0)
    assert process.loaded == ["v7", "v6"]
    assert json.loads((tmp_path / "route.json").read_text()) == {"generation": 2, "serving": "v6"}
    with served.api.parts.database.read() as connection:
        assert connection.execute(select(actions.c.acknowledged)).scalar_one() is not None
    assert process.follower.step(0)  # 304: nothing moved
    assert process.loaded == ["v7", "v6"]


def test_a_rollback_ends_the_long_poll_at_once(served: Served, tmp_path: Path) -> None:
    process = Process(served, tmp_path / "route.json")
    process.follower.step(0)
    process.follower.start()
    roll_back(served.api, "v6")
    until(lambda: process.follower.serving == "v6")
    process.follower.stop()


def test_in_the_dark_it_serves_the_fallback_and_comes_back_with_the_first_answer(
    served: Served, tmp_path: Path
) -> None:
    process = Process(served, tmp_path / "route.json")
    process.follower.step(0)
    served.close()
    process.now += 119
    assert not process.follower.step(0)
    process.follower.check()
    assert process.follower.serving == "v7"  # its last answer is still valid
    process.now += 2
    process.follower.check()
    assert (process.follower.serving, process.follower.alone) == ("rules", True)
    served.open()
    assert process.follower.step(0)  # it is what was asked for before
    assert (process.follower.serving, process.follower.alone) == ("v7", False)
    assert process.loaded == ["v7", "rules", "v7"]


def test_a_process_that_starts_in_the_dark_serves_what_it_served_and_then_the_fallback(
    served: Served, tmp_path: Path
) -> None:
    Process(served, tmp_path / "route.json").follower.step(0)
    served.close()
    process = Process(served, tmp_path / "route.json")
    assert process.follower.serving == "v7"
    assert not process.follower.step(0)
    process.now += 121
    process.follower.check()
    assert process.follower.serving == "rules"


def test_an_older_generation_is_not_obeyed(served: Served, tmp_path: Path) -> None:
    (tmp_path / "route.json").write_text(json.dumps({"generation": 5, "serving": "v6"}))
    process = Process(served, tmp_path / "route.json")
    assert not process.follower.step(0)  # a restored backup, a replica that lags
    assert (process.follower.serving, process.follower.generation) == ("v6", 5)
    process.now += 121
    process.follower.check()
    assert process.follower.serving == "rules"  # nobody whom it may believe said what should serve


def test_what_cannot_be_loaded_leaves_what_serves_and_is_tried_again(served: Served, tmp_path: Path) -> None:
    process = Process(served, tmp_path / "route.json", broken=("v6",))
    process.follower.step(0)
    roll_back(served.api, "v6")
    assert not process.follower.step(0)
    assert (process.follower.serving, process.follower.generation) == ("v7", 1)
    process.broken = ()
    assert process.follower.step(0)
    assert process.follower.serving == "v6"


@pytest.mark.parametrize("state", ["", "{", "[]", '{"generation": 5}', '{"generation": "x", "serving": "v6"}'])
def test_a_damaged_memory_is_no_reason_not_to_start(served: Served, tmp_path: Path, state: str) -> None:
    (tmp_path / "route.json").write_text(state)
    process = Process(served, tmp_path / "route.json")
    assert process.follower.step(0)
    assert (process.follower.serving, process.follower.generation) == ("v7", 1)


def test_what_served_before_and_cannot_be_loaded_is_no_reason_not_to_start(served: Served, tmp_path: Path) -> None:
    Process(served, tmp_path / "route.json").follower.step(0)
    process = Process(served, tmp_path / "route.json", broken=("v7",))
    assert not process.follower.step(0)
    process.now += 121
    process.follower.check()
    assert process.follower.serving == "rules"
    process.broken = ()
    assert process.follower.step(0)
    assert process.follower.serving == "v7"


def test_an_acknowledgement_that_did_not_arrive_is_sent_again(served: Served, tmp_path: Path) -> None:
    """Where no hook reaches the process it is the only one: without it the rollback is never confirmed."""
    process = Process(served, tmp_path / "route.json")
    process.follower.step(0)
    roll_back(served.api, "v6")
    process.follower._token = "wrong"
    assert process.follower.step(0)
    process.follower._token = served.api.token
    assert process.follower.step(0)  # 304
    with served.api.parts.database.read() as connection:
        assert connection.execute(select(actions.c.acknowledged)).scalar_one() is not None


class Hanging(BaseHTTPRequestHandler):
    """Says what should serve, and never answers an acknowledgement."""

    asked, over = threading.Event(), threading.Event()

    def do_GET(self) -> None:
        body = json.dumps({"generation": 1, "serving": "v7", "valid_for": 120.0}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self) -> None:
        self.asked.set()
        self.over.wait(PATIENCE)

    def log_message(self, *_arguments: object) -> None:
        """Say nothing."""


def test_an_acknowledgement_that_hangs_keeps_no_dead_mans_switch_from_acting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("examples.follower.SLACK", PATIENCE)
    with ThreadingHTTPServer(("127.0.0.1", 0), Hanging) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        now, loaded = [1000.0], list[str]()

        def load(version: str) -> str:
            loaded.append(version)
            return "sha"

        follower = Follower(
            f"http://127.0.0.1:{server.server_address[1]}", "cooling", load,
            fallback="rules", state=tmp_path / "route.json", token="t", monotonic=lambda: now[0],
        )  # fmt: skip
        step = threading.Thread(target=follower.step, args=(0,))
        step.start()
        assert Hanging.asked.wait(PATIENCE)
        now[0] += 121
        follower.check()
        assert (loaded, step.is_alive()) == (["v7", "rules"], True)
        Hanging.over.set()
        step.join()
        server.shutdown()
