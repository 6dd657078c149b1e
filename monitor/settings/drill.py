"""[drill]: who hears of drills, and how quick a drilled rollback must be."""

from __future__ import annotations

from pydantic import Field

from monitor.settings.model import Table
from monitor.units import Duration


class Drill(Table):
    """What a drill of a runbook tells whom, and its limits."""

    notify: tuple[str, ...] = Field((), description="[notify.NAME] tables that hear of drills, and nobody else does.")
    rollback_within: Duration = Field(
        60.0, description="Real time from the decision of a rollback to its confirmation from the log."
    )
    page_within: Duration = Field(30.0, description="Real time from a firing to the page in the queue.")
