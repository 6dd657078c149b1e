"""A live site for the browser: the real server process, the reference receiver, and traffic that obeys the receiver."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import pyarrow as pa

from examples.receiver import Receiver, server
from monitor.clock import SpedClock, stamp
from tests.ports import free_port
from tests.seeds import EVERY, NOW, TOKEN, log

ROOT = Path(__file__).parents[2]
SECRET = "a-secret-of-the-browser-tests"
SPEED = 20.0
PAUSE = 0.25
POLICY = "cooling"


class Live:
    """What the tests turn: ``break_limit`` makes what v7 does break its hard limit from now on.

    Parameters
    ----------
    address
        Of the server.
    clock
        The event time that server and traffic share.
    receiver
        Which version acts.
    """

    def __init__(self, address: str, clock: SpedClock, receiver: Receiver) -> None:
        self.address, self.clock, self.receiver = address, clock, receiver
        self.break_limit, self.stopping = threading.Event(), threading.Event()
        self._sent = NOW - 60.0
        self._http = httpx.Client(base_url=address, timeout=300.0, trust_env=False)

    def until_ready(self, process: subprocess.Popen[bytes], output: Path) -> None:
        """Wait until the server answers."""
        deadline = time.monotonic() + 300.0
        while time.monotonic() < deadline and process.poll() is None:
            try:
                if self._http.get("/healthz").is_success:
                    return
            except httpx.TransportError:
                self.stopping.wait(PAUSE)
        raise AssertionError(f"the server did not start: {output.read_text('utf-8', 'replace')[-2000:]}")

    def traffic(self) -> None:
        """Decide as the receiver says, and log it over HTTP, until told to stop."""
        while not self.stopping.wait(PAUSE):
            rows = int((self.clock.now() - self._sent) / EVERY)
            if rows:
                self._post(rows)
                self._sent += rows * EVERY
        self._http.close()

    def _post(self, rows: int) -> None:
        version = self.receiver.state(POLICY)["serving"]
        broken = self.break_limit.is_set() and version == "v7"
        said = {"version": version} | ({"cost.supply_too_cold": 1.0} if broken else {})
        decided = pa.table(dict(log(POLICY, self._sent, rows, "", 1))).to_pylist()
        decided = [{**row, "ts": stamp(row["ts"].timestamp()), **said} for row in decided]
        lines = "\n".join(json.dumps(row) for row in decided)
        headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/x-ndjson"}
        answer = self._http.post("/api/v1/decisions", content=lines, headers=headers)
        while answer.status_code == 503 and not self.stopping.wait(PAUSE):  # it says: send it again
            answer = self._http.post("/api/v1/decisions", content=lines, headers=headers)
        assert answer.status_code in {200, 503}, answer.text


@contextmanager
def living(directory: Path) -> Iterator[Live]:
    """Serve a seeded healthy directory with a hook, twenty times as fast as real time."""
    with ExitStack() as stack:
        receiver = Receiver(directory / "receiver.json", [SECRET], lambda _policy, version: version, initial="v7")
        hook = server(receiver, 0)
        stack.callback(hook.server_close)
        hooked = threading.Thread(target=hook.serve_forever, kwargs={"poll_interval": 0.05})
        hooked.start()
        stack.callback(hooked.join)
        stack.callback(hook.shutdown)
        target = f"http://127.0.0.1:{hook.server_address[1]}"
        with (directory / "checkrein.toml").open("a") as file:
            file.write(f'\n[hook.serving]\nkind = "webhook"\nurl = "{target}/rollback"\n')
            file.write(f'health = "{target}/health"\nsecret = "env:CHECKREIN_HOOK_SECRET"\n')
        port, output = free_port(), directory / "serve.log"
        clock = SpedClock(NOW, SPEED)
        given = {
            **os.environ,
            "CHECKREIN_CLOCK": clock.spec(),
            "CHECKREIN_HOOK_SECRET": SECRET,
            "CHECKREIN_TOKEN": TOKEN,
        }
        command = [sys.executable, "-m", "monitor", "serve", "--port", str(port)]
        printed = stack.enter_context(output.open("wb"))
        process = subprocess.Popen(command, cwd=directory, env=given, stdout=printed, stderr=printed)
        stack.callback(_end, process)
        live = Live(f"http://127.0.0.1:{port}", clock, receiver)
        live.until_ready(process, output)
        traffic = threading.Thread(target=live.traffic)
        traffic.start()
        stack.callback(traffic.join)
        stack.callback(live.stopping.set)
        yield live


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the server, by force if it does not listen."""
    process.terminate()
    try:
        process.wait(timeout=120)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
