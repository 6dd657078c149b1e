"""[digest]: when what pages nobody is told in one message."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field, field_validator

from monitor.settings.model import Table
from monitor.units import Duration

_HOUR, _DAY = 3600, 86400


class Digest(Table):
    """One message a policy about warnings, flapping and muted alerts, to the channels with ``digest = true``."""

    enabled: bool = Field(True, description="false: no digest is written.")
    every: Duration = Field(float(_DAY), description="How often: hours that divide a day, or 1 to 7 whole days.")
    at: str = Field("08:00", pattern=r"^([01]\d|2[0-3]):[0-5]\d$", description="When on that day, HH:MM.")
    zone: str = Field("UTC", description="Zone of that time, such as Europe/Berlin.")

    @field_validator("every")
    @classmethod
    def _regular(cls, every: float) -> float:
        days = every / _DAY
        if every % _HOUR or every <= 0 or not (_DAY % every == 0 or (days == int(days) and days <= 7)):
            raise ValueError('every must be hours that divide a day, such as "6h", or whole days, at most "7d"')
        return every

    @field_validator("zone")
    @classmethod
    def _is_a_zone(cls, zone: str) -> str:
        try:
            ZoneInfo(zone)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise ValueError(f"{zone!r} is not a zone: write one like Europe/Berlin") from None
        return zone

    def due(self, now: float) -> int:
        """Return when the newest digest was due, seconds since 1970: a time of day of people, whatever clocks do.

        >>> berlin = Digest(zone="Europe/Berlin")
        >>> noon = datetime(2026, 3, 29, 12, tzinfo=UTC).timestamp()  # clocks went forward that night
        >>> datetime.fromtimestamp(berlin.due(noon), UTC).isoformat()
        '2026-03-29T06:00:00+00:00'
        >>> (berlin.due(noon) - berlin.due(noon - 86400)) / 3600
        23.0
        """
        zone = ZoneInfo(self.zone)
        today = datetime.fromtimestamp(now, zone).date()
        length = max(1, int(self.every // _DAY))
        first = today - timedelta(days=(today.toordinal() - 1) % length)  # weeks begin on Monday
        begin = time.fromisoformat(self.at)
        steps = max(1, int(_DAY // self.every))
        found = []
        for days in (-length, 0):
            for step in range(steps):
                moment = datetime.combine(first, begin) + timedelta(days=days, seconds=step * self.every)
                found.append(int(moment.replace(tzinfo=zone).astimezone(UTC).timestamp()))
        return max((moment for moment in found if moment <= now), default=min(found))
