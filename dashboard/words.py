"""States, times and numbers as a person reads them."""

from __future__ import annotations

import math

# state -> (shape, word): colour comes from style.css, so a state is always colour + shape + word
STATES: dict[str, tuple[str, str]] = {
    "healthy": ("●", "healthy"),
    "pending": ("◐", "pending"),
    "warning": ("▲", "warning"),
    "page": ("▲", "page"),
    "rollback": ("■", "rollback"),
    "insufficient": ("○", "not enough data"),
    "no_data": ("○", "no data"),
    "stale": ("○", "not evaluated"),
    "error": ("○", "error"),
    "silenced": ("◇", "silenced"),
}
# State of an action or of a checklist item -> the state it is shown as.
ACTIONS = {"confirmed": "healthy", "superseded": "no_data", "cancelled": "no_data", "dry_run": "no_data"}
ITEMS = {
    "pass": "healthy",
    "fail": "rollback",
    "insufficient_evidence": "insufficient",
    "not_applicable": "no_data",
    "error": "error",
    "stale": "insufficient",  # old evidence blocks like none, and is never shown as good
}
# Phase of a rollout -> the state it is shown as, and the word.
PHASES = {
    "draft": ("pending", "waits for approval"),
    "approved": ("pending", "approved"),
    "applying": ("pending", "applying"),
    "baking": ("pending", "baking"),
    "judging": ("pending", "judging"),
    "passed": ("pending", "passed, waits for people"),
    "inconclusive": ("insufficient", "held: inconclusive"),
    "error": ("error", "held: error"),
    "paused": ("silenced", "paused"),
    "rolling_back": ("rollback", "rolling back"),
    "aborting": ("rollback", "aborting"),
    "stable": ("healthy", "stable"),
    "aborted": ("no_data", "aborted"),
    "rolled_back": ("rollback", "rolled back"),
}
VERDICTS = {
    "pass": ("healthy", "pass"),
    "inconclusive": ("insufficient", "inconclusive"),
    "error": ("error", "error"),
    "fail": ("rollback", "fail"),
    "better": ("healthy", "better"),
    "no_worse": ("healthy", "no worse"),
    "worse": ("rollback", "worse"),
}
_UNITS = (("d", 86400.0), ("h", 3600.0), ("min", 60.0))


def ago(seconds: float) -> str:
    """Return an age in words.

    >>> ago(12), ago(200), ago(7300), ago(-30)
    ('12 s ago', '3 min ago', '2.0 h ago', 'in 30 s')
    """
    return f"in {length(-seconds)}" if seconds < 0 else f"{length(seconds)} ago"


def length(seconds: float) -> str:
    """Return a length of time in one unit.

    >>> length(59), length(86400 * 3)
    ('59 s', '3.0 d')
    """
    for unit, size in _UNITS:
        if seconds >= size:
            return f"{seconds / size:.0f} min" if unit == "min" else f"{seconds / size:.1f} {unit}"
    return f"{math.floor(seconds)} s"


def number(value: float | None, digits: int = 4) -> str:
    """Return a number with a real minus sign; "–" where there is none.

    >>> number(-2.37512), number(None), number(0.0)
    ('−2.375', '–', '0')
    """
    if value is None or not math.isfinite(value):
        return "–"
    return f"{value:.{digits}g}".replace("-", "−")


def percent(value: float | None) -> str:
    """Return a share as a percentage.

    >>> percent(0.0123), percent(0), percent(None)
    ('1.23%', '0%', '–')
    """
    if value is None or not math.isfinite(value):
        return "–"
    return f"{value * 100:.3g}%"


def counted(counts: dict[str, int]) -> str:
    """Return the counts by state for the page's title, worst first; healthy ones only where all are.

    >>> counted({"rollback": 2, "page": 1, "warning": 1, "no_data": 3, "healthy": 5}), counted({"healthy": 5})
    ('2 ■ 2 ▲ 3 ○', '●')
    """
    shapes: dict[str, int] = {}
    for state, count in counts.items():
        if state != "healthy":
            shape = STATES[state][0]
            shapes[shape] = shapes.get(shape, 0) + count
    ordered = [shape for shape in "■▲◐○◇" if shape in shapes]
    return " ".join(f"{shapes[shape]} {shape}" for shape in ordered) or ("●" if counts else "○")


def plural(count: int, noun: str) -> str:
    """Return a counted noun.

    >>> plural(1, "policy"), plural(2, "series"), plural(3, "policy")
    ('1 policy', '2 series', '3 policies')
    """
    if count == 1 or noun.endswith("s"):
        return f"{count} {noun}"
    return f"{count} {noun[:-1]}ies" if noun.endswith("y") else f"{count} {noun}s"
