"""The command that needs no configuration and no policy: watch a CSV file."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from monitor.commands.options import DONE, Json, emit, err


def watch(
    file: Annotated[Path, typer.Argument(help="CSV file with a header line.", exists=True, dir_okay=False)],
    value: Annotated[str, typer.Option(help="Column to watch.")],
    time: Annotated[str | None, typer.Option(help="Column of times; absent: timestamp, time, ts or date.")] = None,
    out: Annotated[Path | None, typer.Option(help="Where to write; absent: standard output.")] = None,
    run_length: Annotated[float, typer.Option(help="Rows between two false alarms.", min=100)] = 10_000.0,
    side: Annotated[Literal["both", "below", "above"], typer.Option(help="What counts as trouble.")] = "both",
    as_json: Json = False,
) -> int:
    """Score every row of any timestamped series: timestamp, value, score (limit 0.5), alarm (once an episode)."""
    from monitor.watch import watch as watched

    found = watched(file, value, time, run_length, side)
    if out is not None:
        found.table.to_csv(out, index=False)
    elif not as_json:
        found.table.to_csv(sys.stdout, index=False)
    if as_json:
        emit(found.to_dict(), as_json, "")
    else:
        err.print(found.sentence(), markup=False, highlight=False, soft_wrap=True)
    return DONE
