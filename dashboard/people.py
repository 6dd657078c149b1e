"""Whoever acts on a page, or looks as themselves, types an API token: whose it is, and whether it is for that."""

from __future__ import annotations

from dashboard.data import Data, Refused
from monitor import tokens
from monitor.tokens import Bearer


def bearer(data: Data, token: str | None, scope: str = "act") -> Bearer:
    """Return whose token was typed.

    Parameters
    ----------
    data
        Knows the tokens.
    token
        As typed; it is kept nowhere.
    scope
        What it has to be for.

    Raises
    ------
    Refused
        If it is empty, not in force, or for something else.
    """
    if not token or not token.strip():
        raise Refused("token", "Type your API token: what is done is done in its owner's name.")
    with data.parts.database.read() as connection:
        found = tokens.bearer(connection, token.strip(), data.parts.clock)
    if found is None:
        raise Refused("token", "This token is not known, was revoked, or has expired.")
    if not found.may(scope):
        raise Refused("token", f"The token {found.name} is not for this: it needs the scope {scope}.")
    return found


def viewer(data: Data, token: str | None) -> str | None:
    """Return who looks, None where no token, or none in force, was typed."""
    try:
        return bearer(data, token, "view").who
    except Refused:
        return None
