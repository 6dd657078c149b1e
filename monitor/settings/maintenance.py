"""[policy.P.maintenance.NAME]: work on the plant that is known beforehand, in which nobody is paged about alerts."""

from __future__ import annotations

from datetime import timedelta

from pydantic import AwareDatetime, Field, model_validator

from monitor.settings.model import Table

_LONGEST = timedelta(days=7)


class Maintenance(Table):
    """A time in which alerts of the policy page nobody; rollbacks go on."""

    from_: AwareDatetime = Field(alias="from", description="When it begins, RFC 3339 with a zone.")
    until: AwareDatetime = Field(description="When it ends; at most 7 days after it began.")
    reason: str = Field(min_length=3, description="Why; shown on every alert.")
    owner: str = Field(min_length=1, description="Who answers for it; shown on every alert.")

    @model_validator(mode="after")
    def _ends(self) -> Maintenance:
        if not self.from_ < self.until:
            raise ValueError("until must be after from")
        if self.until - self.from_ > _LONGEST:
            raise ValueError("a maintenance window lasts at most 7 days: write a second one for the days after them")
        return self
