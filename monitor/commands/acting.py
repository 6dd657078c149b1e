"""Commands that act on what is under way: the kill switch, and actions that wait for a person."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

import typer

from monitor.clock import stamp
from monitor.commands.options import CONFIG, DONE, NO, UNREACHABLE, Config, Json, emit, known
from monitor.runtime import open_parts

action_app = typer.Typer(no_args_is_help=True, help="What was decided and is not done: list, send again, take back.")

Identity = Annotated[str, typer.Argument(help="The action's id, as `action list` shows it.")]


def kill(
    policy: Annotated[str, typer.Argument(help="Policy.")],
    reason: Annotated[str, typer.Option(help="Why; kept with the event.")],
    wait: Annotated[float, typer.Option(help="Real seconds to wait for the confirmation from the log.")] = 0.0,
    config: Config = CONFIG,
    as_json: Json = False,
) -> int:
    """Stop a policy: the last of its fallbacks takes all traffic, whatever is under way. Never limited.

    Exit status 1 if it is not confirmed in time, 3 if no hook could be reached yet; also where it was stopped before.
    """
    from monitor.acting.by_hand import roll_back

    parts = open_parts(config)
    outcome = roll_back(parts, known(parts, policy), None, reason, "cli", wait, kill=True)
    emit(outcome, as_json, outcome["sentence"])
    if outcome["state"] == "unneeded" and not outcome["actions"]:
        return DONE
    if (wait and not outcome["confirmed"]) or "blocked" in outcome["states"]:
        return NO
    return UNREACHABLE if "pending" in outcome["states"] else DONE


@action_app.command("list")
def list_actions(
    policy: Annotated[str | None, typer.Argument(help="One policy; absent: all.")] = None,
    every: Annotated[bool, typer.Option("--all", help="Those that are finished, too.")] = False,
    config: Config = CONFIG,
    as_json: Json = False,
) -> int:
    """List actions, newest first; exit status 1 while one of them waits for a person."""
    from monitor.views.acting import STUCK, UNDER_WAY, acted

    parts = open_parts(config)
    with parts.database.read() as connection:
        found = acted(connection, policy and known(parts, policy), dry_runs=True)
    found = [item for item in found if every or item["state"] in (*UNDER_WAY, *STUCK)]
    lines = [
        f"{item['id']} {item['policy']} {stamp(item['requested'])} {item['state']}: {_said(item)}" for item in found
    ]
    emit(found, as_json, "\n".join(lines) or "nothing is under way")
    return NO if any(item["state"] in STUCK for item in found) else DONE


@action_app.command("replay")
def replay(identity: Identity, config: Config = CONFIG, as_json: Json = False) -> int:
    """Send a refused or given-up action again, with the same id and bytes; exit status 1 if it is in another state."""
    from monitor.acting.outbox import replay as send_again

    return _move(send_again, identity, config, as_json, "is sent again by `checkrein serve` or `checkrein worker`")


@action_app.command("cancel")
def cancel(identity: Identity, config: Config = CONFIG, as_json: Json = False) -> int:
    """Stop sending an action; the route stays as it is. Exit status 1 if it is finished already."""
    from monitor.acting.outbox import cancel as take_back

    return _move(take_back, identity, config, as_json, "is cancelled; the route stays as it is")


def _move(act: Callable[..., bool], identity: str, config: Config, as_json: bool, done: str) -> int:
    from monitor.views.acting import of_identities

    parts = open_parts(config)
    with parts.database.begin() as connection:
        moved = act(connection, parts.clock, identity, "cli")
        found = of_identities(connection, [identity])
    state = found[0]["state"] if found else None
    sentence = f"{identity} {done}." if moved else f"{identity}: there is no such action; `checkrein action list --all`"
    if not moved and state:
        sentence = f"{identity} is {state}, and nothing was changed."
    emit({"id": identity, "changed": moved, "state": state}, as_json, sentence)
    return DONE if moved else NO


def _said(item: dict[str, object]) -> str:
    return " ".join(str(part) for part in (item["sentence"], item["last_error"]) if part)
