"""What a detector says about one window."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    """The five answers a detector can give; only OK is OK."""

    OK = "ok"
    FIRE = "fire"
    INSUFFICIENT = "insufficient"
    NO_DATA = "no_data"
    ERROR = "error"


@dataclass(frozen=True)
class Verdict:
    """One window judged.

    How bad a FIRE is belongs to the trigger's severity, not to the verdict.

    Parameters
    ----------
    state
        The answer.
    statistic
        The number that was compared (z, divergence, lower bound ...), None where none could be computed.
    low, high
        The limits inside which ``statistic`` is healthy; None for an open side.
    n
        Rows behind the statistic.
    reason
        A sentence that a tired person understands.
    p
        Probability of so large a statistic where nothing changed, where the rule asks for one (``alpha``). Whoever
        judges several series of one rule together controls their common level with it (monitor.judging.discoveries).

    Examples
    --------
    >>> Verdict(State.OK, -0.4, -3.0, None, 900, "Mean reward is 0.4 sigma below its baseline.").state
    <State.OK: 'ok'>
    """

    state: State
    statistic: float | None
    low: float | None
    high: float | None
    n: int
    reason: str
    p: float | None = None
