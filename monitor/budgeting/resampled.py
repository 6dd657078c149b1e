"""Healthy windows to try a trigger on where there is no long healthy history: blocks of the baseline, drawn again."""

from __future__ import annotations

import numpy as np

from detectors import DETECTORS, Series, State
from monitor.judging import decide
from monitor.judging.decide import Alert
from monitor.settings import Trigger

_DAY = 86400


def resample(baseline: Series, window: int, windows: int, rng: np.random.Generator) -> Series:
    """Return windows that follow the baseline, made of whole blocks of it, with the baseline beside them.

    Blocks keep how windows follow each other (Kuensch, 1989). They are a day long and keep their time of day where the
    baseline has two days, so that a season stays one; a quarter of the baseline otherwise.

    Parameters
    ----------
    baseline
        Windows of the reference, in order, gaps included.
    window, windows
        Length of one in seconds, and how many to make.
    rng
        Draws the blocks.
    """
    have, day = len(baseline), _DAY // window
    whole = have >= 2 * day
    block = day if whole else max(1, have // 4)
    count = -(-windows // block)
    starts = rng.integers(have // day, size=count) * day if whole else rng.integers(have - block + 1, size=count)
    rows = (starts[:, None] + np.arange(block)).ravel()[:windows]
    skip = 0 if not whole else -have % day  # so that the first block begins at the time of day that it was drawn from
    first = baseline.time[0] + (have + skip) * window
    return Series(
        first + np.arange(windows) * float(window),
        baseline.value[rows],
        baseline.stderr[rows],
        baseline.n[rows],
        baseline,
        None if baseline.counts is None else baseline.counts[rows],
        baseline.labels,
    )


def firings(series: Series, trigger: Trigger, parameters: dict[str, object]) -> int:
    """Return how often an alert would fire over a series, by the detector and the code that steps the live alerts."""
    alert, count = Alert("", "", "", "", trigger.severity), 0
    verdicts = DETECTORS[trigger.detector].scan(series, **parameters)
    for start, verdict in zip(series.time, verdicts, strict=True):
        if verdict.state in {State.OK, State.FIRE}:
            alert, change = decide.step(alert, verdict, float(start) + trigger.window, trigger, {})
            count += change is not None and change.alert.state == "firing" and change.old != "recovering"
    return count
