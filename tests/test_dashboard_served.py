"""The pages as they are served: headers, assets, the API beside them, and callbacks called without a page."""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from dashboard.app import PLOTLY
from tests.seeds import seed, served

get = functools.partial(httpx.get, timeout=300.0, trust_env=False)
post = functools.partial(httpx.post, timeout=300.0, trust_env=False)
DIALOG = {"from": "v7", "generation": 1}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return seed(tmp_path_factory.mktemp("empty"), "empty")


@pytest.fixture(scope="module")
def address(store: Path) -> Iterator[str]:
    with served(store, "empty") as found:
        yield found


def test_pages_are_served_hardened_and_from_this_machine_alone(address: str) -> None:
    page = get(f"{address}/policy/cooling?range=6h")
    assert page.status_code == 200
    assert '<html lang="en">' in page.text
    policy_line = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy_line
    assert "'unsafe-inline'" not in policy_line.split("script-src")[1].split(";")[0]
    assert page.headers["x-frame-options"] == "DENY"
    assert page.headers["cache-control"] == "no-store"
    assert re.findall(r'(?:src|href)="(https?:)?//', page.text) == []


def test_the_chart_library_is_ours_compressed_and_cached(address: str) -> None:
    packed = get(f"{address}/assets/{PLOTLY}")
    plain = get(f"{address}/assets/{PLOTLY}", headers={"Accept-Encoding": "identity"})
    assert packed.headers["content-encoding"] == "gzip"
    assert "immutable" in packed.headers["cache-control"]
    assert packed.text == plain.text
    assert "plotly.js (cartesian - minified) v2.35.2" in plain.text[:200]


def test_the_api_keeps_its_addresses_and_its_guard(address: str) -> None:
    unknown = get(f"{address}/api/v1/nothing")
    assert unknown.status_code == 404
    assert unknown.headers["content-type"] == "application/problem+json"
    assert get(f"{address}/api").headers["content-type"] == "application/problem+json"
    assert get(f"{address}/healthz").json()["healthy"]
    assert get(f"{address}/metrics").text.startswith("# HELP")
    for path in ("/", "/policy/cooling", "/api/v1/policies/cooling/rollback", "/_dash-update-component/x", "/nothing"):
        assert post(f"{address}{path}", json={}).status_code == 401, path


def test_calling_the_rollback_callback_directly_needs_the_token_too(address: str) -> None:
    token = re.search(r'"end_id":"([^"]+)"', get(address).text)
    assert token is not None
    known = get(f"{address}/_dash-dependencies").json()
    (callback,) = [
        item for item in known if any(one["id"] == "rollback-submit" for one in item["inputs"]) and item["state"]
    ]
    before = get(f"{address}/api/v1/policies/bidder/route").json()["generation"]
    values = {"policy": "bidder", "rollback-shown": DIALOG, "rollback-to": "v6", "rollback-token": "guessed",
              "rollback-typed": "bidder", "rollback-reason": "An attack."}  # fmt: skip
    answer = post(
        f"{address}/_dash-update-component",
        params={"endId": token[1]},
        json={
            "output": callback["output"],
            "outputs": [
                {"id": name, "property": prop}
                for name, prop in (part.rsplit(".", 1) for part in callback["output"].strip(".").split("..."))
            ],
            "inputs": [{"id": "rollback-submit", "property": "n_clicks", "value": 1}],
            "state": [{**one, "value": values[one["id"]]} for one in callback["state"]],
            "changedPropIds": ["rollback-submit.n_clicks"],
        },
    )
    assert answer.status_code == 200, answer.text[:300]
    assert json.loads(answer.text)["response"]["rollback-token"]["error"] == "This token is not known, or was revoked."
    assert get(f"{address}/api/v1/policies/bidder/route").json()["generation"] == before


def test_a_beat_without_news_carries_nothing(address: str) -> None:
    token = re.search(r'"end_id":"([^"]+)"', get(address).text)
    assert token is not None
    known = get(f"{address}/_dash-dependencies").json()
    (callback,) = [item for item in known if any(one["id"] == "beat" for one in item["inputs"])]

    def beat(pulse: Any) -> httpx.Response:
        outputs = (part.rsplit(".", 1) for part in callback["output"].strip(".").split("..."))
        body = {
            "output": callback["output"],
            "outputs": [{"id": name, "property": prop} for name, prop in outputs],
            "inputs": [{"id": "beat", "property": "n_intervals", "value": 1}],
            "state": [{"id": "pulse", "property": "data", "value": pulse}],
            "changedPropIds": ["beat.n_intervals"],
        }
        return post(f"{address}/_dash-update-component", params={"endId": token[1]}, json=body)

    first = beat(None)
    assert first.status_code == 200
    pulse = first.json()["response"]["pulse"]["data"]
    assert pulse["title"] == "2 ○ · Checkrein"
    assert beat(pulse).status_code == 204


def test_the_page_still_opens_when_the_database_is_broken(tmp_path: Path) -> None:
    with served(seed(tmp_path, "empty"), "error") as found:
        assert get(f"{found}/policy/cooling").status_code == 200
