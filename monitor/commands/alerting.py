"""Commands for alerts: which are open, one of them by its id, taking its incident, a silence for exactly that one."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from monitor.commands.options import CONFIG, DONE, NO, Config, Json, emit, known, moment
from monitor.runtime import open_parts
from monitor.settings import ConfigurationError
from monitor.units import seconds

alert_app = typer.Typer(no_args_is_help=True, help="Alerts by their ids: list, look, acknowledge, silence one.")

_Id = Annotated[str, typer.Argument(metavar="ID", help="The alert's id, as `alert list` shows it.")]


@alert_app.command("list")
def list_alerts(
    policy: Annotated[str | None, typer.Argument(help="One policy; absent: all.")] = None,
    config: Config = CONFIG,
    as_json: Json = False,
) -> int:
    """List alerts that are pending, firing or recovering, worst first, with what lies over them."""
    from monitor.views.alert import open_alerts

    parts = open_parts(config)
    with parts.database.read() as connection:
        found = open_alerts(connection, parts.settings, parts.clock, policy and known(parts, policy))
    emit(found, as_json, "\n".join(line for one in found for line in _lines(one)) or "no alert is open")
    return DONE


@alert_app.command("show")
def show(identity: _Id, config: Config = CONFIG, as_json: Json = False) -> int:
    """Show one alert in any state, with its transitions. Exit status 1 if there is none."""
    from monitor.views.alert import alert

    parts = open_parts(config)
    with parts.database.read() as connection:
        found = alert(connection, parts.settings, parts.clock, identity)
    if found is None:
        emit(None, as_json, _none(identity))
        return NO
    lines = [*_lines(found), f"  paged last: {found['paged'] or 'never'}; runbook {found['runbook']}"]
    for one in found["transitions"]:
        dry = " (dry run)" if one["dry_run"] else ""
        lines.append(f"  {one['at']} {one['old']} -> {one['new']}{dry}: {one['reason']}")
    emit(found, as_json, "\n".join(lines))
    return DONE


@alert_app.command("silence")
def silence(
    identity: _Id,
    owner: Annotated[str, typer.Option(help="Who answers for it; shown on the alert.")],
    reason: Annotated[str, typer.Option(help="Why; shown on the alert.")],
    until: Annotated[str | None, typer.Option(help="When it ends, RFC 3339; at most 7 days ahead.")] = None,
    lasts: Annotated[str | None, typer.Option("--for", help='How long instead, such as "2h".')] = None,
    config: Config = CONFIG,
    as_json: Json = False,
) -> int:
    """Mute the pages about one alert; what rolls back is never muted. Exit status 1 if there is no such alert."""
    from monitor.alerting import alert_ids, silences

    parts = open_parts(config)
    end = moment(until, "--until") if lasts is None else parts.clock.now() + seconds(lasts)
    if end is None or (until is not None and lasts is not None):
        raise ConfigurationError("say when the silence ends: either --until or --for")
    with parts.database.begin() as connection:
        where = alert_ids.find(connection, identity)
        if where is not None:
            made = silences.add(
                connection, parts.settings, parts.clock, known(parts, where[0]), version=where[1], trigger=where[2],
                key=where[3], owner=owner, reason=reason, until=end, actor="cli",
            )  # fmt: skip
    if where is None:
        emit(None, as_json, _none(identity))
        return NO
    emit({**made, "alert": identity}, as_json, f"Silence {made['id']}: {made['sentence']}")
    return DONE


@alert_app.command("ack")
def ack(
    identity: _Id,
    by: Annotated[str, typer.Option(help="Who answers for it.")],
    lasts: Annotated[str | None, typer.Option("--for", help='How long, such as "1h"; absent: 30 minutes.')] = None,
    config: Config = CONFIG,
    as_json: Json = False,
) -> int:
    """Take the open incident of this alert's policy. Exit status 1 if the alert is over or has woken nobody."""
    from monitor import incidents
    from monitor.alerting import acknowledging

    parts = open_parts(config)
    length = None if lasts is None else seconds(lasts)
    try:
        with parts.database.begin() as connection:
            done = acknowledging.acknowledge(connection, parts.settings, parts.clock, identity, by, length)
    except incidents.IncidentConflictError as error:
        emit({"alert": identity, "acknowledged": False, "reason": str(error)}, as_json, f"Not acknowledged: {error}.")
        return NO
    if done is None:
        emit(None, as_json, _none(identity))
        return NO
    emit(done, as_json, f"{by} has taken incident {done['incident']} of {done['policy']}.")
    return DONE


def _lines(one: dict[str, Any]) -> list[str]:
    named = f"{one['trigger']} {one['key']}".strip()
    health = "" if one["health"] == "ok" else f", {one['health'].replace('_', ' ')}"
    line = f"{one['id']} {one['policy']} [{one['version']}] {named}: {one['state']}{health}, {one['severity']}"
    return [f"{line}. {one['reason']}", *(f"  ◇ {over['text']}" for over in one["overlays"])]


def _none(identity: str) -> str:
    return f"there is no alert {identity!r}; `checkrein alert list` shows the open ones with their ids"
