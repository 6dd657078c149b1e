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

from monitor.baseline import freeze
from monitor.clock import SpedClock, SystemClock
from monitor.imports import import_logs
from monitor.narration import Narrator
from monitor.runtime import CLOCK_VARIABLE, build
from monitor.settings import ConfigurationError, Source, load
from monitor.tick import Parts, tick

DAYS = 14
FAULT_AFTER = 60.0  # real seconds of healthy live traffic
PATIENCE = 150.0  # real seconds from going live to a confirmed rollback, or the demo has failed
HOUR = 3600.0
DAY = 86400.0


def demo(world: str, *, headless: bool, speed: float, directory: Path | None, as_json: bool) -> int:
    """Run the demo; 0 only when the log has confirmed the rollback.

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
        _run(
            [sys.executable, "-m", module, "configure", "--out", str(home), "--hook-port", str(hook_port)],
            environment,
            world,
        )
        end = int(time.time() // HOUR * HOUR)
        parts = _history(module, home, end, environment, narrator)
        clock = SpedClock(float(end), speed)
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
        live += ["--state", str(home / "state"), "--max-seconds", "3600"]
        stack.callback(_end, _start(stack, live, environment, home / "world.log"))
        address = f"http://127.0.0.1:{port}"
        _wait_for(address, home / "serve.log")
        narrator.say(f"v7 serves. Watch it at {address}/policy/cooling ; logs of the run in {home}")
        if not headless and sys.stdout.isatty():
            webbrowser.open(f"{address}/policy/cooling")
        confirmed = narrator.follow(parts.database, home / "world.log", PATIENCE)
        narrator.close(confirmed)
        if as_json:
            print(json.dumps(narrator.document(confirmed), indent=1))
        if confirmed and not headless and sys.stdout.isatty():
            narrator.say("Everything keeps running; Ctrl-C ends it.")
            _until_interrupted(parts, narrator, home / "world.log")
        return 0 if confirmed else 1


def _history(module: str, home: Path, end: int, environment: dict[str, str], narrator: Narrator) -> Parts:
    """Make the history, import it and freeze the baselines; everything that a new user would do by hand."""
    narrator.say(f"Making {DAYS} days of history: v6 for a week, then v7 ...")
    logs = home / "logs"
    command = [sys.executable, "-m", module, "history", "--out", str(logs), "--days", str(DAYS), "--end", str(end)]
    _run(command, environment, module)
    os.environ.update({name: environment[name] for name in ("CHECKREIN_TOKEN", "CHECKREIN_HOOK_SECRET")})
    settings = load(home / "checkrein.toml")
    parts = build(settings, SystemClock())
    policy = next(iter(settings.policy))
    result = import_logs(parts, policy, Source(kind="parquet", path="."), [logs], lambda _rows: None)
    narrator.say(result.sentence(), rows=result.pulled.accepted)
    identity = freeze(parts, policy, end - DAYS * DAY, float(end), "demo")
    tick(parts, policy, float(end))
    narrator.say(f"Baseline {identity} frozen over {DAYS} days; every window from now on is judged against it.")
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
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            if httpx.get(f"{address}/healthz", timeout=1).status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.1)
    raise ConfigurationError(f"the server did not start; its log: {log.read_text('utf-8')[-500:]}")


def _until_interrupted(parts: Parts, narrator: Narrator, world_log: Path) -> None:
    try:
        narrator.follow(parts.database, world_log, float("inf"), stop_when_confirmed=False)
    except KeyboardInterrupt:
        narrator.say("Ended.")
