"""Real receivers for the tests of the action loop, and a site that has two of them."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from sqlalchemy import select

from examples.receiver import Receiver
from monitor import settings
from monitor.acting import rollback
from monitor.acting.actions import ActionLoop
from monitor.clock import ManualClock
from monitor.store.database import Database
from monitor.store.tables import actions, events

SECRET = "whsec_c2VjcmV0"
EPOCH = 1_750_000_000.0

Handle = Callable[[dict[str, str], bytes], tuple[int, Any] | None]  # None: the connection is cut without an answer


class Endpoint:
    """A real HTTP server; ``handle`` is what the test makes of a request."""

    def __init__(self) -> None:
        self.handle: Handle = lambda headers, body: (200, {})
        self.bodies: list[bytes] = []
        self.got = threading.Semaphore(0)
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length") or 0))
                outer.bodies += [body] if body else []
                answer = outer.handle({name.lower(): value for name, value in self.headers.items()}, body)
                if answer is not None:
                    content = json.dumps(answer[1]).encode()
                    self.send_response(answer[0])
                    self.send_header("content-length", str(len(content)))
                    self.end_headers()
                    self.wfile.write(content)
                outer.got.release()

            def do_GET(self) -> None:
                self.do_POST()

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.request_queue_size = 64
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def ids(self) -> list[str]:
        return [json.loads(body)["id"] for body in self.bodies]

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


class Site:
    """Policies p0, p1 ... of which v7 serves, a receiver each for the hooks a and b, and a loop."""

    def __init__(self, database: Database, clock: ManualClock, a: Endpoint, b: Endpoint) -> None:
        self.database, self.clock, self.a, self.b = database, clock, a, b
        self.configure()
        self.loops = [self.loop]

    def configure(self, **hooks: dict[str, Any]) -> None:
        policy = {"incumbent": "v6", "serving": "v7", "fallbacks": ["v6", "rules"]}
        webhook = {"kind": "webhook", "url": self.a.url, "secret": "env:HOOK_SECRET", "timeout": "250s"}
        self.settings = settings.parse(
            {
                "policy": {f"p{number}": policy for number in range(12)},
                "hook": {"a": webhook | hooks.get("a", {})} | ({"b": webhook | hooks["b"]} if "b" in hooks else {}),
            }
        )
        self.loop = ActionLoop(self.database, self.settings, self.clock, "test")

    def roll_back(self, policy: str = "p0", **changes: Any) -> tuple[str, ...]:
        options = {"reason": "Fell.", "trigger": "t", "actor": "ada", "mode": "manual", "from_version": None}
        with self.database.begin() as connection:
            done = rollback.request(connection, self.settings, self.clock, policy, **options | changes)
        return done.actions

    def run(self, advance: float = 0.0) -> int:
        self.clock.advance(advance)
        return self.loop.run_due()

    def rows(self) -> list[Any]:
        with self.database.read() as connection:
            return list(connection.execute(select(actions).order_by(actions.c.requested, actions.c.id)).all())

    def row(self, identity: str) -> Any:
        return next(row for row in self.rows() if row.id == identity)

    def pages(self) -> list[str]:
        with self.database.read() as connection:
            found = connection.execute(select(events.c.body).where(events.c.kind == "page").order_by(events.c.id))
            return [json.loads(body)["why"] for body in found.scalars()]


def sha256(version: str) -> str:
    return hashlib.sha256(version.encode()).hexdigest()


def reference(site: Site, tmp_path: Path, switched: list[str]) -> Receiver:
    """Return the reference receiver, serving v7, on the site's clock; it notes what it switches to."""

    def switch(policy: str, version: str) -> str:
        switched.append(version)
        return sha256(version)

    receiver = Receiver(tmp_path / "receiver.json", [SECRET], switch, initial="v7")
    receiver.clock = site.clock.real
    return receiver
