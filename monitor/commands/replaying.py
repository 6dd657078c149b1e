"""Commands that judge the past again or look ahead: backtest and budget."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import Progress

from monitor.commands.options import CONFIG, DONE, NO, Config, Json, emit, err, known, moment
from monitor.runtime import open_parts
from monitor.settings import ConfigurationError

_AFTER = 1.0  # seconds that pass without a bar


def backtest(
    begin: Annotated[str, typer.Option("--from", help="Start of the span (RFC 3339).")],
    end: Annotated[str, typer.Option("--to", help="End of the span.")],
    policy: Annotated[str | None, typer.Argument(help="One policy; absent: all.")] = None,
    change: Annotated[
        list[str] | None, typer.Option("--set", help="trigger.param=value to compare with; may be repeated.")
    ] = None,
    incidents: Annotated[
        Path | None, typer.Option(help="CSV of start,end,label: when something was truly wrong.")
    ] = None,
    config: Config = CONFIG,
    as_json: Json = False,
) -> int:
    """Replay a span with the live code: firings, false alarms, delays, and what other settings would change.

    Alerts and verdicts stay as they are; what it found is stored beside them.
    """
    from monitor.backtest import backtest as run
    from monitor.backtest import read_incidents
    from monitor.backtest.report import report

    parts = open_parts(config)
    names = [known(parts, policy)] if policy else sorted(parts.settings.policy)
    labelled = None if incidents is None else read_incidents(incidents)
    first, last = moment(begin, "--from"), moment(end, "--to")
    if first is None or last is None:
        raise ConfigurationError("--from and --to are both needed")
    documents = []
    with _Bar(quiet=as_json) as bar:
        for number, name in enumerate(names):

            def each(share: float, number: int = number, name: str = name) -> None:
                bar.show((number + share) / len(names), name)

            documents.append(run(parts, name, first, last, change or (), labelled, "cli", each))
    document: Any = documents[0] if policy else documents
    emit(document, as_json, "\n".join(report(one) for one in documents) or "no policy is configured")
    return DONE


def budget(
    policy: Annotated[str, typer.Argument(help="Policy.")], config: Config = CONFIG, as_json: Json = False
) -> int:
    """Show each rollback trigger's share of the false-alarm budget; exit status 1 where it is not kept.

    Measured on the baseline where the detector promises nothing, with a cure where it is broken.
    """
    from monitor.budgeting.budget_report import told
    from monitor.views.budget import budget as read

    parts = open_parts(config)
    with parts.database.read() as connection:
        found = read(connection, parts.settings, known(parts, policy))
    emit(found, as_json, told(found))
    return DONE if found["kept"] else NO


class _Bar:
    """A bar on a terminal for what takes longer than a second."""

    def __init__(self, *, quiet: bool) -> None:
        self._quiet = quiet or not err.is_terminal
        self._began = time.monotonic()
        self._progress: Progress | None = None

    def __enter__(self) -> _Bar:
        return self

    def __exit__(self, *_error: object) -> None:
        if self._progress is not None:
            self._progress.stop()

    def show(self, share: float, text: str) -> None:
        """Draw how much is done."""
        if self._quiet or time.monotonic() - self._began < _AFTER:
            return
        if self._progress is None:
            self._progress = Progress(console=err, transient=True)
            self._progress.start()
            self._progress.add_task("", total=1.0)
        self._progress.update(self._progress.tasks[0].id, completed=share, description=text)
