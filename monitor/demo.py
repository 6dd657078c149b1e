"""`checkrein demo`: a world of its own goes wrong, and everything that the product does about it is narrated.

The world is a subprocess that speaks log files and HTTP, like any serving system; the server is another one.
This process only starts them, reads the events, and says what happened when.
"""

from __future__ import annotations

import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time
import webbrowser
from contextlib import ExitStack
from pathlib import Path

import httpx

from monitor import status
from monitor.bucketing.baseline import freeze
from monitor.clock import SpedClock
from monitor.landing.imports import import_logs
from monitor.narration import Narrator
from monitor.runtime import CLOCK_VARIABLE, build
from monitor.settings import ConfigurationError, Source, load
from monitor.store.database import DatabaseUnavailableError
from monitor.tick import Parts, tick

DAYS = 14
SINCE = 6  # hours between the end of the baseline and now: judged like any other, so that the page has a past
FAULT_AFTER = 60.0  # real seconds of healthy live traffic
PATIENCE = 150.0  # real seconds from going live to a confirmed rollback, or the demo has failed
REPAIR_AFTER = 32.0  # real seconds from the takeover until the sensor is replaced: the fallback sees the drift too
RECOVERY = 150.0  # real seconds from the confirmation until all is healthy again
LATENESS = "240s"  # of the world's time, 4 s of real time: a busy laptop is not a silent log
STILL = 1e-9  # speed of a clock that stands
LEAST_HEAD_START = 4.0  # real seconds before live time begins, in which server and world start: they miss none of it
HEAD_START = 0.2  # of the time that the history took, which says how busy this machine is
STARTED_WITHIN = 120.0  # real seconds until the server must answer
LOOK = 1.0  # real seconds between looks at the policy's state
WORDS = {"insufficient": "not enough data", "no_data": "no data", "stale": "not evaluated"}
HOUR = 3600.0
DAY = 86400.0


