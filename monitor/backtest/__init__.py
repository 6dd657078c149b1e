"""Replays of the past with the live code: what fired, what should have, and what other settings change."""

from __future__ import annotations

from monitor.backtest.changed import changed
from monitor.backtest.findings import effect, findings
from monitor.backtest.incidents import Incident, read_incidents
from monitor.backtest.replay import Moved, Replayed, replay
from monitor.backtest.run import backtest

__all__ = [
    "Incident",
    "Moved",
    "Replayed",
    "backtest",
    "changed",
    "effect",
    "findings",
    "read_incidents",
    "replay",
]
