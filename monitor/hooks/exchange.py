"""One HTTP exchange with a receiver that the configuration names, and what its status means for a sender.

Bounded as a whole by one deadline; a redirect is never followed and proxies of the environment are not used: what is
sent holds secrets, and it goes where the configuration says or nowhere.
"""

from __future__ import annotations

import asyncio
from email.utils import parsedate_to_datetime
from http import HTTPStatus

import httpx

from monitor.hooks.answer import LARGEST_ANSWER, Answer

LONGEST_WAIT = 60.0
_MAY_PASS = {HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS}


def post(
    url: str, timeout: float, body: bytes, headers: dict[str, str], real_now: float, shown: str | None = None
) -> tuple[Answer, bytes]:
    """Post once; return what the answer means, and its content.

    2xx alone is delivered. 4xx is blocked, because sending the same bytes again cannot help (410 says so for ever);
    408, 425 and 429 pass. Everything else (5xx, a redirect, no connection, no answer within ``timeout`` in all) is to
    be tried again.

    Parameters
    ----------
    url, timeout, body, headers
        Where to, real seconds for everything, and what is sent.
    real_now
        Real seconds since 1970; a Retry-After that is a date counts from it.
    shown
        What sentences call the receiver, where its address is a secret; what such a one said is not repeated.
    """
    named = shown or url
    try:
        status, waiting, content = asyncio.run(exchange("POST", url, timeout, body, headers))
    except TimeoutError:
        return Answer("retry", f"{named} did not answer within {timeout:g} s."), b""
    except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
        said = type(error).__name__ if shown else str(error) or type(error).__name__
        return Answer("retry", f"{named} cannot be reached: {said}"), b""
    detail = f"{named} answered {status}."
    if 200 <= status < 300:
        return Answer("delivered", detail), content
    if 400 <= status < 500 and status not in _MAY_PASS:
        return Answer("blocked", detail if shown else f"{detail} {_excerpt(content)}".strip()), content
    return Answer("retry", detail, retry_after=retry_after(waiting, real_now)), content


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


async def exchange(
    method: str, url: str, timeout: float, body: bytes | None = None, headers: dict[str, str] | None = None
) -> tuple[int, str | None, bytes]:
    """Make one request; return status, Retry-After and content, which is empty where it is too long or breaks off."""
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
    except (ValueError, ExceptionGroup) as error:  # what httpx lets through of a port or a host name that is none
        raise httpx.InvalidURL(f"its address cannot be used ({type(error).__name__})") from None
    return status, waiting, content


def _excerpt(content: bytes) -> str:
    text = content[:300].decode("utf-8", "replace")
    return " ".join("".join(character if character.isprintable() else " " for character in text).split())
