"""Status as text for a terminal."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from monitor.status import SHAPE

_OPEN = ("pending", "firing", "recovering")


def report(found: dict[str, Any]) -> str:
    """Write one policy's status: state first, then what is wrong, then the numbers.

    Parameters
    ----------
    found
        What ``monitor.status.of`` returned, and the ``candidates`` of ``monitor.live.told.compared``.
    """
    age = found["data_age_s"]
    head = f"{SHAPE[found['state']]} {found['policy']}  {found['state'].upper()}"
    head += f"  serving {found['serving']} (generation {found['generation']})"
    lines = [f"{head}  {_data(age)}"]
    if found["baseline"] is None:
        lines.append("  ○ no baseline is frozen: nothing is compared with anything; run `checkrein baseline freeze`")
    lines += [f"  ▲ {text}" for text in found.get("findings", ())]
    if found.get("incident"):
        lines.append(f"  ◆ {found['incident']['sentence']}")
    for action in found["actions"]:
        why = f" ({action['last_error']})" if action["last_error"] else ""
        moved = f"{action['from_version']} -> {action['to_version']} by {action['hook'] or 'route'}"
        tried = f"{action['attempts']} attempts, since {action['requested']}{why}"
        lines.append(f"  ■ {moved}: {action['state']}, {tried}")
    lines += [f"  ▲ {finding}" for finding in found["telling"]["findings"]]
    lines += [
        f"  ◇ {one['name'] or one['fingerprint']} fires in another Alertmanager since {one['starts']}: "
        f"{one['annotations'].get('summary') or one['labels']}"
        for one in found["foreign"]
    ]
    lines += _opened(item for item in found["alerts"] if item["state"] in _OPEN)
    lines += _unanswered(
        item for item in found["alerts"] if item["state"] not in _OPEN and item["version"] in {found["serving"], "*"}
    )
    healthy = [row for row in found["metrics"] if row["state"] == "ok"]
    if healthy:
        newest = max(row["window_end"] for row in healthy)
        lines.append(f"  ● {len(healthy)} series judged healthy, newest window ends {newest}")
    for row in found["estimates"]:
        value = "refused" if row["value"] is None else f"{row['value']:.4g} [{row['low']:.4g}, {row['high']:.4g}]"
        named = f"value of {row['candidate']} by {row['estimator']}"
        lines.append(f"  {named}: {value}, effective n {row['ess']:,.0f}, {row['trust']}")
    lines += [f"  {one['candidate']}: {one['sentence']}" for one in found["candidates"]]
    for row in found["quarantined"]:
        lines.append(f"  ! {row['rows']} rows quarantined, {row['field']}: {row['reason']}")
    for item in found["failing"]:
        lines.append(f"  ! {item['job']} failed {_age(item['age_s'])} ago and is tried again: {item['why']}")
    if found["reviews"]["finding"]:
        lines.append(f"  ▲ {found['reviews']['finding']}")
    job = f"judge:{found['policy']}"
    if job in found["stale"]:
        seconds = found["stale"][job]
        lines.append(
            "  ○ no `checkrein serve` or `worker` has judged it yet: only `checkrein tick` does, when it is run"
            if seconds is None
            else f"  ○ last judged {_age(seconds)} ago: is `checkrein serve` or `worker` running?"
        )
    return "\n".join(lines)


def _data(age: float | None) -> str:
    if age is None:
        return "no data yet"
    return f"data {_age(age)} old" if age >= 0 else f"newest decision {_age(-age)} ahead of this clock"


def _opened(alerts: Iterable[dict[str, Any]]) -> list[str]:
    """Write a line for each trigger that is in one state: twenty features that drift are one finding."""
    groups: dict[tuple[str, ...], list[dict[str, Any]]] = {}
    for alert in alerts:
        where = tuple(str(alert[name]) for name in ("shown", "trigger", "version", "state", "health"))
        groups.setdefault(where, []).append(alert)
    lines = []
    for (shown, trigger, version, state, health), group in groups.items():
        told = state if health == "ok" else f"{state}, {_words(health)}"
        more = f" and {len(group) - 1} more" if len(group) > 1 else ""
        named = f"{trigger} {group[0]['key']}{more}".replace("  ", " ").strip()
        lines.append(f"  {SHAPE[shown]} {named} [{version}] {told}: {group[0]['reason']}")
        over = dict.fromkeys(one["text"] for alert in group for one in alert.get("overlays", ()))
        lines += [f"    ◇ {text}" for text in over]
    return lines


def _unanswered(alerts: Iterable[dict[str, Any]]) -> list[str]:
    """Write a line for each reason why nothing was judged, with the triggers that it silences."""
    series: dict[tuple[str, str, str, str], list[dict[str, Any]]] = {}
    for alert in alerts:
        trigger = (alert["shown"], alert["health"], alert["version"], alert["trigger"])
        series.setdefault(trigger, []).append(alert)
    groups: dict[tuple[str, str, str, str], list[str]] = {}
    for (shown, health, version, name), found in series.items():
        why = found[0]["reason"].partition(": ")[2] or found[0]["reason"] or "no window has been judged yet."
        of = f"{name} ({len(found)})" if len(found) > 1 else f"{name} {found[0]['key']}".strip()
        groups.setdefault((shown, health, version, why), []).append(of)
    return [
        f"  {SHAPE[shown]} {_words(health)} [{version}] {', '.join(names)}: {why}"
        for (shown, health, version, why), names in groups.items()
    ]


def _words(health: str) -> str:
    return {"insufficient": "not enough data", "no_data": "no data", "stale": "not evaluated any more"}.get(
        health, health
    )


def _age(seconds: float) -> str:
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds >= size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.1f} s"
