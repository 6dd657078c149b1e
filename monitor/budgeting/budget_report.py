"""The shares of a false-alarm budget as text for a terminal."""

from __future__ import annotations

import math
from typing import Any

from monitor.units import human


def told(found: dict[str, Any]) -> str:
    """Write the shares for a terminal."""
    span = human(found["per_s"])
    state = "kept" if found["kept"] else "not kept"
    total = "not known" if found["expected"] is None else f"{found['expected']:.2g} expected"
    lines = [f"{found['policy']}: at most {found['at_most']:g} false rollbacks in {span}; {total}: {state}"]
    for one in found["triggers"]:
        mark = {True: "●", False: "▲", None: "○"}[one["kept"]]
        series = f"{one['keys']} series" if one["keys"] != 1 else "1 series"
        dry = " (dry run, rolls nothing back)" if one["dry_run"] else ""
        lines.append(
            f"  {mark} {one['trigger']}{dry}: {series} x {one['windows']:,.0f} windows of {one['window']}, share "
            f"{one['share']:.2g}, {one['threshold']}; expected {_number(one['expected'])} ({one['method']})"
        )
        if one["simulated"]:
            lines.append(f"      {one['fired']} firings in {one['simulated']:,} windows drawn from the baseline")
        if one["cure"]:
            lines.append(f"      cure: {one['cure']}")
    if found["single_events"]:
        lines.append(f"  single events have no chance in them: {', '.join(found['single_events'])}")
    return "\n".join(lines)


def _number(value: float | None) -> str:
    return "not known" if value is None or not math.isfinite(value) else f"{value:.2g}"
