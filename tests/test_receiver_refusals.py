"""What the reference receiver does not obey: what is unsigned, too old, malformed, too long or no rollback event."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from examples.receiver import Receiver, signature
from monitor.acting.signing import signing_headers
from tests.signed_receiver import NOW, OTHER, SECRET, Loader, Opened, Site, event, sites


@pytest.fixture
def open_site(tmp_path: Path) -> Iterator[Opened]:
    with sites(tmp_path) as opened:
        yield opened


@pytest.fixture
def site(open_site: Opened) -> Site:
    return open_site()


@pytest.mark.parametrize(
    ("age", "status"), [(300.0, 200), (300.001, 401), (301.0, 401), (-300.0, 200), (-300.001, 401), (0.0, 200)]
)
def test_an_attempt_exactly_300_s_old_is_the_last_one_accepted(open_site: Opened, age: float, status: int) -> None:
    assert open_site(now=NOW + age).roll_back("v6", 1).status_code == status


@pytest.mark.parametrize(
    "changed",
    [
        {"webhook-id": None},
        {"webhook-id": ""},
        {"webhook-id": "another"},
        {"webhook-id": b"\xff\xfe"},
        {"webhook-timestamp": None},
        {"webhook-timestamp": ""},
        {"webhook-timestamp": "soon"},
        {"webhook-timestamp": "1e9"},
        {"webhook-timestamp": f"{NOW}.0"},
        {"webhook-timestamp": f"+{NOW}"},
        {"webhook-timestamp": "-1"},
        {"webhook-timestamp": "9" * 400},
        {"webhook-timestamp": "\u0661\u0662".encode()},
        {"webhook-signature": None},
        {"webhook-signature": ""},
        {"webhook-signature": "v1"},
        {"webhook-signature": "v1,"},
        {"webhook-signature": "v1,not base64!"},
        {"webhook-signature": ", , ,"},
        {"webhook-signature": b"v1,\xe9\xe9"},
        {"webhook-signature": "v1," + base64.b64encode(bytes(32)).decode()},
    ],
)
def test_whatever_is_malformed_in_the_headers_is_401(site: Site, changed: dict[str, Any]) -> None:
    content = event()
    headers = {**signing_headers(SECRET, "act_1", NOW, content), **changed}
    answer = site.post(content, {name: value for name, value in headers.items() if value is not None})
    assert (answer.status_code, answer.json()["applied"]) == (401, False)
    assert site.loader.switches == []


def test_a_signature_of_another_version_does_not_count(site: Site) -> None:
    headers = signing_headers(SECRET, "act_1", NOW, event())
    headers["webhook-signature"] = headers["webhook-signature"].replace("v1,", "v1a,")
    assert site.post(event(), headers).status_code == 401


@pytest.mark.parametrize("others", ["v1,AAAA", "v1a,AAAA v2,AAAA", "v1", "nonsense v1, ,v1", "v1,=== " * 500])
def test_one_signature_that_fits_is_enough_whatever_stands_beside_it(site: Site, others: str) -> None:
    headers = signing_headers(SECRET, "act_1", NOW, event())
    headers["webhook-signature"] = f"{others.strip()} {headers['webhook-signature']}"
    assert site.post(event(), headers).status_code == 200


@pytest.mark.parametrize("name", ["webhook-id", "webhook-timestamp", "webhook-signature"])
def test_a_header_that_is_there_twice_is_an_answer_and_no_fault(site: Site, name: str) -> None:
    right = signing_headers(SECRET, "act_1", NOW, event())
    for first, second, status in ((right[name], "x", 401), ("x", right[name], 200)):
        pairs = [(key, value) for key, value in right.items() if key != name] + [(name, first), (name, second)]
        assert site.http.post("/", content=event(), headers=pairs).status_code == status  # the last one counts


def test_a_body_that_was_changed_on_the_way_is_401(site: Site) -> None:
    headers = signing_headers(SECRET, "act_1", NOW, event("v6"))
    assert site.post(event("v5"), headers).status_code == 401


def test_the_sender_may_sign_with_an_old_and_a_new_secret_while_rotating(site: Site) -> None:
    headers = signing_headers(f"the_old_secret {SECRET}", "act_1", NOW, event())
    assert headers["webhook-signature"].count("v1,") == 2
    assert site.post(event(), headers).status_code == 200


def test_the_receiver_may_hold_an_old_and_a_new_secret_while_rotating(open_site: Opened) -> None:
    site = open_site(secrets=[OTHER, SECRET])
    assert site.roll_back("v6", 1).status_code == 200
    headers = {"webhook-id": "act_2", "webhook-timestamp": str(NOW)}
    headers["webhook-signature"] = signature(OTHER.encode(), "act_2", str(NOW), event("v5", 2))
    assert site.post(event("v5", 2), headers).json()["applied"]


def _changed(**data: Any) -> bytes:
    body = json.loads(event())
    body["data"].update(data)
    return json.dumps(body).encode()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"null",
        b"[]",
        b'"text"',
        b"\xff\xfe\x00",
        b'{"specversion": "1.0"}',
        b'{"specversion": "1.0", "type": "checkrein.rollback.requested.v1", "data": null}',
        event().replace(b"requested.v1", b"requested.v2"),
        event().replace(b'"1.0"', b'"0.3"'),
        _changed(generation="7"),
        _changed(generation=True),
        _changed(generation=1.5),
        _changed(generation=0),
        _changed(generation=-1),
        _changed(to_version=None),
        _changed(policy=["cooling"]),
        b"[" * 100_000,
    ],
)
def test_a_signed_body_that_is_no_rollback_event_is_400(site: Site, content: bytes) -> None:
    answer = site.post(content, signing_headers(SECRET, "act_1", NOW, content))
    assert answer.status_code == 400
    assert site.loader.switches == []


def test_a_body_without_a_length_or_too_long_is_413(site: Site) -> None:
    answers = [site.post(bytes((1 << 20) + 1), {}), site.http.post("/", content=iter([b"in", b"pieces"]))]
    assert [(answer.status_code, answer.headers["connection"]) for answer in answers] == [(413, "close")] * 2


def test_a_receiver_without_a_secret_does_not_start(tmp_path: Path) -> None:
    for secrets in ([], [""], ["whsec_***"]):
        with pytest.raises(ValueError):
            Receiver(tmp_path / "state.json", secrets, Loader())
