"""Commands for rollouts: start, approve, look, advance, pause, go on, abort."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

import typer
from sqlalchemy import Connection

from monitor.commands.options import CONFIG, DONE, NO, Config, Json, emit, known
from monitor.runtime import open_parts
from monitor.settings import ConfigurationError, secret
from monitor.tick import Parts
from monitor.tokens import Bearer

rollout_app = typer.Typer(no_args_is_help=True, help="Bring a new version to serve in stages, agreed by two people.")

Number = Annotated[int, typer.Argument(min=1, max=999_999_999, help="The rollout's number, as `rollout status` shows.")]
Shown = Annotated[str, typer.Option("--token", help='Your own token, as "env:NAME" or "file:PATH".')]
Digest = Annotated[str, typer.Option(help="What you looked at and agree to: the digest that `rollout status` shows.")]
Why = Annotated[str, typer.Option(help="Why; kept with the event.")]


@rollout_app.command("start")
def start(
    policy: Annotated[str, typer.Argument(help="Policy.")],
    to: Annotated[str, typer.Option(help="The version that is to serve.")],
    reason: Annotated[str, typer.Option(help="Why; approvers read it.")],
    token: Shown,
    config: Config = CONFIG,
    as_json: Json = False,
) -> int:
    """Write a draft with its evidence; nothing moves until two people approve. The token's person is the author."""
    from monitor.rollouts import draft

    parts = open_parts(config)
    name = known(parts, policy)

    def act(connection: Connection) -> int:
        bearer = _bearer(connection, parts, token)
        made = draft.start(connection, parts.settings, parts.clock, name, candidate=to, reason=reason, bearer=bearer)
        return int(made.id)

    return _done(parts, act, as_json)


@rollout_app.command("approve")
def approve(identity: Number, digest: Digest, token: Shown, config: Config = CONFIG, as_json: Json = False) -> int:
    """Approve a draft as one person; exit status 1 if its evidence has changed since."""
    from monitor.rollouts import approve as agreeing

    return _agree(agreeing.approve, identity, digest, token, open_parts(config), as_json)


@rollout_app.command("advance")
def advance(identity: Number, digest: Digest, token: Shown, config: Config = CONFIG, as_json: Json = False) -> int:
    """Agree as one person that a passed stage goes on; the last one needed raises the exposure by one stage."""
    from monitor.rollouts import approve as agreeing

    return _agree(agreeing.advance, identity, digest, token, open_parts(config), as_json)


@rollout_app.command("status")
def status(
    policy: Annotated[str | None, typer.Argument(help="One policy; absent: all.")] = None,
    every: Annotated[bool, typer.Option("--all", help="Those that have ended, too.")] = False,
    config: Config = CONFIG,
    as_json: Json = False,
) -> int:
    """Show rollouts: their stages, the hold, the judgement, and which digest people must agree to."""
    from monitor.views.rollouts import listed

    parts = open_parts(config)
    with parts.database.read() as connection:
        found = listed(connection, parts.settings, parts.clock, policy and known(parts, policy), every=every)
    emit(found, as_json, "\n".join(_told(one) for one in found) or "nothing is rolled out")
    return DONE


@rollout_app.command("pause")
def pause(identity: Number, reason: Why, config: Config = CONFIG, as_json: Json = False) -> int:
    """Stop a rollout's clock; its share stays."""
    from monitor.rollouts import stop

    return _stop(stop.pause, identity, reason, open_parts(config), as_json)


@rollout_app.command("resume")
def resume(identity: Number, reason: Why, config: Config = CONFIG, as_json: Json = False) -> int:
    """Go on with a paused rollout; its share is looked at anew before another second counts."""
    from monitor.rollouts import stop

    return _stop(stop.resume, identity, reason, open_parts(config), as_json)


@rollout_app.command("abort")
def abort(identity: Number, reason: Why, config: Config = CONFIG, as_json: Json = False) -> int:
    """End a rollout in any phase: one person, one step; the incumbent takes all traffic again."""
    from monitor.rollouts import stop

    return _stop(stop.abort, identity, reason, open_parts(config), as_json)


def _agree(act: Callable[..., Any], identity: int, digest: str, token: str, parts: Parts, as_json: bool) -> int:
    with parts.database.begin() as connection:
        bearer = _bearer(connection, parts, token)
        found = act(connection, parts.settings, parts.clock, identity, bearer, digest)
    answer = {"id": identity, "phase": found.row.phase, "refused": found.refused, "changed": found.changed}
    emit({**answer, "sentence": found.sentence}, as_json, found.sentence)
    return NO if found.refused else DONE


def _stop(act: Callable[..., Any], identity: int, reason: str, parts: Parts, as_json: bool) -> int:
    return _done(
        parts, lambda connection: act(connection, parts.settings, parts.clock, identity, reason, "cli").id, as_json
    )


def _done(parts: Parts, act: Callable[[Connection], int], as_json: bool) -> int:
    from monitor.views.rollouts import rollout

    with parts.database.begin() as connection:
        identity = act(connection)
        shown = rollout(connection, parts.settings, parts.clock, identity)
    emit(shown, as_json, _told(shown))
    return DONE


def _bearer(connection: Connection, parts: Parts, reference: str) -> Bearer:
    from monitor import tokens

    found = tokens.bearer(connection, secret(reference, "--token"), parts.clock)
    if found is None:
        raise ConfigurationError(f"--token {reference}: this token is not known, was revoked, or has expired")
    return found


def _told(one: dict[str, Any]) -> str:
    lines = [f"{one['id']} {one['policy']} {one['incumbent']} → {one['candidate']}: {one['sentence']}"]
    marks = {"done": "●", "now": "◐", "held": "○", "stopped": "■", "todo": "·"}
    lines.append("  " + "  ".join(f"{marks[stage['state']]} {stage['name']}" for stage in one["stages"]))
    if one["hold"] and one["phase"] == "baking":
        lines.append(f"  {one['hold']['sentence']}")
    if one["wanted"]["digest"]:
        agreed = ", ".join(one["wanted"]["people"]) or "nobody yet"
        lines.append(f"  agree to {one['wanted']['digest']}: {one['wanted']['needed']} people, so far {agreed}")
    return "\n".join(lines + ([f"  {one['limitation']}"] if one["limitation"] else []))
