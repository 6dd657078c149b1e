"""[policy.P.rollout]: by which steps a new version comes to serve, how long each lasts, and who must agree."""

from __future__ import annotations

from itertools import pairwise

from pydantic import Field, model_validator

from monitor.settings.model import Table
from monitor.units import Duration, human, seconds


class Rollout(Table):
    """How a new version comes to serve."""

    stages: tuple[float, ...] = Field(
        (0.0, 0.01, 0.05, 0.25, 0.5, 1.0),
        description="Share of the traffic in each stage, growing, the last one 1; 0 is shadow.",
    )
    hold: Duration = Field(seconds("7d"), description="How long each stage lasts; never less than reward_horizon.")
    shadow_hold: Duration = Field(seconds("14d"), description="How long a stage of share 0 lasts.")
    min_decisions: int = Field(1000, ge=1, description="Mature decisions of the candidate before a stage can pass.")
    approvals: int = Field(2, ge=2, le=10, description="Different people who must approve, and advance each stage.")
    single_operator: bool = Field(
        False, description="true: one person is enough, the author too; written into all that is signed."
    )

    @model_validator(mode="after")
    def _grows(self) -> Rollout:
        if not self.stages or self.stages[-1] != 1.0:
            raise ValueError("stages: the last share must be 1.0, such as [0, 0.01, 0.05, 0.25, 0.5, 1.0]")
        if self.stages[0] < 0 or any(not low < high for low, high in pairwise(self.stages)):
            raise ValueError("stages: shares must grow from 0 (shadow) or above, such as [0, 0.05, 0.5, 1.0]")
        return self

    @property
    def needed(self) -> int:
        """How many different people must agree."""
        return 1 if self.single_operator else self.approvals

    def hold_of(self, stage: int) -> float:
        """Return the seconds that a stage lasts.

        >>> Rollout().hold_of(0) / 86400, Rollout().hold_of(1) / 86400
        (14.0, 7.0)
        """
        return self.hold if self.stages[stage] > 0 else self.shadow_hold

    def too_short(self, reward_horizon: float) -> str | None:
        """Return the sentence about a hold that ends before its first decision is mature; None if none does."""
        for stage, share in enumerate(self.stages):
            if self.hold_of(stage) < reward_horizon:
                key = "hold" if share > 0 else "shadow_hold"
                return (
                    f"{key} is {human(self.hold_of(stage))}, shorter than reward_horizon, {human(reward_horizon)}: "
                    f"no decision of the stage would be mature when it ends; make it longer"
                )
        return None
