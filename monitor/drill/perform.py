"""Perform a drill of a trigger.

1. look who serves, what the trigger is compared with, and whether this policy's log lets it see anything
2. open a site: a database, a lake and a serving side of the drill's own
3. land and judge healthy windows, in which it must keep quiet
4. land and judge faulty ones until it fires
5. follow what it asked for: sent, delivered, acknowledged, confirmed from the log; page the drill's own recipients
6. write what was measured into the real database, in one row and one event
"""

from __future__ import annotations

import math
import time
from dataclasses import replace
from typing import Any

import pyarrow as pa
from scipy import stats
from sqlalchemy import select

from detectors import DETECTORS
from monitor.drill import kept, telling
from monitor.drill.faults import Case, Fault
from monitor.drill.ground import GroundError
from monitor.drill.network import Wait, follow
from monitor.drill.prepare import Prepared, begun_by, hooks_of, prepare
from monitor.drill.receiver import Loopback
from monitor.drill.site import Site, opened, settings_of, workspace
from monitor.drill.steps import CannotDrillError, Steps
from monitor.drill.stream import Stream
from monitor.log_store.arrow import concat
from monitor.settings import Settings, Trigger
from monitor.store.tables import alerts, incidents, transitions, verdicts
from monitor.tick import Parts

_DUMB = {"insufficient", "no_data", "error"}
_CHANCE = 0.001  # of so many false alarms on healthy windows, below which they are not taken for chance
_CALM = 12  # windows after a false alarm in which the trigger may calm down


def drill(
    parts: Parts,
    policy: str,
    trigger: str,
    *,
    by: str,
    receiver: str = "builtin",
    serving: Loopback | None = None,
    wait: Wait = time.sleep,
) -> dict[str, Any]:
    """Drill a trigger for a policy and return what was kept of it.

    Parameters
    ----------
    parts
        The live parts: they are read, and get one row of ``drills``, its event and the drill's own notifications.
    policy, trigger, by
        Whose, which, and who asks.
    receiver
        ``builtin``: the drill's own serving side; ``hook:NAME``: that hook gets the event too, in the mode "drill".
    serving
        Another serving side in place of the one that obeys.
    wait
        How real time is waited for.

    Raises
    ------
    ConfigurationError
        If there is no such policy, trigger or hook, or the hook does not say that it knows drills.
    DatabaseUnavailableError
        If the real database is locked or away.
    """
    more = hooks_of(parts.settings, policy, receiver)
    begun = begun_by(parts, policy, trigger, receiver, by)
    steps, to_version, seconds = Steps(), "", None
    ready: Prepared | None = None
    try:
        ready = prepare(parts, policy, trigger)
        begun = replace(begun, version=ready.version)
        side = serving or Loopback(parts.clock)
        with workspace() as home, side.listening() as url:
            made = settings_of(parts.settings, policy, ready.version, ready.triggers, home, url, more)
            window = int(ready.trigger.window)
            begin = math.ceil(ready.frozen.end / window) * window
            with opened(parts, policy, made, home, float(begin), ready.generation, ready.frozen, side) as site:
                to_version, seconds = _perform(parts, site, side, ready, begun, steps, float(begin), wait)
    except (CannotDrillError, GroundError) as error:
        steps.add("prepared", "insufficient", str(error))
    with parts.database.begin() as connection:
        configured = _configured(parts.settings, policy, trigger)
        return kept.write(
            connection, parts.settings, parts.clock, begun, steps,
            to_version=to_version, seconds=seconds, trigger=configured,
        )  # fmt: skip


def _configured(settings: Settings, policy: str, trigger: str) -> Trigger | None:
    return settings.triggers(policy).get(trigger) or settings.trigger.get(trigger)


def _perform(
    real: Parts, site: Site, side: Loopback, ready: Prepared, begun: kept.Begun, steps: Steps, begin: float, wait: Wait
) -> tuple[str, float | None]:
    fault, window = ready.fault, int(ready.trigger.window)
    stream = Stream(real, site, ready.ground, begun.policy, ready.version, window)
    stream.plan_for(fault.healthy + fault.windows)
    sample = _healthy(site, stream, ready, steps, begin)
    if steps.state == "failed":
        return "", None
    case = Case(real.settings.policy[begun.policy], ready.plan, ready.trigger, sample)
    fired = _faulty(site, stream, ready, case, steps, _calmed(site, stream, ready, begin + fault.healthy * window))
    if fired is None:
        return "", None
    severity = ready.trigger.severity
    telling.page(real, begun, severity, fired["reason"], fired["real"], steps)
    if severity != "rollback":
        return "", None
    seconds = follow(site, stream, side, sample, steps, real.settings.drill.rollback_within, wait)
    with site.parts.database.read() as connection:
        opened_at = connection.execute(select(incidents.c.opened).order_by(incidents.c.id)).scalars().first()
    if opened_at is None:
        steps.add("incident", "failed", "No incident was opened.")
    else:
        steps.add("incident", "passed", "An incident was opened with the rollback.", at=opened_at)
    state = "confirmed" if seconds is not None else "not confirmed"
    telling.tell(real, begun, "resolved", severity, f"{begun.trigger} for {begun.policy}: {state}", steps.why())
    return side.serving if seconds is not None else "", seconds


