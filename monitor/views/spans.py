"""The spans that a page can show, and the length of the windows that each is drawn with."""

from __future__ import annotations

from monitor.buckets import HOUR, MINUTE
from monitor.settings import Settings

SPANS: dict[str, float] = {"1h": 3600.0, "6h": 21600.0, "24h": 86400.0, "7d": 604800.0, "30d": 2592000.0}
DEFAULT_SPAN = "6h"
LIVE_SPANS = frozenset({"1h", "6h"})  # drawn with minutes too, which are not judged yet
_MOST_POINTS = 700


def span_of(name: str | None) -> str:
    """Return a known span's name; what is unknown becomes the default.

    >>> span_of("24h"), span_of("2 weeks")
    ('24h', '6h')
    """
    return name if name in SPANS else DEFAULT_SPAN


def covering(age: float) -> str:
    """Return the shortest span that shows something which began ``age`` seconds ago, with room before it.

    >>> covering(600), covering(7200), covering(9e9)
    ('1h', '6h', '30d')
    """
    return next((name for name, length in SPANS.items() if age <= 0.6 * length), "30d")


def window_of(settings: Settings, policy: str, metric: str, default: float = 900.0) -> int:
    """Return the length of the windows that a metric is judged in: the strictest trigger's."""
    order = ("rollback", "page", "warn", "info")
    found = [item for item in settings.triggers(policy).values() if item.metric == metric]
    found.sort(key=lambda item: (order.index(item.severity), item.window))
    return int(found[0].window if found else default)


def resolution(window: int, length: float) -> int:
    """Return the resolution to draw a span with: the judged windows, or hours where those are too many.

    >>> resolution(900, 86400), resolution(900, 2592000), resolution(60, 3600)
    (900, 3600, 60)
    """
    return window if length / window <= _MOST_POINTS or window % MINUTE else max(window, HOUR)
