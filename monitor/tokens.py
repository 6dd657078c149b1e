"""API tokens until identities exist: 256 random bits, shown once, stored as their SHA-256."""

from __future__ import annotations

import hashlib
import os
import secrets

from sqlalchemy import func, select, text

from monitor import events
from monitor.clock import Clock
from monitor.store.database import Database, insert_new
from monitor.store.tables import tokens

VARIABLE = "CHECKREIN_TOKEN"
_SHORTEST = 16


def ensure(database: Database, clock: Clock) -> str | None:
    """Create the first token if there is none, and return it; None when there is one already.

    The environment variable CHECKREIN_TOKEN names the token to use instead of a random one, so that a deployment
    can hand the same secret to its serving processes.

    Raises
    ------
    ValueError
        If CHECKREIN_TOKEN is shorter than 16 characters, or has one that no HTTP header can carry.
    """
    wanted = os.environ.get(VARIABLE, "").strip()  # a file of secrets ends in a newline
    if wanted and len(wanted) < _SHORTEST:
        raise ValueError(f"{VARIABLE} has {len(wanted)} characters: use at least {_SHORTEST}, better 43 random ones")
    if not all("!" <= letter <= "~" for letter in wanted):
        raise ValueError(f"{VARIABLE} has a space or a character outside ASCII: a header cannot carry it; use others")
    with database.begin() as connection:
        if not database.sqlite:  # two processes that start together must not both make a first token
            connection.execute(text("LOCK TABLE tokens IN EXCLUSIVE MODE"))
        if wanted:
            insert_new(connection, tokens, [_row(wanted, "environment", clock)])
            return None
        if connection.execute(select(func.count()).select_from(tokens)).scalar_one():
            return None
        token = secrets.token_urlsafe(32)
        insert_new(connection, tokens, [_row(token, "first", clock)])
        events.record(connection, clock, "token.created", "", "checkrein", {"name": "first"})
        return token


def name_of(database: Database, token: str) -> str | None:
    """Return the name of a valid token, None for any other text."""
    with database.read() as connection:
        found = select(tokens.c.name).where(tokens.c.sha256 == _digest(token), tokens.c.revoked.is_(None))
        return connection.execute(found).scalar_one_or_none()


def _row(token: str, name: str, clock: Clock) -> dict[str, object]:
    return {"sha256": _digest(token), "name": name, "created": clock.now(), "revoked": None}


def _digest(token: str) -> str:
    # A token of 256 random bits needs no slow hash: there is nothing to guess.
    return hashlib.sha256(token.encode()).hexdigest()
