"""What people said survives kill -9: who has acknowledged until when, and what is silenced."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.faults.conftest import Site

KILLS = 5
KEPT = ("number", "state", "ack_by", "acknowledged_until", "rolled_back", "reopened")


def told(site: Site) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Return the incident's lasting fields and the silences, as the server answers."""
    incident, silences = site.get("/api/v1/incidents/1"), site.get("/api/v1/alerts/silences")
    assert incident is not None
    assert silences is not None
    return {name: incident.json()[name] for name in KEPT}, silences.json()


@pytest.mark.full
def test_an_acknowledgement_and_a_silence_survive_kill_9(site: Site, say: Callable[[str], None]) -> None:
    site.configure('[policy.p]\nincumbent = "v6"\nserving = "v7"\nfallbacks = ["v6"]\n')
    site.serve()  # nobody receives: the rollback stays unfinished, and so does its incident
    until = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    asked = (
        ("/policies/p/rollback", {"reason": "Reward fell."}),
        ("/incidents/1/ack", {"by": "anna", "seconds": 14400}),
        ("/alerts/silences", {"policy": "p", "until": until, "reason": "The log moves.", "owner": "bo"}),
    )
    for path, body in asked:
        answer = site.post(path, key=path, json=body)
        assert answer is not None
        assert answer.status_code < 300, answer.text
    before = told(site)
    assert (before[0]["state"], before[0]["ack_by"], len(before[1])) == ("acknowledged", "anna", 1)
    for _ in range(KILLS):
        site.kill("serve")
        site.restart("serve")
        site.until(site.healthy, "serve does not answer")
        assert told(site) == before
    assert not site.errors()
    say(f"killed {KILLS} times: the acknowledgement of 4 h and the silence of a day are what they were")
