"""API tokens: 256 random bits, shown once, stored as their SHA-256; some belong to a person, are limited, or expire.

A token of a person says who acts. One without a person belongs to a program, such as a serving process, or is older
than persons were: it may do what its scopes say, and is nobody's approval.
"""

from __future__ import annotations

import hashlib
import logging
import os
import secrets
import unicodedata
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, func, or_, select, text, update

from monitor import events
from monitor.clock import Clock, SystemClock, stamp
from monitor.settings.model import nearest
from monitor.store.database import Database, insert_new
from monitor.store.tables import tokens

VARIABLE = "CHECKREIN_TOKEN"
SCOPES = ("view", "ack", "act", "approve")
LONGEST = 366 * 86400.0  # seconds that a token of a person lasts at most
_SHORTEST = 16
_ENVIRONMENT = "environment"
log = logging.getLogger(__name__)


class TokenError(ValueError):
    """A token cannot be made or revoked as asked; the message names the field and the fix."""


@dataclass(frozen=True)
class Bearer:
    """Whose token was presented, and what it is for."""

    name: str
    person: str | None
    can: frozenset[str]

    @property
    def who(self) -> str:
        """The person, or the token's name where it belongs to none: two tokens of one person are one voice.

        >>> Bearer("laptop", "anna", frozenset()).who, Bearer("first", None, frozenset()).who
        ('anna', 'first')
        """
        return self.person or self.name

    def may(self, scope: str) -> bool:
        """Whether the token is for this; who may act may acknowledge, and everybody may look.

        >>> anna = Bearer("t", "anna", frozenset({"act"}))
        >>> anna.may("view"), anna.may("ack"), anna.may("act"), anna.may("approve")
        (True, True, True, False)
        """
        return scope in self.can or scope == "view" or (scope == "ack" and "act" in self.can)


def ensure(database: Database, clock: Clock) -> str | None:
    """Create the first token if there is none, and return it; None when there is one already.

    The environment variable CHECKREIN_TOKEN names the token to use instead of a random one, so that a deployment
    can hand the same secret to its serving processes. A new value revokes the one before it.

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
            _hand_in(connection, clock, wanted)
            return None
        unlimited = select(func.count()).select_from(tokens).where(tokens.c.person.is_(None))
        if connection.execute(unlimited).scalar_one():
            return None
        token = secrets.token_urlsafe(32)
        insert_new(connection, tokens, [_row(token, "first", clock)])
        events.record(connection, clock, "token.created", "", "checkrein", {"name": "first"})
        return token


def _hand_in(connection: Connection, clock: Clock, token: str) -> None:
    """Let the environment's token in, and no other that the environment named before: it was changed for a reason."""
    c = tokens.c
    known = connection.execute(select(c.revoked).where(c.sha256 == _digest(token))).one_or_none()
    if known is not None and known.revoked is not None:
        log.warning("%s names a token that was revoked, so that it is refused: set a new one", VARIABLE)
        return
    older = (c.name == _ENVIRONMENT, c.person.is_(None), c.sha256 != _digest(token), c.revoked.is_(None))
    gone = connection.execute(update(tokens).where(*older).values(revoked=clock.now())).rowcount
    if gone:
        events.record(connection, clock, "token.revoked", "", "checkrein", {"name": _ENVIRONMENT})
    if known is None:
        insert_new(connection, tokens, [_row(token, _ENVIRONMENT, clock)])
        events.record(connection, clock, "token.created", "", "checkrein", {"name": _ENVIRONMENT})


