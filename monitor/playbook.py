"""Runbook pages of a configuration: shipped ones under own ones, checked, and filled in with what was measured."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, select

from monitor.clock import instant, stamp
from monitor.settings import ConfigurationError, Settings
from monitor.store.tables import actions, alerts, routes, transitions, verdicts
from runbooks import pages
from runbooks.pages import Page, PageError

FOLDER = Path("runbooks/alerts")  # beside checkrein.toml: own pages, which replace shipped ones of the same name
_LINK = re.compile(r"\]\(([^)#\s]+)[^)]*\)")


@dataclass(frozen=True)
class Finding:
    """Something that a page lacks; ``bad`` ones fail the lint, the others are warnings."""

    page: str
    text: str
    bad: bool


def lint(
    settings: Settings, today: datetime | None = None, drilled: Mapping[tuple[str, str], str] | None = None
) -> list[Finding]:
    """Check the pages of every trigger of a configuration.

    Triggers without a page, missing headings or keys, dead links, and drills that are overdue. A page that never was
    drilled is a warning: it is how every page starts, and RBK items of the checklist stay insufficient meanwhile.
    ``drilled`` is the day of the newest passed drill of each (policy, trigger), beside what the pages say themselves.
    """
    found: list[Finding] = []
    texts = _texts(settings)
    day = (today or datetime.now(UTC)).date()
    for name, wanted in sorted(_wanted(settings).items()):
        if name not in texts:
            names = ", ".join(sorted(wanted))
            found.append(Finding(name, f"{names} has no page: write one with `checkrein runbook new {name}`", True))
    for name, text in sorted(texts.items()):
        page, problems = pages.faults(name, text)
        found += [Finding(name, problem, True) for problem in problems]
        found += [Finding(name, f"dead link {target}", True) for target in _dead(text, texts)]
        if page is None:
            continue
        held: dict[str, str] = {}  # by policy: the oldest of its triggers' drills
        for (policy, trigger), at in (drilled or {}).items():
            if trigger in _on(settings, policy, name):
                held[policy] = min(at, held.get(policy, at))
        if page.last_drill is None and not held:
            found.append(Finding(name, "was never drilled", False))
        elif not problems and held:
            found += _overdue(page, held, day)
        elif not problems and page.drill_overdue(day):
            found.append(Finding(name, f"last drilled {page.last_drill}, due every {page.drill_every}", True))
    return found


def _on(settings: Settings, policy: str, page: str) -> set[str]:
    """Return the enabled triggers of a policy whose page it is."""
    if policy not in settings.policy:
        return set()
    return {name for name, trigger in settings.triggers(policy).items() if (trigger.runbook or name) == page}


def _overdue(page: Page, held: Mapping[str, str], day: date) -> list[Finding]:
    """Return a finding for each policy whose newest passed drill, or the page's own day, is too old."""
    late = []
    for policy, at in sorted(held.items()):
        last = max(at, page.last_drill or at)
        if replace(page, last_drill=last).drill_overdue(day):
            late.append(Finding(page.name, f"last drilled {last} for {policy}, due every {page.drill_every}", True))
    return late


def page_for(settings: Settings, trigger: str) -> Page:
    """Return the page of a trigger.

    Raises
    ------
    ConfigurationError
        If there is no such trigger or page, or the page has faults.
    """
    if trigger not in settings.trigger and all(trigger not in p.trigger for p in settings.policy.values()):
        raise ConfigurationError(f"no trigger {trigger!r}; there are {', '.join(sorted(settings.trigger))}")
    configured = settings.trigger.get(trigger)
    name = (configured.runbook if configured else None) or trigger
    texts = _texts(settings)
    if name not in texts:
        raise ConfigurationError(f"{trigger} has no page: write one with `checkrein runbook new {name}`")
    try:
        return pages.parse(name, texts[name])
    except PageError as error:
        raise ConfigurationError(f"runbook {error}") from None


def new(settings: Settings, trigger: str) -> Path:
    """Write the skeleton of a page beside the configuration; an existing file is left alone.

    Raises
    ------
    ConfigurationError
        If the name is not one for a file, or the page is there already.
    """
    if re.fullmatch(r"[a-z][a-z0-9_]*", trigger) is None:
        raise ConfigurationError(f"{trigger!r} is not a trigger's name: lower case words joined by _")
    path = settings.path(FOLDER) / f"{trigger}.md"
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(_SKELETON)
    except FileExistsError:
        raise ConfigurationError(f"{path} is there already") from None
    return path


def shown(
    connection: Connection,
    settings: Settings,
    policy: str,
    trigger: str,
    version: str | None = None,
    key: str | None = None,
) -> dict[str, Any]:
    """Return a trigger's page with the values of its newest firing (of a version and key), else newest verdict.

    Returns
    -------
    dict
        ``trigger``, ``text`` (Markdown), ``front`` (the front matter), ``values`` (what was filled in) and ``fired``.

    Raises
    ------
    ConfigurationError
        If there is no such trigger or page.
    """
    page = page_for(settings, trigger)
    values, fired = measured(connection, settings, policy, trigger, version, key)
    front = page.front_matter()
    front["steps"] = [{**step, "do": pages.fill(step["do"], values, page.name)} for step in front["steps"]]
    return {"trigger": trigger, "text": page.filled(values), "front": front, "values": values, "fired": fired}


