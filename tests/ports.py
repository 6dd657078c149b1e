"""Ports for servers that are started in other processes."""

from __future__ import annotations

import random
import socket

FIRST, LAST = 20_000, 30_000
_draw = random.SystemRandom()


def free_port() -> int:
    """Return a loopback port that is free now and that the system gives to nobody who does not name it.

    A port from the system's own range may be given away again before the server binds it; and whoever connects to
    one where nobody listens yet can be given that very port, and then be connected to itself.
    """
    while True:
        port = _draw.randint(FIRST, LAST)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port
