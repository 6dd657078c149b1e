"""Facts about what is watched: triggers, their verdicts and proofs, gaps, drift."""

from __future__ import annotations

import math
from typing import Any

from sqlalchemy import Connection, func, select

from monitor import status
from monitor.acting.by_hand import safe_version
from monitor.checklists.span import DAY, Span
from monitor.clock import Clock
from monitor.drill import kept
from monitor.judging.segments import keys_of
from monitor.judging.windows import ALL_VERSIONS
from monitor.metrics import METRICS
from monitor.settings import Trigger
from monitor.store.tables import actions, alerts, routes, summaries, transitions, verdicts
from runbooks.checklist.facts import FeatureDrift, KillDrill, TriggerFact, Watched

_LOUD = {"page", "rollback"}


def gather(connection: Connection, span: Span, clock: Clock) -> dict[str, Any]:
    """Return the fields of ``Facts`` that configuration, verdicts and heartbeats fill."""
    silent = tuple(job for job in status.stale_jobs(connection, span.settings, clock) if job == f"judge:{span.policy}")
    triggers = _triggers(connection, span, alive=not silent)
    kill = _killed(connection, span)
    drilled = kept.newest_passed(connection, span.policy)
    passed = [[name, row.sha256] for (_policy, name), row in sorted(drilled.items())]
    watched = _watched(connection, span)
    drift = _drift(connection, span)
    seen = [[vars(w) for w in watched], [vars(f) for f in drift]]
    return {
        "triggers": triggers,
        "kill": kill,
        "watched": watched,
        "silent_jobs": silent,
        "drift": drift,
        "datasets": {
            "verdicts": span.cite_values(f"verdicts on {span.version}", sum(w.judged for w in watched), seen),
            "drills": span.cite_values("passed drills", len(passed), passed),
            "triggers": span.cite_values("configured triggers", len(triggers), [vars(t) for t in triggers]),
        },
    }


def _triggers(connection: Connection, span: Span, *, alive: bool) -> tuple[TriggerFact, ...]:
    enabled = span.settings.triggers(span.policy)
    known: dict[str, Trigger] = {**span.settings.trigger, **enabled}
    found = []
    for name, trigger in sorted(known.items()):
        event = METRICS[trigger.metric].event
        fired = connection.execute(
            select(func.count()).where(
                transitions.c.policy == span.policy,
                transitions.c.trigger == name,
                transitions.c.new == "firing",
                transitions.c.old != "recovering",
                ~transitions.c.dry_run,
            )
        ).scalar_one()
        proofs = connection.execute(
            select(actions.c.confirmed).where(
                actions.c.policy == span.policy, actions.c.trigger == name, actions.c.state == "confirmed"
            )
        ).scalars()
        ages = tuple(sorted(max(0.0, (span.end - at) / DAY) for at in proofs if at is not None))
        judging = tuple(sorted({state for _key, state, *_ in _newest(connection, span, name)}))
        found.append(
            TriggerFact(
                name,
                trigger.metric,
                trigger.detector,
                trigger.severity,
                name in enabled,
                alive,
                event,
                judging,
                int(fired),
                ages,
                _drilled(connection, span, name, trigger),
                dry_run=trigger.dry_run,
            )
        )
    return tuple(found)


def _drilled(connection: Connection, span: Span, name: str, trigger: Trigger) -> tuple[float, ...]:
    """Return the age in days of the newest passed drill of a trigger; one of other settings proves nothing of these."""
    found = kept.newest_passed(connection, span.policy).get((span.policy, name))
    if found is None or found.parameters != kept.digest(trigger):
        return ()
    return (max(0.0, (span.end - found.ended) / DAY),)


def _killed(connection: Connection, span: Span) -> KillDrill | None:
    found = kept.newest_passed(connection, span.policy).get((span.policy, kept.KILL))
    if found is None or found.seconds is None:
        return None
    age, safe = max(0.0, (span.end - found.ended) / DAY), safe_version(span.settings, span.policy)
    return KillDrill(found.seconds, age, found.to_version, safe, found.receiver, found.sha256)


