"""What is done once a slot besides passes, by whichever worker takes the slot."""

from __future__ import annotations

from collections.abc import Callable

from monitor import checklists
from monitor.live import estimates
from monitor.notify import digest
from monitor.running import retention
from monitor.tick import Parts

# Done once an hour of event time for each policy; and for the whole: which slot it is now (None: none), and the work.
HOURLY: dict[str, Callable[[Parts, str], object]] = {"estimate": estimates.refresh, "checklist": checklists.refresh}
UPKEEP: dict[str, tuple[Callable[[Parts], int | None], Callable[[Parts], object]]] = {
    "retain": (retention.slot, retention.run),
    "digest": (digest.slot, digest.run),
}
