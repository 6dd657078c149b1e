"""What every channel makes of a message: its title, its text, its link, and how bad it is."""

from __future__ import annotations

from monitor.hooks.answer import Answer
from monitor.notify.message import Message
from monitor.settings import ConfigurationError, Notify, secret


def title(message: Message) -> str:
    """Return the line that people see first; a drill and a test say that they are one.

    >>> title(Message("page", "bids", "page", "Reward fell", "...", "incident:7", incident=7, drill=True))
    '[DRILL] Reward fell (incident 7)'
    """
    mark = "[DRILL] " if message.drill else "[TEST] " if message.kind == "test" else ""
    word = {"acknowledged": "Acknowledged: ", "resolved": "Resolved: "}.get(message.kind, "")
    return f"{mark}{word}{message.title}" + (f" (incident {message.incident})" if message.incident is not None else "")


def link(channel: Notify, message: Message) -> str:
    """Return the address that shows it, "" where people's address of this server is not configured."""
    return f"{channel.server.rstrip('/')}/{message.link.lstrip('/')}" if channel.server and message.link else ""


def text(channel: Notify, message: Message) -> str:
    """Return what a tired person must read, with whose it is and where to look."""
    whose = f"Policy {message.policy}, severity {message.severity}." if message.policy else ""
    return "\n".join(part for part in (message.text, whose, link(channel, message)) if part)


def credential(reference: str, key: str) -> str | Answer:
    """Return what a reference leads to, or why it cannot be sent now: a person may still set it."""
    try:
        return secret(reference, key)
    except ConfigurationError as error:
        return Answer("retry", f"It cannot be sent: {error}.")
