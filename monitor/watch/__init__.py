"""Watch any timestamped series: a score a row, one alarm an episode of trouble; no labels, nothing to set."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from detectors.wording import number
from monitor.watch.scores import QUESTIONS, RUN_LENGTH, Scores, Side, scores
from monitor.watch.series import Read, WatchError, read

__all__ = ["QUESTIONS", "RUN_LENGTH", "Side", "WatchError", "Watched", "watch"]


@dataclass(frozen=True)
class Watched:
    """A series and what was found in it."""

    series: Read
    scores: Scores

    @property
    def table(self) -> pd.DataFrame:
        """Return timestamp and value as the file wrote them, score and alarm; no score where there is no value."""
        known = np.isfinite(self.series.value)
        text = [f"{score:.6f}" if there else "" for score, there in zip(self.scores.score, known, strict=True)]
        return self.series.texts.assign(score=text, alarm=self.scores.alarm.astype(int))

    def to_dict(self) -> dict[str, Any]:
        """Return the alarms and what was odd, for machines."""
        return {
            "rows": len(self.series.value),
            "learnt_from": self.scores.start,
            "alarms": [self._alarm(int(row)) for row in np.flatnonzero(self.scores.alarm)],
            "notes": list(self.series.notes),
        }

    def sentence(self) -> str:
        """Return what a person wants to know first."""
        found = self.to_dict()
        head = f"{found['rows']} rows, the first {found['learnt_from']} to learn from: {len(found['alarms'])} alarms"
        lines = [f"  {alarm['timestamp']}  score {alarm['score']:.3f}: {alarm['reason']}" for alarm in found["alarms"]]
        return "\n".join([head, *lines, *(f"  note: {note}" for note in found["notes"])])

    def _alarm(self, row: int) -> dict[str, Any]:
        value, expected = float(self.series.value[row]), float(self.scores.expected[row])
        by, question = self.scores.by[row], QUESTIONS[int(self.scores.question[row])]
        return {
            "row": row,
            "timestamp": str(self.series.texts["timestamp"].iloc[row]),
            "value": value,
            "score": float(self.scores.score[row]),
            "expected": expected if np.isfinite(expected) else None,
            "reason": f"{number(value)} where {number(expected)} was expected by {by}; asked: {question}",
        }


def watch(
    path: Path, value: str, time: str | None = None, run_length: float = RUN_LENGTH, side: Side = "both"
) -> Watched:
    """Score every row of a CSV file.

    Raises
    ------
    WatchError
        If a column is absent, a time is none, or there are too few rows.
    """
    series = read(path, value, time)
    return Watched(series, scores(series.time, series.value, run_length, side))
