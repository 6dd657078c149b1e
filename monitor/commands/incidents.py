"""Commands for whoever is woken: look at an incident, take it, write down what is done, and see who is on call."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from monitor.commands.options import CONFIG, DONE, NO, Config, Json, emit, known, moment
from monitor.runtime import open_parts
from monitor.tick import Parts
from monitor.units import seconds

incident_app = typer.Typer(no_args_is_help=True, help="Look at incidents, take them, and write down what is done.")

Number = Annotated[int, typer.Argument(min=1, max=999_999_999, help="The incident's number.")]
By = Annotated[str, typer.Option("--by", help="Who says so.")]


@incident_app.command("list")
def list_incidents(
    policy: Annotated[str | None, typer.Argument(help="One policy; absent: all.")] = None,
    every: Annotated[bool, typer.Option("--all", help="Those that are closed, too.")] = False,
    config: Config = CONFIG,
    as_json: Json = False,
) -> int:
    """List incidents that are not closed, newest first."""
    from monitor.views import incidents

    parts = open_parts(config)
    with parts.database.read() as connection:
        found = incidents(connection, policy and known(parts, policy), every=every)
    lines = [f"{one['sentence']} {one['opened']}: {one['reason']}" for one in found]
    emit(found, as_json, "\n".join(lines) or "no incident is open")
    return DONE


@incident_app.command("show")
def show(number: Number, config: Config = CONFIG, as_json: Json = False) -> int:
    """Show an incident: steps of its runbooks as they were when it opened, notes, follow-ups, timeline."""
    from monitor.views import incident

    parts = open_parts(config)
    with parts.database.read() as connection:
        found = incident(connection, number)
    emit(found, as_json, _missing(number) if found is None else _text(found))
    return NO if found is None else DONE


@incident_app.command("ack")
def ack(
    number: Number,
    by: By,
    lasts: Annotated[str, typer.Option("--for", help="How long it wakes nobody; at most 4h.")] = "30m",
    config: Config = CONFIG,
    as_json: Json = False,
) -> int:
    """Take an incident: it wakes nobody until that expires, and then it does again."""
    from monitor import incidents

    length = seconds(lasts)
    return _change(
        config, as_json, number, lambda c, p: incidents.acknowledge(c, p.settings, p.clock, number, by, length)
    )


@incident_app.command("unack")
def unack(number: Number, by: By, config: Config = CONFIG, as_json: Json = False) -> int:
    """Give an incident back: it wakes people again at once."""
    from monitor import incidents

    return _change(config, as_json, number, lambda c, p: incidents.unacknowledge(c, p.clock, number, by))


@incident_app.command("escalate")
def escalate(number: Number, by: By, config: Config = CONFIG, as_json: Json = False) -> int:
    """Wake the next level now. Whoever had taken the incident gives it back by that."""
    from monitor import incidents

    return _change(config, as_json, number, lambda c, p: incidents.escalate(c, p.settings, p.clock, number, by))


@incident_app.command("note")
def note(
    number: Number,
    by: By,
    text: Annotated[str, typer.Option(help="What is to be remembered.")],
    config: Config = CONFIG,
    as_json: Json = False,
) -> int:
    """Write a note into an incident's timeline."""
    from monitor import incidents

    return _change(config, as_json, number, lambda c, p: incidents.note(c, p.clock, number, by, text))


@incident_app.command("step")
def step(
    number: Number,
    step: Annotated[int, typer.Argument(min=1, max=999, help="The step's number, as `incident show` has it.")],
    by: By,
    skip: Annotated[bool, typer.Option("--skip", help="It is left out.")] = False,
    config: Config = CONFIG,
    as_json: Json = False,
) -> int:
    """Say that a step of the runbook is done. Exit status 1 if somebody said so before."""
    from monitor import incidents

    return _change(config, as_json, number, lambda c, p: incidents.take_step(c, p.clock, number, step, by, skip=skip))


@incident_app.command("mitigate")
def mitigate(number: Number, by: By, config: Config = CONFIG, as_json: Json = False) -> int:
    """Say that somebody acts: it wakes nobody for 30 minutes. That it helped is shown by alerts and the log alone."""
    from monitor import incidents

    return _change(config, as_json, number, lambda c, p: incidents.mitigate(c, p.clock, number, by))


