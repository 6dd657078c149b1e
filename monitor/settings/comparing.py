"""[policy.P.comparison]: how a candidate is compared with the incumbent while both serve."""

from __future__ import annotations

from pydantic import Field

from monitor.settings.model import Table
from monitor.settings.rules import Effect


class Comparing(Table):
    """How the versions of a rollout are compared."""

    alpha: float = Field(0.05, gt=0, le=0.5, description="Chance that a comparison ever ends in a wrong verdict.")
    margin: Effect = Field("2%", description="Loss of reward, or rise of a mean cost, that is accepted.")
    latency_margin: Effect = Field("10%", description="Rise of the mean latency that is accepted.")
    subject: str | None = Field(
        None,
        pattern=r"^(episode_id|segment\..+|state\..+)$",
        description="Column of the person or thing that a version is assigned to; absent: episode_id, if logged.",
    )
