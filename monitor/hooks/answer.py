"""What a hook said to one attempt."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Literal

Outcome = Literal["delivered", "retry", "blocked"]
LARGEST_ANSWER = 65536


@dataclass(frozen=True)
class Acknowledgement:
    """What the serving side says it serves."""

    generation: int
    version: str
    artifact_sha256: str | None = None


@dataclass(frozen=True)
class Answer:
    """One attempt's result.

    Parameters
    ----------
    outcome
        ``delivered``: the receiver has it; ``retry``: it may work later; ``blocked``: it never will without a person.
    detail
        A sentence for the person who looks.
    acknowledged
        What the receiver serves now, if it said so in the same breath.
    retry_after
        Seconds that the receiver asks us to wait.
    """

    outcome: Outcome
    detail: str
    acknowledged: Acknowledgement | None = None
    retry_after: float | None = None


def acknowledgement(content: bytes, policy: str) -> Acknowledgement | None:
    """Read what is served from an answer, None where it does not say.

    The answer is ``{"generation": 7, "serving": "v6", "artifact_sha256": "..."}``; a receiver of several policies may
    put one such object for each policy under ``policies``.

    Examples
    --------
    >>> acknowledgement(b'{"generation": 7, "serving": "v6"}', "bids")
    Acknowledgement(generation=7, version='v6', artifact_sha256=None)
    >>> acknowledgement(b"<html>OK</html>", "bids") is None
    True
    """
    try:
        told: Any = json.loads(content)
    except (ValueError, RecursionError):
        return None
    if isinstance(told, dict) and isinstance(told.get("policies"), dict):
        told = told["policies"].get(policy)
    if not isinstance(told, dict) or told.get("policy", policy) != policy:
        return None
    generation, version, artifact = told.get("generation"), told.get("serving"), told.get("artifact_sha256")
    if type(generation) is not int or not isinstance(version, str):
        return None
    return Acknowledgement(generation, version, artifact if isinstance(artifact, str) and artifact else None)
