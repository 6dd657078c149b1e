"""Which version acts: the newest generation of hook and route, or the rule when nobody says any more."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx

from examples.receiver import Receiver
from examples.worlds.cooling.controllers import CONTROLLERS
from examples.worlds.cooling.feed import client
from examples.worlds.cooling.names import POLICY

FALLBACK = "v6"
LONGEST_WAIT = 30.0  # seconds of one long poll
FIRST_GRACE = 120.0  # seconds to meet the API for the first time


class Serving(Receiver):
    """A rollback receiver that also falls back by itself: a dead-man's switch.

    Hook and route go through the same ``apply``, so that neither can undo what the other brought with a higher
    generation. ``health`` tells what acts, not what should.

    Parameters
    ----------
    state_path
        File that remembers the generation.
    secrets
        Signing secrets of the hook.
    initial
        Version that acts before the first route or event.
    event
        Called with a name and fields when something happens: ``switched``, ``fell_back``.
    """

    def __init__(self, state_path: Path, secrets: list[str], initial: str, event: Callable[..., None]) -> None:
        self._event = event
        self._active = initial
        self._valid = time.monotonic() + FIRST_GRACE
        super().__init__(state_path, secrets, self._switch, initial)

    @property
    def active(self) -> str:
        """The version that acts on the next decision; past the route's validity, the fallback."""
        with self._lock:
            if time.monotonic() > self._valid and self._active != FALLBACK:
                self._event("fell_back", version=FALLBACK, why="nobody has said for too long what should serve")
                self._active = FALLBACK
            return self._active

    def health(self, policy: str | None = None) -> dict[str, Any]:
        """Return what acts now, and the generation that asked last."""
        acting = {**self.state(POLICY), "serving": self._active, "artifact_sha256": CONTROLLERS[self._active].sha256}
        return acting if policy == POLICY else {"policies": {POLICY: acting}}

    def follow(self, route: dict[str, Any], asked: float) -> float:
        """Obey a route that was asked for at monotonic second ``asked``; return for how many seconds it is valid."""
        valid = float(route.get("valid_for", FIRST_GRACE))
        self.apply(POLICY, str(route["serving"]), int(route["generation"]))
        self.affirm(asked + valid)
        return valid

    def affirm(self, until: float) -> None:
        """Trust the newest generation until monotonic second ``until``, and take it up again after a fall."""
        with self._lock:  # the hook may be applying a newer generation
            self._valid = until
            if time.monotonic() <= until:
                self._switch(POLICY, self.state(POLICY)["serving"])

    def _switch(self, policy: str, version: str) -> str:
        if policy != POLICY or version not in CONTROLLERS:
            raise LookupError(f"this plant has {POLICY} {', '.join(CONTROLLERS)}")
        if version != self._active:
            self._event("switched", version=version, was=self._active)
            self._active = version
        return CONTROLLERS[version].sha256


class RouteFollower(threading.Thread):
    """Long-polls the route of the policy and hands what it says to ``Serving``."""

    def __init__(self, api: str, token: str, serving: Serving, stop: threading.Event) -> None:
        super().__init__(daemon=True)
        self._url = f"{api.rstrip('/')}/api/v1/policies/{POLICY}/route"
        self._token, self._serving, self._stopping = token, serving, stop
        self._tag, self._valid = "", FIRST_GRACE

    def run(self) -> None:
        """Ask until stopped."""
        pause = 0.1
        with client(self._token, timeout=LONGEST_WAIT + 10) as http:
            while not self._stopping.is_set():
                try:
                    self._ask(http)
                    pause = 0.1
                except (httpx.HTTPError, ValueError, KeyError, TypeError):
                    # Unreachable, or not a route: silence, which ends at the dead-man's switch.
                    self._tag = ""
                    self._stopping.wait(pause)
                    pause = min(2 * pause, 5.0)

    def _ask(self, http: httpx.Client) -> None:
        asked = time.monotonic()
        headers = {"If-None-Match": self._tag} if self._tag else {}
        wait = min(LONGEST_WAIT, self._valid / 4) if self._tag else 0.0
        answer = http.get(self._url, params={"wait": f"{wait:g}"}, headers=headers)
        if answer.status_code == 304:
            self._serving.affirm(asked + self._valid)
            return
        answer.raise_for_status()
        self._valid = self._serving.follow(answer.json(), asked)
        self._tag = answer.headers.get("etag", "")
        if not self._tag:
            self._stopping.wait(1.0)  # nothing to wait on: ask again in a second
