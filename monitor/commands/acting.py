"""Commands that act on what is under way: the kill switch, and actions that wait for a person."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

import typer

from monitor.clock import stamp
from monitor.commands.options import CONFIG, DONE, NO, UNREACHABLE, Config, Json, emit, known
from monitor.runtime import open_parts
from monitor.tick import Parts

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
    parts = open_parts(config)
    outcome = by_hand(parts, known(parts, policy), None, reason, wait, as_json, kill=True)
    if outcome["state"] == "unneeded" and not outcome["actions"]:
        return DONE
    if (wait and not outcome["confirmed"]) or "blocked" in outcome["states"]:
        return NO
    return UNREACHABLE if "pending" in outcome["states"] else DONE


def by_hand(
    parts: Parts, policy: str, to: str | None, reason: str, wait: float, as_json: bool, *, kill: bool = False
) -> dict[str, Any]:
    """Roll back or stop; say what was decided at once, and what came of it at the end; JSON is one document.

    Parameters
    ----------
    parts, policy, to, reason, wait, kill
        As ``monitor.acting.by_hand.roll_back`` takes them.
    as_json
        For a machine.
    """
    from monitor.acting.by_hand import roll_back

    def say(text: str) -> None:
        if not as_json:
            emit(None, False, text)

    outcome = roll_back(parts, policy, to, reason, "cli", wait, kill=kill, say=say)
    if as_json or outcome["details"]:
        emit(outcome, as_json, " ".join(outcome["details"]))
    return outcome


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

    return move(act, of_identities, identity, config, as_json, done, "action; `checkrein action list --all`")


def move(
    act: Callable[..., bool],
    look: Callable[..., list[dict[str, Any]]],
    identity: str,
    config: Config,
    as_json: bool,
    done: str,
    what: str,
) -> int:
    """Move one row because a person asked, and say what came of it; ``what`` names it and where to find others."""
    parts = open_parts(config)
    with parts.database.begin() as connection:
        moved = act(connection, parts.clock, identity, "cli")
        found = look(connection, [identity])
    state = found[0]["state"] if found else None
    sentence = f"{identity} {done}." if moved else f"{identity}: there is no such {what}"
    if not moved and state:
        sentence = f"{identity} is {state}, and nothing was changed."
    emit({"id": identity, "changed": moved, "state": state}, as_json, sentence)
    return DONE if moved else NO


def _said(item: dict[str, object]) -> str:
    return " ".join(str(part) for part in (item["sentence"], item["last_error"]) if part)
