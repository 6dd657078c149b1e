"""What a request gives: text that every database can store, numbers in an address, moments, a policy's name."""

from __future__ import annotations

from datetime import datetime, timedelta

from monitor.api.problems import Problem
from monitor.clock import instant
from monitor.settings import Settings

TEXT = r"^[^\x00]*$"  # PostgreSQL stores no NUL
_DIGITS = 9  # of an identity, so that it is a number on every database


def number_of(text: str) -> int:
    """Return the number in an address, 0 (which nothing has) where it is none.

    >>> number_of("12"), number_of("v7"), number_of("9" * 30)
    (12, 0, 0)
    """
    return int(text) if text.isascii() and text.isdigit() and len(text) <= _DIGITS else 0


def since_1970(moment: datetime) -> float:
    """Return a moment as seconds since 1970; ``timestamp`` fails for years that the machine's calendar has not."""
    return (moment - instant(0.0)) / timedelta(seconds=1)


def known(settings: Settings, policy: str) -> str:
    """Return the policy's name.

    Raises
    ------
    Problem
        404 if the configuration has none of the name; the answer lists those that there are.
    """
    if policy not in settings.policy:
        raise Problem(404, f"there is no policy {policy!r}; known: {', '.join(sorted(settings.policy))}")
    return policy
