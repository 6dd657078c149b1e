"""The command `runbook drill`: inject a synthetic fault and watch what the live code does about it."""

from __future__ import annotations

import getpass
import os
from typing import Annotated, Any

import typer

from monitor.commands.options import CONFIG, DONE, NO, Config, Json, emit, known
from monitor.runtime import open_parts
from monitor.settings import ConfigurationError
from monitor.tick import Parts

_SHAPE = {"passed": "●", "failed": "■", "insufficient": "○"}


def drill(
    trigger: Annotated[
        str | None, typer.Argument(help='Trigger to drill, or "kill" for the kill switch; absent with --all or --list.')
    ] = None,
    policy: Annotated[str | None, typer.Option(help="Policy; absent: the only one that is configured.")] = None,
    by: Annotated[str | None, typer.Option(help="Who drills; absent: the account's name.")] = None,
    receiver: Annotated[
        str, typer.Option(help='"builtin", or "hook:NAME": that hook gets the event too, in the mode "drill".')
    ] = "builtin",
    every: Annotated[bool, typer.Option("--all", help="All rollback triggers of the policy, then kill.")] = False,
    listed: Annotated[bool, typer.Option("--list", help="Show the drills that were performed, newest first.")] = False,
    config: Config = CONFIG,
    as_json: Json = False,
) -> int:
    """Drill a trigger end to end with a synthetic fault, apart from the policy's own data; exit status 1 unless passed.

    Healthy rows of the baseline, then faulty ones, go through the live code in a database of the drill's own; the
    rollback is sent over the network and confirmed from the drill's log. The result is kept as evidence.
    """
    from monitor.drill.kept import KILL

    if listed + every + (trigger is not None) != 1:
        raise ConfigurationError("say what to drill: a trigger or kill, or --all; or --list")
    parts = open_parts(config)
    if listed:
        return _list(parts, policy and known(parts, policy), as_json)
    name = known(parts, policy or _only(parts))
    on = parts.settings.triggers(name)
    rollbacks = [one for one, rule in sorted(on.items()) if rule.severity == "rollback"]
    found = [_one(parts, name, one, by or _account(), receiver) for one in ([*rollbacks, KILL] if every else [trigger])]
    lines = [line for one in found for line in _told(one)]
    emit(found if every else found[0], as_json, "\n".join(lines))
    return DONE if all(one["state"] == "passed" for one in found) else NO


def _one(parts: Parts, policy: str, trigger: str | None, by: str, receiver: str) -> dict[str, Any]:
    from monitor.drill.kept import KILL
    from monitor.drill.kill import drill_kill
    from monitor.drill.perform import drill as perform

    if trigger == KILL:
        return drill_kill(parts, policy, by=by, receiver=receiver)
    return perform(parts, policy, str(trigger), by=by, receiver=receiver)


def _list(parts: Parts, policy: str | None, as_json: bool) -> int:
    from monitor.views import drills

    with parts.database.read() as connection:
        found = drills(connection, policy)
    lines = [f"{_SHAPE[one['state']]} {one['id']} {one['ended']} {one['by']}: {one['sentence']}" for one in found]
    emit(found, as_json, "\n".join(lines) or "nothing was drilled yet")
    return DONE


def _told(found: dict[str, Any]) -> list[str]:
    steps = [f"  {_SHAPE[step['state']]} {step['step']}: {step['sentence']}" for step in found["steps"]]
    return [
        f"{_SHAPE[found['state']]} {found['sentence']}",
        *steps,
        f"  kept as drill {found['id']}, {found['sha256']}",
    ]


def _only(parts: Parts) -> str:
    names = sorted(parts.settings.policy)
    if len(names) != 1:
        raise ConfigurationError(f"name the policy with --policy; configured: {', '.join(names) or 'none'}")
    return names[0]


def _account() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's account often has a number and no name
        return f"uid {os.getuid()}"
