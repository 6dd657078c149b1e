"""Commands for a person in a hurry: status, route, rollback."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from monitor.commands.acting import by_hand
from monitor.commands.options import CONFIG, DONE, NO, UNREACHABLE, Config, Json, emit, known
from monitor.runtime import clock_of_environment, open_parts
from monitor.settings import load


def status(
    policy: Annotated[str | None, typer.Argument(help="One policy; absent: all.")] = None,
    config: Config = CONFIG,
    as_json: Json = False,
) -> int:
    """Show states, metrics, alerts and data age; exit status 1 while anything needs a person."""
    from monitor import status as read
    from monitor.live.told import compared
    from monitor.report import report

    parts = open_parts(config)
    names = [known(parts, policy)] if policy else sorted(parts.settings.policy)
    with parts.database.read() as connection:
        at = (connection, parts.settings, parts.clock)
        found = [{**read.of(*at, name), "candidates": compared(*at, name)["candidates"]} for name in names]
    emit(found, as_json, "\n".join(report(item) for item in found) or "no policy is configured")
    asks = (
        read.RANK[item["state"]] > read.RANK["warning"]
        or item["findings"]
        or item["telling"]["findings"]
        or item["reviews"]["finding"]
        for item in found
    )
    return NO if any(asks) else DONE


def why(
    policy: Annotated[str, typer.Argument(help="Policy.")],
    most: Annotated[int, typer.Option(help="Firings, the newest first.")] = 3,
    now: Annotated[
        bool, typer.Option("--now", help="First explain what has fired and has no explanation yet.")
    ] = False,
    config: Config = CONFIG,
    as_json: Json = False,
) -> int:
    """Show why the newest firings moved the reward, and whether going back will help.

    A server writes it by itself after each firing; --now does the same without one.
    """
    from monitor.runtime import worker_name
    from monitor.why import job
    from monitor.why.told import told

    parts = open_parts(config)
    name = known(parts, policy)
    if now:
        job.run(parts, name, worker_name())
    with parts.database.read() as connection:
        found = told(connection, name, most)
    lines = [
        f"{item['at']} {item['trigger']} {item['key']} {item['version']}\n  {item['why']} {item['help']}"
        for item in found
    ]
    emit(found, as_json, "\n".join(lines) or f"{policy}: no firing is explained")
    return DONE


def route(
    policy: Annotated[str, typer.Argument(help="Policy.")], config: Config = CONFIG, as_json: Json = False
) -> int:
    """Show which version should serve, and since which generation."""
    from monitor.acting import route as read

    parts = open_parts(config)
    with parts.database.read() as connection:
        found = read.current(connection, parts.settings, parts.clock, known(parts, policy))
    emit(found.json(), as_json, f"{policy}: {found.serving} serves, generation {found.generation} ({found.reason})")
    return DONE


def rollback(
    policy: Annotated[str, typer.Argument(help="Policy.")],
    reason: Annotated[str, typer.Option(help="Why; kept with the event.")],
    to: Annotated[str | None, typer.Option(help="Version to serve; absent: the next of the fallback chain.")] = None,
    wait: Annotated[float, typer.Option(help="Real seconds to wait for the confirmation from the log.")] = 0.0,
    break_glass: Annotated[bool, typer.Option(help="Without the database, from the local copy of the hooks.")] = False,
    config: Config = CONFIG,
    as_json: Json = False,
) -> int:
    """Roll back by hand, through the path of the automatic ones.

    Exit status 1 if it is refused or not confirmed in time, 3 if no hook could be reached yet.
    """
    if break_glass:
        return _in_the_dark(policy, reason, to, config, as_json)
    parts = open_parts(config)
    outcome = by_hand(parts, known(parts, policy), to, reason, wait, as_json)
    if outcome["state"] != "requested" or (wait and not outcome["confirmed"]) or "blocked" in outcome["states"]:
        return NO
    return UNREACHABLE if "pending" in outcome["states"] else DONE


def _in_the_dark(policy: str, reason: str, to: str | None, config: Path, as_json: bool) -> int:
    from monitor import breakglass

    done = breakglass.roll_back(load(config), clock_of_environment(), policy, to, reason)
    emit({**asdict(done), "sentence": done.sentence}, as_json, " ".join([done.sentence, *done.details]))
    if "blocked" in done.states.values():
        return NO
    return UNREACHABLE if "pending" in done.states.values() or not done.states else DONE
