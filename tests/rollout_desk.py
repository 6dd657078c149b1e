"""A policy whose versions are rolled out: people, their approvals, the log's word, and what became of the route."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pyarrow as pa
from sqlalchemy import Connection, insert, select, update

from monitor import settings
from monitor.acting import rollback
from monitor.bucketing import sealing
from monitor.clock import ManualClock
from monitor.landing.land import Landing, Mark
from monitor.log_store.schema import TIMESTAMP
from monitor.rollouts import approve, draft, progress, stop
from monitor.rollouts.hold import Watch
from monitor.rollouts.store import RolloutError
from monitor.sources import Position
from monitor.store.database import Database
from monitor.store.tables import actions, policies, rollouts, routes, summaries
from monitor.tick import Parts
from monitor.tokens import SCOPES, Bearer
from monitor.validate import Accepted

HOUR = 3600.0
QUIET: dict[str, Any] = {name: {"enabled": False} for name in settings.shipped_triggers()}
POLICY: dict[str, Any] = {"incumbent": "v6", "serving": "v6", "fallbacks": ["v6", "rules"], "trigger": QUIET}
RULE = {"stages": [0.5, 1.0], "hold": "15m", "min_decisions": 1}
HOLD = 900.0


def person(name: str | None, *scopes: str) -> Bearer:
    return Bearer(f"{name}-token", name, frozenset(scopes or SCOPES))


ANNA, BEN, CLEO = person("anna"), person("ben"), person("cleo")


class Desk:
    """Rollouts of cooling, from v6 to v7."""

    def __init__(self, database: Database, clock: ManualClock, folder: Any, rule: Any = RULE, **more: Any) -> None:
        self.settings = self.configured(folder, rule, **more)
        self.database, self.clock, self.watch = database, clock, Watch()
        self.landed = False
        self.parts = Parts(self.settings, database, clock, Landing(database, self.settings, clock))
        with database.begin() as connection:
            rollback.ensure_policy(connection, self.settings, "cooling")
            rollback.ensure_route(connection, self.settings, clock, "cooling")
        self.sealed(clock.now())

    @staticmethod
    def configured(folder: Any, rule: Any = RULE, **more: Any) -> settings.Settings:
        """Return the configuration of a file that says this."""
        both = {"cooling": {**POLICY, "rollout": rule, **more}}
        return settings.parse({"store": {"lake": "lake"}, "policy": both}, folder)

    @property
    def common(self) -> tuple[settings.Settings, ManualClock]:
        return self.settings, self.clock

    def start(self, bearer: Bearer = ANNA, to: str = "v7") -> Any:
        with self.database.begin() as connection:
            return draft.start(connection, *self.common, "cooling", candidate=to, reason="It is better.", bearer=bearer)

    def agree(self, bearer: Bearer, digest: str | None = None, identity: int = 1) -> approve.Agreed:
        """Approve, or advance, as one person, agreeing to what is there now."""
        row = self.row(identity)
        with self.database.begin() as connection:
            if row.phase == "passed":
                wanted = digest or row.judgement_sha256
                return approve.advance(connection, *self.common, identity, bearer, wanted)
            return approve.approve(connection, *self.common, identity, bearer, digest or row.evidence_sha256)

    def refusal(self, bearer: Bearer, digest: str | None = None) -> tuple[str, str]:
        try:
            self.agree(bearer, digest)
        except RolloutError as error:
            return error.kind, str(error)
        return "", ""

    def approved(self) -> None:
        self.start()
        self.agree(BEN)
        self.agree(CLEO)

    def stop(self, how: str, identity: int = 1) -> Any:
        with self.database.begin() as connection:
            return getattr(stop, how)(connection, *self.common, identity, "Somebody wants it.", "dora")

    def row(self, identity: int = 1) -> Any:
        with self.database.read() as connection:
            return connection.execute(select(rollouts).where(rollouts.c.id == identity)).one()

    @property
    def phase(self) -> str:
        return str(self.row().phase)

    def put(self, **values: Any) -> None:
        """Place the rollout somewhere, for tests of what can happen there."""
        with self.database.begin() as connection:
            connection.execute(update(rollouts).values(**values))

    def look(self, watch: Watch | None = None) -> str:
        progress.run(self.parts, "cooling", watch or self.watch)
        return self.phase

    def route(self) -> tuple[str, dict[str, float], int]:
        with self.database.read() as connection:
            row = connection.execute(select(routes).where(routes.c.policy == "cooling")).one()
        return row.serving, json.loads(row.split), row.generation

    def confirmed(self) -> None:
        """Let the serving side and the log have shown what was asked for."""
        with self.database.begin() as connection:
            here = update(actions).where(actions.c.state == "delivered")
            connection.execute(here.values(state="confirmed", confirmed=self.clock.now()))

    def sealed(self, at: float) -> None:
        at = at // 60 * 60
        if self.landed:
            sealing.seal(self.database, "cooling", at, set())
        with self.database.begin() as connection:
            connection.execute(update(policies).values(sealed_until=at, last_ts=at))

    def decided(self, rows: int, version: str = "v7", segment: str = "") -> None:
        """Store one minute of decisions, as summaries count them."""
        start = int(self.clock.now() // 60 * 60)
        bucket = {"policy": "cooling", "version": version, "segment": segment, "resolution": 60, "start": start}
        with self.database.begin() as connection:
            connection.execute(insert(summaries), [{**bucket, "late": False, "rows": rows, "body": b""}])

    def serves(self, seconds: float, share: float = 0.5, gain: Any = 0.0, **columns: Any) -> None:
        """Land decisions from now on, one a second, of v7 with this share and ``gain`` more reward than v6."""
        rows, begin = int(seconds), self.clock.now()
        rng = np.random.default_rng([5, int(begin)])
        new, at = rng.random(rows) < share, ((begin + np.arange(rows)) * 1e6).astype(np.int64)
        table = {
            "decision_id": [f"d{one}" for one in at.tolist()], "ts": pa.array(at).cast(TIMESTAMP),
            "policy": ["cooling"] * rows, "version": np.where(new, "v7", "v6").tolist(), "action": ["hold"] * rows,
            "propensity": np.full(rows, 0.5), "reward": 10.0 + rng.normal(0, 1, rows) + np.where(new, gain, 0.0),
        }  # fmt: skip
        mark = Mark("cooling:csv:log.csv", "log.csv", Position(int(at[-1]), rows, rows, str(begin), False), 1)
        self.parts.landing.decisions("cooling", Accepted(pa.table({**table, **columns})), "log.csv", mark)
        self.landed = True

    def pass_time(self, seconds: float, every: float = 60.0) -> str:
        """Let time pass with a look each minute, the data sealed as it comes."""
        for _ in range(int(seconds / every)):
            self.clock.advance(every)
            self.sealed(self.clock.now())
            self.look()
        return self.phase

    def rows(self, table: Any) -> list[Any]:
        with self.database.read() as connection:
            return list(connection.execute(select(table).order_by(*table.primary_key)).all())

    def ask(self, act: Any) -> Any:
        with self.database.begin() as connection:
            return act(connection)


def stopped(connection: Connection, desk: Desk, version: str = "v7", **changes: Any) -> rollback.Outcome:
    """Roll a version back as a trigger does."""
    options: dict[str, Any] = {"reason": "Reward fell.", "trigger": "t", "actor": "checkrein", "mode": "automatic"}
    return rollback.request(connection, *desk.common, "cooling", from_version=version, **options | changes)
