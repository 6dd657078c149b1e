"""Commands for silences: page nobody about some alerts for a while, see which ones hold, end one."""

from __future__ import annotations

from typing import Annotated

import typer

from monitor.commands.options import CONFIG, DONE, NO, Config, Json, emit, known, moment
from monitor.runtime import open_parts
from monitor.settings import ConfigurationError
from monitor.units import seconds

silence_app = typer.Typer(no_args_is_help=True, help="Page nobody about some alerts for a while; rollbacks go on.")


@silence_app.command("add")
def add(
    policy: Annotated[str, typer.Argument(help="Policy.")],
    owner: Annotated[str, typer.Option(help="Who answers for it; shown on the alert.")],
    reason: Annotated[str, typer.Option(help="Why; shown on the alert.")],
    until: Annotated[str | None, typer.Option(help="When it ends, RFC 3339; at most 7 days ahead.")] = None,
    lasts: Annotated[str | None, typer.Option("--for", help='How long instead, such as "2h".')] = None,
    trigger: Annotated[str, typer.Option(help="One trigger; absent: all.")] = "",
    version: Annotated[str, typer.Option(help="One version; absent: all.")] = "",
    config: Config = CONFIG,
    as_json: Json = False,
) -> int:
    """Mute pages about a policy's alerts. Their state moves and is recorded; what rolls back is never muted."""
    from monitor.alerting import silences

    parts = open_parts(config)
    name = known(parts, policy)
    end = moment(until, "--until") if lasts is None else parts.clock.now() + seconds(lasts)
    if end is None or (until is not None and lasts is not None):
        raise ConfigurationError("say when the silence ends: either --until or --for")
    with parts.database.begin() as connection:
        made = silences.add(
            connection, parts.settings, parts.clock, name,
            trigger=trigger, version=version, owner=owner, reason=reason, until=end, actor="cli",
        )  # fmt: skip
    emit(made, as_json, f"Silence {made['id']}: {made['sentence']}")
    return DONE


@silence_app.command("list")
def list_silences(
    policy: Annotated[str | None, typer.Argument(help="One policy; absent: all.")] = None,
    every: Annotated[bool, typer.Option("--all", help="Those that are over, too.")] = False,
    config: Config = CONFIG,
    as_json: Json = False,
) -> int:
    """List silences that hold, newest first."""
    from monitor.alerting import silences

    parts = open_parts(config)
    with parts.database.read() as connection:
        found = silences.listed(connection, parts.clock, policy and known(parts, policy), every=every)
    lines = [
        f"{one['id']} {one['policy']} {one['trigger'] or 'all triggers'} {one['version'] or 'all versions'} "
        f"{one['state']}, until {one['until']} by {one['owner']}: {one['reason']}"
        for one in found
    ]
    emit(found, as_json, "\n".join(lines) or "nothing is silenced")
    return DONE


@silence_app.command("end")
def end_silence(
    identity: Annotated[
        int, typer.Argument(min=1, max=999_999_999, help="The silence's number, as `silence list` shows it.")
    ],
    config: Config = CONFIG,
    as_json: Json = False,
) -> int:
    """End a silence; what still fires pages at the next pass. Exit status 1 if it is over already."""
    from monitor.alerting import silences

    parts = open_parts(config)
    with parts.database.begin() as connection:
        ended = silences.end(connection, parts.clock, identity, "cli")
        found = silences.shown(connection, parts.clock, identity)
    said = "is ended; what still fires pages at the next pass"
    if not ended:
        said = f"is {found['state']} already" if found else "does not exist; `checkrein silence list --all`"
    emit(found, as_json, f"Silence {identity} {said}.")
    return DONE if ended else NO
