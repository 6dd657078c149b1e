"""Commands for messages to people: what was sent and what could not be, a test, send again, take back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

import typer

from monitor.commands.options import CONFIG, DONE, NO, UNREACHABLE, Config, Json, emit, known
from monitor.runtime import open_parts
from monitor.settings import ConfigurationError
from monitor.settings.model import nearest
from runbooks.messages import WAITING, MessageState

notify_app = typer.Typer(no_args_is_help=True, help="Messages to people: list, test a channel, send again, take back.")

Identity = Annotated[str, typer.Argument(help="The message's id, as `notify list` shows it.")]


@notify_app.command("list")
def list_messages(
    policy: Annotated[str | None, typer.Argument(help="One policy; absent: all.")] = None,
    every: Annotated[bool, typer.Option("--all", help="Those that are finished, too, the newest 500.")] = False,
    config: Config = CONFIG,
    as_json: Json = False,
) -> int:
    """List messages that are on their way or could not be delivered, newest first; exit status 1 for a dead letter."""
    from monitor.views.notifications import notifications

    parts = open_parts(config)
    with parts.database.read() as connection:
        found = notifications(connection, policy and known(parts, policy), every=every)
    lines = [
        f"{one['id']} {one['requested']} {one['title']}: {one['sentence']} {one['attempts']} attempts. "
        f"{one['last_error'] or ''}".strip()
        for one in found
    ]
    emit(found, as_json, "\n".join(lines) or "nothing waits to be told")
    return NO if any(one["state"] == MessageState.DEAD_LETTER for one in found) else DONE


@notify_app.command("test")
def try_channel(
    name: Annotated[str, typer.Argument(help="The channel: NAME of [notify.NAME].")],
    wait: Annotated[float, typer.Option(min=0.0, max=86400.0, help="Real seconds to go on trying.")] = 0.0,
    config: Config = CONFIG,
    as_json: Json = False,
) -> int:
    """Send a test through a channel, on the path of real messages; no server needs to run.

    Exit status 1 if it was refused, 3 if nobody could be reached yet.
    """
    from monitor.notify import by_hand

    parts = open_parts(config)
    if name not in parts.settings.notify:
        names = parts.settings.notify
        raise ConfigurationError(
            f"no [notify.{name}] in the configuration{nearest(name, names)}; "
            f"configured: {', '.join(sorted(names)) or 'none'}"
        )
    found = by_hand.try_channel(parts, name, "cli", wait)
    emit(found, as_json, f"{found['id']}: {found['sentence']} {found['last_error'] or ''}".strip())
    if found["state"] in WAITING:
        return UNREACHABLE
    return DONE if found["state"] == MessageState.DELIVERED else NO


@notify_app.command("replay")
def replay(identity: Identity, config: Config = CONFIG, as_json: Json = False) -> int:
    """Send a dead letter again, to the receivers that do not have it; exit status 1 if it is in another state."""
    from monitor.notify.outbox import replay as send_again

    return _move(send_again, identity, config, as_json, "is sent again by `checkrein serve` or `checkrein worker`")


@notify_app.command("cancel")
def cancel(identity: Identity, config: Config = CONFIG, as_json: Json = False) -> int:
    """Stop sending a message, or close a dead letter that was seen to. Exit status 1 if it is finished already."""
    from monitor.notify.outbox import cancel as take_back

    return _move(take_back, identity, config, as_json, "is cancelled and not sent any more")


def _move(act: Callable[..., bool], identity: str, config: Config, as_json: bool, done: str) -> int:
    from monitor.commands.acting import move
    from monitor.views.notifications import of_identities

    return move(act, of_identities, identity, config, as_json, done, "message; `checkrein notify list --all`")
