"""The serving side of a rollback: verify the signed event, switch the version, say what serves now. Copy this file.

Standard library only; ``switch`` at the bottom is yours to replace::

    python -m examples.receiver --port 9000 --state receiver.json --secret-env CHECKREIN_HOOK_SECRET --initial v7

1. Only a signed body is read: Standard Webhooks, HMAC-SHA256 over ``id.timestamp.body``, at most 300 s old.
2. A generation lower than the newest seen is answered 409, so that a late duplicate cannot undo a later decision.
3. Load, then write the generation to disk, then answer: a process that is killed in between has acknowledged nothing
   that it could forget, and the event comes again.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import hmac
import json
import os
import re
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

EVENT = "checkrein.rollback.requested.v1"
STAGE = "checkrein.rollout.stage.requested.v1"  # of a rollout: each version's share, and the trusted one
TOLERANCE = 300.0  # seconds; an attempt exactly this old is still accepted
LARGEST_BODY = 1 << 20
REHEARSALS = ("dry_run", "test", "drill")  # modes of an event that is answered and changes nothing
Answer = tuple[int, dict[str, Any]]
Switch = Callable[[str, str], str]


def key_of(secret: str) -> bytes:
    """Return the signing key of a secret: ``whsec_`` and base64, or the text itself.

    >>> key_of("whsec_c2VjcmV0"), key_of("secret")
    (b'secret', b'secret')
    """
    if secret.startswith("whsec_"):
        return base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    return secret.encode()


def signature(key: bytes, identifier: str, timestamp: str, body: bytes) -> str:
    """Return the ``webhook-signature`` entry of one attempt."""
    signed = f"{identifier}.{timestamp}.".encode("latin-1", "replace") + body  # http.server reads headers as latin-1
    return "v1," + base64.b64encode(hmac.digest(key, signed, "sha256")).decode()


def verified(keys: Sequence[bytes], headers: Mapping[str, str], body: bytes, now: float) -> bool:
    """Whether one of the keys signed this body at most 300 s ago; whatever is malformed is a no."""
    identifier, timestamp = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    if not identifier or not re.fullmatch(r"[0-9]{1,12}", timestamp) or abs(now - int(timestamp)) > TOLERANCE:
        return False
    # Both sides rotate: the sender may sign with two keys, and the receiver may hold two.
    offered = [entry.encode("utf-8", "replace") for entry in headers.get("webhook-signature", "").split()]
    expected = [signature(key, identifier, timestamp, body).encode() for key in keys]
    return any(hmac.compare_digest(one, other) for one in offered for other in expected)


class Receiver:
    """Which version serves each policy, by the newest generation that was asked for.

    ``state_path`` is a small JSON file that remembers the generations; ``secrets`` are accepted side by side, each
    ``whsec_<base64>`` or plain text; ``on_switch(policy, version)`` loads a version and returns the SHA-256 of what it
    loaded, or raises LookupError, and is called again for each stored policy at start; ``initial`` serves a policy of
    which no event was seen. ValueError: no secret, one that is not base64, or a state file that is not JSON.
    """

    def __init__(self, state_path: Path, secrets: Sequence[str], on_switch: Switch, initial: str = "") -> None:
        self._path, self._on_switch, self._initial, self.clock = state_path, on_switch, initial, time.time
        self._keys = [key_of(secret) for secret in secrets if secret]
        if not self._keys:
            raise ValueError("a signing secret is needed: an unsigned rollback is never obeyed")
        self._lock = threading.Lock()
        self._states: dict[str, dict[str, Any]] = json.loads(state_path.read_bytes()) if state_path.exists() else {}
        for policy, state in self._states.items():
            for version in {state["serving"]: 1.0, **state.get("split", {})}:
                on_switch(policy, version)

    def state(self, policy: str) -> dict[str, Any]:
        """Return policy, generation, serving and artifact_sha256."""
        unknown = {"policy": policy, "generation": 0, "serving": self._initial, "artifact_sha256": ""}
        return dict(self._states.get(policy, unknown))

    def health(self, policy: str | None = None) -> dict[str, Any]:
        """Return the state of one policy, or of each that an event named."""
        return self.state(policy) if policy else {"policies": {name: self.state(name) for name in list(self._states)}}

    def apply(self, policy: str, version: str, generation: int, split: Mapping[str, float] | None = None) -> Answer:
        """Serve ``version``, or the shares of ``split``, if ``generation`` is the highest so far.

        A duplicate is 200 again, an older one 409.
        """
        with self._lock:
            current = self.state(policy)
            if (generation, version) == (current["generation"], current["serving"]):
                return 200, {**current, "applied": False}
            if generation <= current["generation"]:
                return 409, {**current, "applied": False, "error": f"generation {generation} is not newer than this"}
            try:
                for other in sorted(set(split or ()) - {version}):
                    self._on_switch(policy, other)
                artifact = self._on_switch(policy, version)
            except LookupError as error:
                return 422, {**current, "applied": False, "error": f"version {version} cannot be loaded: {error}"}
            new = {"policy": policy, "generation": generation, "serving": version, "artifact_sha256": artifact}
            new |= {"split": dict(split)} if split else {}
            self._store({**self._states, policy: new})
            return 200, {**new, "applied": True}

    def receive(self, headers: Mapping[str, str], body: bytes) -> Answer:
        """Answer one POST, its header names in lower case: status and JSON."""
        if not verified(self._keys, headers, body, self.clock()):
            return 401, {"applied": False, "error": "the signature is missing, wrong, or more than 300 s old"}
        try:
            data = (event := json.loads(body))["data"]
            stage = event["type"] == STAGE
            policy, version, generation = data["policy"], data["serving" if stage else "to_version"], data["generation"]
            split = {str(name): float(share) for name, share in data["split"].items()} if stage else None
            right = [type(policy), type(version), type(generation)] == [str, str, int] and generation > 0
            if not right or event["specversion"] != "1.0" or event["type"] not in (EVENT, STAGE):
                raise ValueError
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            wanted = f"{EVENT} as CloudEvents 1.0 JSON with data.policy, data.to_version and data.generation >= 1"
            return 400, {"applied": False, "error": f"expected {wanted}"}
        if data.get("mode") in REHEARSALS:
            return 200, {**self.state(policy), "applied": False}
        return self.apply(policy, version, generation, split)

    def _store(self, states: dict[str, dict[str, Any]]) -> None:
        temporary = self._path.with_name(self._path.name + ".tmp")
        with temporary.open("w", encoding="utf-8") as file:
            json.dump(states, file)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(self._path)
        folder = os.open(self._path.parent, os.O_RDONLY)
        os.fsync(folder)  # the rename itself must survive a power cut
        os.close(folder)
        self._states = states


def server(receiver: Receiver, port: int, host: str = "127.0.0.1") -> ThreadingHTTPServer:
    """Return a server for POST (any path) and GET /health[?policy=P]; the caller runs ``serve_forever``."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version, timeout = "HTTP/1.1", 30  # a sender that hangs holds one thread, and not for ever

        def do_GET(self) -> None:
            url = urlsplit(self.path)
            health = receiver.health(parse_qs(url.query).get("policy", [None])[0])
            self._answer(*(200, health) if url.path == "/health" else (404, {"error": "try /health"}))

        def do_POST(self) -> None:
            length = self.headers.get("content-length", "")
            if not re.fullmatch(r"[0-9]{1,9}", length) or int(length) > LARGEST_BODY:
                self.close_connection = True
                return self._answer(413, {"error": f"content-length must be a number up to {LARGEST_BODY}"})
            body = self.rfile.read(int(length))
            try:
                return self._answer(*receiver.receive({k.lower(): v for k, v in self.headers.items()}, body))
            except OSError as error:  # the generation could not be stored: not acknowledged, so it is sent again
                return self._answer(503, {"applied": False, "error": f"the state file cannot be written: {error}"})

        def _answer(self, status: int, content: dict[str, Any]) -> None:
            body = json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            if self.close_connection:  # said, or the sender's next attempt meets a connection that is gone
                self.send_header("Connection", "close")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    return ThreadingHTTPServer((host, port), Handler)


def main() -> None:
    """Serve the hook, printing one JSON line per switch; replace ``switch`` with your own loading."""
    parser = argparse.ArgumentParser(description="Reference receiver of Checkrein's rollback events.")
    parser.add_argument("--port", type=int, default=9000)
    parser.add_argument("--state", type=Path, default="receiver.json", help="file that remembers generations")
    parser.add_argument("--secret-env", default="CHECKREIN_HOOK_SECRET", help="variable of the secrets, space between")
    parser.add_argument("--initial", default="v1", help="version that serves before the first event")
    options = parser.parse_args()

    def switch(policy: str, version: str) -> str:
        print(json.dumps({"event": "switched", "policy": policy, "version": version}), flush=True)
        return hashlib.sha256(version.encode()).hexdigest()  # yours: the digest of the file that was loaded

    try:
        receiver = Receiver(options.state, os.environ.get(options.secret_env, "").split(), switch, options.initial)
    except ValueError as error:
        sys.exit(f"receiver: {options.secret_env} or {options.state}: {error}")
    listening = server(receiver, options.port)
    print(json.dumps({"event": "listening", "port": listening.server_address[1]}), flush=True)
    listening.serve_forever()


if __name__ == "__main__":
    main()
