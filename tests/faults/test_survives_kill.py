"""kill -9 of the server at any moment: what a person was told is kept is there afterwards, once."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.faults.conftest import Site

POLICY = '[policy.p]\nincumbent = "v6"\nserving = "v7"\n'


class Silence:
    """A silence, as a person asks for it over HTTP."""

    path, listed, status = "/alerts/silences", "/api/v1/alerts/silences", 201

    def prepare(self, site: Site) -> None:
        """Bring the site to where it can be asked for."""

    def body(self, number: int) -> dict[str, Any]:
        """Return the request."""
        until = (datetime.now(UTC) + timedelta(hours=2)).isoformat()
        return {"policy": "p", "trigger": "reward_3sigma", "until": until, "reason": f"number {number}", "owner": "ada"}

    def found(self, told: Any) -> list[int]:
        """Return which requests made what is listed."""
        return [int(row["reason"].removeprefix("number ")) for row in told]


class Acknowledgement(Silence):
    """An acknowledgement of an incident, each by another person."""

    path, listed, status = "/incidents/1/ack", "/api/v1/incidents/1", 200

    def prepare(self, site: Site) -> None:
        """Open an incident: nobody receives the rollback, so that it stays."""
        ask_until(site, "/policies/p/rollback", "open", json={"reason": "Reward fell."})

    def body(self, number: int) -> dict[str, Any]:
        """Return the request."""
        return {"by": f"number {number}", "seconds": 14400}

    def found(self, told: Any) -> list[int]:
        """Return which requests the timeline has."""
        said = [one["actor"] for one in told["timeline"] if one["kind"] == "incident.acknowledged"]
        return [int(one.removeprefix("number ")) for one in said if one.startswith("number ")]


FULL = pytest.mark.full
KEPT = [
    pytest.param(Silence(), 1, id="silence-1"),
    pytest.param(Silence(), 12, id="silence-12", marks=FULL),
    pytest.param(Acknowledgement(), 3, id="acknowledgement-3", marks=FULL),  # a timeline shows 500 of them at most
]


def ask_until(site: Site, path: str, key: str, **asked: Any) -> Any:
    """Ask again and again under one key until somebody answers, and return the answer."""
    pause = threading.Event()
    while (answer := site.post(path, key, **asked)) is None or answer.status_code == 503:
        pause.wait(0.05)
    return answer


def survive(site: Site, kept: Silence, kills: int) -> str:
    """Ask again and again, each until it is answered 2xx, while the server is killed; then look what is there."""
    site.configure(POLICY)
    site.serve()
    kept.prepare(site)
    draw, over, pause, asked, replayed = random.Random(13), threading.Event(), threading.Event(), [0], [0]

    def ask() -> None:
        while not over.is_set():
            number = asked[0]
            answer = ask_until(site, kept.path, f"key {number}", json=kept.body(number))
            assert answer.status_code == kept.status, answer.text
            replayed[0] += "idempotency-replayed" in answer.headers
            asked[0] += 1

    person = threading.Thread(target=ask)
    person.start()
    try:
        for _ in range(kills):
            before = asked[0]
            site.until(lambda before=before: asked[0] > before + 3, "nothing is answered")  # type: ignore[misc]
            pause.wait(draw.uniform(0.0, 0.2))
            site.kill("serve")
            site.restart("serve")
    finally:
        over.set()
        person.join(600)
    assert not person.is_alive()
    site.until(site.healthy, "serve does not answer")
    answer = site.get(kept.listed)
    assert answer is not None
    found = sorted(kept.found(answer.json()))
    assert found == list(range(asked[0])), "lost, or there twice"
    assert not site.errors()
    return f"{kills} kills -9 of the server: {asked[0]} answered, {asked[0]} there once each, {replayed[0]} replays"


@pytest.mark.fault(13)
@pytest.mark.parametrize(("kept", "kills"), KEPT)
def test_what_was_answered_survives_a_kill(site: Site, say: Callable[[str], None], kept: Silence, kills: int) -> None:
    say(survive(site, kept, kills))
