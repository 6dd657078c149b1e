"""The reward triggers' three questions, asked of any series: one row, the rows of late, the slow drift."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from detectors.tail import surprise
from monitor.watch.expected import DAY, Floats, expectations

Side = Literal["both", "below", "above"]
RUN_LENGTH = 10_000.0  # rows between two false alarms, the run length that the reward triggers together are held to
_SHORT, _LONG = 10, 50  # rows averaged
QUESTIONS = (
    "this row alone",
    f"the mean of {_SHORT} rows",
    f"the mean of {_LONG} rows",
    f"this row against the {_SHORT} before it",
)


@dataclass(frozen=True)
class Scores:
    """What was found, one entry a row.

    Parameters
    ----------
    score
        0 to 1, shape (n,): 0.5 is the limit. In an episode that has raised its alarm it is held just below.
    alarm
        Where an episode of trouble raises its one alarm, shape (n,).
    question, expected
        Which of ``QUESTIONS`` was answered with the greatest surprise, and the value that was expected, shape (n,).
    by
        Where the expectation came from, one a row.
    start
        Rows before it were only learnt from.
    """

    score: Floats
    alarm: NDArray[np.bool_]
    question: NDArray[np.intp]
    expected: Floats
    by: list[str]
    start: int


def scores(time: Floats, value: Floats, run_length: float = RUN_LENGTH, side: Side = "both") -> Scores:
    """Score every row from the rows before it, and raise one alarm an episode.

    The triggers of a policy compare with a frozen baseline; a bare series has none, so each row is compared with what
    the past made of it (``expectations``), and the difference with the tail of its own past (``detectors.tail``). The
    limit is the chance that gives one false alarm in ``run_length`` rows over the four questions together.

    Parameters
    ----------
    time
        Seconds; where it goes back, the latest so far counts. Shape (n,).
    value
        NaN where missing. Shape (n,).
    run_length
        Rows between two false alarms.
    side
        Whether only falls or only rises are asked for.

    Examples
    --------
    >>> value = np.random.default_rng(1).normal(10.0, 1.0, 2000)
    >>> value[1500:1520] += 12.0
    >>> found = scores(np.arange(2000) * 300.0, value)
    >>> np.flatnonzero(found.alarm).tolist(), bool(found.score[1500] > 0.5), bool(found.score[1505] < 0.5)
    ([1500], True, True)
    """
    count = len(value)
    start = min(int(0.15 * count), 750)
    time = np.maximum.accumulate(time)
    step = float(np.median(np.diff(time))) if count > 1 else 0.0
    rows_a_day = int(np.clip(DAY / step, 30, 2000)) if step > 0 else 300
    limit = float(np.log10(run_length * len(QUESTIONS)))
    least = _least(value[:start])
    ways, chosen = expectations(time, value)
    found = np.zeros((len(QUESTIONS), count))
    for number, way in enumerate(ways):
        rest = value - way.value
        begin = max(start, int(np.argmax(np.isfinite(way.value))) + 50)
        for row, statistic in enumerate((rest, _mean(rest, _SHORT), _mean(rest, _LONG))):
            decades = surprise(_sided(statistic, side), begin, limit, least, rows_a_day)
            found[row] = np.where(chosen == number, decades, found[row])
    before = pd.Series(value).shift(1).rolling(_SHORT, min_periods=_SHORT // 2).median().to_numpy(np.float64)
    expected = np.choose(chosen, [way.value for way in ways])
    if side != "both":  # coming back from a rise is no fall
        before = (np.fmin if side == "below" else np.fmax)(before, expected)
    found[3] = surprise(_sided(value - before, side), start, limit, least, rows_a_day)
    most = found.max(axis=0)
    alarm = _episodes(most >= limit, max(30, rows_a_day // 4))
    score = most / (most + limit)
    return Scores(
        np.where(alarm, score, np.minimum(score, 0.499)),
        alarm,
        found.argmax(axis=0),
        expected,
        [ways[number].name for number in chosen],
        start,
    )


def _sided(statistic: Floats, side: Side) -> Floats:
    return {"both": np.abs, "below": np.negative, "above": np.positive}[side](statistic)


def _mean(rest: Floats, rows: int) -> Floats:
    return pd.Series(rest).rolling(rows, min_periods=rows // 2).mean().to_numpy(np.float64)


def _least(learnt: Floats) -> float:
    """Return the smallest scale that is believed: a hundredth of the usual distance from the middle."""
    known = learnt[np.isfinite(learnt)]
    if not len(known):
        return 1e-9
    away = np.abs(known - np.median(known))
    return float(1e-2 * np.median(away) + 1e-3 * away.mean() + 1e-9 * max(1.0, float(np.abs(known).max())))


def _episodes(over: NDArray[np.bool_], quiet: int) -> NDArray[np.bool_]:
    """Return the first row of each run of surprising rows; a run ends after ``quiet`` rows without one."""
    where = np.flatnonzero(over)
    alarm = np.zeros(len(over), bool)
    if len(where):
        alarm[where[np.concatenate(([True], np.diff(where) > quiet))]] = True
    return alarm
