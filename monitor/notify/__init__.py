"""What people are told: messages queued in the transaction of what they are about, then sent like actions are."""

from monitor.notify.message import Message, enqueue

__all__ = ["Message", "enqueue"]
