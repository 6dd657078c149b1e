"""[policy.P.review]: which disagreements of shadow decisions are large, and how many of them people are asked about."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from monitor.settings.model import Table
from monitor.units import Duration, seconds

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class Review(Table):
    """The review of what a shadow version would have done otherwise."""

    per_day: int = Field(20, ge=1, le=1000, description="Disagreements queued at most, of a shadow version and day.")
    largest: int = Field(5, ge=0, le=999, description="Of these, the largest ones, which are always in the queue.")
    within: Duration = Field(
        seconds("7d"), gt=0, description="Age at which an item that waits for people is a finding."
    )
    margin: float = Field(
        0.5, gt=0, le=1, description="Large: the shadow's probability of its own action less that of the live one."
    )
    value_gap: Positive = Field(2.0, description="Large: gap of the two predicted values, in value_unit.")
    value_unit: Positive | None = Field(None, description="Reward that counts as one; absent: the row's own q_std.")
    distance: Positive = Field(
        0.25, description="Large: distance of action vectors, as a share of their spread (root mean square)."
    )
    spread: tuple[Positive, ...] = Field(
        (), description="Spread of each element of the action; empty: its range in the baseline."
    )
    planted: str = Field(
        "planted-",
        min_length=1,
        description="How ids of planted cases begin: always queued, at most five a day, never counted in a rate.",
    )

    @model_validator(mode="after")
    def _room(self) -> Review:
        if self.largest >= self.per_day:
            raise ValueError("largest must be less than per_day: nothing would be left to sample the others with")
        return self
