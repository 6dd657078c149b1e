"""Rows of a log of trajectories: which episode each belongs to, in which order, and whether a step is missing."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]


def grouped(ids: NDArray[Any], steps: NDArray[Any]) -> tuple[NDArray[Any], Ints, Ints]:
    """Return the episodes' names as they first appear, the order of the rows by episode and step, and the begins."""
    if steps.dtype.kind not in "iu" and not (steps.dtype.kind == "f" and (steps == np.round(steps)).all()):
        raise ValueError("step is not a whole number in every row: number the steps of each episode from 0")
    if not len(ids):
        return ids, np.empty(0, np.int64), np.zeros(1, np.int64)
    distinct, first, code = np.unique(ids, return_index=True, return_inverse=True)
    by_appearance = np.argsort(first, kind="stable")
    rank = np.empty(len(distinct), np.int64)
    rank[by_appearance] = np.arange(len(distinct))
    code = rank[code]
    order = np.lexsort((steps, code))
    return distinct[by_appearance], order, np.append(0, np.cumsum(np.bincount(code))).astype(np.int64)


def checked_steps(steps: Ints, begin: Ints, label: NDArray[Any]) -> int:
    """Return the first step's number, or raise where an episode has another, a gap or a repetition."""
    if not len(steps):
        return 0
    start = steps[begin[:-1]]
    usual = int(np.bincount(start - start.min()).argmax() + start.min()) if np.ptp(start) < 1e6 else int(start.min())
    if (start != usual).any():
        bad = int(np.argmax(start != usual))
        count = int((start != usual).sum())
        raise ValueError(
            f"episode {said(label[bad])} starts with step {start[bad]}, most with step {usual} ({count} episodes "
            "differ): leave out episodes without their beginning"
        )
    jump = np.diff(steps)
    jump[begin[1:-1] - 1] = 1
    if (jump != 1).any():
        row = int(np.argmax(jump != 1))
        name = said(label[int(np.searchsorted(begin, row, side="right")) - 1])
        if jump[row] == 0:
            raise ValueError(f"episode {name} has step {steps[row]} more than once: drop the repeated rows")
        raise ValueError(
            f"episode {name} has no step {steps[row] + 1}, but a step {steps[row + 1]}: "
            "log every step, or leave the episode out"
        )
    return usual


def said(name: Any) -> str:
    """Write an episode's name for a message."""
    return repr(name.item() if isinstance(name, np.generic) else name)
