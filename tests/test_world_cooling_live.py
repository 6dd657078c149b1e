"""The cooling world's serving process: it logs, drifts, obeys the hook and the route, and loses no row."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest

from examples.worlds.cooling.controllers import CONTROLLERS
from monitor.acting.signing import rollback_event, signing_headers

END = 1_763_600_400
SECRET = "a_hook_secret"
PATIENCE = 300.0


class Log:
    """An HTTP endpoint that takes decisions and answers the route, and can be told to be away or to forget answers."""

    def __init__(self, valid_for: float = 120.0) -> None:
        self.rows: queue.Queue[dict[str, Any]] = queue.Queue()
        self.seen: dict[str, str] = {}
        self.route: dict[str, Any] = {"policy": "cooling", "serving": "v7", "generation": 1, "split": {"v7": 1.0}}
        self.route["valid_for"] = valid_for
        self.failing = threading.Event()
        self.away = threading.Event()
        self.failed = threading.Event()
        self.told = threading.Event()
        self.changed = threading.Condition()
        log = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                assert self.path == "/api/v1/decisions"
                assert self.headers["authorization"] == "Bearer a-token"
                if log.failing.is_set():
                    log.failed.set()
                    self._answer(503, {})
                    return
                for line in body.splitlines():
                    row = json.loads(line)
                    if row["decision_id"] not in log.seen:
                        log.seen[row["decision_id"]] = row["version"]
                        log.rows.put(row)
                self._answer(200, {"accepted": 1})

            def do_GET(self) -> None:
                if log.away.is_set():
                    self._answer(503, {})
                    return
                tag = f'"{log.route["generation"]}"'
                if self.headers.get("if-none-match") == tag:
                    with log.changed:
                        log.changed.wait_for(lambda: f'"{log.route["generation"]}"' != tag, timeout=0.2)
                    if f'"{log.route["generation"]}"' == tag:
                        self._answer(304, None)
                        return
                self._answer(200, log.route, f'"{log.route["generation"]}"')
                log.told.set()

            def _answer(self, status: int, content: dict[str, Any] | None, tag: str = "") -> None:
                body = b"" if content is None else json.dumps(content).encode()
                self.send_response(status)
                if tag:
                    self.send_header("ETag", tag)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01})
        self.thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_address[1]}"

    def close(self) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()

    def serve(self, version: str, generation: int) -> None:
        with self.changed:
            self.route = {**self.route, "serving": version, "generation": generation}
            self.changed.notify_all()

    def wait_for(self, version: str) -> dict[str, Any]:
        while True:
            row = self.rows.get(timeout=PATIENCE)
            if row["version"] == version:
                return row


class Process:
    """The live world as a subprocess; its events are read from its standard output."""

    def __init__(self, log: Log, folder: Path, *arguments: str) -> None:
        clock = f"{END}/60/{time.time()!r}"
        command = [sys.executable, "-m", "examples.worlds.cooling", "live", "--api", log.url, "--hook-port", "0"]
        command += ["--clock", clock, "--state", str(folder), "--seed", "1", *arguments]
        environment = {**os.environ, "CHECKREIN_TOKEN": "a-token", "CHECKREIN_HOOK_SECRET": SECRET}
        self.popen = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
        self.started = self.until("started")
        self.hook = f"http://127.0.0.1:{self.started['hook_port']}"

    def until(self, name: str) -> dict[str, Any]:
        assert self.popen.stdout is not None
        for line in self.popen.stdout:
            event: dict[str, Any] = json.loads(line)
            if event["event"] == name:
                return event
        raise AssertionError(f"the world ended before {name}")

    def acting(self) -> str:
        answer = httpx.get(f"{self.hook}/health?policy=cooling", timeout=PATIENCE, trust_env=False)
        return str(answer.json()["serving"])

    def stop(self) -> dict[str, Any]:
        self.popen.send_signal(signal.SIGTERM)
        event = self.until("stopped")
        assert self.popen.wait(timeout=PATIENCE) == 0
        return event

    def roll_back(self, version: str, generation: int) -> httpx.Response:
        event = rollback_event(
            "act_1",
            policy="cooling",
            from_version="v7",
            to_version=version,
            generation=generation,
            reason="A hard limit was broken.",
            trigger="hard_constraint",
            incident=1,
            evidence_url="/api/v1/incidents/1",
            requested=float(END),
            mode="automatic",
        )
        content = json.dumps(event).encode()
        headers = signing_headers(SECRET, "act_1", int(time.time()), content)
        return httpx.post(f"{self.hook}/rollback", content=content, headers=headers, timeout=PATIENCE, trust_env=False)


@pytest.fixture
def log() -> Iterator[Log]:
    found = Log()
    yield found
    found.close()


@contextlib.contextmanager
def _live(log: Log, folder: Path, *arguments: str) -> Iterator[Process]:
    process = Process(log, folder, *arguments)
    try:
        yield process
    finally:
        process.popen.kill()
        process.popen.wait()
        assert process.popen.stdout is not None
        process.popen.stdout.close()


def test_the_live_world_logs_drifts_and_obeys_the_hook_and_loses_no_row(log: Log, tmp_path: Path) -> None:
    with _live(log, tmp_path, "--fault-after", "0.5") as world:
        assert log.wait_for("v7")["arm"] == "live"
        assert world.until("fault_injected")["sensor"] == "inlet"
        log.failing.set()
        assert log.failed.wait(timeout=PATIENCE)
        assert world.roll_back("v6", 2).json() == {
            "policy": "cooling",
            "generation": 2,
            "serving": "v6",
            "artifact_sha256": CONTROLLERS["v6"].sha256,
            "applied": True,
        }
        assert world.until("switched")["version"] == "v6"
        log.failing.clear()
        assert log.wait_for("v6")["artifact_sha256"] == CONTROLLERS["v6"].sha256
        assert world.acting() == "v6"
        assert world.roll_back("v7", 1).status_code == 409
        stopped = world.stop()
    assert stopped["unsent"] == stopped["lost"] == 0
    seconds = sorted(int(name.removeprefix("c")) for name in log.seen)
    assert seconds == list(range(seconds[0], seconds[0] + stopped["decisions"]))


@pytest.mark.full
def test_the_live_world_obeys_the_route_and_remembers_it_when_killed(log: Log, tmp_path: Path) -> None:
    with _live(log, tmp_path) as world:
        log.wait_for("v7")
        log.serve("v6", 2)
        log.wait_for("v6")
        world.popen.kill()
    log.serve("v7", 1)  # an answer from before: it must not bring v7 back
    with _live(log, tmp_path) as world:
        assert world.started["version"] == "v6"
        first = log.rows.get(timeout=PATIENCE)
        assert first["version"] == "v6"
        log.serve("v7", 3)
        log.wait_for("v7")
        world.stop()


def test_the_live_world_falls_back_by_itself_when_nobody_answers_and_returns(tmp_path: Path) -> None:
    log = Log(valid_for=3.0)
    try:
        with _live(log, tmp_path) as world:
            log.wait_for("v7")
            assert log.told.wait(timeout=PATIENCE)  # until it has met the API it is patient for two minutes
            log.away.set()
            assert world.until("fell_back")["version"] == "v6"
            log.wait_for("v6")
            while world.acting() != "v6":  # it fell back once more than needed, where the machine was busy
                log.wait_for("v6")
            log.away.clear()
            assert world.until("switched")["version"] == "v7"
            world.stop()
    finally:
        log.close()


@pytest.mark.full
def test_the_live_world_ends_by_itself_and_says_what_is_missing(log: Log, tmp_path: Path) -> None:
    with _live(log, tmp_path, "--max-seconds", "0.5") as world:
        assert world.until("stopped")["unsent"] == 0
        assert world.popen.wait(timeout=PATIENCE) == 0
    command = [sys.executable, "-m", "examples.worlds.cooling", "live", "--api", log.url, "--hook-port", "0"]
    environment = {name: value for name, value in os.environ.items() if name != "CHECKREIN_HOOK_SECRET"}
    for clock in ("0/60/0", "noon"):
        arguments = ["--clock", clock, "--state", str(tmp_path / "other")]
        done = subprocess.run([*command, *arguments], env=environment, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr.count("\n")) == (2, 1)
