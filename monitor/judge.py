"""Judge mature windows: build each trigger's Series, run its detector, step its alert. Reads; writes nothing."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from sqlalchemy import Connection, func, select

from detectors import Verdict
from monitor import buckets, decide
from monitor.decide import Alert, Change
from monitor.metrics import METRICS
from monitor.parameters import parameters_of
from monitor.scans import Scan, Scanned
from monitor.settings import Settings, Trigger
from monitor.store.tables import actions, policies, routes
from monitor.summaries.plan import Plan
from monitor.windows import ALL_VERSIONS, Frozen, Windows, newest_baseline


@dataclass(frozen=True)
class Judged:
    """One window judged by one trigger: the point, the verdict and the window's bounds."""

    version: str
    trigger: str
    key: str
    start: float
    end: float
    value: float
    stderr: float
    verdict: Verdict


@dataclass
class Judgement:
    """What one pass over a policy found: rows to write, in order."""

    judged: list[Judged] = field(default_factory=list)
    alerts: dict[tuple[str, str, str], Alert] = field(default_factory=dict)
    changes: list[Change] = field(default_factory=list)
    failed: list[Alert] = field(default_factory=list)  # triggers that cannot be evaluated since this pass
    baseline: int | None = None


def judge(
    connection: Connection,
    settings: Settings,
    policy: str,
    plan: Plan,
    windows: Windows,
    stored: Mapping[tuple[str, str, str], Alert],
) -> Judgement:
    """Judge every window that is sealed and was not judged yet, for every window trigger of a policy.

    An exception inside one trigger is that trigger's ERROR verdict; the others go on.
    """
    row = connection.execute(select(policies).where(policies.c.policy == policy)).one()
    route = connection.execute(select(routes).where(routes.c.policy == policy)).one_or_none()
    one = _Pass(
        connection,
        settings,
        policy,
        plan,
        windows,
        newest_baseline(connection, policy),
        sealed=row.sealed_until,
        watched=row.watch_from or row.sealed_until,
        serving="" if route is None else route.serving,
        routed=0.0 if route is None else route.changed,
    )
    one.result.alerts |= stored
    for name, trigger in settings.triggers(policy).items():
        if not METRICS[trigger.metric].event:
            for version in one.versions(name, trigger):
                one.judge(name, trigger, version)
    return one.result


@dataclass
class _Pass:
    """What all triggers of one pass share, and what they found."""

    connection: Connection
    settings: Settings
    policy: str
    plan: Plan
    windows: Windows
    frozen: Frozen | None
    sealed: float
    watched: float
    serving: str
    routed: float
    result: Judgement = field(init=False)

    def __post_init__(self) -> None:
        self.result = Judgement(baseline=None if self.frozen is None else self.frozen.id)

    def versions(self, name: str, trigger: Trigger) -> list[str]:
        """Versions to judge: the one that the route names, and those that acted in windows not looked at yet."""
        if METRICS[trigger.metric].scope == "policy":
            return [ALL_VERSIONS]
        seen = [alert.judged_until for (_, known, _), alert in self.result.alerts.items() if known == name]
        begin = max([self._from(), *seen]) // trigger.window * trigger.window
        acted = buckets.versions(self.connection, self.policy, int(trigger.window), begin, self.sealed)
        return sorted({*acted, self.serving} - {""})

    def judge(self, name: str, trigger: Trigger, version: str) -> None:
        """Run one trigger over one version's windows that are due."""
        window = int(trigger.window)
        last = math.floor(self.sealed / window) * window
        since = math.ceil(self._since(version) / window) * window
        alerts = {
            key: self.result.alerts.get((version, name, key))
            or Alert(self.policy, version, name, key, trigger.severity)
            for key in METRICS[trigger.metric].keys(self.plan)
        }
        due = {key: math.ceil(max(since, alert.judged_until) / window) * window for key, alert in alerts.items()}
        keys = [key for key in alerts if due[key] < last]
        if not keys:
            return
        scan = Scan(
            self.connection,
            self.windows,
            self.plan,
            self.frozen,
            self.policy,
            version,
            name,
            trigger,
            since,
            last,
            {key: due[key] for key in keys},
            {key: parameters_of(self.settings, self.policy, trigger, key) for key in keys},
        )
        for found in scan.run():
            where = (version, name, found.key)
            self._apply(self.result.alerts.get(where) or alerts[found.key], trigger, found)

    def _apply(self, alert: Alert, trigger: Trigger, found: Scanned) -> None:
        series = found.series
        where = (alert.version, alert.trigger, alert.key)
        failed_before = alert.health == "error"
        for index, verdict in enumerate(found.verdicts):
            start = float(series.time[index])
            if start < found.due or not (series.n[index] > 0 or self._expected(alert.version, start)):
                continue
            end, value, stderr = start + trigger.window, float(series.value[index]), float(series.stderr[index])
            self.result.judged.append(Judged(*where, start, end, value, stderr, verdict))
            evidence: dict[str, Any] = {
                "metric": trigger.metric,
                "window": [start, end],
                "value": None if math.isnan(value) else value,
                "plan": self.plan.digest,
                "baseline": self.result.baseline,
            }
            alert, change = decide.step(alert, verdict, end, trigger, evidence)
            if change is not None:
                self.result.changes.append(change)
        if alert.health == "error" and not failed_before:
            self.result.failed.append(alert)
        self.result.alerts[where] = replace(alert, judged_until=max(alert.judged_until, found.until))

    def _expected(self, version: str, start: float) -> bool:
        """Whether a window without rows is a finding: it is while a version serves, and not before it did."""
        return version == ALL_VERSIONS or (version == self.serving and start >= self.routed)

    def _from(self) -> float:
        """Event time from which windows are judged: the baseline's end, or the first pass where none is frozen."""
        return self.watched if self.frozen is None else self.frozen.end

    def _since(self, version: str) -> float:
        """Start of a version's scan: where judging begins, or its last confirmed rollback, whichever is later."""
        reset = select(func.max(actions.c.confirmed)).where(actions.c.policy == self.policy)
        confirmed = self.connection.execute(reset.where(actions.c.from_version == version)).scalar_one()
        return max(self._from(), confirmed or 0.0)
