"""Why alerts fired, as the pages show it: two sentences, and the parts as rows of a table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection

from monitor.why.told import Key, newest

PARTS = {
    "state_mix": "Other states",
    "action_mix": "Other actions in the same states",
    "environment": "Environment: other pay for the same",
    "not_attributable": "Not attributable",
}
METHODS = {"concurrent": "in the same windows", "off_policy": "off-policy", "model": "by the baseline's model"}
_FEATURES = 5
Row = dict[str, Any]


def attach(connection: Connection, findings: Sequence[dict[str, Any]], policy: str | None = None) -> None:
    """Put ``why`` on each finding that fired: what is told of its newest firing, None where nothing is yet.

    Several triggers of one trouble have the same answer: the first finding says it, the others have ``again``.
    """
    found = newest(connection, policy) if findings else {}
    said: set[tuple[str, str, str]] = set()
    for item in findings:
        one = item["why"] = _of(item, found)
        if one is not None:
            same = item["policy"], one["why"], one["help"]
            one["again"] = same in said
            said.add(same)


def _of(item: dict[str, Any], found: dict[Key, list[dict[str, Any]]]) -> dict[str, Any] | None:
    """Return what was told of an open alert's newest firing, or of one that is over in the time that it was open."""
    if item["state"] == "pending":
        return None
    opened = 0.0 if item["state"] == "recovering" else item["since"] or 0.0  # recovering since, fired before
    since, until = opened - 1.0, item.get("until") or float("inf")
    for trigger in item["triggers"]:
        for key in item["keys"] or [""]:
            for one in found.get((item["policy"], item["version"], trigger, key), []):
                if since <= one["fired"] <= until:
                    return shown(one)
    return None


def shown(one: dict[str, Any]) -> dict[str, Any]:
    """Return one explanation as a page shows it: ``why``, ``help``, ``state`` and rows of (name, value, low, high)."""
    body = one["body"]
    parts = [_row(label, body["parts"][name]) for name, label in PARTS.items()] if "parts" in body else []
    if parts:
        parts.append(_row("All of it", body["change"]))
    features = [_row(name or "(through the policy's choices)", part) for name, part in body.get("features", {}).items()]
    segments = [_row(f"{item['segment']} {item['level']}", item["change"]) for item in body.get("segments", [])]
    back = [
        {**_row(METHODS[item["method"]], item["difference"]), "note": "; ".join(item["reasons"])}
        for item in body.get("comparisons", [])
        if item["difference"] is not None
    ]
    named = {name: one[name] for name in ("transition", "state", "why", "help")}
    return {**named, "parts": parts, "features": features[:_FEATURES], "segments": segments, "back": back}


def _row(name: str, part: dict[str, float]) -> Row:
    return {"name": name, "value": part["value"], "low": part["low"], "high": part["high"]}
