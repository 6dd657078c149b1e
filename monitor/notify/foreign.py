"""Alerts of another Alertmanager: taken in, recorded, and shown beside ours; nothing of ours is judged by them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from sqlalchemy import Connection, select, update

from monitor import events
from monitor.clock import Clock
from monitor.events import canonical
from monitor.store.database import insert_new
from monitor.store.tables import foreign_alerts

MOST = 1000  # alerts of one request
_LAST = 7_258_118_400.0  # the year 2200: later times are no times, and not every database's text has them


class ForeignError(Exception):
    """The webhook as a whole cannot be read; the message names the field."""


def _text(value: Any) -> Any:
    if not isinstance(value, str):
        raise ValueError("write a time as RFC 3339 text, such as 2026-11-20T06:00:00Z")
    return value


_Text = Annotated[str, Field(max_length=4096, pattern=r"^[^\x00]*$")]
_Time = Annotated[AwareDatetime, BeforeValidator(_text)]


class Alert(BaseModel):
    """One alert of Alertmanager's webhook; keys that are not here are tolerated and left out."""

    model_config = ConfigDict(extra="ignore")
    status: Literal["firing", "resolved"]
    labels: dict[_Text, _Text] = Field(max_length=64)
    annotations: dict[_Text, _Text] = Field(default_factory=dict, max_length=64)
    startsAt: _Time  # noqa: N815 - Alertmanager's name
    endsAt: _Time | None = None  # noqa: N815
    generatorURL: _Text = ""  # noqa: N815
    fingerprint: Annotated[str, Field(max_length=64, pattern=r"^[^\x00]*$")] = ""


class Webhook(BaseModel):
    """Alertmanager's webhook, as far as it is read here."""

    model_config = ConfigDict(extra="ignore")
    version: Literal["4"] = Field(description="Of the format.")
    receiver: Annotated[str, Field(max_length=200, pattern=r"^[^\x00]*$")] = ""
    alerts: list[Alert] = Field(max_length=MOST)


def read(body: Any) -> tuple[str, dict[int, Alert], list[dict[str, str]]]:
    """Return the receiver's name, the alerts that can be read by their place, and what is wrong with the others.

    Raises
    ------
    ForeignError
        If the whole is no webhook of version 4.
    """
    if not isinstance(body, Mapping):
        raise ForeignError("the body is not a JSON object: send Alertmanager's webhook")
    if body.get("version") != "4":
        raise ForeignError('version: this reads Alertmanager\'s webhook of version "4" alone')
    alerts = body.get("alerts")
    if not isinstance(alerts, list) or len(alerts) > MOST:
        raise ForeignError(f"alerts: a list of at most {MOST} alerts is required; set max_alerts")
    try:
        receiver = Webhook.model_validate({**body, "alerts": []}).receiver
    except ValidationError as error:
        raise ForeignError("; ".join(one["message"] for one in _faults(error, ""))) from None
    good: dict[int, Alert] = {}
    bad: list[dict[str, str]] = []
    for place, item in enumerate(alerts):
        try:
            good[place] = Alert.model_validate(item)
        except ValidationError as error:
            bad += _faults(error, f"alerts.{place}.")
    return receiver, good, bad


def _faults(error: ValidationError, where: str) -> list[dict[str, str]]:
    found = []
    for item in error.errors(include_input=False, include_url=False):
        path = (where + ".".join(str(part)[:80] for part in item["loc"])).rstrip(".")
        path = path.encode("utf-8", "replace").decode()  # a key may hold what no encoding has
        found.append({"where": path, "message": f"{path}: {item['msg']}"})
    return found


def take(
    connection: Connection,
    clock: Clock,
    policies: Collection[str],
    receiver: str,
    alerts: Collection[Alert],
    actor: str,
) -> int:
    """Keep alerts inside the caller's write transaction; return how many said something new.

    The same one again, by fingerprint, start and status, changes nothing but when it was last heard of. One that is
    resolved stays so: a firing of the same start that comes late is the past.
    """
    return sum(_keep(connection, clock, policies, receiver, alert, actor) for alert in alerts)


def _keep(
    connection: Connection, clock: Clock, policies: Collection[str], receiver: str, alert: Alert, actor: str
) -> bool:
    now, c = clock.now(), foreign_alerts.c
    labels = dict(alert.labels)
    policy = labels.get("policy", "")
    policy = policy if policy in policies else ""
    fingerprint = alert.fingerprint or hashlib.sha256(canonical(labels).encode()).hexdigest()[:16]
    starts, ends = _seconds(alert.startsAt), now if alert.endsAt is None else _seconds(alert.endsAt)
    ends = ends if starts <= ends < _LAST else now
    key = {"fingerprint": fingerprint, "starts": starts}
    here = (c.fingerprint == key["fingerprint"], c.starts == key["starts"])
    told = {
        "status": alert.status,
        "ends": ends if alert.status == "resolved" else None,
        "policy": policy,
        "name": labels.get("alertname", ""),
        "labels": canonical(labels),
        "annotations": canonical(dict(alert.annotations)),
        "generator_url": alert.generatorURL,
        "receiver": receiver,
        "last_seen": now,
    }
    before = connection.execute(select(c.status).where(*here).with_for_update()).scalar_one_or_none()
    if before is None:
        insert_new(connection, foreign_alerts, [{**key, **told, "first_seen": now}])
    elif before in {alert.status, "resolved"}:
        connection.execute(update(foreign_alerts).where(*here).values(last_seen=now))
        return False
    else:
        connection.execute(update(foreign_alerts).where(*here).values(**told))
    body = {"fingerprint": fingerprint, "name": told["name"], "labels": labels, "receiver": receiver}
    events.record(connection, clock, f"foreign.{alert.status}", policy, actor, body)
    return True


def _seconds(time: datetime) -> float:
    """Return seconds since 1970; Go writes year 1 for a time that was never set."""
    return min(max(time.timestamp(), 0.0), _LAST)


def shown(connection: Connection, policy: str | None = None, *, every: bool = False) -> list[dict[str, Any]]:
    """Return what other Alertmanagers told, newest first; without ``every`` what fires."""
    c = foreign_alerts.c
    found = select(foreign_alerts).order_by(c.starts.desc(), c.fingerprint)
    if policy is not None:
        found = found.where(c.policy == policy)
    if not every:
        found = found.where(c.status == "firing")
    return [
        {**row._mapping, "labels": json.loads(row.labels), "annotations": json.loads(row.annotations)}
        for row in connection.execute(found)
    ]
