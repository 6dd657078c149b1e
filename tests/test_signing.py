"""Signatures: the published vector, rotation, the tolerance, and everything malformed."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.acting.signing import SignatureError, rollback_event, signing_headers, verify
from monitor.events import canonical

# The example of the Standard Webhooks and Svix documentation.
SECRET = "whsec_plJ3nmyCDGBKInavdOK15jsl"
BODY = b'{"event_type":"ping","data":{"success":true}}'
IDENTITY = "msg_loFOjxBNrRLzqYUf"
SENT = 1731705121
SIGNATURE = "v1,rAvfW3dJ/X/qxhsaXPOyyCGmRKsaKWcsNccKXlIktD0="


def headers(**changed: str) -> dict[str, str]:
    given_ = {"webhook-id": IDENTITY, "webhook-timestamp": str(SENT), "webhook-signature": SIGNATURE}
    return given_ | {f"webhook-{name}": value for name, value in changed.items()}


def test_the_published_example_is_signed_to_the_letter() -> None:
    assert signing_headers(SECRET, IDENTITY, SENT, BODY) == headers()


def test_the_published_example_is_verified_whatever_the_case_of_the_headers() -> None:
    assert verify(SECRET, {name.title(): value for name, value in headers().items()}, BODY, SENT) == IDENTITY


def test_a_plain_secret_is_its_own_bytes() -> None:
    assert signing_headers("s3cret", "a", 1, b"x") == signing_headers(
        "whsec_" + base64.b64encode(b"s3cret").decode(), "a", 1, b"x"
    )


@pytest.mark.parametrize("receiver", ["old", "new", "new old", "other new"])
def test_a_rotation_is_accepted_by_receivers_that_hold_either_secret(receiver: str) -> None:
    signed = signing_headers("new old", IDENTITY, SENT, BODY)
    assert len(signed["webhook-signature"].split()) == 2
    assert verify(receiver, signed, BODY, SENT) == IDENTITY


@pytest.mark.parametrize("others", ["v1,AAAA", "v1a,AAAA v2,AAAA", "v1", "nonsense v1, ,v1", "v1,=== " * 500])
def test_one_signature_that_fits_is_enough_whatever_stands_beside_it(others: str) -> None:
    for given_ in (f"{others} {SIGNATURE}", f"{SIGNATURE} {others}"):
        assert verify(SECRET, headers(signature=given_), BODY, SENT) == IDENTITY


@pytest.mark.parametrize("off", [-300.0, -299.5, 0.0, 300.0])
def test_a_message_is_accepted_up_to_300_seconds_off(off: float) -> None:
    assert verify(SECRET, headers(), BODY, SENT + off) == IDENTITY


@pytest.mark.parametrize("off", [-301.0, -300.001, 300.001, 86400.0, float("nan"), float("inf")])
def test_a_message_further_off_is_refused(off: float) -> None:
    with pytest.raises(SignatureError, match="at most 300 s"):
        verify(SECRET, headers(), BODY, SENT + off)


@pytest.mark.parametrize(
    "broken",
    [
        {},
        {"webhook-id": IDENTITY},
        headers(id=""),
        headers(id="msg_other"),
        headers(timestamp=""),
        headers(timestamp=f"{SENT}.0"),
        headers(timestamp=f" {SENT}"),
        headers(timestamp=f"+{SENT}"),
        headers(timestamp="1.7e9"),
        headers(timestamp="2024-11-15T21:12:01Z"),
        headers(timestamp="١٧٣١٧٠٥١٢١"),
        headers(timestamp="9" * 400),
        headers(timestamp=str(SENT + 1)),
        headers(signature=""),
        headers(signature="v1,"),
        headers(signature="v1"),
        headers(signature=SIGNATURE.removeprefix("v1,")),
        headers(signature=SIGNATURE.replace("v1,", "v1a,")),
        headers(signature=SIGNATURE[:-2]),
        headers(signature="v1,é\ud800"),
        headers(id="\ud800"),
    ],
)
def test_whatever_is_malformed_is_one_kind_of_error(broken: Mapping[str, str]) -> None:
    with pytest.raises(SignatureError):
        verify(SECRET, broken, BODY, SENT)


def test_a_changed_body_and_another_secret_are_refused() -> None:
    for body, secret in ((BODY + b" ", SECRET), (BODY, "other")):
        with pytest.raises(SignatureError, match="no signature fits"):
            verify(secret, headers(), body, SENT)


@pytest.mark.parametrize("secret", ["", "   ", "whsec_", "whsec_***", "whsec_abc"])
def test_a_secret_that_is_none_is_an_error_and_not_an_empty_key(secret: str) -> None:
    with pytest.raises(SignatureError, match="secret"):
        signing_headers(secret, "a", 1, b"")
    with pytest.raises(SignatureError):
        verify(secret, headers(), BODY, SENT)


@given(st.text(), st.text(), st.text(), st.binary())
def test_no_header_raises_anything_else(identity: str, timestamp: str, signature: str, body: bytes) -> None:
    with pytest.raises(SignatureError):
        verify(SECRET, headers(id=identity, timestamp=timestamp, signature=signature), body, SENT)


@given(st.binary(), st.integers(0, 10**11))
def test_what_was_signed_is_verified(body: bytes, sent: int) -> None:
    assert verify("one two", signing_headers("two three", "act_1", sent, body), body, sent) == "act_1"


def test_the_event_has_every_field_of_the_contract_and_one_form() -> None:
    event = rollback_event(
        "act_1",
        policy="cooling",
        from_version="v7",
        to_version="v6",
        generation=2,
        reason="Reward fell.",
        trigger="reward_3sigma",
        incident=4,
        evidence_url="/api/v1/incidents/4",
        requested=1_750_000_000.9,
        mode="automatic",
    )
    assert {name: event[name] for name in ("specversion", "id", "source", "type", "subject", "datacontenttype")} == {
        "specversion": "1.0",
        "id": "act_1",
        "source": "checkrein",
        "type": "checkrein.rollback.requested.v1",
        "subject": "cooling",
        "datacontenttype": "application/json",
    }
    assert event["time"] == "2025-06-15T15:06:40Z" == event["data"]["requested_at"]
    wanted = "policy from_version to_version generation reason trigger incident evidence_url requested_at mode"
    assert list(event["data"]) == wanted.split()
    assert canonical(json.loads(canonical(event))) == canonical(event)
