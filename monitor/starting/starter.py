"""`checkrein init`: a commented checkrein.toml, with the columns of a log matched to roles as far as names tell."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

from monitor.settings import ConfigurationError
from monitor.starting.log_sample import Found


def starter(found: Found | None, policy: str | None = None) -> tuple[str, str]:
    """Return the text of a starter configuration and the name of its policy.

    Examples
    --------
    >>> text, name = starter(None)
    >>> name, text.splitlines()[0]
    ('main', '# Checkrein: what is watched, what counts as wrong, and what is done about it.')

    Raises
    ------
    ConfigurationError
        If ``policy`` is none of those that the log names.
    """
    seen = found.policies if found else ()
    if policy and seen and policy not in seen:
        raise ConfigurationError(f"--policy {policy}: the log is of {', '.join(seen)}: name one of them, or none")
    name = policy or (seen[0] if seen else "main")
    versions = (found.versions if found else ()) or ("v1",)
    lines = [
        "# Checkrein: what is watched, what counts as wrong, and what is done about it.",
        "# `checkrein validate` checks this file; docs/configuration.md has every key.",
        "",
        "[store]",
        'url = "sqlite:///checkrein.db"',
        'lake = "lake"',
        "",
        f"[policy.{_key(name)}]",
        f"incumbent = {_text(versions[0])}  # the version that you trust",
        *([f"serving = {_text(versions[-1])}  # the version that serves now"] if len(versions) > 1 else []),
        f"fallbacks = [{_text(versions[0])}]  # where to roll back to, tried in order",
        _actions(found),
        '# reward_horizon = "0s"  # how long a reward may take after its decision',
        "",
    ]
    lines += _source(found, name, seen) if found else _example(name)
    lines += _limits(found, name)
    lines += [
        "# What is called when a rollback is decided: docs/rollback.md. Without a hook the decision is made and shown.",
        "# [hook.serving]",
        '# kind = "webhook"',
        '# url = "http://127.0.0.1:9000/rollback"',
        '# secret = "env:CHECKREIN_HOOK_SECRET"',
    ]
    return "\n".join(lines) + "\n", name


def _source(found: Found, name: str, policies: Sequence[str]) -> list[str]:
    lines = [f"[policy.{_key(name)}.source]", f"kind = {_text(found.kind)}", f"path = {_text(found.path)}"]
    if len(policies) > 1:
        others = ", ".join(other for other in policies if other != name)
        lines.append(f"# The log has decisions of {others} too: each policy needs a source of its own.")
    if found.zone:
        lines.append(f"zone = {_text(found.zone)}  # a guess: the log's times name no zone")
    if "version" not in found.guess.roles and found.kind != "obd":
        lines.append('version = "v1"  # the log names no version')
    lines.append("")
    if found.kind == "obd":
        return lines
    own = found.guess.columns
    missing = [role for role in ("ts", "action") if role not in found.guess.roles]
    if own or missing or found.guess.rest:
        lines.append(f"[policy.{_key(name)}.source.columns]  # role = column of the log")
    lines += [f"{_key(role)} = {_text(column)}" for role, column in own.items()]
    lines += [f'# {role} = "..."  # required: nothing in the log looks like it' for role in missing]
    if found.guess.rest:
        lines.append("# What these columns are, names do not tell. Uncomment those that are part of the state:")
        lines += [
            f"# {_key(f'state.{column}')} = {_text(column)}" + (f"  # or is it {near}?" if near else "")
            for column, near in found.guess.rest.items()
        ]
    return [*lines, ""] if lines[-1] else lines


def _example(name: str) -> list[str]:
    return [
        "# Decisions are pushed to POST /api/v1/decisions, or read from files:",
        f"# [policy.{_key(name)}.source]",
        '# kind = "parquet"',
        '# path = "logs/*.parquet"',
        '# columns = { ts = "time", reward = "r", "state.inlet" = "inlet_c" }',
        "",
    ]


def _limits(found: Found | None, name: str) -> list[str]:
    roles = found.guess.roles if found else ()
    costs = [role.removeprefix("cost.") for role in roles if role.startswith("cost.")]
    lines = [] if costs else ["# A limit that the policy must keep; the log needs the column cost.heat."]
    notes = ["  # a violation is cost > limit", "  # share of decisions that may violate it"]
    for cost in costs or ["heat"]:
        lines += [f"# [policy.{_key(name)}.constraint.{_key(cost)}]", f"# cost = {_text(cost)}"]
        lines += [f"# limit = 0.0{notes[0]}", f"# budget = 0.001{notes[1]}", ""]
        notes = ["", ""]
    for role in roles:
        if role.startswith("candidate_probs."):
            candidate = role.removeprefix("candidate_probs.")
            lines += [f"[policy.{_key(name)}.candidate.{_key(candidate)}]", f"policy = {_text(f'column:{role}')}", ""]
    return lines


def _actions(found: Found | None) -> str:
    if found and found.actions and len(found.actions) <= 50:
        listed = ", ".join(_text(action) for action in found.actions)
        return f"# actions = [{listed}]  # seen in the sample; their order is that of lists of probabilities"
    return '# actions = ["hold", "cool"]  # the order is that of lists of probabilities'


def _text(value: str) -> str:
    return json.dumps(value, ensure_ascii=False)  # a JSON string is a TOML string


def _key(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else _text(name)
