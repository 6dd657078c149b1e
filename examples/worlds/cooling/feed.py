"""Decisions on their way to the log: kept in memory until the API has taken them."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any

import httpx

LARGEST_POST = 2000  # rows
LONGEST_QUEUE = 100_000  # rows, about 160 MB and half an hour at 60 times the speed
_LONGEST_PAUSE = 1.0
# Answers that say that these rows will never be taken; everything else is worth another try.
_REFUSED = {400, 413, 415, 422}


def client(token: str, timeout: float) -> httpx.Client:
    """Return an HTTP client for the API that uses no proxy, since the API is where its address says."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return httpx.Client(headers=headers, timeout=timeout, trust_env=False)


class Feed(threading.Thread):
    """Posts lines to ``/api/v1/decisions`` in order, again and again until they are taken.

    A retry may send rows that were taken before their answer was lost; the log drops them by ``decision_id``.

    Parameters
    ----------
    api
        Root of the API, such as ``http://127.0.0.1:8000``.
    token
        Bearer token, "" for none.
    event
        Called with a name and fields when something happens: ``api_lost``, ``api_back``, ``refused``, ``dropped``.
    """

    def __init__(self, api: str, token: str, event: Callable[..., None]) -> None:
        super().__init__(daemon=True)
        self._url, self._token, self._event = f"{api.rstrip('/')}/api/v1/decisions", token, event
        self._queue: deque[bytes] = deque()
        self._news = threading.Condition()
        self._closing: float | None = None
        self._held = 0  # rows of the post under way, which are no longer in the queue
        self.sent = self.lost = 0

    def put(self, lines: list[bytes]) -> None:
        """Queue lines; when the queue is full, the oldest go, and that is said."""
        with self._news:
            self._queue.extend(lines)
            excess = len(self._queue) - LONGEST_QUEUE
            for _ in range(excess):
                self._queue.popleft()
            self._news.notify()
        if excess > 0:
            self.lost += excess
            self._event("dropped", rows=excess)

    @property
    def unsent(self) -> int:
        """Rows that the API has not taken yet."""
        return len(self._queue) + self._held

    def close(self, within: float) -> None:
        """Send what is left for at most ``within`` seconds, and end."""
        with self._news:
            self._closing = time.monotonic() + within
            self._news.notify()
        self.join(within + 1)

    def run(self) -> None:
        """Send until closed."""
        with client(self._token, timeout=10.0) as http:
            while batch := self._take():
                self._deliver(http, batch)

    def _take(self) -> list[bytes]:
        with self._news:
            while not self._queue and self._closing is None:
                self._news.wait()
            if self._over():
                return []
            batch = [self._queue.popleft() for _ in range(min(len(self._queue), LARGEST_POST))]
            self._held = len(batch)
            return batch

    def _over(self) -> bool:
        return self._closing is not None and time.monotonic() >= self._closing

    def _deliver(self, http: httpx.Client, batch: list[bytes]) -> None:
        pause, away = 0.1, False
        while not self._over():
            why, taken = self._post(http, batch)
            if taken is not None:
                if away:
                    self._event("api_back", unsent=self.unsent)
                if taken:
                    self.sent += len(batch)
                else:
                    self.lost += len(batch)
                    self._event("refused", rows=len(batch), why=why)
                self._held = 0
                return
            if not away:
                away = True
                self._event("api_lost", why=why)
            with self._news:
                self._news.wait_for(lambda: self._closing is not None, timeout=pause)
            pause = min(2 * pause, _LONGEST_PAUSE) if self._closing is None else 0.1

    def _post(self, http: httpx.Client, batch: list[bytes]) -> tuple[str, bool | None]:
        """Return why not, and True: taken, False: never, None: try again."""
        headers: dict[str, Any] = {"Content-Type": "application/x-ndjson"}
        try:
            answer = http.post(self._url, content=b"".join(batch), headers=headers)
        except httpx.HTTPError as error:
            return f"{type(error).__name__}: {error}", None
        why = f"{answer.status_code} {answer.text[:300]}"
        if answer.is_success:
            return "", True
        return why, False if answer.status_code in _REFUSED else None
