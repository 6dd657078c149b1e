"""A rollback as a signed POST, and the question what is served now."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from http import HTTPStatus

import httpx

from monitor.acting.signing import CONTENT_TYPE, SignatureError, signing_headers
from monitor.hooks.answer import Acknowledgement, Answer, acknowledgement
from monitor.hooks.exchange import exchange, post
from monitor.settings import ConfigurationError, Hook
from monitor.settings import secret as read_secret


def send(hook: Hook, action_id: str, body: bytes, real_now: float) -> Answer:
    """Post the event once.

    What the receiver's status means is written at ``exchange.post``; a secret that is missing is tried again, because
    a person may still set it.
    """
    policy = json.loads(body)["data"]["policy"]
    try:
        key = read_secret(hook.secret or "", "hook.secret")
        headers = signing_headers(key, action_id, int(real_now), body)
    except (ConfigurationError, SignatureError) as error:
        return Answer("retry", f"The event cannot be signed: {error}")
    answer, content = post(hook.url or "", hook.timeout, body, {**headers, "content-type": CONTENT_TYPE}, real_now)
    if answer.outcome == "delivered":
        return replace(answer, acknowledged=acknowledgement(content, policy))
    return answer


def ask(hook: Hook, policy: str) -> Acknowledgement | None:
    """Ask ``hook.health`` what is served; None where it does not answer 200 or does not say.

    ``policy=<name>`` is added to the query, for receivers that serve several.
    """
    try:
        url = httpx.URL(hook.health or "").copy_merge_params({"policy": policy})
        status, _, content = asyncio.run(exchange("GET", str(url), hook.timeout))
    except (TimeoutError, httpx.HTTPError, httpx.InvalidURL, OSError):
        return None
    return acknowledgement(content, policy) if status == HTTPStatus.OK else None
