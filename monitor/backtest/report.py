"""A backtest as text for a terminal."""

from __future__ import annotations

from typing import Any

from monitor.units import human

_SHAPE = {"rollback": "■", "page": "▲", "warn": "▲", "info": "▲"}
_STATES = ("ok", "fire", "insufficient", "no_data", "error")
_MOST = 20  # firings listed


def report(found: dict[str, Any]) -> str:
    """Write what a backtest found: what fired, what of it was false, what was found how late, what a change does."""
    head = f"{found['policy']}: {found['windows']:,} windows judged"
    if found["windows"]:
        head += f" from {found['judged_from']} to {found['judged_to']}"
    lines = [head, *(f"  ! {note}" for note in found["notes"])]
    silent = [row["trigger"] for row in found["triggers"] if not row["firings"] and not any(row[s] for s in _STATES)]
    lines += [f"  {_trigger(row)}" for row in found["triggers"] if row["trigger"] not in silent]
    lines += [f"  had no window to judge: {', '.join(silent)}"] if silent else []
    lines += _firings("fired", found["firings"])
    lines += [f"  {line}" for line in _incidents(found["incidents"])]
    lines.append(f"  {_rollbacks(found['rollbacks'])}")
    if any(row["dry_run"] and row["severity"] == "rollback" for row in found["triggers"]):
        lines.append(f"  dry-run triggers, which roll nothing back: {_rollbacks(found['dry_run'])}")
    if "effect" in found:
        lines.append(f"with {', '.join(found['set'])}:")
        lines += _firings("more", found["effect"]["added"])
        lines += _firings("gone", found["effect"]["removed"])
        if not found["effect"]["added"] and not found["effect"]["removed"]:
            lines.append("  the same firings")
        for row in found["effect"]["delays"] or []:
            one, other = (_delay(each) for each in row["delay_s"])
            lines.append(f"  {row['label'] or row['start']}: {one} -> {other}")
        lines.append(f"  {_rollbacks(found['changed']['rollbacks'])}")
    lines.append(f"  stored as backtest {found['id']}, sha256 {found['sha256'][:12]}")
    return "\n".join(lines)


def _trigger(row: dict[str, Any]) -> str:
    judged = [f"{row[state]:,} {state.replace('_', ' ')}" for state in _STATES if row[state]]
    fired = f"{row['firings']} firing{'s' * (row['firings'] != 1)}"
    fired += "" if row["false_alarms"] is None else f", {row['false_alarms']} false"
    severity = row["severity"] + (", dry run" if row["dry_run"] else "")
    return f"{row['trigger']} ({severity}): {fired}; windows: {', '.join(judged) or 'none'}"


def _firings(word: str, firings: list[dict[str, Any]]) -> list[str]:
    lines = []
    for one in firings[:_MOST]:
        named = " ".join(part for part in (one["trigger"], one["key"]) if part)
        told = f" during {one['incident']}" if one["incident"] else ""
        lines.append(
            f"  {_SHAPE[one['severity']]} {word} {one['at']} {named} [{one['version']}]{told}: {one['reason']}"
        )
    if len(firings) > _MOST:
        lines.append(f"  and {len(firings) - _MOST} more; --json lists all")
    return lines


def _incidents(found: list[dict[str, Any]] | None) -> list[str]:
    lines = []
    for one in found or []:
        named = f"incident {one['label'] or one['start']}"
        if not one["found"]:
            lines.append(f"○ {named}: not found by any trigger")
            continue
        acted = f"; {one['rollback_trigger']} would roll back after {_delay(one['rollback_delay_s'])}"
        more = acted if one["rollback_trigger"] else "; nothing would roll back"
        lines.append(f"● {named}: {one['trigger']} after {_delay(one['delay_s'])}{more}")
    return lines


def _rollbacks(found: dict[str, Any]) -> str:
    text = f"rollbacks: {found['count']} in {found['span_s'] / 86400:.1f} days"
    if found["false_per"] is None:
        return f"{text}; how many were false is not known without --incidents"
    kept = "kept" if found["kept"] else "broken"
    budget = f"{found['at_most']:g} in {human(found['per_s'])}"
    return (
        f"{text}, {found['false']} false = {found['false_per']:.2g} in {human(found['per_s'])}; budget {budget}: {kept}"
    )


def _delay(seconds: float | None) -> str:
    if seconds is None:
        return "not found"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
