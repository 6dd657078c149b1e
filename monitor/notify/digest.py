"""The digest: what pages nobody, told once in a while in one message a policy.

Firings of severity info and warn, alerts that flap, what a silence, maintenance or an inhibition muted, and dry runs.
Nothing happened, nothing fires still and no silence ends soon: no message. Against a message for each firing, which
people learn to delete unread.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

from sqlalchemy import Connection, func, select

from monitor import events, status
from monitor.alerting.inhibitions import Where
from monitor.alerting.overlays import QUIET, is_dry
from monitor.alerting.paging import FLAPS
from monitor.clock import Clock, stamp
from monitor.judging import decide
from monitor.notify.channels import channels_of
from monitor.notify.message import Message, enqueue
from monitor.settings import Settings
from monitor.store.tables import events as log
from monitor.store.tables import notices, silences, transitions
from monitor.tick import Parts

WRITTEN = "digest.written"


@dataclass
class _Line:
    """What one alert did since the last digest."""

    fired: int = 0
    resolved: int = 0
    dry_run: bool = False
    crossed: list[float] = field(default_factory=list)  # when it began or stopped firing

    @property
    def flapped(self) -> bool:
        pairs = zip(self.crossed, self.crossed[FLAPS - 1 :], strict=False)
        return any(last - first <= QUIET for first, last in pairs)


def slot(parts: Parts) -> int | None:
    """Return the slot of the digest that is due, which is its moment in seconds; None where it is switched off."""
    asked = parts.settings.digest
    return asked.due(parts.clock.now()) if asked.enabled else None


def run(parts: Parts) -> None:
    """Write the digest that is due of every policy, a transaction each; done again, it writes none twice."""
    due = slot(parts)
    for policy in parts.settings.policy if due is not None else ():
        with parts.database.begin() as connection:
            write(connection, parts.settings, parts.clock, policy, due or 0)


def write(connection: Connection, settings: Settings, clock: Clock, policy: str, due: int) -> tuple[str, ...]:
    """Queue a policy's digest for the channels that take digests, inside the caller's write transaction.

    It begins where the last one ended, by the number of the transition and not by a time: after days without a worker
    one digest tells of all of them, and a clock that is moved repeats nothing and loses nothing.

    Parameters
    ----------
    connection, settings, clock, policy
        The open write transaction, the configuration, the time, and whose digest.
    due
        When it was due, seconds since 1970; one that was written for then or later is not written again.

    Returns
    -------
    tuple of str
        Ids of the notifications; none where there is nothing to tell or no channel.
    """
    decide.hold(connection, policy)  # what others are writing is told now or the next time, never lost in between
    told = select(log.c.body).where(log.c.policy == policy, log.c.kind == WRITTEN).order_by(log.c.id.desc()).limit(1)
    last = json.loads(connection.execute(told).scalar_one_or_none() or "{}")
    if last.get("due", -1) >= due:
        return ()
    t = transitions.c
    newest = connection.execute(select(func.max(t.id)).where(t.policy == policy)).scalar_one() or 0
    found = gather(connection, settings, clock, policy, last.get("last"), due)
    sent: tuple[str, ...] = ()
    if found["alerts"] or found["silences"]:
        channels = channels_of(settings, policy, digest=True)
        sent = enqueue(connection, clock, channels, _message(policy, due, found))
    counts = {name: found[name] for name in ("fired", "resolved", "firing", "flapping")}
    body = {"due": due, "last": newest, "messages": list(sent), **counts}
    events.record(connection, clock, WRITTEN, policy, "checkrein", body)
    return sent


def gather(
    connection: Connection, settings: Settings, clock: Clock, policy: str, after: int | None, due: float
) -> dict[str, Any]:
    """Return what a digest lists, as JSON values.

    Parameters
    ----------
    connection, settings, clock, policy
        A transaction, the configuration, the time, and whose alerts.
    after
        The last transition that a digest told of; None: those of one period before ``due``.
    due
        When this one is due.

    Returns
    -------
    dict
        ``alerts`` (trigger, version, key, severity, state, fired, resolved, flapping with ``changes``, overlays,
        reason), ``silences`` that end within one period, and the sums ``fired``, ``resolved``, ``firing`` and
        ``flapping``.
    """
    lines = _lines(connection, policy, after, due - settings.digest.every)
    n = notices.c
    paged = {
        Where(policy, row.version, row.trigger, row.key): row.paged
        for row in connection.execute(select(n.version, n.trigger, n.key, n.paged).where(n.policy == policy))
    }
    listed = []
    for item in status.alerts_of(connection, settings, clock, policy, all_states=True):
        where = Where(policy, item["version"], item["trigger"], item["key"])
        line = lines.get(where, _Line())
        flaps = line.flapped or any(one["kind"] == "flapping" for one in item["overlays"])
        firing = item["state"] in {"firing", "recovering"}
        if not (line.fired or line.resolved or firing) or not _quiet(item, line, flaps, paged.get(where)):
            continue
        named = {name: item[name] for name in ("id", "trigger", "version", "key", "severity", "state", "reason")}
        over = [one["text"] for one in item["overlays"] if one["kind"] != "flapping"]
        counts = {"fired": line.fired, "resolved": line.resolved, "changes": len(line.crossed)}
        listed.append({**named, **counts, "flapping": flaps, "firing": firing, "overlays": over})
    ending = _ending(connection, policy, clock.now(), settings.digest.every)
    sums = {name: sum(int(one[name]) for one in listed) for name in ("fired", "resolved", "firing", "flapping")}
    return {"alerts": listed, "silences": ending, **sums}


def _lines(connection: Connection, policy: str, after: int | None, begin: float) -> dict[Where, _Line]:
    t = transitions.c
    since = t.created > begin if after is None else t.id > after
    moved = select(t.version, t.trigger, t.key, t.old, t.new, t.at, t.dry_run).where(t.policy == policy, since)
    lines: dict[Where, _Line] = {}
    for row in connection.execute(moved.order_by(t.id)):
        line = lines.setdefault(Where(policy, row.version, row.trigger, row.key), _Line())
        line.fired += row.new == "firing" and row.old != "recovering"
        line.resolved += row.new == "resolved" and row.old in {"firing", "recovering"}
        line.dry_run |= row.dry_run
        line.crossed += [row.at] if "firing" in (row.old, row.new) else []
    return lines


def _quiet(item: dict[str, Any], line: _Line, flaps: bool, paged: float | None) -> bool:
    """Whether an alert is one that people were not paged about, or not each time."""
    if line.dry_run or is_dry(item) or flaps:
        return True
    return item["severity"] in {"info", "warn"} or (item["severity"] == "page" and paged is None)


def _ending(connection: Connection, policy: str, now: float, within: float) -> list[dict[str, Any]]:
    c = silences.c
    held = select(silences).where(c.policy == policy, c.ended.is_(None), c.until > now, c.until <= now + within)
    return [
        {"id": row.id, "trigger": row.trigger, "version": row.version, "owner": row.owner, "until": stamp(row.until),
         "reason": row.reason}
        for row in connection.execute(held.order_by(c.until))
    ]  # fmt: skip


def _message(policy: str, due: int, found: dict[str, Any]) -> Message:
    title = f"{policy}: {found['fired']} fired, {found['resolved']} resolved, {found['firing']} still firing"
    title += f", {found['flapping']} flapping" if found["flapping"] else ""
    worst = "info" if all(one["severity"] == "info" for one in found["alerts"]) else "warn"
    text = "\n".join(
        [*_told(found["alerts"]), *(_silence(one) for one in found["silences"]), "Nobody was paged about this."]
    )
    return Message(
        "digest", policy, worst, title, text, f"digest:{policy}:{due}", link="/alerts", details={**found, "due": due}
    )


def _told(listed: Sequence[dict[str, Any]]) -> list[str]:
    """Write a sentence for each trigger and version: twenty features that drift are one line."""

    def together(one: dict[str, Any]) -> tuple[str, ...]:
        return one["trigger"], one["version"], one["severity"], *one["overlays"]

    lines = []
    for (trigger, version, severity, *over), each in groupby(sorted(listed, key=together), key=together):
        group = list(each)
        about = trigger + (f", {len(group)} series," if len(group) > 1 else f" {group[0]['key']}".rstrip())
        about += "" if version == "*" else f" under {version}"
        fired, resolved = sum(one["fired"] for one in group), sum(one["resolved"] for one in group)
        firing = sum(one["firing"] for one in group)
        line = f"{about} ({severity}) fired {_times(fired)}, resolved {_times(resolved)}"
        line += f", and {'fires still' if firing == len(group) == 1 else f'{firing} of {len(group)} still fire'}."
        changes = sum(one["changes"] for one in group if one["flapping"])
        line += f" It flaps: {changes} changes." if changes else ""
        lines.append(" ".join([line, *(f"It is {text}" for text in over), group[0]["reason"]]).strip())
    return lines


def _silence(one: dict[str, Any]) -> str:
    about = (one["trigger"] or "all alerts") + (f" of {one['version']}" if one["version"] else "")
    return f"The silence of {about} by {one['owner']} ends at {one['until']}: {one['reason']}"


def _times(count: int) -> str:
    return {0: "not once", 1: "once", 2: "twice"}.get(count, f"{count} times")
