"""The reference receiver behind a port, and a client that knows how to sign."""

from __future__ import annotations

import base64
import contextlib
import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx

from examples.receiver import Receiver, server
from monitor.acting.signing import rollback_event, signing_headers

NOW = 1_763_600_000
SECRET = "whsec_" + base64.b64encode(b"a secret of the serving side").decode()
OTHER = "a secret that is plain text"


class Loader:
    """Loads versions into memory and remembers every switch."""

    def __init__(self) -> None:
        self.switches: list[str] = []

    def __call__(self, policy: str, version: str) -> str:
        if version == "v0":
            raise LookupError("there is no v0")
        self.switches.append(version)
        return f"sha256 of {version}"


class Site:
    """A receiver behind a port, and a client that knows how to sign."""

    def __init__(self, state: Path, secrets: list[str], now: float) -> None:
        self.loader = Loader()
        self.receiver = Receiver(state, secrets, self.loader, initial="v7")
        self.receiver.clock = lambda: now
        self.server = server(self.receiver, 0)
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01})
        self.thread.start()
        address = f"http://127.0.0.1:{self.server.server_address[1]}"
        self.http = httpx.Client(base_url=address, timeout=300.0, trust_env=False)

    def close(self) -> None:
        self.http.close()
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()

    def post(self, content: bytes, headers: dict[str, Any]) -> httpx.Response:
        return self.http.post("/rollback", content=content, headers=headers)

    def roll_back(
        self, version: str, generation: int, policy: str = "cooling", mode: str = "automatic"
    ) -> httpx.Response:
        content = event(version, generation, policy, mode)
        return self.post(content, signing_headers(SECRET, "act_1", NOW, content))

    def health(self, policy: str = "cooling") -> dict[str, Any]:
        found: dict[str, Any] = self.http.get("/health", params={"policy": policy}).json()
        return found


def event(version: str = "v6", generation: int = 1, policy: str = "cooling", mode: str = "automatic") -> bytes:
    body = rollback_event(
        f"act_{generation}",
        policy=policy,
        from_version="v7",
        to_version=version,
        generation=generation,
        reason="Reward fell.",
        trigger="reward_3sigma",
        incident=1,
        evidence_url="/api/v1/incidents/1",
        requested=float(NOW),
        mode=mode,
    )
    return json.dumps(body).encode()


Opened = Callable[..., Site]


@contextlib.contextmanager
def sites(folder: Path) -> Iterator[Opened]:
    """Give out receivers that share a state file, and close them all."""
    with contextlib.ExitStack() as stack:

        def opened(secrets: list[str] | None = None, now: float = NOW, state: Path | None = None) -> Site:
            site = Site(state or folder / "state.json", secrets or [SECRET], now)
            stack.callback(site.close)
            return site

        yield opened