def measured(
    connection: Connection,
    settings: Settings,
    policy: str,
    trigger: str,
    version: str | None = None,
    key: str | None = None,
) -> tuple[dict[str, Any], bool]:
    """Return what is known for the placeholders of a page, and whether it is from a firing."""
    configured = settings.policy[policy]
    serving = connection.execute(select(routes.c.serving).where(routes.c.policy == policy)).scalar_one_or_none()
    serving = serving or configured.first_serving
    chain = configured.fallbacks or (configured.incumbent,)
    values: dict[str, Any] = {
        "policy": policy, "trigger": trigger, "serving": serving,
        "fallback": next((name for name in chain if name != serving), None),
    }  # fmt: skip
    c = transitions.c
    narrowed = [column == value for column, value in ((c.version, version), (c.key, key)) if value is not None]
    fired = select(transitions).where(c.policy == policy, c.trigger == trigger, c.new == "firing", *narrowed)
    row = connection.execute(fired.order_by(c.id.desc()).limit(1)).one_or_none()
    if row is not None:
        values |= {"severity": row.severity, "since": stamp(row.at), **_of_transition(row)}
    else:
        v = verdicts.c
        narrowed = [column == value for column, value in ((v.version, version), (v.key, key)) if value is not None]
        newest = select(verdicts).where(v.policy == policy, v.trigger == trigger, *narrowed)
        last = connection.execute(newest.order_by(v.start.desc(), v.state, v.key).limit(1)).one_or_none()
        values |= {} if last is None else _of_verdict(last)
    values |= _alert_and_action(connection, policy, trigger, values.get("version"), values.get("key"))
    return {name: value for name, value in values.items() if value is not None}, row is not None


def _of_transition(row: Any) -> dict[str, Any]:
    evidence = json.loads(row.evidence)
    verdict = evidence.get("verdict", {})
    window = evidence.get("window") or [evidence.get("ts"), evidence.get("ts")]
    start, end = (None if edge is None else stamp(edge) for edge in window)
    return {
        "version": row.version, "key": row.key, "value": evidence.get("value"), "window_start": start,
        "window_end": end, "baseline": evidence.get("baseline"), "decision_id": evidence.get("decision_id"),
        **{name: verdict.get(name) for name in ("statistic", "low", "high", "n", "reason")},
    }  # fmt: skip


def _of_verdict(row: Any) -> dict[str, Any]:
    names = ("version", "key", "value", "statistic", "low", "high", "n", "reason", "baseline")
    return {
        **{name: getattr(row, name) for name in names},
        "window_start": stamp(row.start),
        "window_end": stamp(row.end),
    }


def _alert_and_action(
    connection: Connection, policy: str, trigger: str, version: str | None, key: str | None
) -> dict[str, Any]:
    here = select(alerts.c.state).where(
        alerts.c.policy == policy, alerts.c.trigger == trigger, alerts.c.version == version, alerts.c.key == key
    )
    state = connection.execute(here).scalar_one_or_none()
    asked = select(actions).where(actions.c.policy == policy, actions.c.trigger == trigger)
    if version is not None:
        asked = asked.where(actions.c.from_version == version)
    action = connection.execute(asked.order_by(actions.c.requested.desc()).limit(1)).one_or_none()
    told = None
    if action is not None:
        told = f"{action.from_version} -> {action.to_version} ({action.state}"
        told += f", asked {instant(action.requested):%H:%M:%SZ})"
    return {"state": state, "action": told}


def _wanted(settings: Settings) -> dict[str, set[str]]:
    """Return the pages that enabled triggers need: name -> triggers."""
    wanted: dict[str, set[str]] = {}
    lists = [settings.triggers(policy) for policy in settings.policy] or [settings.trigger]
    for triggers in lists:
        for name, trigger in triggers.items():
            wanted.setdefault(trigger.runbook or name, set()).add(name)
    return wanted


def _texts(settings: Settings) -> dict[str, str]:
    own = {path.stem: path.read_text("utf-8") for path in sorted(settings.path(FOLDER).glob("*.md"))}
    return {**pages.shipped(), **own}


def _dead(text: str, texts: dict[str, str]) -> list[str]:
    targets = [target for target in _LINK.findall(text) if not target.startswith(("http://", "https://"))]
    return [target for target in targets if not (target.endswith(".md") and target.removesuffix(".md") in texts)]


_SKELETON = """---
owner: <team that answers for this page>
kill_authority:
  primary: <who decides to stop the policy>
  deputy: <who decides when the first does not answer>
  anyone_after: 15m
ack_within: 5m
mitigate_within: 15m
drill_every: 30d
last_drill: null
steps:
  - kind: evidence
    do: <what to look at first, with the command that shows it>
    within: 5m
    expect: <what it shows when the alarm is right>
    on_timeout: act as if the alarm were right
  - kind: action
    do: checkrein rollback {policy} --reason "{trigger}"
    within: 5m
    expect: confirmed from the decision log
    on_timeout: <who can stop it at its own controls>
---
# <Trigger in words>

## Meaning

{reason}

## Impact

## Diagnosis

## Mitigation
"""
