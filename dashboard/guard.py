"""What a refresh does when it cannot read: keep the last good data, greyed, with its age."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Any

from dash import no_update

from dashboard.components import absolute, moment
from dashboard.data import Unavailable, stamp
from dashboard.travel import Seen, changed

log = logging.getLogger("checkrein")


def kept(
    read: Callable[[], Sequence[Any]], outputs: int, now: float, seen: Seen | None, panels: int = 1
) -> tuple[Any, ...]:
    """Return what changed of what ``read`` returns, "" for the error lines, and what the browser now has.

    Where it cannot be read nothing changes, and the line says why and how old what is shown is.

    Parameters
    ----------
    read
        Makes the new values of the outputs.
    outputs
        How many there are.
    now
        The injected clock's now, which the line names.
    seen
        What the browser has, as the last answer said; None before the first one.
    panels
        How many error lines come after the outputs.
    """
    try:
        values, has = changed(read(), seen)
        return (*values, *[""] * panels, {**has, "at": now})
    except Unavailable:
        why = "the database did not answer"
    except Exception as error:  # one broken panel must not take the others, nor look quiet
        log.exception("a panel could not be refreshed")
        why = f"it could not be read ({type(error).__name__}, see the server's log)"
    line: list[Any] = [f"○ error: {why} at {absolute(stamp(now))}; "]
    read_at = (seen or {}).get("at")
    line += ["what is shown was read ", moment(read_at, now), "."] if read_at else ["nothing has been read yet."]
    return (*[no_update] * outputs, *[line] * panels, no_update)