def demo(world: str, *, headless: bool, speed: float, directory: Path | None, as_json: bool) -> int:
    """Run the demo; 0 only when the log has confirmed the rollback, whatever follows.

    Raises
    ------
    ConfigurationError
        If there is no such world.
    """
    module = f"examples.worlds.{world}"
    with ExitStack() as stack:
        home = directory or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="checkrein-demo-")))
        home.mkdir(parents=True, exist_ok=True)
        if (home / "checkrein.db").exists():
            raise ConfigurationError(f"{home} already holds a run: name an empty directory, or remove it")
        narrator = Narrator(sys.stderr if as_json else sys.stdout)
        hook_port, port = _free_ports(2)
        environment = _environment()
        configure = [sys.executable, "-m", module, "configure", "--out", str(home), "--hook-port", str(hook_port)]
        _run([*configure, "--lateness", LATENESS], environment, world)
        end, began = int(time.time() // HOUR * HOUR), time.monotonic()
        parts = _history(module, home, end, environment, narrator)
        head_start = max(LEAST_HEAD_START, HEAD_START * (time.monotonic() - began))
        clock = SpedClock(float(end), speed, time.time() + head_start)
        environment[CLOCK_VARIABLE] = clock.spec()
        narrator.live(clock)
        server = [
            sys.executable,
            "-m",
            "monitor",
            "serve",
            "--config",
            str(home / "checkrein.toml"),
            "--port",
            str(port),
        ]
        stack.callback(_end, _start(stack, server, environment, home / "serve.log"))
        live = [sys.executable, "-m", module, "live", "--api", f"http://127.0.0.1:{port}"]
        live += ["--hook-port", str(hook_port), "--clock", clock.spec(), "--fault-after", str(FAULT_AFTER)]
        live += ["--repair-after", str(REPAIR_AFTER)]
        live += ["--state", str(home / "state"), "--max-seconds", "3600"]
        stack.callback(_end, _start(stack, live, environment, home / "world.log"))
        address = f"http://127.0.0.1:{port}"
        _wait_for(address, home / "serve.log")
        narrator.say(f"v7 serves. Watch it at {address}/policy/cooling ; logs of the run in {home}")
        if not headless and sys.stdout.isatty():
            webbrowser.open(f"{address}/policy/cooling")
        page = _Page(parts, clock, narrator)
        world_log = home / "world.log"
        narrator.follow(parts.database, world_log, PATIENCE, page.look, lambda _state: narrator.confirmed)
        narrator.close()
        if narrator.confirmed:
            narrator.follow(parts.database, world_log, RECOVERY, page.look, lambda state: state == "healthy")
            narrator.say(f"The page now says: {page.said}.", "ended")
        if as_json:
            print(json.dumps(narrator.document(), indent=1))
        if narrator.confirmed and not headless and sys.stdout.isatty():
            narrator.say("Everything keeps running; Ctrl-C ends it.")
            _until_interrupted(parts, narrator, world_log, page)
        return 0 if narrator.confirmed else 1


class _Page:
    """What the page says of the policy, told whenever it changes."""

    def __init__(self, parts: Parts, clock: SpedClock, narrator: Narrator) -> None:
        self._parts, self._clock, self._narrator = parts, clock, narrator
        self._policy = next(iter(parts.settings.policy))
        self._looked, self._state = -LOOK, ""
        self.said = ""

    def look(self) -> str:
        """Return the state, read at most once a second."""
        if time.monotonic() - self._looked < LOOK:
            return self._state
        self._looked = time.monotonic()
        try:
            with self._parts.database.read() as connection:
                found = status.of(connection, self._parts.settings, self._clock, self._policy)
        except DatabaseUnavailableError:
            return self._state
        said = f"{status.SHAPE[found['state']]} {WORDS.get(found['state'], found['state'])}, {found['serving']} serves"
        if said != self.said:
            self.said = said
            self._narrator.say(f"page: {said}", "page.state", state=found["state"], serving=found["serving"])
        self._state = str(found["state"])
        return self._state


def _history(module: str, home: Path, end: int, environment: dict[str, str], narrator: Narrator) -> Parts:
    """Make the history, import it and freeze the baselines; everything that a new user would do by hand."""
    narrator.say(f"Making {DAYS} days of history: v6 for a week, then v7 ...")
    logs = home / "logs"
    command = [sys.executable, "-m", module, "history", "--out", str(logs), "--days", str(DAYS), "--end", str(end)]
    _run(command, environment, module)
    os.environ.update({name: environment[name] for name in ("CHECKREIN_TOKEN", "CHECKREIN_HOOK_SECRET")})
    settings = load(home / "checkrein.toml")
    parts = build(settings, SpedClock(float(end), STILL))  # what is done here happens when the live world begins
    policy = next(iter(settings.policy))
    result = import_logs(parts, policy, Source(kind="parquet", path="."), [logs], lambda _rows: None)
    narrator.say(result.sentence(), rows=result.pulled.accepted)
    until = end - SINCE * HOUR
    identity = freeze(parts, policy, end - DAYS * DAY, until, "demo")
    narrator.say(f"Baseline {identity} frozen over {(until - end) / DAY + DAYS:g} days; every window since is judged.")
    judged = tick(parts, policy, float(end))
    fired = sum(change.alert.state == "firing" for change in judged.changes)
    narrator.say(f"The last {SINCE} hours: {judged.windows:,} judgements, {fired} alerts fired.")
    return parts


def _environment() -> dict[str, str]:
    return {
        **os.environ,
        "CHECKREIN_TOKEN": secrets.token_urlsafe(32),
        "CHECKREIN_HOOK_SECRET": f"whsec_{secrets.token_urlsafe(32).replace('-', 'A').replace('_', 'B')}=",
        "PYTHONUNBUFFERED": "1",
    }


def _free_ports(count: int) -> list[int]:
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [int(one.getsockname()[1]) for one in sockets]


def _run(command: list[str], environment: dict[str, str], world: str) -> None:
    done = subprocess.run(command, env=environment, check=False, capture_output=True, text=True)
    if done.returncode:
        raise ConfigurationError(f"world {world}: {done.stderr.strip().splitlines()[-1] if done.stderr else 'failed'}")


def _start(stack: ExitStack, command: list[str], environment: dict[str, str], log: Path) -> subprocess.Popen[bytes]:
    output = stack.enter_context(log.open("wb"))
    return subprocess.Popen(command, env=environment, stdout=output, stderr=subprocess.STDOUT)


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_for(address: str, log: Path) -> None:
    deadline = time.monotonic() + STARTED_WITHIN
    while time.monotonic() < deadline:
        try:
            if httpx.get(f"{address}/healthz", timeout=5).status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.1)
    raise ConfigurationError(f"the server did not start; its log: {log.read_text('utf-8')[-500:]}")


def _until_interrupted(parts: Parts, narrator: Narrator, world_log: Path, page: _Page) -> None:
    try:
        narrator.follow(parts.database, world_log, float("inf"), page.look, lambda _state: False)
    except KeyboardInterrupt:
        narrator.say("Ended.")
