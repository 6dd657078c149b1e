"""A policy whose rollbacks go through a recipe: the real `command` hook and the real action loop."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from sqlalchemy import select

from monitor import settings
from monitor.acting import rollback
from monitor.acting.actions import ActionLoop
from monitor.clock import ManualClock
from monitor.hooks import HOOKS, Answer
from monitor.store.database import Database
from monitor.store.tables import actions


class Recipe:
    """The policy cooling, of which v7 serves, and one hook that runs a module of examples/recipes."""

    def __init__(self, database: Database, clock: ManualClock, *argv: str) -> None:
        self.database, self.clock = database, clock
        policy = {"incumbent": "v6", "serving": "v7", "fallbacks": ["v6", "rules"]}
        hook = {"kind": "command", "command": [sys.executable, *argv], "timeout": "250s"}
        self.settings = settings.parse({"policy": {"cooling": policy}, "hook": {"it": hook}}, Path.cwd())
        self.loop = ActionLoop(database, self.settings, clock, "test")

    def roll_back(self, to: str | None = None) -> Any:
        """Ask for a rollback, let the loop make its passes, and return the action."""
        with self.database.begin() as connection:
            asked: dict[str, Any] = {"reason": "Fell.", "trigger": "t", "actor": "ada", "mode": "manual"}
            asked |= {"from_version": None, "to_version": to}
            done = rollback.request(connection, self.settings, self.clock, "cooling", **asked)
        self.loop.run_due()
        return self.row(done.actions[0])

    def row(self, identity: str) -> Any:
        """Return an action as it is now."""
        with self.database.read() as connection:
            return connection.execute(select(actions).where(actions.c.id == identity)).one()

    def again(self, row: Any, body: str = "") -> Answer:
        """Send an action once more, as a worker does that woke up too late, or another ``body``."""
        return HOOKS["command"](self.settings.hook["it"], row.id, (body or row.body).encode(), self.clock.real())
