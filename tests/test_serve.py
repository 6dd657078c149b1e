"""The real server process: its token, its one address, its long polls, and how it ends."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, Any

import httpx
import pytest

from tests.ports import free_port

PATIENCE = 300.0
PARTS = ("beat", "events", "actions", "notifications", "watchdog")
CONFIGURATION = """
[policy.cooling]
incumbent = "v6"
serving = "v7"
fallbacks = ["v6"]
[policy.cooling.constraint.melt]
cost = "melt"
hard = true
"""
ROUTE, ROLLBACK = "/api/v1/policies/cooling/route", "/api/v1/policies/cooling/rollback"
WHY = {"reason": "Try it."}
SHOWN = re.compile(r"^API token, shown once: (\S+)$", re.MULTILINE)


def until(condition: Callable[[], Any]) -> Any:
    deadline, pause = time.monotonic() + PATIENCE, threading.Event()
    while time.monotonic() < deadline:
        found = condition()
        if found:
            return found
        pause.wait(0.05)
    raise AssertionError("it did not happen")


def command(root: Path, *options: str) -> list[str]:
    return [sys.executable, "-m", "monitor", "serve", "--config", str(root / "checkrein.toml"), *options]


def environment(**more: str) -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("CHECKREIN_")} | more


class Server:
    """One process of `checkrein serve`, and a client of it."""

    def __init__(self, root: Path, log: IO[bytes], **more: str) -> None:
        self.log = Path(log.name)
        self.url = f"http://127.0.0.1:{(port := free_port())}"
        arguments = command(root, "--port", str(port))
        self.process = subprocess.Popen(arguments, env=environment(**more), stdout=log, stderr=log)

    def ready(self) -> Server:
        def answers() -> bool:
            assert self.process.poll() is None, self.said()
            try:
                return httpx.get(f"{self.url}/healthz", timeout=PATIENCE).is_success
            except httpx.TransportError:
                return False

        until(answers)
        return self

    def said(self) -> str:
        return self.log.read_text("utf-8")

    def post(self, path: str, token: str, body: Any) -> httpx.Response:
        return httpx.post(
            f"{self.url}{path}", json=body, headers={"Authorization": f"Bearer {token}"}, timeout=PATIENCE
        )

    def end(self, how: signal.Signals = signal.SIGTERM) -> int:
        self.process.send_signal(how)
        return self.process.wait(timeout=PATIENCE)


Start = Callable[..., Server]


def get(url: str, **options: Any) -> httpx.Response:
    return httpx.get(url, timeout=PATIENCE, **options)


@contextmanager
def servers(root: Path) -> Iterator[Start]:
    """Start servers on one configuration; what still runs at the end is killed."""
    (root / "checkrein.toml").write_text(CONFIGURATION)
    started: list[Server] = []
    with ExitStack() as stack:

        def start(**more: str) -> Server:
            log = stack.enter_context((root / f"serve-{len(started)}.log").open("wb"))
            started.append(Server(root, log, **more))
            return started[-1]

        try:
            yield start
        finally:
            for server in started:
                if server.process.poll() is None:
                    server.process.kill()
                server.process.wait()


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("serve")


@pytest.fixture(scope="module")
def start(root: Path) -> Iterator[Start]:
    with servers(root) as found:
        yield found


@pytest.fixture(scope="module")
def first(start: Start) -> Server:
    """The first server of a new database."""
    return start().ready()


@pytest.fixture(scope="module")
def token(first: Server) -> str:
    (shown,) = SHOWN.findall(first.said())
    return str(shown)


def test_the_first_token_is_shown_once_and_opens_the_server(first: Server, token: str) -> None:
    assert len(token) >= 43
    assert first.said().count(token) == 1
    at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    row = {"decision_id": "d1", "ts": at, "policy": "cooling", "version": "v7", "action": "hold"}
    assert first.post("/api/v1/decisions", token, [row]).json()["accepted"] == 1
    assert first.post("/api/v1/decisions", token[:-1], [row]).status_code == 401
    told = get(f"{first.url}/api/v1/policies/cooling/status").json()
    assert (told["serving"], told["data_age_s"] < PATIENCE) == ("v7", True)
    assert get(f"{first.url}/healthz").json()["parts"] == dict.fromkeys(PARTS, True)
    assert "checkrein_data_age_seconds" in get(f"{first.url}/metrics").text


def test_others_on_the_same_database_show_no_token_and_take_the_first_and_their_own(
    first: Server, token: str, start: Start
) -> None:
    own = "handed-in-by-the-environment"
    second, third = start(), start(CHECKREIN_TOKEN=own)
    etag = get(f"{first.url}{ROUTE}").headers["etag"]
    for server in (second.ready(), third.ready()):
        assert "token" not in server.said()
        assert own not in server.said()
    with ThreadPoolExecutor(1) as pool:
        poll = pool.submit(
            httpx.get, f"{second.url}{ROUTE}", params={"wait": 60}, headers={"If-None-Match": etag}, timeout=PATIENCE
        )
        moved = third.post(ROLLBACK, own, WHY).json()
        answer = poll.result(timeout=PATIENCE)
    assert (answer.status_code, answer.json()["generation"], answer.json()["serving"]) == (
        200,
        moved["generation"],
        "v6",
    )
    assert second.post("/api/v1/decisions", token, []).status_code == 200
    assert (second.end(), third.end(signal.SIGINT)) == (0, 0)
    assert "Traceback" not in second.said() + third.said()


def test_a_taken_port_is_a_usage_error_before_anything_starts(first: Server, root: Path) -> None:
    port = first.url.rpartition(":")[2]
    done = subprocess.run(command(root, "--port", port), env=environment(), capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert f"--port {port}" in done.stderr
    assert "Traceback" not in done.stderr


def test_only_the_loopback_interface_is_served(tmp_path: Path) -> None:
    (tmp_path / "checkrein.toml").write_text(CONFIGURATION)
    arguments = command(tmp_path, "--host", "0.0.0.0", "--port", str(free_port()))
    done = subprocess.run(arguments, env=environment(), capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert "--host 0.0.0.0: only loopback" in done.stderr
    assert "token" not in done.stderr


def test_a_long_poll_does_not_keep_the_server_from_ending(first: Server, token: str) -> None:
    """The last one: it ends the server of this file."""
    etag = get(f"{first.url}{ROUTE}").headers["etag"]
    host, port = first.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=PATIENCE) as poll:
        poll.sendall(f"GET {ROUTE}?wait=60 HTTP/1.1\r\nHost: {host}\r\nIf-None-Match: {etag}\r\n\r\n".encode())
        assert get(f"{first.url}/healthz").is_success  # asked later, answered: the poll is open by now
        assert first.end() == 0
        assert poll.recv(100).startswith(b"HTTP/1.1 304 ")
    assert "Traceback" not in first.said()
    assert first.said().count(token) == 1
