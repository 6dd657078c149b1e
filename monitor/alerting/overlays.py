"""What lies over an alert when people are told of it: silences, maintenance, flapping. None of them decides anything.

The alert's state moves and is recorded under each of them, and rollbacks with their own pages never ask for them
(Alertmanager keeps silencing out of the rules for the same reason).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import Connection, select

from monitor.clock import Clock, stamp
from monitor.settings import Settings
from monitor.store.tables import notices, silences

QUIET = 1800.0  # flapping ends after 30 minutes in which the alert neither began nor stopped firing
_NEVER = "; a rollback and its pages are never muted"


@dataclass(frozen=True)
class Mute:
    """What mutes pages now: a silence or a maintenance window; "" as trigger or version stands for all."""

    kind: Literal["silence", "maintenance"]
    name: str
    policy: str
    trigger: str
    version: str
    owner: str
    reason: str
    until: float

    def covers(self, policy: str, trigger: str, version: str) -> bool:
        """Whether it is about this alert.

        >>> mute = Mute("silence", "1", "bids", "", "v7", "anna", "Known.", 9.0)
        >>> mute.covers("bids", "no_data", "v7"), mute.covers("bids", "no_data", "v6")
        (True, False)
        """
        return self.policy == policy and self.trigger in {"", trigger} and self.version in {"", version}

    def shown(self, severity: str) -> dict[str, Any]:
        """Return the overlay as people and machines read it."""
        what = "silenced" if self.kind == "silence" else f"maintenance {self.name}"
        text = f"{what} until {stamp(self.until)} by {self.owner}: {self.reason.rstrip('.')}"
        told = {"by": self.owner, "reason": self.reason, "until": stamp(self.until)}
        text += _NEVER if severity == "rollback" else ""
        return {"kind": self.kind, "name": self.name, **told, "text": text + "."}


def mutes(connection: Connection, settings: Settings, now: float, policy: str | None = None) -> list[Mute]:
    """Return the silences and the maintenance windows that hold at a time, of one policy or of all."""
    c = silences.c
    held = select(silences).where(c.created <= now, c.until > now, c.ended.is_(None))
    if policy is not None:
        held = held.where(c.policy == policy)
    windows = [
        Mute("maintenance", name, of, "", "", one.owner, one.reason, one.until.timestamp())
        for of, configured in settings.policy.items()
        for name, one in configured.maintenance.items()
        if policy in {None, of} and one.from_.timestamp() <= now < one.until.timestamp()
    ]
    return windows + [
        Mute("silence", str(row.id), row.policy, row.trigger, row.version, row.owner, row.reason, row.until)
        for row in connection.execute(held.order_by(c.id))
    ]


def muted(held: Iterable[Mute], policy: str, trigger: str, version: str) -> bool:
    """Whether one of the mutes is about this alert."""
    return any(mute.covers(policy, trigger, version) for mute in held)


def attach(connection: Connection, settings: Settings, clock: Clock, found: Sequence[dict[str, Any]]) -> None:
    """Add ``overlays`` to each alert: what lies over it now, flapping first and the newest silence last."""
    now = clock.now()
    held = mutes(connection, settings, now)
    unsteady = _flapping(connection, now)
    for item in found:
        where = (item["policy"], item["trigger"], item["version"])
        item["overlays"] = [*unsteady.get((*where, item["key"]), ())]
        item["overlays"] += [mute.shown(item["severity"]) for mute in held if mute.covers(*where)]


def _flapping(connection: Connection, now: float) -> dict[tuple[str, ...], list[dict[str, Any]]]:
    c = notices.c
    rows = connection.execute(select(notices).where(c.flapping.is_not(None), c.moved > now - QUIET))
    return {(row.policy, row.trigger, row.version, row.key): [_unsteady(row.flapping, row.moved)] for row in rows}


def _unsteady(since: float, moved: float) -> dict[str, Any]:
    reason = (
        f"flapping since {stamp(since)}: it began or stopped firing too often, and pages again after 30 quiet minutes"
    )
    told = {"by": "checkrein", "reason": reason, "until": stamp(moved + QUIET)}
    return {"kind": "flapping", "name": "flapping", **told, "text": reason + "."}
