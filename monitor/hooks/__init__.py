"""How a decided action leaves the house: one file and one dict line a kind."""

from __future__ import annotations

from collections.abc import Callable

from monitor.hooks import command, webhook
from monitor.hooks.answer import Acknowledgement, Answer, acknowledgement
from monitor.settings import Hook

__all__ = ["HOOKS", "Acknowledgement", "Answer", "acknowledgement"]

# send(hook, action id, body, real seconds since 1970) -> Answer; bounded by hook.timeout, whatever the receiver does
HOOKS: dict[str, Callable[[Hook, str, bytes, float], Answer]] = {
    "webhook": webhook.send,
    "command": command.send,
}
