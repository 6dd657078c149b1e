"""[person.*], [oncall.*], [escalation.*] and [heartbeat]: who is woken, in which order, and who hears that we live."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AwareDatetime, Field, field_validator, model_validator

from monitor.settings.model import Table
from monitor.units import Duration, seconds


class Person(Table):
    """Somebody who can be woken, and through what."""

    notify: tuple[str, ...] = Field(min_length=1, description="Channels, names of `[notify.NAME]` tables.")


class Override(Table):
    """Somebody else for a while."""

    person: str = Field(description="Who is on call instead, a `[person.NAME]`.")
    from_: AwareDatetime = Field(alias="from", description="When that begins, RFC 3339 with a zone.")
    until: AwareDatetime = Field(description="When it ends.")

    @model_validator(mode="after")
    def _ends(self) -> Override:
        if not self.from_ < self.until:
            raise ValueError("until must be after from")
        return self


class Oncall(Table):
    """A rota: people who take turns."""

    people: tuple[str, ...] = Field(min_length=1, description="Who takes turns, in this order: `[person.NAME]` tables.")
    start: datetime = Field(
        description="When the first one begins: a time without a zone is in `zone`, such as 2026-11-02T09:00:00."
    )
    every: Duration = Field(
        seconds("7d"), ge=3600, le=366 * 86400, description="Length of a turn; whole days keep the local time."
    )
    zone: str = Field("UTC", description="Zone of the handovers, such as Europe/Berlin.")
    until: AwareDatetime | None = Field(None, description="When the rota ends; absent: never.")
    override: tuple[Override, ...] = ()

    @field_validator("start")
    @classmethod
    def _usual(cls, value: datetime) -> datetime:
        if not 1970 < value.year < 2200:  # handovers are counted from it: it must not lead out of the calendar
            raise ValueError("write a year from 1971 to 2199")
        return value

    @field_validator("zone")
    @classmethod
    def _known(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise ValueError(f"{value!r} is no time zone: write one such as Europe/Berlin, or UTC") from None
        return value


class Level(Table):
    """One step of an escalation."""

    notify: tuple[str, ...] = Field(
        min_length=1, description='Who is told: "oncall:NAME", "person:NAME", or the name of a channel.'
    )
    within: Duration = Field(
        300.0,
        ge=30,
        le=86400,
        description="Real time for an answer; then the next level, and the last repeats.",
    )


class Escalation(Table):
    """Who is told first, and who when nobody answers."""

    levels: tuple[Level, ...] = Field(min_length=1)


class Heartbeat(Table):
    """A sign of life that leaves the machine, so that somebody outside notices when it stops."""

    url: str | None = Field(
        None,
        description='Asked while every alert is cared for: an address, or "env:NAME" or "file:PATH" of it.',
    )
    every: Duration = Field(60.0, ge=1, description="Real time between two signs.")
    timeout: Duration = Field(10.0, gt=0, le=60, description="Real time that one may take.")

    @field_validator("url")
    @classmethod
    def _address(cls, value: str | None) -> str | None:
        if value is not None and not value.startswith(("http://", "https://", "env:", "file:")):
            raise ValueError(f'{value!r} is no address: write "https://...", "env:NAME" or "file:PATH"')
        return value
