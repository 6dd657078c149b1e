"""A message as Alertmanager's webhook, version 4: for everything that already takes those."""

from __future__ import annotations

import hashlib
from typing import Any

from monitor.clock import stamp
from monitor.events import canonical
from monitor.hooks.answer import Answer
from monitor.hooks.exchange import post
from monitor.notify.message import Message
from monitor.notify.wording import credential, link, text, title
from monitor.settings import Notify

NEVER = "0001-01-01T00:00:00Z"  # how Go writes the end of what has not ended


def send(channel: Notify, target: str, identity: str, message: Message, real_now: float) -> Answer:
    """Post the webhook once; the notification's id is its Idempotency-Key."""
    secret = target.startswith(("env:", "file:"))
    url = credential(target, "urls") if secret else target
    bearer = credential(channel.bearer, "bearer") if channel.bearer else ""
    for given in (url, bearer):
        if isinstance(given, Answer):
            return given
    headers = {"content-type": "application/json", "idempotency-key": identity}
    if bearer:
        headers["authorization"] = f"Bearer {bearer}"
    body = canonical(webhook(channel, message)).encode()
    shown = f"The receiver of {target}" if secret else None
    plain = str(bearer).isascii() and str(bearer).isprintable()  # of another one httpx' error repeats what it is
    if not str(url).startswith(("http://", "https://")) or not plain:
        return Answer("blocked", f"{shown or target}: the address is no http(s) URL, or the token is no plain ASCII.")
    answer, _content = post(str(url), channel.timeout, body, headers, real_now, shown)
    detail = answer.detail.replace(str(bearer), "***") if bearer else answer.detail
    return Answer(answer.outcome, detail, retry_after=answer.retry_after)


def webhook(channel: Notify, message: Message) -> dict[str, Any]:
    """Build the body: a group of the one alert; its fingerprint is the trouble's, from the page to the resolution.

    https://prometheus.io/docs/alerting/latest/configuration/#webhook_config
    """
    over = message.kind == "resolved"
    labels = {
        "alertname": str(message.details.get("trigger") or "checkrein"),
        "policy": message.policy,
        "severity": message.severity,
        "kind": message.kind,
        "incident": "" if message.incident is None else str(message.incident),
        "drill": "true" if message.drill else "",
    }
    labels = {name: value for name, value in labels.items() if value}
    annotations = {"summary": title(message), "description": text(channel, message)}
    status = "resolved" if over else "firing"
    return {
        "version": "4",
        "groupKey": f'{{}}:{{trouble="{message.dedup}"}}',
        "truncatedAlerts": 0,
        "status": status,
        "receiver": "checkrein",
        "groupLabels": {"trouble": message.dedup},
        "commonLabels": labels,
        "commonAnnotations": annotations,
        "externalURL": channel.server,
        "alerts": [
            {
                "status": status,
                "labels": labels,
                "annotations": annotations,
                "startsAt": stamp(message.started),
                "endsAt": stamp(message.at) if over else NEVER,
                "generatorURL": link(channel, message),
                "fingerprint": hashlib.sha256(message.dedup.encode()).hexdigest()[:16],
            }
        ],
    }
