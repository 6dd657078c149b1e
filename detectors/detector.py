"""An entry of the registry of detectors."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from numpy.random import Generator

from detectors.series import Series
from detectors.verdict import Verdict

Specimen = Callable[[Generator], Series]
"""Draws a series on which a law is tried."""


@dataclass(frozen=True)
class Detector:
    """A scan, what it needs, and the laws that it declares.

    tests/test_every_detector.py runs the same laws over every entry, so a new detector is covered by its dict line.

    Parameters
    ----------
    scan
        ``scan(series, **parameters) -> list[Verdict]``, one verdict a window, pure.
    parameters
        Names of the keyword parameters that ``scan`` takes; each has a default.
    lookback
        Windows before a judged one that its verdict depends on; None for all since the baseline or the last reset.
    lookback_from
        Name of the parameter that sets the lookback, where there is one.
    null
        Draws a series in which nothing is wrong.
    fault
        Draws a series whose last window must fire.
    false_alarms
        Share of the null's windows that may fire.
    invariances
        Functions of a series that leave every state as it is.
    settings
        Parameters under which the laws are tried, where the defaults do not fit the specimens.
    resume
        ``resume(series, carried, **parameters) -> (verdicts, carried)``, where the lookback is None: ``scan`` cut in
        pieces. It is pure too; what one piece carries (None at first) is all that the next one needs of the past, so
        that a pass costs the new windows and not those of a whole season.

    Examples
    --------
    >>> from detectors import DETECTORS
    >>> DETECTORS["rolling_sigma"].before(lookback=12), DETECTORS["budget_bound"].before()
    (12, None)
    """

    scan: Callable[..., list[Verdict]]
    parameters: tuple[str, ...]
    lookback: int | None
    null: Specimen
    fault: Specimen
    false_alarms: float
    lookback_from: str = ""
    invariances: tuple[Callable[[Series], Series], ...] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)
    resume: Callable[..., tuple[list[Verdict], Any]] | None = None

    @property
    def rolling(self) -> bool:
        """Whether a window is compared with the windows just before it, and not with the frozen baseline.

        >>> from detectors import DETECTORS
        >>> DETECTORS["rolling_sigma"].rolling, DETECTORS["frozen_sigma"].rolling
        (True, False)
        """
        return self.resume is None and self.lookback_from == "lookback"

    def before(self, **parameters: Any) -> int | None:
        """Return the windows before a judged one that must be in the series, None for all since the reset."""
        if self.lookback is None or not self.lookback_from:
            return self.lookback
        return int(parameters.get(self.lookback_from, self.lookback))
