"""[policy.P.checklist]: what the readiness checklist asks of a policy, and what it is told that no log can say."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from monitor.settings.model import Table
from monitor.units import Duration


class Checklist(Table):
    """The readiness checklist of a policy."""

    template: Path | None = Field(None, description="Own template (YAML); absent: the one that is shipped.")
    tier: Literal["standard", "high-risk"] = Field("standard", description="high-risk blocks on major items too.")
    latency_sla: Duration | None = Field(None, description="Agreed end-to-end time of a decision; none is a fail.")
    artifacts: dict[str, str] = Field(
        default_factory=dict, description="Version = SHA-256 of the artefact that is meant to serve under that name."
    )
    traits: tuple[Literal["fine_tuned", "model_based", "slate"], ...] = Field(
        (), description="What kind of policy it is, for items that not every one is asked."
    )
    parameters: dict[str, dict[str, Any]] = Field(
        default_factory=dict, description="Item = parameters that differ from the template's."
    )
