"""Do the columns of a log fit together? One check for decisions and for the steps of episodes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


def check(log: Any, rows: int, columns: Sequence[str], tables: Sequence[str], *, whole: str, one: str) -> None:
    """Raise ValueError, naming the column and the fix, where shapes do not fit.

    Parameters
    ----------
    log
        Holds the columns, an ``action`` and a ``state``; None where one is absent.
    rows
        How many each must have.
    columns, tables
        Names of what has one number a row, and of what has one an action.
    whole, one
        Who has that many rows, and what a row is, for the message.
    """
    for name in columns:
        column = getattr(log, name)
        if column is not None and column.shape != (rows,):
            raise ValueError(f"{name} has shape {column.shape}, but {whole}: give each one")
    shapes = {name: table.shape for name in tables if (table := getattr(log, name)) is not None}
    for name, shape in shapes.items():
        if len(shape) != 2 or shape[0] != rows:
            raise ValueError(f"{name} has shape {shape}, not ({rows}, actions): one row for each {one}")
    if len(set(shapes.values())) > 1:
        names, found = " and ".join(shapes), list(shapes.values())
        raise ValueError(f"{names} have shapes {found}: give all for the same actions")
    if shapes and log.action is None:
        raise ValueError(f"action is missing: the column of the executed action is needed beside {min(shapes)}")
    if log.state is not None and (log.state.ndim != 2 or len(log.state) != rows):
        raise ValueError(f"state has shape {log.state.shape}, not ({rows}, features): one row for each {one}")
