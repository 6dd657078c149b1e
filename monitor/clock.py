"""Time from one place: every part asks a Clock, so that tests and the demo can run it faster."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """Two readings: event time, which may be injected, and real time, which never is in production.

    Windows, slots, routes and everything a person reads use ``now``. Leases, retries and timeouts use
    ``real``, which a sped-up demo leaves alone, because a network does not get faster with it.
    """

    def now(self) -> float:
        """Event time, seconds since 1970 UTC."""
        ...

    def real(self) -> float:
        """Real time, seconds since 1970 UTC."""
        ...

    def monotonic(self) -> float:
        """Real seconds that only grow, whatever is done to the machine's clock; comparable within one process."""
        ...

    @property
    def speed(self) -> float:
        """Event seconds per real second."""
        ...


def instant(seconds: float) -> datetime:
    """Return seconds since 1970 as an aware UTC datetime.

    >>> instant(0).isoformat()
    '1970-01-01T00:00:00+00:00'
    """
    return datetime.fromtimestamp(seconds, UTC)


def stamp(seconds: float) -> str:
    """Return seconds since 1970 as RFC 3339 text in UTC, to the second.

    >>> stamp(0.9)
    '1970-01-01T00:00:00Z'
    """
    return instant(int(seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass(frozen=True)
class SystemClock:
    """The machine's clock."""

    speed: float = 1.0

    def now(self) -> float:
        """Return the machine's time."""
        return time.time()

    def real(self) -> float:
        """Return the machine's time."""
        return time.time()

    def monotonic(self) -> float:
        """Return the machine's monotonic seconds."""
        return time.monotonic()


@dataclass(frozen=True)
class SpedClock:
    """Event time that starts at ``epoch`` when the machine's clock shows ``started`` and runs ``speed`` times as fast.

    The three numbers describe it wholly, so that several processes can share one.
    """

    epoch: float
    speed: float
    started: float = field(default_factory=time.time)

    def now(self) -> float:
        """Return the sped-up time."""
        return self.epoch + (time.time() - self.started) * self.speed

    def real(self) -> float:
        """Return the machine's time."""
        return time.time()

    def monotonic(self) -> float:
        """Return the machine's monotonic seconds."""
        return time.monotonic()

    def spec(self) -> str:
        """Return the text that ``parse_clock`` reads back."""
        return f"{self.epoch!r}/{self.speed!r}/{self.started!r}"


@dataclass
class ManualClock:
    """A clock that moves when told to: tests assert bounds on it.

    >>> clock = ManualClock(100.0); clock.advance(5); clock.now(), clock.real()
    (105.0, 105.0)
    """

    at: float
    offset: float = 0.0
    speed: float = 1.0
    ran: float = 0.0

    def now(self) -> float:
        """Return the time it was moved to."""
        return self.at + self.offset

    def real(self) -> float:
        """Return the time it was moved to, without any injected skew."""
        return self.at

    def monotonic(self) -> float:
        """Return how far it was advanced in all; setting ``at``, as a machine's clock is set, does not count."""
        return self.ran

    def advance(self, seconds: float) -> None:
        """Move all readings forward."""
        self.at += seconds
        self.ran += max(seconds, 0.0)


def parse_clock(text: str | None) -> Clock:
    """Return the clock that ``CHECKREIN_CLOCK`` describes ("epoch/speed/started"), else the machine's.

    >>> parse_clock("0/60/0").__class__.__name__, parse_clock(None).__class__.__name__
    ('SpedClock', 'SystemClock')
    """
    if not text:
        return SystemClock()
    try:
        epoch, speed, started = (float(part) for part in text.split("/"))
    except ValueError as error:
        raise ValueError(f"CHECKREIN_CLOCK is {text!r}: write epoch/speed/started as three numbers") from error
    return SpedClock(epoch, speed, started)
