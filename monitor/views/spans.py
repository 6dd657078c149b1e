"""The spans that a page can show, by name or from one instant to another, and the windows that each is drawn with."""

from __future__ import annotations

from datetime import UTC, datetime

from monitor.bucketing.buckets import DAY, HOUR, MINUTE
from monitor.clock import instant
from monitor.settings import Settings

SPANS: dict[str, float] = {"1h": 3600.0, "6h": 21600.0, "24h": 86400.0, "7d": 604800.0, "30d": 2592000.0}
DEFAULT_SPAN = "6h"
LIVE = SPANS["6h"]  # up to this length minutes are drawn too, which are not judged yet
_MOST_POINTS, _MOST_HOURS = 700, 1000


def span_of(name: str | None, default: str = DEFAULT_SPAN) -> str:
    """Return a known span: a name of ``SPANS``, or ``FROM/TO``; what is neither becomes the default.

    >>> span_of("24h"), span_of("2 weeks"), span_of("2019-11-24T00:00Z/2019-12-01T00:00Z")
    ('24h', '6h', '2019-11-24T00:00Z/2019-12-01T00:00Z')
    """
    return name if name in SPANS or (name and _parsed(name)) else default


def span_between(begin: str | None, end: str | None, default: str = DEFAULT_SPAN) -> str:
    """Return the span of two ISO times (UTC where they name no zone), the default where they are none.

    >>> span_between("2019-11-24T00:00Z", "2019-12-01"), span_between("2019-12-01", "2019-11-24")
    ('2019-11-24T00:00Z/2019-12-01T00:00Z', '6h')
    """
    found = _parsed(f"{begin}/{end}")
    return between(*found) if found else default


def between(begin: float, end: float) -> str:
    """Return the span from one instant to another, in whole minutes.

    >>> between(0.0, 3600.0)
    '1970-01-01T00:00Z/1970-01-01T01:00Z'
    """
    return "/".join(instant(seconds // 60 * 60).strftime("%Y-%m-%dT%H:%MZ") for seconds in (begin, end))


def bounds(span: str, now: float) -> tuple[float, float]:
    """Return when a span begins and ends, seconds since 1970; a named one ends now.

    >>> bounds("1h", 7200.0), bounds("1970-01-01T00:00Z/1970-01-01T01:00Z", 7200.0)
    ((3600.0, 7200.0), (0.0, 3600.0))
    """
    return _parsed(span) or (now - SPANS[span_of(span)], now)


def live(span: str, now: float) -> bool:
    """Return whether every landing changes what the span shows: it is short, and it is not over.

    >>> live("6h", 0.0), live("7d", 0.0), live("1970-01-01T00:00Z/1970-01-01T01:00Z", 7200.0)
    (True, False, False)
    """
    begin, end = bounds(span, now)
    return end - begin <= LIVE and end >= now


def covering(age: float) -> str:
    """Return the shortest span that shows something which began ``age`` seconds ago, with room before it.

    >>> covering(600), covering(7200), covering(9e9)
    ('1h', '6h', '30d')
    """
    return next((name for name, length in SPANS.items() if age <= 0.6 * length), "30d")


def around(begin: float, end: float, now: float) -> str:
    """Return the span that shows what went on from ``begin`` to ``end``: a named one while it is young.

    >>> around(3600.0, 5400.0, 7200.0), around(0.0, 3600.0, 9e6)
    ('6h', '1969-12-31T23:00Z/1970-01-01T02:00Z')
    """
    if now - begin <= 0.6 * SPANS["24h"]:
        return covering(now - begin)
    room = max(3600.0, end - begin)
    return between(begin - room, min(end + room, now))


def window_of(settings: Settings, policy: str, metric: str, default: float = 900.0) -> int:
    """Return the length of the windows that a metric is judged in: the strictest trigger's.

    Of several that are as strict it is the one against the frozen baseline, whose bands the control chart draws.
    """
    order = ("rollback", "page", "warn", "info")
    found = [item for item in settings.triggers(policy).values() if item.metric == metric and not item.segment]
    found.sort(key=lambda item: (order.index(item.severity), item.detector != "frozen_sigma", item.window))
    return int(found[0].window if found else default)


def resolution(window: int, length: float) -> int:
    """Return the resolution to draw a span with: the judged windows, or hours or days where those are too many.

    >>> resolution(900, 86400), resolution(900, 2592000), resolution(60, 3600), resolution(900, 31536000)
    (900, 3600, 60, 86400)
    """
    if length / window <= _MOST_POINTS or window % MINUTE:
        return window
    return max(window, HOUR if length / HOUR <= _MOST_HOURS else DAY)


def _parsed(span: str) -> tuple[float, float] | None:
    """Return the two instants of ``FROM/TO``, None where it is not that."""
    try:
        begin, end = (datetime.fromisoformat(text.strip()) for text in span.split("/"))
        first, last = (at.replace(tzinfo=at.tzinfo or UTC).timestamp() for at in (begin, end))
    except (ValueError, OverflowError):
        return None
    return (first, last) if last > first and abs(first) < 1e11 else None
