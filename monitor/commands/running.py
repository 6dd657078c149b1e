"""Commands that run something: serve, web, worker, tick, demo."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import Annotated, Any

import typer

from monitor.clock import stamp
from monitor.commands.options import CONFIG, DONE, Config, Json, emit, known, moment
from monitor.judging.decide import Change
from monitor.runtime import open_parts
from monitor.settings import ConfigurationError
from monitor.tick import Parts, Ticked

Host = Annotated[str, typer.Option(help="Loopback address to bind.")]
Port = Annotated[int, typer.Option(help="Port of pages, API and metrics.")]


def serve(config: Config = CONFIG, host: Host = "127.0.0.1", port: Port = 8720, as_json: Json = False) -> None:
    """Run everything in one process: API, scheduler, action loop. It says where, and runs until it is interrupted."""
    _answer(config, host, port, as_json, run=True)


def web(config: Config = CONFIG, host: Host = "127.0.0.1", port: Port = 8720, as_json: Json = False) -> None:
    """Answer with pages and API and run nothing else: `checkrein worker`, beside it or elsewhere, judges and acts."""
    _answer(config, host, port, as_json, run=False)


def _answer(config: Path, host: str, port: int, as_json: bool, *, run: bool) -> None:
    from monitor.serve import LOOPBACK
    from monitor.serve import serve as answer

    parts = open_parts(config)
    if host in LOOPBACK:
        _free(host, port)
        address = f"http://{f'[{host}]' if ':' in host else host}:{port}"
        text = _watching(parts) if run else f"Showing {_named(parts)}; `checkrein worker` watches"
        text += f". API: {address}/api/v1, metrics: {address}/metrics. Ctrl-C ends it."
        emit({"api": f"{address}/api/v1", "metrics": f"{address}/metrics", **_started(parts)}, as_json, text)
    answer(parts, host, port, run=run)


def worker(config: Config = CONFIG, as_json: Json = False) -> None:
    """Run the scheduler and the action loop without the API, which is `checkrein web`; several share one database."""
    from monitor.serve import work

    parts = open_parts(config)
    emit(_started(parts), as_json, f"{_watching(parts)}. Ctrl-C ends it.")
    work(parts)


def tick(
    policy: Annotated[str | None, typer.Argument(help="One policy; absent: all.")] = None,
    until: Annotated[str | None, typer.Option(help="Judge as of this time (RFC 3339); absent: now.")] = None,
    config: Config = CONFIG,
    as_json: Json = False,
) -> int:
    """Do one scheduled pass, now or as of a time; deterministic, and the only code path there is."""
    from monitor.tick import tick as run
    from monitor.tick import tick_events

    parts = open_parts(config)
    names = [known(parts, policy)] if policy else sorted(parts.settings.policy)
    documents, lines = [], []
    for name in names:
        done = run(parts, name, moment(until, "--until"))
        made = [*done.actions, *tick_events(parts, name)]
        documents.append(_document(done, made))
        lines += _lines(done, made)
    emit(documents, as_json, "\n".join(lines) or "no policy is configured")
    return DONE


def demo(
    world: Annotated[str, typer.Option(help="World of examples/worlds.")] = "cooling",
    headless: Annotated[
        bool, typer.Option("--headless", help="End by itself: 0 if the rollback was confirmed, else 1.")
    ] = False,
    speed: Annotated[float, typer.Option(help="World seconds per real second.")] = 60.0,
    directory: Annotated[
        Path | None, typer.Option(help="Where to keep the run; absent: a temporary directory.")
    ] = None,
    as_json: Json = False,
) -> int:
    """Watch a live world go wrong and be rolled back: history, a sensor fault, triggers, rollback, confirmation."""
    from monitor.demo import demo as run

    return run(world, headless=headless or as_json, speed=speed, directory=directory, as_json=as_json)


def _document(done: Ticked, made: list[str]) -> dict[str, Any]:
    changes = [
        {
            **{name: getattr(change.alert, name) for name in ("trigger", "key", "version")},
            "old": change.old,
            "new": change.alert.state,
            "at": stamp(change.at),
            "reason": change.verdict.reason,
        }
        for change in done.changes
    ]
    return {
        "policy": done.policy,
        "until": stamp(done.until),
        "windows": done.windows,
        "transitions": changes,
        "actions": made,
        "accepted": done.pulled.accepted,
        "problems": done.pulled.problems,
    }


def _lines(done: Ticked, made: list[str]) -> list[str]:
    """Say it to a person; a trigger that changed for several keys at once is one line."""
    counts = [f"{done.pulled.accepted:,} new rows", f"{done.windows:,} windows judged"]
    counts += [f"{len(done.changes)} transitions", f"{len(made)} actions"]
    lines = [f"{done.policy}: {', '.join(counts)}", *(f"  ! {problem}" for problem in done.pulled.problems)]
    groups: dict[tuple[Any, ...], list[Change]] = {}
    for change in done.changes:
        alert = change.alert
        groups.setdefault((change.at, alert.trigger, alert.version, change.old, alert.state), []).append(change)
    for (at, trigger, version, old, new), group in groups.items():
        more = f" and {len(group) - 1} more" if len(group) > 1 else ""
        named = " ".join(part for part in (trigger, group[0].alert.key + more) if part)
        lines.append(f"  {stamp(at)} {named} [{version}] {old} -> {new}: {group[0].verdict.reason}")
    return lines


def _started(parts: Parts) -> dict[str, Any]:
    return {"pid": os.getpid(), "policies": sorted(parts.settings.policy)}


def _watching(parts: Parts) -> str:
    return f"Watching {_named(parts)}"


def _named(parts: Parts) -> str:
    return ", ".join(sorted(parts.settings.policy)) or "no policy: none is configured"


def _free(host: str, port: int) -> None:
    """Say that a port is taken before anything starts."""
    try:
        with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, port))
    except (OSError, OverflowError) as error:
        raise ConfigurationError(f"--port {port}: {error}; name another port") from None
