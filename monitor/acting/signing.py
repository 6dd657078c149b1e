"""What a rollback looks like on the wire: a CloudEvent, signed the Standard Webhooks way."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Mapping, Sequence
from typing import Any

from monitor.clock import stamp

EVENT_TYPE = "checkrein.rollback.requested.v1"
STAGE_TYPE = "checkrein.rollout.stage.requested.v1"
CONTENT_TYPE = "application/cloudevents+json"
TOLERANCE = 300.0
PREFIX = "whsec_"
_TIMESTAMP = re.compile(r"[0-9]{1,12}")


class SignatureError(Exception):
    """The signature does not prove who sent this; the message says why."""


def rollback_event(
    identity: str,
    *,
    policy: str,
    from_version: str,
    to_version: str,
    generation: int,
    reason: str,
    trigger: str,
    incident: int | None,
    evidence_url: str,
    requested: float,
    mode: str,
) -> dict[str, Any]:
    """Build the CloudEvents 1.0 structured body of a rollback.

    It is absolute ("serve v6, generation 7"), never relative, so that a late duplicate cannot undo a later decision.
    ``requested`` is seconds since 1970 on the event clock; ``identity`` is the action's id, the same on every attempt.

    Examples
    --------
    >>> event = rollback_event(
    ...     "act_1", policy="bids", from_version="v7", to_version="v6", generation=2, reason="Reward fell.",
    ...     trigger="reward_3sigma", incident=1, evidence_url="/api/v1/incidents/1", requested=0.0, mode="automatic",
    ... )
    >>> event["type"], event["subject"], event["data"]["requested_at"]
    ('checkrein.rollback.requested.v1', 'bids', '1970-01-01T00:00:00Z')
    """
    data = {
        "policy": policy,
        "from_version": from_version,
        "to_version": to_version,
        "generation": generation,
        "reason": reason,
        "trigger": trigger,
        "incident": incident,
        "evidence_url": evidence_url,
        "requested_at": stamp(requested),
        "mode": mode,
    }
    return _event(EVENT_TYPE, identity, policy, requested, data)


def stage_event(
    identity: str,
    *,
    policy: str,
    serving: str,
    split: Mapping[str, float],
    generation: int,
    rollout: int,
    stage: int,
    reason: str,
    limitation: str,
    requested: float,
) -> dict[str, Any]:
    """Build the CloudEvents 1.0 structured body of a rollout's stage.

    Absolute like a rollback: each version's share under a generation, so that a late duplicate raises no exposure.
    ``serving`` is the trusted version. ``limitation`` says what the approvals lack, "" where they lack nothing.

    Examples
    --------
    >>> event = stage_event(
    ...     "act_2", policy="bids", serving="v6", split={"v6": 0.95, "v7": 0.05}, generation=3, rollout=1, stage=2,
    ...     reason="Approved by anna and cleo.", limitation="", requested=0.0,
    ... )
    >>> event["type"], event["data"]["split"]
    ('checkrein.rollout.stage.requested.v1', {'v6': 0.95, 'v7': 0.05})
    """
    data = {
        "policy": policy,
        "serving": serving,
        "split": dict(split),
        "generation": generation,
        "rollout": rollout,
        "stage": stage,
        "reason": reason,
        "limitation": limitation,
        "evidence_url": f"/api/v1/rollouts/{rollout}",
        "requested_at": stamp(requested),
    }
    return _event(STAGE_TYPE, identity, policy, requested, data)


def _event(kind: str, identity: str, policy: str, requested: float, data: dict[str, Any]) -> dict[str, Any]:
    return {
        "specversion": "1.0",
        "id": identity,
        "source": "checkrein",
        "type": kind,
        "subject": policy,
        "time": stamp(requested),
        "datacontenttype": "application/json",
        "data": data,
    }


def signing_headers(secret: str, identity: str, timestamp: int, body: bytes) -> dict[str, str]:
    """Return the three Standard Webhooks headers of one attempt.

    ``secret`` may hold several secrets, separated by spaces: each one signs, so that a receiver may be given the new
    one before the old one is taken away.

    Parameters
    ----------
    secret
        ``whsec_`` and base64, or plain text; several are separated by white space.
    identity
        The message's id, constant over its retries.
    timestamp
        Whole UTC seconds of this attempt. Integers only: formatting a zoned datetime is how signatures go wrong.
    body
        The bytes that are sent.

    Raises
    ------
    SignatureError
        If there is no secret, or one is not base64 although it says so.

    Examples
    --------
    >>> signing_headers("whsec_c2VjcmV0", "act_1", 1731705121, b"{}")["webhook-signature"]
    'v1,ZBFqZRh0SJvDs+ym+5c2bRx2PyLANieAhewPddgQLYQ='
    """
    signatures = [_signature(key, identity, str(timestamp), body) for key in _keys(secret)]
    return {
        "webhook-id": identity,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(f"v1,{signature}" for signature in signatures),
    }


def verify(secret: str, headers: Mapping[str, str], body: bytes, now: float, tolerance: float = TOLERANCE) -> str:
    """Check the signature of a message that came in, and return its id.

    Header names are compared without regard to case. A message exactly ``tolerance`` seconds old, or as far ahead, is
    still accepted. Whatever is wrong raises the same exception, so that a caller can only answer 401.

    Raises
    ------
    SignatureError
        If a header is missing or malformed, the time is too far off, or no signature fits.
    """
    given = {name.lower(): value for name, value in headers.items()}
    try:
        identity, timestamp, offered = (given[f"webhook-{name}"] for name in ("id", "timestamp", "signature"))
    except KeyError as error:
        raise SignatureError(f"the header {error.args[0]} is missing") from None
    if not identity or not _TIMESTAMP.fullmatch(timestamp):
        raise SignatureError("webhook-id is empty, or webhook-timestamp is not whole UTC seconds")
    off = abs(now - int(timestamp))
    if not off <= tolerance:  # written so that a clock that reads NaN refuses
        raise SignatureError(f"the message is {off:.0f} s off; at most {tolerance:.0f} s are allowed")
    try:
        expected = [_signature(key, identity, timestamp, body).encode() for key in _keys(secret)]
    except UnicodeError:
        raise SignatureError("webhook-id is not text") from None
    # Entries of another version (v1a is asymmetric) are skipped; all others are compared, in constant time each.
    entries = [entry.removeprefix("v1,").encode("utf-8", "replace") for entry in offered.split() if entry[:3] == "v1,"]
    fits = [hmac.compare_digest(entry, one) for entry in entries for one in expected]
    if not any(fits):
        raise SignatureError("no signature fits: the body was changed, or the secret is another one")
    return identity


def _signature(key: bytes, identity: str, timestamp: str, body: bytes) -> str:
    signed = f"{identity}.{timestamp}.".encode() + body
    return base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()


def _keys(secret: str) -> Sequence[bytes]:
    keys = []
    for text in secret.split():
        try:
            key = base64.b64decode(text[len(PREFIX) :], validate=True) if text.startswith(PREFIX) else text.encode()
        except (binascii.Error, ValueError):
            raise SignatureError(f"a signing secret begins with {PREFIX} but does not go on in base64") from None
        if key:
            keys.append(key)
    if not keys:
        raise SignatureError("there is no signing secret")
    return keys
