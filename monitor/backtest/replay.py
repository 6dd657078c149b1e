"""Judge a span again with the live code: the same judge over the same stored buckets, from alerts of its own."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace

from sqlalchemy import Connection, select

from monitor.acting.confirm import withdrawn_because
from monitor.backtest.timeline import Reset, Stretch, pieces, stretches
from monitor.bucketing import plans
from monitor.events import canonical
from monitor.judging import judge
from monitor.judging.decide import Alert, Change, evidence
from monitor.judging.evaluations import judge_evaluations
from monitor.judging.history import History
from monitor.judging.single_events import step_events
from monitor.judging.standing import Standing
from monitor.judging.windows import ALL_VERSIONS
from monitor.metrics import METRICS
from monitor.settings import Settings
from monitor.store.tables import single_events
from monitor.summaries.plan import Plan
from runbooks.alerts import OPEN, AlertEvent, next_state

Where = tuple[str, str, str]  # version, trigger, key


@dataclass(frozen=True)
class Moved:
    """One transition: the columns of ``transitions`` but the time of writing, and whether its version served."""

    version: str
    trigger: str
    key: str
    old: str
    new: str
    severity: str
    at: float
    reason: str
    evidence: str
    served: bool


@dataclass
class Replayed:
    """What a replay found.

    Parameters
    ----------
    moved
        Transitions, in order of time.
    states
        Trigger -> how many windows got which verdict, from ``first`` on.
    windows
        Windows judged from ``first`` on.
    begin, end
        Event time of the first and the last window that was judged.
    baselines
        Ids of the baselines that judged.
    """

    moved: list[Moved] = field(default_factory=list)
    states: dict[str, Counter[str]] = field(default_factory=dict)
    windows: int = 0
    begin: float = math.inf
    end: float = -math.inf
    baselines: set[int] = field(default_factory=set)

    def count(self, judged: Iterable[judge.Judged], first: float) -> None:
        """Count the windows that start at or after ``first``; before it a replay only gets up to date."""
        for item in judged:
            if item.start >= first:
                self.states.setdefault(item.trigger, Counter())[item.verdict.state.value] += 1
                self.windows += 1
                self.begin, self.end = min(self.begin, item.start), max(self.end, item.end)


def replay(
    connection: Connection,
    settings: Settings,
    policy: str,
    first: float,
    last: float,
    each: Callable[[float], None] = lambda _until: None,
) -> Replayed:
    """Judge every window of a policy that ends by ``last``, and return what happened from ``first`` on.

    It begins where the live judging began, whatever ``first`` is: what a scan carries and where each alert stands at
    ``first`` come from before. The route and the confirmed rollbacks are those of the past, also with other settings.
    Windows before live judging began are judged from ``first`` by the oldest baseline, with alerts of their own.

    Parameters
    ----------
    connection
        A read transaction; nothing is written.
    settings
        The configuration to judge with.
    policy, first, last
        Whose windows, and the span in seconds since 1970.
    each
        Told after each piece how far, in event time, everything is judged.
    """
    plan, _id = plans.current_plan(connection, settings, policy)
    lived = stretches(connection, policy, last)
    began = min((s.standing.begin for s in lived if s.standing.sealed > s.standing.begin), default=math.inf)
    frozen = [s.standing.frozen for s in lived if s.standing.frozen is not None]
    opened = min([first, began, *(one.begin for one in frozen)])
    triggers = [one for one in settings.triggers(policy).values() if not METRICS[one.metric].event]
    windows = History(first=opened, last=max([last, *(one.end for one in frozen)]), triggers=triggers)
    result = Replayed()
    if first < began:
        now = lived[-1].standing
        oldest = frozen[0] if frozen else None
        before = Standing(min(began, now.sealed), first, now.serving, math.inf, {}, oldest)
        _through(connection, settings, policy, plan, windows, [Stretch(before, -math.inf)], first, last, result, each)
    _through(connection, settings, policy, plan, windows, lived, first, last, result, each)
    result.moved.sort(key=lambda one: (one.at, one.version, one.trigger, one.key))
    return result


def _through(
    connection: Connection,
    settings: Settings,
    policy: str,
    plan: Plan,
    windows: History,
    lived: list[Stretch],
    first: float,
    last: float,
    result: Replayed,
    each: Callable[[float], None],
) -> None:
    alerts: dict[Where, Alert] = {}
    seen = -math.inf
    for stretch in lived:
        if stretch.standing.sealed > stretch.standing.begin:
            for piece in pieces(stretch):
                found = judge.judge(connection, settings, policy, plan, windows, alerts, piece.standing)
                judge_evaluations(settings, policy, plan.digest, found)
                alerts = found.alerts
                result.count(found.judged, first)
                result.moved += [_moved(one, stretch.standing.serving) for one in found.changes if one.at >= first]
                each(min(piece.standing.sealed, last))
                if found.judged and found.baseline is not None:
                    result.baselines.add(found.baseline)
        alerts |= _events(connection, settings, policy, alerts, stretch, seen, first, last, result)
        seen = stretch.until
        if stretch.reset is not None and stretch.reset.version != stretch.reset.serving:
            alerts |= _withdraw(alerts, stretch.reset, first, last, result)


def _events(
    connection: Connection,
    settings: Settings,
    policy: str,
    alerts: Mapping[Where, Alert],
    stretch: Stretch,
    after: float,
    first: float,
    last: float,
    result: Replayed,
) -> dict[Where, Alert]:
    """Judge the single events that arrived in a stretch, as they were when they landed."""
    c = single_events.c
    found = select(single_events).where(c.policy == policy, c.ts < last)
    if math.isfinite(after):
        found = found.where(c.arrived > after)
    if math.isfinite(stretch.until):
        found = found.where(c.arrived <= stretch.until)
    elif stretch.until < 0:
        return {}
    rows = connection.execute(found.order_by(c.arrived, c.ts, c.id)).all()
    judgement = judge.Judgement(alerts=dict(alerts))
    touched = step_events(settings, policy, rows, judgement, stretch.standing.begin, stretch.standing.serving)
    result.count(judgement.judged, first)
    result.moved += [_moved(one, stretch.standing.serving) for one in judgement.changes if one.at >= first]
    return touched


def _withdraw(
    alerts: Mapping[Where, Alert], reset: Reset, first: float, last: float, result: Replayed
) -> dict[Where, Alert]:
    """Resolve the open alerts of a version that the log showed to be gone, as the confirmation did."""
    reason = withdrawn_because(reset.evidence)
    after = {}
    for where, alert in alerts.items():
        if alert.version != reset.version or alert.state not in OPEN:
            continue
        new = next_state(alert.state, AlertEvent.WITHDRAWN)
        after[where] = replace(alert, state=new, since=reset.at, streak=0, reason=reason)
        if first <= reset.at <= last:
            content = canonical({**reset.evidence, "reason": reason})
            result.moved.append(Moved(*where, alert.state, new, alert.severity, reset.at, reason, content, False))
    return after


def _moved(change: Change, serving: str) -> Moved:
    alert = change.alert
    return Moved(
        alert.version,
        alert.trigger,
        alert.key,
        change.old,
        alert.state,
        alert.severity,
        change.at,
        change.verdict.reason,
        evidence(change),
        alert.version in {serving, ALL_VERSIONS},
    )


def fired(moved: Moved) -> bool:
    """Whether a transition is a firing: not a relapse of one that was about to resolve."""
    return moved.new == "firing" and moved.old != "recovering"
