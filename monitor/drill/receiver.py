"""The serving side of a drill: a receiver on the loopback interface that obeys, so that the log can show it."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from monitor.acting.signing import EVENT_TYPE, SignatureError, verify
from monitor.clock import Clock
from monitor.settings import secret as read_secret

_LARGEST = 1 << 20


class Loopback:
    """A serving process that follows signed events by their generation and says what it serves.

    Against ``examples.receiver``, which remembers its generations on disk and loads artefacts: this one lives as long
    as a drill. What it serves is the version that the drill's log goes on with.

    Parameters
    ----------
    clock
        Real time, which signatures are checked against.
    obeys
        False: it answers 200 and goes on as before, the receiver that a confirmation from the log is there to catch.
    """

    def __init__(self, clock: Clock, *, obeys: bool = True) -> None:
        self._clock, self._obeys, self._lock = clock, obeys, threading.Lock()
        self._policy, self._secret = "", ""
        self.serving, self.generation = "", 0
        self.refused: list[str] = []

    def begin(self, policy: str, serving: str, generation: int, secret: str) -> None:
        """Serve ``serving`` from now on."""
        self._policy, self.serving, self.generation, self._secret = policy, serving, generation, secret

    def receive(self, headers: dict[str, str], body: bytes) -> tuple[int, dict[str, Any]]:
        """Answer one event: 401 unsigned, 400 unreadable, 409 older than what was seen, else 200 and what serves."""
        try:
            verify(read_secret(self._secret, "drill"), headers, body, self._clock.real())
            event = json.loads(body)
            data, kind = event["data"], event["type"]
            policy, version, generation = str(data["policy"]), str(data["to_version"]), int(data["generation"])
        except SignatureError as error:
            return self._refuse(401, str(error))
        except (ValueError, KeyError, TypeError) as error:
            return self._refuse(400, f"not an event: {error}")
        if kind != EVENT_TYPE or policy != self._policy:
            return self._refuse(400, f"{kind} of {policy} is not for this drill")
        with self._lock:
            if self._obeys and (generation, version) != (self.generation, self.serving):
                if generation <= self.generation:
                    return self._refuse(409, f"generation {generation} is not newer than {self.generation}")
                self.generation, self.serving = generation, version
            return 200, {"policy": policy, "generation": self.generation, "serving": self.serving}

    def _refuse(self, status: int, why: str) -> tuple[int, dict[str, Any]]:
        self.refused.append(why)
        return status, {"error": why}

    @contextmanager
    def listening(self) -> Iterator[str]:
        """Serve on a free port of the loopback interface; yield the address."""
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version, timeout = "HTTP/1.1", 10

            def do_POST(self) -> None:
                length = self.headers.get("content-length", "")
                if not (length.isascii() and length.isdigit() and int(length) <= _LARGEST):
                    self.close_connection = True
                    return self._answer(413, {"error": "the body is too large, or says no length"})
                body = self.rfile.read(int(length))
                return self._answer(*outer.receive({name.lower(): value for name, value in self.headers.items()}, body))

            def _answer(self, status: int, content: dict[str, Any]) -> None:
                body = json.dumps(content).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/"
        finally:
            server.shutdown()
            server.server_close()
            thread.join()
