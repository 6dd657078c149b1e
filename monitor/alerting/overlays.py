"""What lies over an alert when people are told of it; none of it decides anything.

Silences, maintenance, inhibition, dry runs and flapping. The alert's state moves and is recorded under each of them,
and rollbacks with their own pages never ask for them (Alertmanager keeps silencing out of the rules for the same
reason); a dry run alone keeps a rollback back, and says so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import Connection, select

from monitor.alerting.inhibitions import Inhibited, Where, inhibited, raised
from monitor.clock import Clock, stamp
from monitor.settings import Settings, Trigger
from monitor.store.tables import notices, silences

QUIET = 1800.0  # flapping ends after 30 minutes in which the alert neither began nor stopped firing
KINDS = ("flapping", "dry_run", "inhibited", "silence", "maintenance")
_NEVER = "; a rollback and its pages are never muted"


@dataclass(frozen=True)
class Mute:
    """What mutes pages now: a silence or a maintenance window; "" as trigger or version, None as key, is all."""

    kind: Literal["silence", "maintenance"]
    name: str
    policy: str
    trigger: str
    version: str
    owner: str
    reason: str
    until: float
    key: str | None = None

    def covers(self, where: Where) -> bool:
        """Whether it is about this alert.

        >>> mute = Mute("silence", "1", "bids", "", "v7", "anna", "Known.", 9.0)
        >>> [mute.covers(Where("bids", version, "no_data", "")) for version in ("v7", "v6")]
        [True, False]
        """
        if self.policy != where.policy or self.key not in {None, where.key}:
            return False
        return self.trigger in {"", where.trigger} and self.version in {"", where.version}

    def shown(self, severity: str) -> dict[str, Any]:
        """Return the overlay as people and machines read it."""
        what = "silenced" if self.kind == "silence" else f"maintenance {self.name}"
        text = f"{what} until {stamp(self.until)} by {self.owner}: {self.reason.rstrip('.')}"
        told = {"by": self.owner, "reason": self.reason, "until": stamp(self.until)}
        text += _NEVER if severity == "rollback" else ""
        return {"kind": self.kind, "name": self.name, **told, "text": text + "."}


@dataclass(frozen=True)
class Over:
    """All that mutes alerts at one time."""

    held: Sequence[Mute]
    waiting: Mapping[Where, Inhibited]
    triggers: Mapping[str, Mapping[str, Trigger]]

    def dry(self, where: Where) -> bool:
        """Whether the alert's trigger is a dry run now."""
        trigger = self.triggers.get(where.policy, {}).get(where.trigger)
        return trigger is not None and trigger.dry_run

    def mutes(self, where: Where) -> bool:
        """Whether nobody is to be paged about this alert now."""
        return self.dry(where) or where in self.waiting or any(mute.covers(where) for mute in self.held)

    def on(self, where: Where, severity: str) -> list[dict[str, Any]]:
        """Return what lies over an alert, as people and machines read it."""
        found = [dry(severity)] if self.dry(where) else []
        if where in self.waiting:
            found.append(_inhibited(self.waiting[where]))
        return found + [mute.shown(severity) for mute in self.held if mute.covers(where)]


def over(connection: Connection, settings: Settings, now: float, policy: str | None = None) -> Over:
    """Return what mutes alerts at a time, of one policy or of all."""
    held = mutes(connection, settings, now, policy)
    firing = raised(connection, settings, policy)
    named = {*settings.policy} if policy is None else {policy, *(where.policy for where in firing)}
    triggers = {name: settings.triggers(name) for name in sorted(named & {*settings.policy})}

    def unheard(where: Where) -> bool:
        rule = triggers[where.policy][where.trigger]
        return rule.severity != "rollback" and any(mute.covers(where) for mute in everywhere)

    others = policy is not None and any(where.policy != policy for where in firing)
    everywhere = mutes(connection, settings, now) if others else held
    return Over(held, inhibited(settings.inhibit, triggers, firing, unheard), triggers)


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
        Mute("silence", str(row.id), row.policy, row.trigger, row.version, row.owner, row.reason, row.until, row.key)
        for row in connection.execute(held.order_by(c.id))
    ]


def attach(connection: Connection, settings: Settings, clock: Clock, found: Sequence[dict[str, Any]]) -> None:
    """Add ``overlays`` to each alert: what lies over it now, flapping first and the newest silence last."""
    now = clock.now()
    named = {item["policy"] for item in found}
    lies = over(connection, settings, now, named.pop() if len(named) == 1 else None)
    unsteady = _flapping(connection, now)
    for item in found:
        where = Where(item["policy"], item["version"], item["trigger"], item["key"])
        item["overlays"] = [*unsteady.get(where, ()), *lies.on(where, item["severity"])]


def is_dry(item: Mapping[str, Any]) -> bool:
    """Whether an alert that ``attach`` was given is of a dry-run trigger: it says nothing about the policy's state."""
    return any(one["kind"] == "dry_run" for one in item["overlays"])


def dry(severity: str) -> dict[str, Any]:
    """Return the overlay of a dry-run trigger's alert."""
    what = "pages nobody and rolls nothing back" if severity == "rollback" else "pages nobody"
    reason = f"dry run: it is judged and recorded, {what}"
    return {"kind": "dry_run", "name": "dry_run", "by": "configuration", "reason": reason, "until": None,
            "text": reason + "."}  # fmt: skip


def _inhibited(why: Inhibited) -> dict[str, Any]:
    source = why.source
    named = f"{source.trigger} {source.key}".strip()
    of = f" of {source.version}" if source.version != "*" else ""
    text = f"inhibited by {named}{of} (rule {why.rule}): nobody is paged about it until that is over."
    return {"kind": "inhibited", "name": why.rule, "by": source.trigger, "reason": f"inhibited by {named}",
            "until": None, "text": text}  # fmt: skip


def _flapping(connection: Connection, now: float) -> dict[Where, list[dict[str, Any]]]:
    c = notices.c
    rows = connection.execute(select(notices).where(c.flapping.is_not(None), c.moved > now - QUIET))
    return {Where(row.policy, row.version, row.trigger, row.key): [_unsteady(row.flapping, row.moved)] for row in rows}


def _unsteady(since: float, moved: float) -> dict[str, Any]:
    reason = (
        f"flapping since {stamp(since)}: it began or stopped firing too often, and pages again after 30 quiet minutes"
    )
    told = {"by": "checkrein", "reason": reason, "until": stamp(moved + QUIET)}
    return {"kind": "flapping", "name": "flapping", **told, "text": reason + "."}