def _healthy(site: Site, stream: Stream, ready: Prepared, steps: Steps, begin: float) -> pa.Table:
    """Land and judge the windows before the fault; return their rows, the newest few windows of them."""
    starts = [begin + number * stream.window for number in range(ready.fault.healthy)]
    tables = [_quiet_window(stream, ready, start) for start in starts]
    sample = concat(tables[-4:])
    if not sample.num_rows:
        raise CannotDrillError(f"{ready.version} took no decision in the windows of the baseline that were replayed.")
    _logged(ready, sample)
    stream.judge(begin + ready.fault.healthy * stream.window)
    states = [row.state for row in _verdicts(site, ready.name)]
    fires, chance = states.count("fire"), DETECTORS[ready.trigger.detector].false_alarms
    moved = any(row.new == "firing" for row in _transitions(site, ready.name))
    often = stats.binom.sf(fires - 1, max(len(states), 1), chance) if fires else 1.0
    if (moved and ready.trigger.severity == "rollback") or often < _CHANCE:
        text = f"{ready.name} fires on the healthy baseline, in {fires} of {len(states)} verdicts: no fault was needed."
        steps.add("healthy", "failed", text, at=begin)
        return sample
    told = f", {fires} of them by the chance that {ready.trigger.detector} declares" if fires else ""
    text = f"{ready.name} kept quiet over {ready.fault.healthy} healthy windows ({len(states)} verdicts{told})."
    steps.add("healthy", "passed", text, at=begin)
    return sample


def _quiet_window(stream: Stream, ready: Prepared, start: float) -> pa.Table:
    table = stream.rows(start, start + stream.window, ready.version)
    stream.land(table, start + stream.window)
    return table


def _calmed(site: Site, stream: Stream, ready: Prepared, start: float) -> float:
    """Go on with healthy windows until nothing fires any more, so that what fires next is the fault; return the end."""
    for _ in range(_CALM):
        with site.parts.database.read() as connection:
            c = alerts.c
            open_ = select(c.state).where(c.trigger == ready.name, c.state.not_in(("inactive", "resolved")))
            if connection.execute(open_.limit(1)).first() is None:
                break
        _quiet_window(stream, ready, start)
        start += stream.window
        stream.judge(start)
    return start


def _faulty(
    site: Site, stream: Stream, ready: Prepared, case: Case, steps: Steps, began: float
) -> dict[str, Any] | None:
    """Land and judge faulty windows until the trigger fires; return when and why, None if it does not."""
    fault: Fault = ready.fault
    steps.add("fault", "passed", f"{fault.says[0].upper()}{fault.says[1:]}, from here on.", at=began)
    for number in range(fault.windows):
        start = began + number * stream.window
        stream.land(stream.faulty(fault, case, start, number), start + stream.window)
        stream.judge(start + stream.window, fault, began)
        moved = _transitions(site, ready.name)
        fired = next((row for row in moved if row.new == "firing" and row.at >= began), None)
        judged = [row for row in _verdicts(site, ready.name) if row.end > began or ready.event]
        if fired is not None:
            if judged:
                steps.add("judged", "passed", judged[0].reason, at=judged[0].end)
            text = f"{ready.name} fired {fired.at - began:,.0f} s of event time after the fault began."
            steps.add("fired", "passed", text, at=fired.at, real=fired.real_created)
            reason = judged[-1].reason if judged else ready.name
            return {"at": fired.at, "real": fired.real_created, "reason": reason}
    newest = judged[-1] if judged else None
    told = f" Its newest verdict: {newest.reason}" if newest else " It judged nothing."
    blind = newest is not None and newest.state in _DUMB
    text = f"{ready.name} did not fire in {fault.windows} windows although {fault.says}.{told}"
    steps.add("fired", "insufficient" if blind else "failed", text)
    return None


def _logged(ready: Prepared, sample: pa.Table) -> None:
    """Refuse what the log has no column for: a fault that nobody logs is one that nobody sees."""
    there = {name for name in sample.column_names if sample.column(name).null_count < sample.num_rows}
    flags = {"override", "shield", "fallback", "exploration", "irreversible", "proposed_action"}
    there |= flags & set(sample.column_names)  # null in a healthy row
    for need in ready.needs:
        family = need.removesuffix("*")
        if need not in there and not (need.endswith("*") and any(name.startswith(family) for name in there)):
            raise CannotDrillError(f"The log of {ready.ground.policy} has no {need}, which {ready.name} judges.")


def _transitions(site: Site, trigger: str) -> list[Any]:
    with site.parts.database.read() as connection:
        found = select(transitions).where(transitions.c.trigger == trigger).order_by(transitions.c.id)
        return list(connection.execute(found).all())


def _verdicts(site: Site, trigger: str) -> list[Any]:
    with site.parts.database.read() as connection:
        found = select(verdicts).where(verdicts.c.trigger == trigger)
        return list(connection.execute(found.order_by(verdicts.c.end, verdicts.c.state != "fire")).all())
