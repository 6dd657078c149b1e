"""The first command: init."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from monitor.commands.options import CONFIG, DONE, NO, Json, emit
from monitor.settings import ConfigurationError


def init(
    log: Annotated[Path | None, typer.Option("--from", help="Log to infer kind and columns of.")] = None,
    policy: Annotated[str | None, typer.Option(help="Name of the policy; absent: the log's, or main.")] = None,
    config: Annotated[Path, typer.Option("--config", help="File to write; it must not exist.")] = CONFIG,
    as_json: Json = False,
) -> int:
    """Write a commented starter configuration, for a log that --from names.

    Columns that it cannot tell are in it as comments. Exit status 1 if something in it still needs you before
    `checkrein validate` passes.
    """
    from monitor.runtime import clock_of_environment
    from monitor.starting.check import check
    from monitor.starting.log_sample import look
    from monitor.starting.starter import starter

    if config.exists():
        raise ConfigurationError(f"{config} is there already: name another file with --config, or remove it")
    found = None if log is None else look(log, config.parent, clock_of_environment().now())
    text, name = starter(found, policy)
    with config.open("x", encoding="utf-8") as file:
        file.write(text)
    findings = check(config)
    bad = [finding for finding in findings if finding.bad]
    mapped = found.guess.columns if found else {}
    rest = list(found.guess.rest) if found else []
    lines = [f"{config}: written for the policy {name}"]
    lines += [f"  {role} = {column}" for role, column in mapped.items() if found and found.kind != "obd"]
    lines += [f"  not mapped, in it as comments: {', '.join(rest)}"] if rest else []
    lines += [f"  {'!' if finding.bad else '·'} {finding.where}: {finding.text}" for finding in findings]
    document = {"config": str(config), "policy": name, "mapped": mapped, "unmapped": rest, "valid": not bad}
    emit({**document, "findings": [vars(finding) for finding in findings]}, as_json, "\n".join(lines))
    return NO if bad else DONE
