"""A policy whose load has moved, judged: what drift reports are made of."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Any

from monitor.clock import ManualClock
from monitor.drift_report import kept
from monitor.drift_report.asked import COURTESY
from monitor.runtime import build
from monitor.settings import parse, shipped_triggers
from monitor.tick import Parts
from tests.firings import FAULT, HOUR, log
from tests.passes import BASE, DAY, pass_at, put

DRIFTS = ("state_drift", "state_drift_warn")
AFTER = FAULT + 3 * HOUR + 120.0
BARE = (sys.executable, "-S")  # without the packages of the environment


def drifted_at(healthy: Path, folder: Path) -> Parts:
    """Copy a healthy store, land three hours of another load, and judge them."""
    shutil.copytree(healthy, folder)
    parts = opened(folder, ManualClock(BASE + 10 * DAY))
    put(parts, log(BASE, 1.0))
    put(parts, log(FAULT, 3.0, "states"))
    pass_at(parts, AFTER)
    advance(parts, COURTESY)
    return parts


def opened(folder: Path, clock: Any) -> Parts:
    policy = {
        "incumbent": "v6",
        "serving": "v7",
        "fallbacks": ["v6"],
        "actions": ["hold", "cool"],
        "source": {"kind": "parquet", "path": "logs"},
        "trigger": {name: {"enabled": False} for name in shipped_triggers() if name not in DRIFTS},
    }
    return build(parse({"policy": {"p": policy}}, folder), clock)


def advance(parts: Parts, seconds: float) -> None:
    assert isinstance(parts.clock, ManualClock)
    parts.clock.advance(seconds)


def reports(parts: Parts) -> list[dict[str, Any]]:
    with parts.database.read() as connection:
        return kept.listed(connection, "p")
