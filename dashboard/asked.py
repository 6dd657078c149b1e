"""What a page is refused: the exceptions that a form shows, and whose token was typed."""

from __future__ import annotations

from monitor import tokens
from monitor.tick import Parts


class Refused(Exception):  # noqa: N818 - a refusal is an answer, not a fault
    """The server will not do it; ``field`` is the field of the form that the sentence belongs to."""

    def __init__(self, field: str, sentence: str) -> None:
        super().__init__(sentence)
        self.field, self.sentence = field, sentence


class Missing(Exception):  # noqa: N818 - an answer, not a fault
    """There is no such thing; the message says why."""


def bearer(parts: Parts, token: str, scope: str) -> tokens.Bearer:
    """Return whose token was typed into a form.

    Raises
    ------
    Refused
        If it is unknown, revoked or expired, or not for this.
    """
    with parts.database.read() as connection:
        found = tokens.bearer(connection, token.strip(), parts.clock) if token.strip() else None
    if found is None:
        raise Refused("token", "This token is not known, or was revoked.")
    if not found.may(scope):
        raise Refused("token", f"The token {found.name} is not for this: it needs the scope {scope}.")
    return found
