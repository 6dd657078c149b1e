"""The local copy: who serves under which generation, where one may go, and whom to tell; signed with a local key.

The key is a file that only the account of the product reads. So a copy that somebody else wrote, or that was cut in
half, is refused; whoever has the account has the hooks' secrets anyway.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import secrets
from pathlib import Path
from typing import Any

import pyarrow as pa
from sqlalchemy import Connection, select

from monitor.clock import Clock, stamp
from monitor.events import canonical
from monitor.log_store import durable
from monitor.settings import ConfigurationError, Settings
from monitor.store.tables import routes

COPY, KEY, JOURNAL = "copy.json", "key", "journal.jsonl"
_KEY_BYTES = 32


class CopyError(ConfigurationError):
    """The copy is missing or is not what this product wrote; the message says what to do instead."""


def folder(settings: Settings) -> Path:
    """Return the directory that holds copy, key and journal."""
    return settings.path(settings.store.break_glass)


def refresh(connection: Connection, settings: Settings, clock: Clock) -> bool:
    """Write the copy anew if a route, a fallback or a hook changed; return whether it did.

    Raises
    ------
    OSError
        If the directory cannot be written: a finding, because without the copy nobody can roll back in the dark.
    """
    found = select(routes.c.policy, routes.c.serving, routes.c.generation, routes.c.split)
    served = {row.policy: row for row in connection.execute(found)}
    policies = {
        name: {
            "serving": served[name].serving if name in served else configured.first_serving,
            "generation": served[name].generation if name in served else 1,
            "fallbacks": list(configured.fallbacks or (configured.incumbent,)),
            "rolled_out": [v for v in json.loads(served[name].split) if v != served[name].serving]
            if name in served
            else [],
        }
        for name, configured in settings.policy.items()
    }
    hooks = {name: hook.model_dump(mode="json", exclude_defaults=True) for name, hook in settings.hook.items()}
    place = folder(settings)
    wanted = {"policies": policies, "hooks": hooks}
    try:
        held = read(place)
    except CopyError:
        held = {}
    if {name: held.get(name) for name in wanted} == wanted:
        return False
    body = canonical({**wanted, "written": stamp(clock.real())})
    signed = canonical({"body": body, "signature": _sign(_key(place, make=True), body)})
    durable.store(place / COPY, pa.py_buffer(signed.encode()))
    return True


def read(place: Path) -> dict[str, Any]:
    """Return the copy.

    Raises
    ------
    CopyError
        If it is missing, or its signature is not that of the local key.
    """
    path = place / COPY
    try:
        signed = json.loads(path.read_bytes())
        body, signature = str(signed["body"]), str(signed["signature"])
    except FileNotFoundError:
        raise CopyError(
            f"{path} is not there: `checkrein serve` and `checkrein worker` write it; tell the serving side yourself"
        ) from None
    except (ValueError, KeyError, TypeError):
        raise CopyError(f"{path} is damaged: tell the serving side yourself") from None
    if not hmac.compare_digest(_sign(_key(place), body), signature):
        raise CopyError(f"{path} was not written by this product, or was changed: tell the serving side yourself")
    found: dict[str, Any] = json.loads(body)
    return found


def _sign(key: bytes, body: str) -> str:
    return hmac.new(key, body.encode(), hashlib.sha256).hexdigest()


def _key(place: Path, *, make: bool = False) -> bytes:
    path = place / KEY
    if make and not path.exists():
        place.mkdir(parents=True, exist_ok=True)
        fresh = path.with_suffix(f".{secrets.token_hex(8)}")
        handle = os.open(fresh, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(secrets.token_bytes(_KEY_BYTES))
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(fresh, path)  # of two processes that start together, one key stays
        except FileExistsError:
            pass
        finally:
            fresh.unlink()
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise CopyError(f"{path} is not there: tell the serving side yourself") from None
