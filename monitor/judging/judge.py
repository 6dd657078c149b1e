"""Judge mature windows: build each trigger's Series, run its detector, step its alert. Reads; writes nothing."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from detectors import DETECTORS, Verdict
from monitor.judging import decide
from monitor.judging.decide import Alert, Change
from monitor.judging.discoveries import together
from monitor.judging.parameters import parameters_of
from monitor.judging.scans import Scan, Scanned, failed
from monitor.judging.segments import keys_of, split
from monitor.judging.standing import Standing, standing
from monitor.judging.windows import ALL_VERSIONS, Windows
from monitor.metrics import METRICS
from monitor.settings import Settings, Trigger
from monitor.summaries.grouping import SHADOW
from monitor.summaries.plan import Plan


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
    at: Standing | None = None,
) -> Judgement:
    """Judge every window that is sealed and was not judged yet, for every window trigger of a policy.

    A backtest hands in the alerts and the circumstances (``at``) of another time; absent, they are those of now. An
    exception inside one trigger is that trigger's ERROR verdict; the others go on.
    """
    one = _Pass(connection, settings, policy, plan, windows, at or standing(connection, policy))
    triggers = settings.triggers(policy)
    one.result.alerts |= aligned(stored, triggers)
    for name, trigger in triggers.items():
        if not METRICS[trigger.metric].event and keys_of(trigger, plan):
            for version in one.versions(name, trigger):
                try:
                    one.judge(name, trigger, version)
                except SQLAlchemyError:
                    raise  # the database is away: nothing was judged
                except Exception as error:  # noqa: BLE001 - one broken trigger must not silence the others
                    one.fail(name, trigger, version, error)
    return one.result


def aligned(
    stored: Mapping[tuple[str, str, str], Alert], triggers: Mapping[str, Trigger]
) -> dict[tuple[str, str, str], Alert]:
    """Return the alerts with ``dry_run`` as it is configured now, whether or not a window is due."""
    found = dict(stored)
    for where, alert in stored.items():
        trigger = triggers.get(alert.trigger)
        if trigger is not None and alert.dry_run != trigger.dry_run:
            found[where] = replace(alert, dry_run=trigger.dry_run)
    return found


@dataclass
class _Pass:
    """What all triggers of one pass share, and what they found."""

    connection: Connection
    settings: Settings
    policy: str
    plan: Plan
    windows: Windows
    at: Standing
    result: Judgement = field(init=False)

    def __post_init__(self) -> None:
        self.result = Judgement(baseline=None if self.at.frozen is None else self.at.frozen.id)

    def versions(self, name: str, trigger: Trigger) -> list[str]:
        """Versions to judge: the one that the route names, and those that acted in windows not looked at yet."""
        if METRICS[trigger.metric].scope == "policy":
            return [ALL_VERSIONS]
        where = (self.policy, int(trigger.window))
        if trigger.segment == SHADOW:
            return self.windows.versions(self.connection, *where, self.at.begin, self.at.sealed, SHADOW)
        seen = [alert.judged_until for (_, known, _), alert in self.result.alerts.items() if known == name]
        begin = max([self.at.begin, *seen]) // trigger.window * trigger.window
        acted = self.windows.versions(self.connection, *where, begin, self.at.sealed)
        return sorted({*acted, self.at.serving} - {""})

    def fail(self, name: str, trigger: Trigger, version: str, error: Exception) -> None:
        """Call the windows that are due ERROR, where not even a scan could be set up."""
        window, key = int(trigger.window), ""
        alert = self.result.alerts.get((version, name, key)) or Alert(self.policy, version, name, key, trigger.severity)
        last = math.floor(self.at.sealed / window) * window
        due = math.ceil(max(self.at.since(version), alert.judged_until) / window) * window
        if due < last:
            self._apply(alert, trigger, failed(name, key, due, last, window, error))

    def judge(self, name: str, trigger: Trigger, version: str) -> None:
        """Run one trigger over one version's windows that are due."""
        window = int(trigger.window)
        last = math.floor(self.at.sealed / window) * window
        since = math.ceil(self.at.since(version) / window) * window
        reach = math.ceil(self.at.reach(version) / window) * window
        alerts = {
            key: self.result.alerts.get((version, name, key))
            or Alert(self.policy, version, name, key, trigger.severity)
            for key in keys_of(trigger, self.plan)
        }
        due = {key: math.ceil(max(since, alert.judged_until) / window) * window for key, alert in alerts.items()}
        keys = [key for key in alerts if due[key] < last]
        if not keys:
            return
        detector = DETECTORS[trigger.detector]
        level = trigger.alpha if detector.resume is None and "alpha" in detector.parameters else None
        if level is not None:
            keys = list(alerts)  # also those judged before: the level is over all of a window, whenever they are due
        scan = Scan(
            self.connection,
            self.windows,
            self.plan,
            self.at.frozen,
            self.policy,
            version,
            name,
            trigger,
            reach,
            since,
            last,
            {key: due[key] for key in keys},
            {key: parameters_of(self.settings, self.policy, trigger, key, self.plan) for key in keys},
        )
        for found in scan.run() if level is None else together(list(scan.run()), level, len(alerts)):
            where = (version, name, found.key)
            self._apply(self.result.alerts.get(where) or alerts[found.key], trigger, found)

    def _apply(self, alert: Alert, trigger: Trigger, found: Scanned) -> None:
        series = found.series
        where = (alert.version, alert.trigger, alert.key)
        failed_before = alert.health == "error"
        segment = split(alert.key)[1]
        for index, verdict in enumerate(found.verdicts):
            start = float(series.time[index])
            silent = not segment and self._expected(alert.version, start)
            finding = series.n[index] > 0 or silent or found.unread
            if start < found.due or not finding:
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
        return version == ALL_VERSIONS or (version == self.at.serving and start >= self.at.routed)
