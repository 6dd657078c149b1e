"""A site that faults happen to: a directory with a configuration, and real processes that are really killed."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest

from monitor.clock import ManualClock
from monitor.store.database import Database
from tests.ports import free_port
from tests.receivers import SECRET, Endpoint
from tests.receivers import Site as Receivers

ROOT = Path(__file__).parents[2]
TOKEN = "a-token-of-the-fault-tests"
PAUSE = 0.05
PATIENCE = 300.0  # what has to happen is waited for as long as a machine with noisy neighbours may need


class Site:
    """One deployment in ``root``; only what it started is killed, and all of it at the end.

    Parameters
    ----------
    root
        Where configuration, database, lake and the processes' output are.
    """

    SECRET = "a-secret-of-the-fault-tests"

    def __init__(self, root: Path) -> None:
        self.root = root
        self.port, self.hook_port = free_port(), free_port()
        self.kills: dict[str, int] = {}
        self.output: dict[str, Path] = {}
        self._commands: dict[str, tuple[list[str], dict[str, str]]] = {}
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._guard = threading.Lock()
        self._http = httpx.Client(base_url=f"http://127.0.0.1:{self.port}", timeout=PATIENCE, trust_env=False)

    def configure(self, text: str, *, timeout: str = "1s", health: bool = False) -> None:
        """Write checkrein.toml: ``text``, and the hook of this site's receiver."""
        asked = f'health = "http://127.0.0.1:{self.hook_port}/health"\n' if health else ""
        hook = f'url = "http://127.0.0.1:{self.hook_port}/rollback"\nsecret = "env:CHECKREIN_HOOK_SECRET"\n'
        hook += f'timeout = "{timeout}"\n{asked}'
        (self.root / "checkrein.toml").write_text(f'{text}\n[hook.serving]\nkind = "webhook"\n{hook}', "utf-8")

    @property
    def config(self) -> Path:
        """The configuration file."""
        return self.root / "checkrein.toml"

    def serve(self, **environment: str) -> None:
        """Start `checkrein serve` and wait until it answers."""
        self.start("serve", ["-m", "monitor", "serve", "--port", str(self.port)], environment)
        self.until(self.healthy, "serve does not answer")

    def worker(self, name: str = "worker", **environment: str) -> None:
        """Start `checkrein worker`."""
        self.start(name, ["-m", "monitor", "worker"], environment)

    def receiver(self, *faults: str) -> None:
        """Start the receiver with faults such as ``--lose 0.2``."""
        files = ["--state", str(self.root / "receiver.json"), "--journal", str(self.root / "posts.txt")]
        script = str(Path(__file__).parent / "receiver.py")
        self.start("receiver", [script, "--port", str(self.hook_port), *files, *faults], {})
        self.until(lambda: answers(self.hook_port), "the receiver does not listen")

    def start(self, name: str, arguments: list[str], environment: Mapping[str, str]) -> None:
        """Start Python with ``arguments`` in the site's directory, under a name by which it can be killed."""
        given = {**os.environ, "CHECKREIN_TOKEN": TOKEN, "CHECKREIN_HOOK_SECRET": self.SECRET, "PYTHONPATH": str(ROOT)}
        given["PYTHONFAULTHANDLER"] = "1"
        self._commands[name] = ([sys.executable, *arguments], {**given, **environment})
        self.output.setdefault(name, self.root / f"{name}.log")
        self._launch(name)

    def kill(self, name: str) -> None:
        """Kill -9 one process, by its own pid."""
        with self._guard:
            process = self._running[name]
            os.kill(process.pid, signal.SIGKILL)
            process.wait(PATIENCE)
            self.kills[name] = self.kills.get(name, 0) + 1

    def end(self, name: str) -> int:
        """Ask one process to end, and return its status: what it is in the middle of, it finishes."""
        process = self._running[name]
        process.terminate()
        try:
            return process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGABRT)  # it says where each of its threads is
            process.wait(PATIENCE)
            pytest.fail(f"{name} does not end\n{self.output[name].read_text('utf-8', 'replace')[-20000:]}")

    def restart(self, name: str) -> None:
        """Start again what was killed, with the same arguments."""
        self._launch(name)

    def alive(self, name: str) -> bool:
        """Whether the process runs."""
        return self._running[name].poll() is None

    def pid(self, name: str) -> int:
        """The process's id."""
        return self._running[name].pid

    def printed(self) -> str:
        """What the processes printed."""
        texts = {name: path.read_text("utf-8", "replace") for name, path in self.output.items()}
        return "\n".join(f"{name}:\n{text}" for name, text in texts.items())

    def errors(self) -> str:
        """What the processes printed, where any of it is a traceback."""
        printed = {name: path.read_text("utf-8", "replace") for name, path in self.output.items()}
        return "\n".join(f"{name}:\n{text[-4000:]}" for name, text in printed.items() if "Traceback" in text)

    def post(self, path: str, key: str | None = None, token: str = TOKEN, **body: Any) -> httpx.Response | None:
        """POST once; None where nobody answered."""
        headers = {"Authorization": f"Bearer {token}", **({"Idempotency-Key": key} if key else {})}
        try:
            return self._http.post(f"/api/v1{path}", headers=headers, **body)
        except httpx.HTTPError:
            return None

    def get(self, path: str) -> httpx.Response | None:
        """GET once; None where nobody answered."""
        try:
            return self._http.get(path)
        except httpx.HTTPError:
            return None

    def healthy(self) -> bool:
        """Whether /healthz answers 200."""
        answer = self.get("/healthz")
        return answer is not None and answer.status_code == 200

    @staticmethod
    def link(before: str, version: str) -> str:
        """Return what the receiver must report after it applied ``version`` once more: the next link of its chain."""
        return hashlib.sha256(f"{before} {version}".encode()).hexdigest()

    def posts(self) -> list[tuple[str, str]]:
        """Every POST that reached the receiver: webhook-id, and what the receiver did."""
        path = self.root / "posts.txt"
        lines = path.read_text().splitlines() if path.exists() else []
        return [(line.split(" ", 1)[0], line.split(" ", 1)[1]) for line in lines]

    def served(self) -> dict[str, dict[str, Any]]:
        """What the receiver stored, by policy."""
        path = self.root / "receiver.json"
        found: dict[str, dict[str, Any]] = json.loads(path.read_bytes()) if path.exists() else {}
        return found

    def until(self, condition: Callable[[], bool], otherwise: str, seconds: float = PATIENCE) -> float:
        """Wait for a condition, at most ``seconds``; return how long it took, to be printed and never asserted."""
        begun, pause = time.monotonic(), threading.Event()
        while not condition():
            if time.monotonic() - begun > seconds:
                pytest.fail(f"{otherwise} after {seconds:g} s\n{self.printed()[-20000:]}")
            pause.wait(PAUSE)
        return time.monotonic() - begun

    def open(self) -> Database:
        """Open the site's database; the caller closes it."""
        return Database(f"sqlite:///{self.root / 'checkrein.db'}", busy=PATIENCE)

    def stop(self) -> None:
        """Kill what still runs."""
        self._http.close()
        for process in self._running.values():
            if process.poll() is None:
                os.kill(process.pid, signal.SIGKILL)
            process.wait(PATIENCE)

    def _launch(self, name: str) -> None:
        command, environment = self._commands[name]
        with self._guard, self.output[name].open("ab") as log:
            self._running[name] = subprocess.Popen(
                command, cwd=self.root, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )


def answers(port: int) -> bool:
    """Whether something listens there."""
    with socket.socket() as probe:
        probe.settimeout(1.0)
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """Return an empty site; whatever it started is gone when the test ends."""
    made = Site(tmp_path)
    yield made
    made.stop()


@pytest.fixture
def receivers(database: Database, clock: ManualClock, monkeypatch: pytest.MonkeyPatch) -> Iterator[Receivers]:
    """Return policies with two receivers and an action loop in this process, on a clock that stands still."""
    monkeypatch.setenv("HOOK_SECRET", SECRET)
    a, b = Endpoint(), Endpoint()
    made = Receivers(database, clock, a, b)
    yield made
    for loop in {*made.loops, made.loop}:
        loop.close()
    a.close()
    b.close()


@pytest.fixture
def say(capsys: pytest.CaptureFixture[str], request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Return a function that prints a number so that every run shows it."""

    def show(text: str) -> None:
        with capsys.disabled():
            print(f"\n  {request.node.name}: {text}", end="", flush=True)

    return show
