"""A serving process that follows the route, with a dead man's switch. Copy this file.

Standard library only; ``switch`` is yours: it loads a version and returns the hash of what it loaded::

    follower = Follower("http://127.0.0.1:8720", "cooling", switch, fallback="rules", state=Path("route.json"))
    follower.start()
    follower.serving  # what serves now

1. It long-polls the desired state; a rollback arrives within a second, also where no hook can reach this process.
2. A generation lower than the newest one applied is not obeyed, so that an old answer cannot undo a later decision.
3. Switch, then write the generation to disk, then acknowledge it: nothing is acknowledged that could be forgotten.
4. Nobody who says what should serve for longer than the last answer was valid means: serve ``fallback``, by itself, on
   the monotonic clock, in a thread that no hanging request keeps busy. The next answer ends that.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import logging
import os
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

WAIT = 30.0  # seconds of one long poll
SLACK = 10.0  # more than that, the connection is dead
PAUSES = (1.0, 2.0, 5.0, 10.0)  # seconds after each failure in a row, then the last
UNTOLD = 120.0  # how long the start may take before the first answer
LARGEST = 1 << 20
Switch = Callable[[str], str]

log = logging.getLogger("follower")


class Follower:
    """Keeps one policy's version what the route says.

    Parameters
    ----------
    url, policy
        Where Checkrein listens, and whose route is followed.
    switch
        Called with a version to serve; returns the SHA-256 of the artefact that was loaded. An exception leaves what
        serves in place, and is tried again.
    fallback
        The approved version to serve when nobody can be asked; one that needs nothing, such as a rule.
    state
        File that remembers generation and version over restarts.
    token
        Where the answer is to be acknowledged over HTTP; absent: the log alone confirms.
    monotonic
        Clock of the dead man's switch.
    """

    def __init__(
        self,
        url: str,
        policy: str,
        switch: Switch,
        *,
        fallback: str,
        state: Path,
        token: str | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._base = f"{url.rstrip('/')}/api/v1/policies/{quote(policy, safe='')}"
        self._switch, self._fallback, self._state, self._token, self._now = switch, fallback, state, token, monotonic
        self._etag: str | None = None
        self._valid_for = UNTOLD
        self._valid_until = monotonic() + UNTOLD
        self._guard, self._stopping = threading.RLock(), threading.Event()
        self._opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({})
        )  # as configured, not as in the shell
        self._acknowledged = 0
        self.serving: str | None = None
        self.artifact = ""
        self.alone = False  # whether the dead man's switch has acted
        known = self._remembered()
        self.generation = int(known.get("generation", 0))
        if known:
            try:
                self._apply(str(known["serving"]))
            except Exception:  # whatever cannot be loaded now is asked for again, or the fallback serves in time
                log.exception("%s, which served before, cannot be served", known["serving"])

    def start(self) -> None:
        """Follow in the background until ``stop``."""
        for work in (self._follow, self._watch):
            threading.Thread(target=work, daemon=True).start()

    def stop(self) -> None:
        """End; a long poll in the air is left to its own end."""
        self._stopping.set()

    def step(self, wait: float = WAIT) -> bool:
        """Ask once and obey; False where nobody answered, or what was asked for could not be loaded."""
        asked = self._now()
        headers = {} if self._etag is None else {"If-None-Match": self._etag}
        try:
            status, told, body = self._send(f"{self._base}/route?wait={wait:g}", headers, wait + SLACK)
            route = json.loads(body) if status == 200 else {}
            with self._guard:
                if status == 200:
                    self._obey(route)
                    self._etag, self._valid_for = told.get("etag", told.get("ETag")), float(route["valid_for"])
                elif status != 304:
                    raise ValueError(f"status {status}")
                elif self.alone:  # the same as before, which is not what serves now
                    self._apply(str(self._remembered()["serving"]))
                self._valid_until, self.alone = asked + self._valid_for, False
                done = {"generation": self.generation, "serving": self.serving, "artifact_sha256": self.artifact}
        except Exception as error:  # noqa: BLE001 - whatever is wrong with an answer, it is no answer
            log.warning("%s: %s", self._base, error)
            self._etag = None  # the next answer is a whole one
            return False
        if self._token and done["generation"] != self._acknowledged:  # after a 304 too, until it has arrived
            self._acknowledge(done)  # not under the guard: one that hangs keeps no dead man's switch from acting
        return True

    def check(self) -> None:
        """Serve the fallback once the last answer is no longer valid."""
        with self._guard:
            if not self.alone and self._now() > self._valid_until:
                log.error("nobody said what should serve in time: %s serves now", self._fallback)
                if self.serving != self._fallback:
                    self._apply(self._fallback)
                self.alone = True

    def _obey(self, route: Mapping[str, Any]) -> None:
        generation, version = int(route["generation"]), str(route["serving"])
        if generation < self.generation:
            raise ValueError(f"generation {generation} is older than {self.generation}, which was obeyed")
        if version != self.serving:
            self._apply(version)
        self._remember({"generation": generation, "serving": version})
        self.generation = generation

    def _apply(self, version: str) -> None:
        self.artifact = self._switch(version)
        self.serving = version

    def _acknowledge(self, told: Mapping[str, Any]) -> None:
        headers = {"Authorization": f"Bearer {self._token}", "Content-Type": "application/json"}
        with contextlib.suppress(OSError, http.client.HTTPException):  # the decision log says it too
            status, _headers, _body = self._send(f"{self._base}/acknowledge", headers, SLACK, json.dumps(told).encode())
            self._acknowledged = int(told["generation"]) if status == 200 else 0

    def _send(
        self, url: str, headers: Mapping[str, str], timeout: float, body: bytes | None = None
    ) -> tuple[int, Mapping[str, str], bytes]:
        request = urllib.request.Request(url, body, dict(headers))  # noqa: S310 - the operator's own URL
        try:
            with self._opener.open(request, timeout=timeout) as answer:
                return answer.status, dict(answer.headers), answer.read(LARGEST)
        except urllib.error.HTTPError as error:  # 304 among them
            with error:
                return error.code, dict(error.headers), b""

    def _remembered(self) -> dict[str, Any]:
        try:
            found = json.loads(self._state.read_bytes())
            return {"generation": int(found["generation"]), "serving": str(found["serving"])}
        except FileNotFoundError:
            return {}
        except (ValueError, KeyError, TypeError) as error:  # a damaged disk is no reason not to start
            log.error("%s is damaged, so that the next answer counts, whatever its generation: %s", self._state, error)
            return {}

    def _remember(self, known: Mapping[str, Any]) -> None:
        fresh = self._state.with_suffix(".new")
        with fresh.open("w") as file:
            json.dump(known, file)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(self._state)

    def _follow(self) -> None:
        failures = 0
        while not self._stopping.is_set():
            failures = 0 if self.step() else failures + 1
            if failures:
                self._stopping.wait(PAUSES[min(failures, len(PAUSES)) - 1])

    def _watch(self) -> None:
        while not self._stopping.wait(1.0):
            try:
                self.check()
            except Exception:  # a fallback that cannot be loaded is tried again each second
                log.exception("the fallback %s cannot be served", self._fallback)
