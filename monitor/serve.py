"""`checkrein serve`, `web` and `worker`: API and scheduler in one process, or each in its own.

Whoever answers is bound to the loopback interface until identities exist. What `web` and `worker` share is the database
and the lake: a rollback that is asked for at `web` is a row that a worker finds within half a second, and rows that are
posted there are landed by it, and judged by a worker.
"""

from __future__ import annotations

import gc
import signal
import socket
import sys
import threading
from types import FrameType
from typing import Any

import uvicorn
from fastapi import FastAPI
from starlette.types import ASGIApp, Receive, Scope, Send

from monitor import tokens
from monitor.api.app import create_app
from monitor.running.scheduler import Scheduler
from monitor.runtime import worker_name
from monitor.settings import ConfigurationError
from monitor.tick import Parts

# Seconds after which a thread that waits for Python gets its turn; 5 ms by default. SQLite gives the turn away at every
# row, so that beside one busy thread a page that reads 1,000 rows would wait for 5 s, and so would all writers for one.
TURN = 0.0005

LOOPBACK = ("127.0.0.1", "::1", "localhost")


def serve(parts: Parts, host: str, port: int, *, run: bool = True) -> None:
    """Answer until SIGINT or SIGTERM.

    Parameters
    ----------
    parts, host, port
        What is served, and where.
    run
        Whether this process runs the scheduler and the action loop, too; if not, `checkrein worker` does.

    Raises
    ------
    ConfigurationError
        If ``host`` is not a loopback address (anyone who could reach the port could read every log), or if the port
        is taken.
    """
    if host not in LOOPBACK:
        raise ConfigurationError(f"--host {host}: only loopback ({', '.join(LOOPBACK)}) until people can sign in")
    _try(host, port)
    announce_token(parts)
    sys.setswitchinterval(TURN)
    scheduler = Scheduler(parts, worker_name())
    app = create_app(scheduler, run=run)
    mount_pages(app, scheduler)
    gc.collect()
    gc.freeze()  # a full collection walks a million objects of imported modules, 40 ms in the middle of a page
    config = uvicorn.Config(
        app,
        host=host,
        port=port,
        loop="asyncio",  # the same server, whatever an extra brings along
        http="h11",
        ws="none",
        log_level="warning",
        timeout_graceful_shutdown=5,
    )
    _Server(config, scheduler).run()


def _try(host: str, port: int) -> None:
    """Say that the port is taken before the scheduler starts and a token is shown."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        socket.create_server((host, port), family=family).close()
    except (OSError, OverflowError) as error:
        raise ConfigurationError(f"--port {port}: cannot be bound on {host}: {error}; choose another one") from None


CALLBACKS = "/_dash-update-component"


def mount_pages(app: FastAPI, scheduler: Scheduler) -> None:
    """Answer with the pages wherever no route of the API does; what is unknown below /api stays a problem document.

    The pages read with POST, to one address, and reading is open. That address alone is not asked for a token before
    its body is read; the callbacks that act check the token themselves (``dashboard.data.Data.roll_back`` and
    ``dashboard.people.bearer``). Every other request that is not a GET meets the API's guard first, as before.
    """
    from a2wsgi import WSGIMiddleware

    from dashboard.app import create_pages

    def wake() -> None:
        scheduler.loop.wake()
        scheduler.telling.wake()

    pages: Any = WSGIMiddleware(create_pages(scheduler.parts, wake))
    unknown = app.router.default

    async def default(scope: Scope, receive: Receive, send: Send) -> None:
        api = scope["type"] != "http" or scope["path"].startswith("/api/") or scope["path"] == "/api"
        await (unknown if api else pages)(scope, receive, send)

    app.router.default = default
    app.add_middleware(_Callbacks, pages=pages)


class _Callbacks:
    """Middleware that takes the pages' own reads to the pages."""

    def __init__(self, app: ASGIApp, pages: ASGIApp) -> None:
        self._app, self._pages = app, pages

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        reads = scope["type"] == "http" and scope["method"] == "POST" and scope["path"] == CALLBACKS
        await (self._pages if reads else self._app)(scope, receive, send)


class _Server(uvicorn.Server):
    """A server that lets long polls answer before it waits for open requests to end, and then ends with status 0."""

    def __init__(self, config: uvicorn.Config, scheduler: Scheduler) -> None:
        super().__init__(config)
        self._scheduler = scheduler

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self._scheduler.draining.set()
        super().handle_exit(sig, frame)
        self._captured_signals.clear()  # uvicorn would raise them again at the end: to stop when told to is no failure


def work(parts: Parts) -> None:
    """Run the scheduler and the action loop alone, until SIGINT or SIGTERM."""
    sys.setswitchinterval(TURN)
    scheduler = Scheduler(parts, worker_name())
    done = threading.Event()
    for name in (signal.SIGINT, signal.SIGTERM):
        signal.signal(name, lambda _signal, _frame: done.set())
    scheduler.start()
    done.wait()
    scheduler.stop()


def announce_token(parts: Parts) -> None:
    """Create the first token if there is none, and show it this once."""
    token = tokens.ensure(parts.database, parts.clock)
    if token is not None:
        print(f"API token, shown once: {token}", file=sys.stderr)
        print("Send it as `Authorization: Bearer TOKEN` with every POST.", file=sys.stderr)
