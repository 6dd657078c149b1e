"""What a refresh does when it cannot read: keep the last good data, greyed, with its age."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Any

from dash import no_update

from dashboard.data import Unavailable, stamp

log = logging.getLogger("checkrein")


def kept(read: Callable[[], Sequence[Any]], outputs: int, now: float, panels: int = 1) -> tuple[Any, ...]:
    """Return what ``read`` returns and "" for the panel's error line, or no change and the line that says why.

    Parameters
    ----------
    read
        Makes the new values of the outputs.
    outputs
        How many there are.
    now
        The injected clock's now, which the line names.
    panels
        How many error lines come after them.
    """
    try:
        return (*read(), *[""] * panels)
    except Unavailable:
        why = "the database did not answer"
    except Exception as error:  # one broken panel must not take the others, nor look quiet
        log.exception("a panel could not be refreshed")
        why = f"it could not be read ({type(error).__name__}, see the server's log)"
    since = stamp(now).replace("T", " ").replace("Z", " UTC")
    line = f"○ error: {why} at {since}; what is shown, if anything, is from before."
    return (*[no_update] * outputs, *[line] * panels)
