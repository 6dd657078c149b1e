"""What a judgement rests on besides buckets and settings: how far is sealed, who serves, resets, the baseline.

A live pass reads it as it is now; a backtest builds it as it was, so that both run the same judge.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import Connection, func, select

from monitor.judging.windows import Frozen, newest_baseline
from monitor.store.tables import actions, policies, routes


@dataclass(frozen=True)
class Standing:
    """One policy's circumstances at one pass.

    Parameters
    ----------
    sealed
        Event time before which buckets are closed and mature.
    begin
        Event time from which windows are judged: the baseline's end, or the first pass where none is frozen.
    serving, routed
        The version that the route names, and since when.
    resets
        Version -> its last confirmed rollback: a scan of it begins there.
    frozen
        The baseline that judges, None before one is frozen.
    """

    sealed: float
    begin: float
    serving: str
    routed: float
    resets: Mapping[str, float]
    frozen: Frozen | None

    def since(self, version: str) -> float:
        """Return where a version's scan starts: where judging begins or its last reset, whichever is later."""
        return max(self.begin, self.resets.get(version, 0.0))

    def reach(self, version: str) -> float:
        """Return how far a rolling detector may look back: to the baseline's begin, never behind the last reset."""
        begin = 0.0 if self.frozen is None else min(self.frozen.begin, self.begin)
        return max(begin, self.resets.get(version, 0.0))


def standing(connection: Connection, policy: str) -> Standing:
    """Return a policy's circumstances as the database has them now."""
    row = connection.execute(select(policies).where(policies.c.policy == policy)).one()
    route = connection.execute(select(routes).where(routes.c.policy == policy)).one_or_none()
    frozen = newest_baseline(connection, policy)
    reset = select(actions.c.from_version, func.max(actions.c.confirmed).label("at"))
    mine = (actions.c.policy == policy, actions.c.kind == "rollback", actions.c.confirmed.is_not(None))
    reset = reset.where(*mine).group_by(actions.c.from_version)
    return Standing(
        sealed=row.sealed_until,
        begin=(row.watch_from or row.sealed_until) if frozen is None else frozen.end,
        serving="" if route is None else route.serving,
        routed=0.0 if route is None else route.changed,
        resets={found.from_version: found.at for found in connection.execute(reset)},
        frozen=frozen,
    )
