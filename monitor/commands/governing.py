"""Commands about readiness and runbooks: checklist run and show; runbook new, lint and show."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from monitor.clock import stamp
from monitor.commands.options import CONFIG, DONE, NO, Config, Json, emit, known
from monitor.runtime import open_parts
from monitor.settings import load

checklist_app = typer.Typer(no_args_is_help=True, help="The readiness checklist: what is measured, and what blocks.")
runbook_app = typer.Typer(no_args_is_help=True, help="What to do when a trigger fires: one page each.")

_SHAPE = {"pass": "●", "not_applicable": "·", "fail": "■", "error": "■", "insufficient_evidence": "○"}
Version = Annotated[str | None, typer.Option(help="Version to judge; absent: the one that serves.")]


@checklist_app.command("run")
def run(
    policy: Annotated[str, typer.Argument(help="Policy.")],
    version: Version = None,
    config: Config = CONFIG,
    as_json: Json = False,
) -> int:
    """Evaluate the readiness checklist now; exit status 1 while a blocking item is not passed or not applicable."""
    from monitor import checklists

    parts = open_parts(config)
    ran = checklists.run(parts, known(parts, policy), version, "cli")
    with parts.database.read() as connection:
        found = checklists.read(connection, parts.settings, parts.clock, policy, ran.version)
    return _answer(found, as_json)


@checklist_app.command("show")
def show(
    policy: Annotated[str, typer.Argument(help="Policy.")],
    item: Annotated[str | None, typer.Argument(help="One item, with its evidence; absent: all.")] = None,
    version: Version = None,
    config: Config = CONFIG,
    as_json: Json = False,
) -> int:
    """Show the newest run of the checklist; exit status 1 while a blocking item is open or its evidence expired."""
    from monitor import checklists
    from monitor.settings import ConfigurationError

    parts = open_parts(config)
    with parts.database.read() as connection:
        found = checklists.read(connection, parts.settings, parts.clock, known(parts, policy), version)
    if item is None:
        return _answer(found, as_json)
    one = next((entry for entry in found["items"] if entry["id"] == item), None)
    if one is None:
        names = ", ".join(entry["id"] for entry in found["items"])
        raise ConfigurationError(f"the checklist has no item {item!r}; it has {names}")
    emit(one, as_json, "\n".join(_long(one)))
    return NO if one["blocks"] else DONE


@runbook_app.command("lint")
def lint(config: Config = CONFIG, as_json: Json = False) -> int:
    """Check that every trigger has a page that a person can follow at night; exit status 1 with findings."""
    from monitor.drill.kept import dates_of
    from monitor.playbook import lint as check

    settings = load(config)
    findings = check(settings, None, dates_of(settings))
    bad = sum(finding.bad for finding in findings)
    lines = [f"{'error' if finding.bad else 'warning'}: {finding.page}: {finding.text}" for finding in findings]
    lines.append(f"{bad} errors, {len(findings) - bad} warnings")
    emit({"errors": bad, "findings": [vars(finding) for finding in findings]}, as_json, "\n".join(lines))
    return NO if bad else DONE


@runbook_app.command("new")
def new(
    trigger: Annotated[str, typer.Argument(help="Trigger that the page is for.")],
    config: Config = CONFIG,
    as_json: Json = False,
) -> int:
    """Write the skeleton of a page beside the configuration, in runbooks/alerts/NAME.md; never overwrites one."""
    from monitor.playbook import new as write

    path = write(load(config), trigger)
    emit({"page": str(path)}, as_json, f"{path}: fill in what is in angle brackets, then run `checkrein runbook lint`")
    return DONE


@runbook_app.command("show")
def show_page(
    trigger: Annotated[str, typer.Argument(help="Trigger.")],
    policy: Annotated[str | None, typer.Option(help="Fill in what was measured of this policy.")] = None,
    config: Config = CONFIG,
    as_json: Json = False,
) -> int:
    """Show a trigger's page, with the measured values of the newest firing filled in."""
    from monitor.playbook import page_for, shown

    if policy is None:
        page = page_for(load(config), trigger)
        document: dict[str, Any] = {"trigger": trigger, "text": page.text, "front": page.front_matter(), "values": {}}
    else:
        parts = open_parts(config)
        with parts.database.read() as connection:
            document = shown(connection, parts.settings, known(parts, policy), trigger)
    emit(document, as_json, document["text"])
    return DONE


def _answer(found: dict[str, Any], as_json: bool) -> int:
    emit(found, as_json, "\n".join(_table(found)))
    return NO if found["blocking"] or not found["ran"] else DONE


def _table(found: dict[str, Any]) -> list[str]:
    run_of = found["run"]
    when = (
        "never evaluated"
        if run_of is None
        else f"evaluated {stamp(run_of['recorded'])}, data to {stamp(run_of['as_of'])}"
    )
    lines = [
        f"{found['policy']} {found['version']}: {found['template']['name']} {found['template']['version']}, {when}"
    ]
    by_id = {item["id"]: item for item in found["items"]}
    for phase in found["phases"]:
        lines.append(f"{phase['title']}")
        lines += [_short(by_id[identity]) for identity in phase["items"]]
    for gate, state in found["gates"].items():
        shut = f"closed by {', '.join(state['blocking'])}" if state["blocking"] else "nothing measured closes it"
        lines.append(f"{gate} {state['title']}: {shut}")
    return lines


def _short(item: dict[str, Any]) -> str:
    overlays = f" [{', '.join(item['overlays'])}]" if item["overlays"] else ""
    kind = "" if item["severity"] == "blocking" else " (major)"
    return f"  {_SHAPE[item['state']]} {item['id']}{kind} {item['state']}{overlays}: {item['sentence']}"


def _long(item: dict[str, Any]) -> list[str]:
    import json

    references = "; ".join(f"{name}: {', '.join(values)}" for name, values in item["references"].items())
    lines = [f"{item['id']} {item['question']}", _short(item), f"  measured from: {item['measured_from']}"]
    lines += [
        f"  passes when: {item['passes_when']}",
        f"  attested by: {item['attested_by'] or 'nobody: measured alone'}",
    ]
    lines += [f"  gates: {', '.join(item['gates'])}", f"  verify before relying: {references}"]
    if item["evidence"]:
        lines += [
            f"  evidence {item['evidence']}",
            f"  collected {stamp(item['collected'])}, expires {stamp(item['expires'])}",
        ]
        lines.append(json.dumps(item["body"], indent=1, sort_keys=True))
    return lines