def _newest(connection: Connection, span: Span, trigger: str) -> list[tuple[str, str, float | None, int]]:
    """Return (key, state, statistic, n) of the newest verdict of every key of a trigger."""
    c = verdicts.c
    here = (c.policy == span.policy, c.trigger == trigger, c.version.in_([span.version, ALL_VERSIONS]))
    last = select(c.key, func.max(c.start).label("start")).where(*here).group_by(c.key).subquery()
    joined = select(c.key, c.state, c.statistic, c.n).join(last, (c.key == last.c.key) & (c.start == last.c.start))
    rows = connection.execute(joined.where(*here).order_by(c.key))
    return [(row.key, row.state, row.statistic, int(row.n)) for row in rows]


def _drift(connection: Connection, span: Span) -> tuple[FeatureDrift, ...]:
    """Return the newest drift of every feature, from the trigger that has the widest view: a rollback one if any."""
    names = [(t.severity != "rollback" or t.dry_run, name) for name, t in span.settings.triggers(span.policy).items()
             if t.metric == "state_drift"]  # fmt: skip
    if not names:
        return ()
    newest = _newest(connection, span, min(names)[1])
    return tuple(FeatureDrift(key, state, statistic, n) for key, state, statistic, n in newest)


def _watched(connection: Connection, span: Span) -> tuple[Watched, ...]:
    """Count, for reward and constraints, the windows that were due and those that were judged.

    Where triggers that page or roll back watch a metric, those that only warn are left out: they may need a longer
    past than there is.
    """
    chosen = {
        name: trigger
        for name, trigger in span.settings.triggers(span.policy).items()
        if trigger.metric in {"reward", "violation_rate"}
    }
    loud = {trigger.metric for trigger in chosen.values() if trigger.severity in _LOUD and not trigger.dry_run}
    found = []
    for name, trigger in sorted(chosen.items()):
        if trigger.metric in loud and (trigger.severity not in _LOUD or trigger.dry_run):
            continue
        due = _due(connection, span, trigger)
        for key in keys_of(trigger, span.plan):
            counted = _judged(connection, span, name, key, min(due, default=math.inf))
            states: dict[str, int] = {}
            for state in counted.values():
                states[state] = states.get(state, 0) + 1
            judged = sum(1 for start in due if start in counted)
            found.append(Watched(trigger.metric, key, name, len(due), judged, dict(sorted(states.items()))))
    return tuple(found)


def _due(connection: Connection, span: Span, trigger: Trigger) -> set[float]:
    """Return the starts of complete windows that had to be judged: those with rows, and all since it serves.

    A pass seals first and writes its verdicts a little later: windows that it has only sealed are not due yet. All
    triggers are written together, so that one which falls behind the others is seen; that none is judged, is silence.
    """
    if span.frozen is None:
        return set()
    passed = select(func.max(alerts.c.judged_until)).where(alerts.c.policy == span.policy)
    end = min(span.end, connection.execute(passed).scalar_one() or 0.0)
    window = int(trigger.window)
    mine = (actions.c.policy == span.policy, actions.c.kind == "rollback")
    reset = select(func.max(actions.c.confirmed)).where(*mine)
    confirmed = connection.execute(reset.where(actions.c.from_version == span.version)).scalar_one()
    begin = math.ceil(max(span.frozen.end, span.begin, confirmed or 0.0) / window) * window
    last = math.floor(end / window) * window
    with_rows = connection.execute(
        select(summaries.c.start).where(
            summaries.c.policy == span.policy,
            summaries.c.version == span.version,
            summaries.c.segment == "",
            summaries.c.resolution == window,
            summaries.c.start >= begin,
            summaries.c.start < last,
            summaries.c.late.is_(False),
        )
    ).scalars()
    due = {float(start) for start in with_rows}
    if span.version == span.serving:
        changed = connection.execute(
            select(routes.c.changed).where(routes.c.policy == span.policy)
        ).scalar_one_or_none()
        first = math.ceil(max(begin, changed or 0.0) / window) * window
        due |= {float(start) for start in range(first, last, window)}
    return due


def _judged(connection: Connection, span: Span, trigger: str, key: str, begin: float) -> dict[float, str]:
    if not math.isfinite(begin):
        return {}
    c = verdicts.c
    rows = connection.execute(
        select(c.start, c.state).where(
            c.policy == span.policy,
            c.trigger == trigger,
            c.key == key,
            c.start >= begin,
            c.start < span.end,
            c.version.in_([span.version, ALL_VERSIONS]),
        )
    )
    return {float(row.start): row.state for row in rows}
