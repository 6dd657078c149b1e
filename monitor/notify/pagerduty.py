"""A message as an event of PagerDuty's Events API v2."""

from __future__ import annotations

import hashlib

from monitor.clock import stamp
from monitor.events import canonical
from monitor.hooks.answer import Answer
from monitor.hooks.exchange import post
from monitor.notify.message import Message
from monitor.notify.wording import credential, link, title
from monitor.settings import Notify

ACTIONS = {"acknowledged": "acknowledge", "resolved": "resolve"}  # all others trigger
SEVERITIES = {"info": "info", "warn": "warning", "page": "error", "rollback": "critical"}
_SUMMARY, _DEDUP, _TEXT = 1024, 255, 100_000  # characters that PagerDuty takes, and of ours below its 512 KB


def send(channel: Notify, target: str, identity: str, message: Message, real_now: float) -> Answer:
    """Post the event once: 202 is delivered, 400 is blocked, 429 and 5xx are tried again."""
    key = credential(channel.routing_key or "", "routing_key")
    if isinstance(key, Answer):
        return key
    body = canonical(event(channel, key, message)).encode()
    answer, _content = post(target, channel.timeout, body, {"content-type": "application/json"}, real_now)
    return Answer(answer.outcome, answer.detail.replace(key, "***"), retry_after=answer.retry_after)


def event(channel: Notify, key: str, message: Message) -> dict[str, object]:
    """Build the event; all events of one trouble have one ``dedup_key``, which carries the incident's number.

    A test and a drill are of severity info, so that PagerDuty's urgent rules wake nobody.
    https://developer.pagerduty.com/docs/events-api-v2/overview/
    """
    dedup = message.dedup
    if len(dedup) > _DEDUP:
        dedup = hashlib.sha256(dedup.encode()).hexdigest()
    told: dict[str, object] = {
        "routing_key": key,
        "event_action": ACTIONS.get(message.kind, "trigger"),
        "dedup_key": dedup,
    }
    if told["event_action"] != "trigger":
        return told
    quiet = message.drill or message.kind == "test"
    details = {"text": message.text[:_TEXT], "policy": message.policy, "incident": message.incident}
    told["payload"] = {
        "summary": title(message)[:_SUMMARY],
        "source": message.policy or "checkrein",
        "severity": "info" if quiet else SEVERITIES.get(message.severity, "error"),
        "timestamp": stamp(message.at),
        "component": "checkrein",
        "class": message.kind,
        "custom_details": details | {"level": message.level, "drill": message.drill},
    }
    told["client"] = "Checkrein"
    where = link(channel, message)
    return {**told, "client_url": where, "links": [{"href": where, "text": "Show it"}]} if where else told