@incident_app.command("resolve")
def resolve(number: Number, by: By, config: Config = CONFIG, as_json: Json = False) -> int:
    """Say that an incident is over. It is refused while something fires or a rollback is not confirmed."""
    from monitor import incidents

    return _change(config, as_json, number, lambda c, p: incidents.resolve(c, p.settings, p.clock, number, by))


@incident_app.command("follow-up")
def follow_up(
    number: Number,
    by: By,
    text: Annotated[str, typer.Option(help="What is to be done afterwards.")] = "",
    owner: Annotated[str, typer.Option(help="Who does it; absent: whoever writes it down.")] = "",
    due: Annotated[str | None, typer.Option(help="Until when, RFC 3339.")] = None,
    done: Annotated[int | None, typer.Option(min=1, max=999_999_999, help="The number of one that is done.")] = None,
    config: Config = CONFIG,
    as_json: Json = False,
) -> int:
    """Write down what must be done after an incident, or that it is done."""
    from monitor import incidents

    until = moment(due, "--due")

    def act(connection: Any, parts: Parts) -> bool:
        if done is not None:
            return incidents.follow_up_done(connection, parts.clock, number, done, by)
        made = incidents.follow_up(connection, parts.clock, number, by, text, owner or by, until)
        return made is not None

    return _change(config, as_json, number, act)


def oncall(
    at: Annotated[str | None, typer.Option(help="At which time, RFC 3339; absent: now.")] = None,
    config: Config = CONFIG,
    as_json: Json = False,
) -> int:
    """Show who is on call and who is next; exit status 1 where nobody is in the coming 168 hours."""
    from monitor.incidents.oncall import shown

    parts = open_parts(config)
    when = moment(at, "--at")
    found = shown(parts.settings, parts.clock.now() if when is None else when)
    lines = []
    for one in found:
        now, after = (_turn(one[name]) for name in ("now", "next"))
        lines.append(f"{one['rota']}: {now}; next {after}")
        lines += [f"  nobody from {gap['from']} until {gap['until']}" for gap in one["gaps"]]
    emit(found, as_json, "\n".join(lines) or "no rota is configured: write [oncall.NAME]")
    return NO if any(one["gaps"] for one in found) else DONE


def _turn(held: dict[str, Any] | None) -> str:
    return "nobody" if held is None else f"{held['person']} from {held['from']} until {held['until'] or 'for ever'}"


def _missing(number: int) -> str:
    return f"there is no incident {number}; `checkrein incident list --all`"


def _change(config: Path, as_json: bool, number: int, act: Callable[[Any, Parts], bool]) -> int:
    """Do one thing to an incident and show it; exit status 1 where it was not there, or was done before."""
    from monitor.incidents import IncidentConflictError
    from monitor.views import incident

    parts = open_parts(config)
    refused = ""
    try:
        with parts.database.begin() as connection:
            done = act(connection, parts)
    except IncidentConflictError as error:
        done, refused = False, str(error)
    with parts.database.read() as connection:
        found = incident(connection, number)
    said = _missing(number) if found is None else found["sentence"]
    if found is not None and not done:
        said = f"{refused or 'Nothing changed'}. {said}"
    emit(found, as_json, said)
    return DONE if done else NO


def _text(found: dict[str, Any]) -> str:
    lines = [found["sentence"], f"Opened {found['opened']}: {found['reason']}"]
    if found["steps"]:
        lines += ["", "Steps:"]
        lines += [f"  {one['number']:2} {one['state']:9} {one['kind']:8} {one['text']}" for one in found["steps"]]
    if found["follow_ups"]:
        lines += ["", "Afterwards:"]
        for one in found["follow_ups"]:
            state = f"done {one['done']}" if one["done"] else f"due {one['due'] or 'some day'}"
            lines.append(f"  {one['id']} {one['owner']}, {state}: {one['text']}")
    lines += ["", "Timeline:"]
    lines += [f"  {one['at']} {one['kind']} ({one['actor']}): {one['text']}" for one in found["timeline"]]
    return "\n".join(lines)
