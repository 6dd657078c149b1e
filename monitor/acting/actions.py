"""The action loop: what was decided is sent, marked, watched and, where it is not seen to work, paged.

One pass reads like this list:

1. for each hook that has due actions, start senders (threads of its own, so that one that hangs delays no other)
2. a sender claims one action (conditional UPDATE), sends it outside any transaction, then marks it: a process that
   dies in between leaves a lease that runs out, and the same id is sent again; marking first would lose it
3. page about what could not be delivered for 30 s
4. ask the health pages of what was not acknowledged yet, each in a thread of its own
5. make the rollbacks that waited long enough after the last one
6. confirm what the decision log shows, reopen what it belies, and close what has been quiet
7. tell people of incidents, and others when nobody answers
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future, wait

from sqlalchemy import select

from monitor import incidents
from monitor.acting import outbox
from monitor.acting.confirm import acknowledge, confirm, watching
from monitor.acting.cooldown import cooled, release
from monitor.acting.relapse import relapsed, reopen
from monitor.acting.sending import SendingLoop
from monitor.clock import Clock
from monitor.hooks import HOOKS, Answer
from monitor.hooks.webhook import ask
from monitor.settings import Settings
from monitor.store.database import Database
from monitor.store.tables import actions
from runbooks.actions import ActionEvent, accepting

ASK = 2.0  # real seconds between two questions to one health page


class ActionLoop(SendingLoop):
    """Delivers and confirms actions; any number may run at once on one database."""

    part = "actions"

    def __init__(self, database: Database, settings: Settings, clock: Clock, owner: str) -> None:
        super().__init__(database, settings, clock, owner)
        self._asked: dict[str, float] = {}
        self._paged: set[str] = set()

    def steps(self) -> Sequence[Callable[[], object]]:
        """Return what one pass does, in order."""
        return self._send_due, self._page, self._ask_health, self._release, self._confirm, self._escalate

    def run_due(self) -> int:
        """Make one pass and wait for its senders; return how many attempts were made."""
        started = self._send_due()
        wait(started)
        self._page()
        health = self._ask_health()
        wait(health)
        self._release()
        self._confirm()
        self._escalate()
        return sum(sender.result() for sender in started)

    def _send_due(self) -> list[Future[int]]:
        with self._database.read() as connection:
            due = outbox.due_hooks(connection, self._clock)
        return [self._start(hook, self._drain, hook) for hook, n in due.items() for _ in range(self._free(hook, n))]

    def _drain(self, hook: str) -> int:
        """Claim, send and mark until the hook has nothing due; return the attempts."""
        known = self._settings.hook.get(hook)
        attempts = 0
        while True:
            with self._database.begin() as connection:
                held = outbox.claim(connection, self._clock, hook, known.timeout if known else 0.0)
            if held is None:
                return attempts
            attempts += 1
            if known is None:
                answer = Answer("blocked", f"The configuration has no hook {hook!r} any more.")
            else:
                answer = HOOKS[known.kind](known, held.id, held.body, self._clock.real())
            with self._database.begin() as connection:
                ours, told = outbox.mark(connection, self._clock, held, answer), answer.acknowledged
                if ours and told:
                    shown = (told.generation, told.version, told.artifact_sha256)
                    acknowledge(connection, self._clock, held.policy, *shown, f"hook {hook}", hook)

    def _page(self) -> None:
        with self._database.read() as connection:
            late = set(outbox.undelivered(connection, self._clock))
        for identity in sorted(late - self._paged):
            with self._database.begin() as connection:
                outbox.page_undelivered(connection, self._clock, identity)
        self._paged = late

    def _ask_health(self) -> list[Future[int]]:
        pages = {name for name, hook in self._settings.hook.items() if hook.health}
        c = actions.c
        asked = select(c.hook, c.policy).distinct().where(c.acknowledged.is_(None), c.hook.in_(pages))
        asked = asked.where(c.state.in_(accepting(ActionEvent.ACKNOWLEDGE)), c.attempts > 0)
        with self._database.read() as connection:
            found = connection.execute(asked).all() if pages else []
        started, real = [], self._clock.real()
        for row in found:
            lane = f"health {row.hook} {row.policy}"
            if not 0 <= real - self._asked.get(lane, -ASK) < ASK and self._free(lane, 1, most=1):
                self._asked[lane] = real
                started.append(self._start(lane, self._ask, row.hook, row.policy))
        return started

    def _ask(self, hook: str, policy: str) -> int:
        told = ask(self._settings.hook[hook], policy)
        if told is None:
            return 0
        shown = (told.generation, told.version, told.artifact_sha256)
        with self._database.begin() as connection:
            return acknowledge(connection, self._clock, policy, *shown, f"health of {hook}", hook)

    def _release(self) -> None:
        with self._database.read() as connection:
            waited = cooled(connection, self._settings, self._clock)
        for identity in waited:
            with self._database.begin() as connection:
                if release(connection, self._settings, self._clock, identity):
                    self.wake()

    def _confirm(self) -> None:
        with self._database.read() as connection:
            watched = watching(connection)
            again = relapsed(connection, self._clock, self._settings)
            opened = incidents.anything_open(connection)
        for identity in again:
            with self._database.begin() as connection:
                reopen(connection, self._clock, identity)
        if watched or opened:
            with self._database.begin() as connection:
                confirm(connection, self._settings, self._clock)
                incidents.close_quiet(connection, self._clock)

    def _escalate(self) -> None:
        with self._database.read() as connection:
            waiting = incidents.due(connection, self._settings, self._clock)
        for identity in waiting:
            with self._database.begin() as connection:
                incidents.care(connection, self._settings, self._clock, identity)
