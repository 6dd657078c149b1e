"""A rollback as a signed POST, and the question what is served now."""

from __future__ import annotations

import asyncio
import json
from email.utils import parsedate_to_datetime
from http import HTTPStatus

import httpx

from monitor.acting.signing import CONTENT_TYPE, SignatureError, signing_headers
from monitor.hooks.answer import LARGEST_ANSWER, Acknowledgement, Answer, acknowledgement
from monitor.settings import ConfigurationError, Hook
from monitor.settings import secret as read_secret

LONGEST_WAIT = 60.0
_MAY_PASS = {HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS}


def send(hook: Hook, action_id: str, body: bytes, real_now: float) -> Answer:
    """Post the event once.

    2xx alone is delivered. 4xx is blocked, because sending the same bytes again cannot help (410 says so for ever);
    408, 425 and 429 pass. Everything else (5xx, a redirect, which is never followed, no connection, no answer within
    ``hook.timeout`` in all) is to be tried again. The hook goes where its URL says: proxies of the environment are
    not used.
    """
    policy = json.loads(body)["data"]["policy"]
    try:
        key = read_secret(hook.secret or "", "hook.secret")
        headers = signing_headers(key, action_id, int(real_now), body)
    except (ConfigurationError, SignatureError) as error:
        return Answer("retry", f"The event cannot be signed: {error}")
    try:
        status, waiting, content = asyncio.run(
            _exchange("POST", hook.url or "", hook.timeout, body, {**headers, "content-type": CONTENT_TYPE})
        )
    except TimeoutError:
        return Answer("retry", f"{hook.url} did not answer within {hook.timeout:g} s.")
    except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
        return Answer("retry", f"{hook.url} cannot be reached: {str(error) or type(error).__name__}")
    detail = f"{hook.url} answered {status}."
    if 200 <= status < 300:
        return Answer("delivered", detail, acknowledgement(content, policy))
    if 400 <= status < 500 and status not in _MAY_PASS:
        return Answer("blocked", f"{detail} {_excerpt(content)}".strip())
    return Answer("retry", detail, retry_after=retry_after(waiting, real_now))


def ask(hook: Hook, policy: str) -> Acknowledgement | None:
    """Ask ``hook.health`` what is served; None where it does not answer 200 or does not say.

    ``policy=<name>`` is added to the query, for receivers that serve several.
    """
    try:
        url = httpx.URL(hook.health or "").copy_merge_params({"policy": policy})
        status, _, content = asyncio.run(_exchange("GET", str(url), hook.timeout))
    except (TimeoutError, httpx.HTTPError, httpx.InvalidURL, OSError):
        return None
    return acknowledgement(content, policy) if status == HTTPStatus.OK else None


def retry_after(value: str | None, real_now: float) -> float | None:
    """Read a Retry-After header (seconds or a date) as seconds, at most 60: a rollback does not wait longer.

    >>> retry_after("7", 0.0), retry_after("3600", 0.0), retry_after("Thu, 01 Jan 1970 00:00:30 GMT", 10.0)
    (7.0, 60.0, 20.0)
    >>> retry_after("soon", 0.0) is None
    True
    """
    text = (value or "").strip()
    if text.isascii() and text.isdigit():
        return min(float(text), LONGEST_WAIT)
    try:
        wait = parsedate_to_datetime(text).timestamp() - real_now
    except (ValueError, TypeError, OverflowError):
        return None
    return min(max(wait, 0.0), LONGEST_WAIT)


async def _exchange(
    method: str, url: str, timeout: float, body: bytes | None = None, headers: dict[str, str] | None = None
) -> tuple[int, str | None, bytes]:
    # One deadline over everything: httpx bounds each read, so that a receiver that drips a byte a second never ends.
    given = {"accept": "application/json", "accept-encoding": "identity", "user-agent": "checkrein", **(headers or {})}
    status, waiting, content = 0, None, b""
    try:
        async with (
            asyncio.timeout(timeout),
            httpx.AsyncClient(timeout=timeout, follow_redirects=False, trust_env=False) as client,
            client.stream(method, url, content=body, headers=given) as response,
        ):
            status, waiting = response.status_code, response.headers.get("retry-after")
            async for chunk in response.aiter_raw():  # raw: a small compressed answer cannot fill the memory
                content += chunk
                if len(content) > LARGEST_ANSWER:
                    return status, waiting, b""
    except (TimeoutError, httpx.HTTPError):
        if status == 0:  # once the status line is here the receiver has answered, whatever became of the rest
            raise
        content = b""
    return status, waiting, content


def _excerpt(content: bytes) -> str:
    text = content[:300].decode("utf-8", "replace")
    return " ".join("".join(character if character.isprintable() else " " for character in text).split())
