"""Commands that write reports: report drift."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from monitor.commands.options import CONFIG, DONE, NO, Config, Json, emit, known, moment
from monitor.runtime import open_parts

report_app = typer.Typer(no_args_is_help=True, help="Reports that a reviewer reads.")

_PAUSE = 0.5  # real seconds between looks while another worker makes a report


@report_app.command("drift")
def drift(
    policy: Annotated[str, typer.Argument(help="Policy.")],
    version: Annotated[str | None, typer.Option(help="Version to compare; absent: the one that serves.")] = None,
    begin: Annotated[str | None, typer.Option("--from", help="Start (RFC 3339); absent: an hour before --to.")] = None,
    end: Annotated[str | None, typer.Option("--to", help="End; absent: the newest decision.")] = None,
    out: Annotated[Path | None, typer.Option(help="Write the HTML here too.")] = None,
    config: Config = CONFIG,
    as_json: Json = False,
) -> int:
    """Make Evidently's drift report of a version's rows against the frozen baseline; exit status 1 where it failed.

    It is made by a process of its own and kept: the policy's page links to it.
    """
    from monitor.drift_report import job, kept
    from monitor.drift_report.asked import Wish, ask
    from monitor.runtime import worker_name

    parts = open_parts(config)
    wish = Wish(known(parts, policy), version, moment(begin, "--from"), moment(end, "--to"))
    with parts.database.begin() as connection:
        identity = ask(connection, parts.settings, parts.clock, wish, "cli")
    owner = worker_name()
    while True:
        job.make(parts, identity, owner)
        with parts.database.read() as connection:
            found = kept.one(connection, identity)
        if found["state"] != "asked":
            break
        time.sleep(_PAUSE)  # one report is made at a time, by whichever worker is free
    if out is not None and found["state"] == "made":
        out.write_bytes(kept.html(parts.landing.lake, found["sha256"]))
    emit(found, as_json, f"{found['sentence']} {found['url'] or ''}".strip())
    return DONE if found["state"] == "made" else NO
