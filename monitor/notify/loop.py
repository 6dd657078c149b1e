"""The loop that tells people: messages are claimed, sent outside any transaction, then marked.

A process that dies between sending and marking leaves a lease that runs out, and the same id is sent again: people are
told twice at most, never not at all.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future, wait

from monitor.acting.sending import SendingLoop
from monitor.hooks.answer import Answer
from monitor.notify import outbox
from monitor.notify.channels import send


class NotificationLoop(SendingLoop):
    """Sends messages to people; each channel has threads of its own, so that one that hangs delays no other."""

    part = "notifications"

    def steps(self) -> Sequence[Callable[[], object]]:
        """Return what one pass does."""
        return (self._send_due,)

    def run_due(self, only: str | None = None) -> int:
        """Make one pass, over one channel or all, and wait for its senders; return how many attempts were made."""
        started = self._send_due(only)
        wait(started)
        return sum(sender.result() for sender in started)

    def _send_due(self, only: str | None = None) -> list[Future[int]]:
        with self._database.read() as connection:
            due = outbox.QUEUE.lanes(connection, self._clock)
        lanes = {name: number for name, number in due.items() if only in (None, name)}
        return [self._start(name, self._drain, name) for name, n in lanes.items() for _ in range(self._free(name, n))]

    def _drain(self, channel: str) -> int:
        """Claim, send and mark until the channel has nothing due; return the attempts."""
        known = self._settings.notify.get(channel)
        lasts = known.lasts if known else 0.0
        attempts = 0
        while True:
            with self._database.begin() as connection:
                held = outbox.claim(connection, self._clock, channel, lasts)
            if held is None:
                return attempts
            attempts += 1
            answer, reached = Answer("blocked", f"The configuration has no [notify.{channel}] any more."), held.reached
            if known is not None:
                answer, reached = send(known, held.id, held.message, self._clock.real(), held.reached)
            with self._database.begin() as connection:
                outbox.mark(connection, self._clock, held, answer, reached)
