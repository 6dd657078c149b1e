"""Who hears of a drill: the recipients of ``[drill] notify`` and nobody else."""

from __future__ import annotations

from monitor.drill.kept import Begun
from monitor.drill.steps import Steps
from monitor.notify.message import Kind, Message, enqueue
from monitor.tick import Parts

MARK = "[DRILL]"


def tell(parts: Parts, begun: Begun, kind: Kind, severity: str, title: str, text: str) -> tuple[str, ...]:
    """Queue a message for the drill's own recipients; return the notifications' ids."""
    channels = parts.settings.drill.notify
    if not channels:
        return ()
    said = f"{MARK} This is a drill: nothing has happened to {begun.policy}. {text}"
    dedup = f"drill:{begun.policy}:{begun.trigger}:{begun.real_began:.3f}"
    message = Message(kind, begun.policy, severity, f"{MARK} {title}", said, dedup, link="/drills", drill=True)
    with parts.database.begin() as connection:
        return enqueue(connection, parts.clock, channels, message)


def page(parts: Parts, begun: Begun, severity: str, reason: str, fired: float, steps: Steps) -> None:
    """Queue the page of a firing, and measure how long that took; ``fired`` is the real time of the firing."""
    title = f"{begun.trigger} fires for {begun.policy} under {begun.version}"
    queued = tell(parts, begun, "page", severity, title, reason)
    if not queued:
        steps.add("paged", "passed", "Nobody was told: [drill] notify names no recipient.")
        return
    names = ", ".join(parts.settings.drill.notify)
    now = parts.clock.real()
    steps.within("paged", now - fired, parts.settings.drill.page_within, f"The page to {names} was queued", now)
