"""Commands for tokens: make one for a person, list them, revoke one."""

from __future__ import annotations

from typing import Annotated

import typer

from monitor.commands.options import CONFIG, DONE, NO, Config, Json, emit
from monitor.runtime import open_parts
from monitor.units import seconds

token_app = typer.Typer(no_args_is_help=True, help="Tokens of people: who may look, acknowledge, act and approve.")


@token_app.command("create")
def create(
    name: Annotated[str, typer.Argument(help="What the token is called; one in force has a name.")],
    person: Annotated[str, typer.Option(help="Whose it is; approvals name this person.")],
    can: Annotated[str, typer.Option(help="What it is for, comma between: view, ack, act, approve.")] = "view,ack,act",
    lasts: Annotated[str, typer.Option(help="How long it is valid, by the machine's clock; at most a year.")] = "90d",
    config: Config = CONFIG,
    as_json: Json = False,
) -> int:
    """Make a person's token and print it, this once: it is stored as its SHA-256 alone."""
    from monitor import tokens

    parts = open_parts(config)
    scopes = [part.strip() for part in can.split(",") if part.strip()]
    with parts.database.begin() as connection:
        token = tokens.create(connection, parts.clock, name, person, scopes, seconds(lasts), "cli")
    emit({"name": name, "person": person, "can": scopes, "token": token}, as_json, token)
    return DONE


@token_app.command("list")
def list_tokens(config: Config = CONFIG, as_json: Json = False) -> int:
    """List tokens: whose they are, what for, and until when; never what they are."""
    from monitor import tokens

    parts = open_parts(config)
    with parts.database.read() as connection:
        found = tokens.listed(connection, parts.clock)
    lines = [
        f"{one['name']} {one['person'] or 'nobody'} {one['state']}, until {one['expires'] or 'revoked'}: "
        f"{', '.join(one['can'])}"
        for one in found
    ]
    emit(found, as_json, "\n".join(lines) or "there is no token")
    return DONE


@token_app.command("revoke")
def revoke(
    name: Annotated[str, typer.Argument(help="The token's name, as `token list` shows it.")],
    config: Config = CONFIG,
    as_json: Json = False,
) -> int:
    """Revoke a token at once; exit status 1 if none of this name is in force."""
    from monitor import tokens

    parts = open_parts(config)
    with parts.database.begin() as connection:
        count = tokens.revoke(connection, parts.clock, name, "cli")
    said = "is revoked" if count else "is not in force; `checkrein token list`"
    emit({"name": name, "revoked": count}, as_json, f"The token {name} {said}.")
    return DONE if count else NO
