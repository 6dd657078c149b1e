"""A data centre's cooling plant, served by a rule (v6) or a learned policy (v7), with a sensor that begins to drift.

Run it as a process of its own; it speaks log files and HTTP and imports nothing of Checkrein::

    python -m examples.worlds.cooling history --out logs --days 14 --end 1763600000 --seed 1
    python -m examples.worlds.cooling configure --out . --hook-port 9000
    python -m examples.worlds.cooling live --api http://127.0.0.1:8000 --hook-port 9000 --clock 1763600000/60/1763600000
"""

from __future__ import annotations

from examples.worlds.cooling.names import ACTIONS, CONSTRAINTS, FEATURES, POLICY
from examples.worlds.cooling.setup import configuration

__all__ = ["ACTIONS", "CONSTRAINTS", "FEATURES", "POLICY", "configuration"]
