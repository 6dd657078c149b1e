"""Rolling back while the database is down: a signed copy of what is needed, a journal, and its replay."""

from __future__ import annotations

from monitor.breakglass.act import BrokenGlass, roll_back
from monitor.breakglass.copy import CopyError, refresh
from monitor.breakglass.replay import replay

__all__ = ["BrokenGlass", "CopyError", "refresh", "replay", "roll_back"]
