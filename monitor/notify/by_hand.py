"""Trying a channel by hand: a message of kind test, on the path of the real ones."""

from __future__ import annotations

import time
import uuid
from typing import Any

from sqlalchemy import Connection

from monitor.clock import Clock
from monitor.notify.loop import NotificationLoop
from monitor.notify.message import Message, enqueue
from monitor.runtime import worker_name
from monitor.tick import Parts
from monitor.views.notifications import of_identities
from runbooks.messages import WAITING

_PAUSE = 0.2


def request(connection: Connection, clock: Clock, channel: str, actor: str) -> str:
    """Queue a test for a channel inside the caller's write transaction; return the notification's id."""
    message = Message(
        kind="test",
        policy="",
        severity="info",
        title="Checkrein can reach you",
        text=f"This is a test of [notify.{channel}], asked for by {actor}. Nothing is wrong.",
        dedup=f"test:{uuid.uuid4().hex}",
        link="/",
    )
    return enqueue(connection, clock, [channel], message)[0]


def try_channel(parts: Parts, channel: str, actor: str, wait: float) -> dict[str, Any]:
    """Queue a test and make its attempts here, so that it works with no server running; return what came of it.

    Parameters
    ----------
    parts, channel, actor
        Where, through what, and who asks.
    wait
        Real seconds to go on trying; 0 makes the first attempt alone.
    """
    with parts.database.begin() as connection:
        identity = request(connection, parts.clock, channel, actor)
    loop = NotificationLoop(parts.database, parts.settings, parts.clock, worker_name())
    deadline = time.monotonic() + wait
    while True:
        loop.run_due(only=channel)
        with parts.database.read() as connection:
            (found,) = of_identities(connection, [identity])
        if found["state"] not in WAITING or time.monotonic() >= deadline:
            break
        time.sleep(_PAUSE)
    loop.close()
    return found