def create(
    connection: Connection, clock: Clock, name: str, person: str, can: Collection[str], lasts: float, actor: str
) -> str:
    """Create a person's token and return it: the only time that it can be read.

    Parameters
    ----------
    connection, clock
        The open write transaction, and the time.
    name, person
        What the token is called, one among those in force, and whose it is.
    can
        Scopes of ``SCOPES``.
    lasts
        Seconds of the machine's clock until it expires.
    actor
        Who creates it.

    Raises
    ------
    TokenError
        If the name is taken, a scope is unknown, the person is empty, or it would never end.
    """
    strange = sorted(set(can) - set(SCOPES))
    if strange or not can:
        near = nearest(strange[0], SCOPES) if strange else ""
        raise TokenError(f"can: {', '.join(strange) or 'nothing'} is no scope{near}; scopes: {', '.join(SCOPES)}")
    if not name.strip() or not same(person) or "\x00" in name + person:
        raise TokenError("name and person must not be empty: a token says whose it is")
    if not 0 < lasts <= LONGEST:
        raise TokenError(f"lasts: a token lasts more than nothing and at most {LONGEST / 86400:.0f} days")
    taken = select(tokens.c.name).where(tokens.c.name == name, *_in_force(clock.real()))
    if connection.execute(taken.limit(1)).first() is not None:
        raise TokenError(f"name: a token {name!r} is in force; revoke it, or choose another name")
    person = _known(connection, person)
    token = secrets.token_urlsafe(32)
    row = {**_row(token, name, clock), "person": person, "can": " ".join(s for s in SCOPES if s in can)}
    insert_new(connection, tokens, [{**row, "real_expires": clock.real() + lasts}])
    body = {"name": name, "person": person, "can": row["can"], "expires": stamp(clock.real() + lasts)}
    events.record(connection, clock, "token.created", "", actor, body)
    return token


def revoke(connection: Connection, clock: Clock, name: str, actor: str) -> int:
    """Revoke the tokens of a name that are not revoked, and return how many those were."""
    here = update(tokens).where(tokens.c.name == name, tokens.c.revoked.is_(None))
    count = connection.execute(here.values(revoked=clock.now())).rowcount
    if count:
        events.record(connection, clock, "token.revoked", "", actor, {"name": name})
    return count


def listed(connection: Connection, clock: Clock) -> list[dict[str, Any]]:
    """Return all tokens, newest first, without what would let anybody use one."""
    rows = connection.execute(select(tokens).order_by(tokens.c.created.desc(), tokens.c.name))
    return [
        {
            "name": row.name,
            "person": row.person,
            "can": list(_scopes(row.can)),
            "state": "revoked"
            if row.revoked is not None
            else "expired"
            if row.real_expires is not None and row.real_expires <= clock.real()
            else "in force",
            "created": stamp(row.created),
            "expires": None if row.real_expires is None else stamp(row.real_expires),
        }
        for row in rows
    ]


def bearer(connection: Connection, token: str, clock: Clock | None = None) -> Bearer | None:
    """Return whose token this is, None for one that is unknown, revoked or expired."""
    real = (clock or SystemClock()).real()
    found = select(tokens).where(tokens.c.sha256 == _digest(token), *_in_force(real))
    row = connection.execute(found).one_or_none()
    return None if row is None else Bearer(row.name, row.person, frozenset(_scopes(row.can)))


def name_of(database: Database, token: str, can: str = "act") -> str | None:
    """Return the name of a valid token that may do this, None for any other text."""
    with database.read() as connection:
        found = bearer(connection, token)
    return found.name if found is not None and found.may(can) else None


def same(person: str) -> str:
    """Return what two spellings of one person's name have in common: case, width, spaces and what is not seen.

    >>> same("Anna  Bell") == same(" anna\u00a0bell\u200b"), same("anna") == same("anne")
    (True, False)
    """
    seen = "".join(one for one in unicodedata.normalize("NFKC", person) if unicodedata.category(one) != "Cf")
    return unicodedata.normalize("NFKC", " ".join(seen.split()).casefold())


def _known(connection: Connection, person: str) -> str:
    """Return a person's name as the first token of theirs spells it, or two spellings would be two people."""
    c = tokens.c
    spelled = connection.execute(select(c.person).where(c.person.is_not(None)).order_by(c.created, c.sha256)).scalars()
    return next((one for one in spelled if same(one) == same(person)), " ".join(person.split()))


def _in_force(real: float) -> tuple[Any, ...]:
    return tokens.c.revoked.is_(None), or_(tokens.c.real_expires.is_(None), tokens.c.real_expires > real)


def _scopes(can: str | None) -> tuple[str, ...]:
    return SCOPES if can is None else tuple(can.split())


def _row(token: str, name: str, clock: Clock) -> dict[str, object]:
    row: dict[str, object] = dict.fromkeys(("revoked", "person", "can", "real_expires"))
    return {**row, "sha256": _digest(token), "name": name, "created": clock.now()}


def _digest(token: str) -> str:
    # A token of 256 random bits needs no slow hash: there is nothing to guess.
    return hashlib.sha256(token.encode()).hexdigest()
