"""What the operations page asks and does: channels, jobs, drills, tokens, and what could not be delivered."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from dashboard.data import Data, Refused
from dashboard.people import bearer
from monitor import tokens, views
from monitor.acting import outbox as actions
from monitor.notify import by_hand
from monitor.notify import outbox as messages
from monitor.views import acting
from monitor.views import notifications as told

# what a button asks -> (what it is about, how it is done, how it is said when it cannot be)
_MOVES: dict[str, tuple[str, Callable[..., bool], str]] = {
    "replay": ("message", messages.replay, "replayed"),
    "cancel": ("message", messages.cancel, "cancelled"),
    "replay-action": ("action", actions.replay, "replayed"),
    "cancel-action": ("action", actions.cancel, "cancelled"),
}


def operations(data: Data) -> dict[str, Any]:
    """Return ``channels``, ``messages`` (on their way, or dead), ``actions``, ``jobs``, ``drills``, ``tokens``."""
    parts = data.parts
    with parts.database.read() as connection:
        return {
            "channels": views.channels(connection, parts.settings, parts.clock),
            "messages": told.notifications(connection, every=False),
            "actions": views.stuck(connection),
            "jobs": views.jobs(connection, parts.settings, parts.clock),
            "drills": views.drilled(connection, parts.settings, parts.clock),
            "tokens": tokens.listed(connection, parts.clock),
        }


def messages_of(data: Data, identities: Sequence[str]) -> list[dict[str, Any]]:
    """Return where messages stand that somebody asked for and follows."""
    with data.parts.database.read() as connection:
        return told.of_identities(connection, identities)


def test(data: Data, channel: str, token: str | None) -> str:
    """Queue a test on the path of real messages, and return the message's id.

    Raises
    ------
    Refused
        If the token is not for it, or there is no such channel.
    """
    who = bearer(data, token)
    if channel not in data.parts.settings.notify:
        raise Refused("what", f"There is no [notify.{channel}] any more.")
    with data.parts.database.begin() as connection:
        identity = by_hand.request(connection, data.parts.clock, channel, f"token:{who.name}")
    data.wake()
    return identity


def move(data: Data, what: str, identity: str, token: str | None) -> str:
    """Replay or cancel a message or an action, and return the sentence that says where it stands now.

    Raises
    ------
    Refused
        If the token is not for it, there is no such thing, or its state does not allow it any more.
    """
    who = bearer(data, token)
    if what not in _MOVES or "\x00" in identity:
        raise Refused("what", "There is no such button.")
    kind, act, past = _MOVES[what]
    look = told.of_identities if kind == "message" else acting.of_identities
    with data.parts.database.begin() as connection:
        changed = act(connection, data.parts.clock, identity, f"token:{who.name}")
        found = look(connection, [identity])
    if not found:
        raise Refused("what", f"There is no such {kind}.")
    if not changed:
        raise Refused("what", f"It cannot be {past} any more. {found[0]['sentence']}")
    data.wake()
    return str(found[0]["sentence"])
