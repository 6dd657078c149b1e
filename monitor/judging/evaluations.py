"""Triggers that cannot be evaluated: a failed evaluation is a finding, judged like any other from what a pass found."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from detectors import DETECTORS, Series, State
from monitor.judging import decide
from monitor.judging.decide import Alert
from monitor.judging.judge import Judged, Judgement
from monitor.settings import Settings
from runbooks.alerts import OPEN

METRIC = "evaluation"


@dataclass
class _Window:
    end: float
    failed: int = 0
    judged: int = 0
    why: str = ""


def judge_evaluations(settings: Settings, policy: str, plan: str, result: Judgement) -> None:
    """Step an alert for every trigger that failed in this pass, or whose failing is not over yet.

    Its series are the windows of the failing trigger, one row for each of its keys. A trigger that never failed has
    no such alert: its windows would only say what its own verdicts say.

    Parameters
    ----------
    settings, policy
        The configuration, and whose triggers were judged.
    plan
        Digest of the plan, for the evidence.
    result
        What the pass found so far; verdicts, alerts and transitions are added to it.
    """
    named = [(name, one) for name, one in settings.triggers(policy).items() if one.metric == METRIC]
    for name, trigger in named:
        for (version, watched), windows in _windows(result.judged).items():
            where = (version, name, watched)
            alert = result.alerts.get(where) or Alert(policy, version, name, watched, trigger.severity)
            due = {start: one for start, one in sorted(windows.items()) if one.end > alert.judged_until}
            if alert.state not in OPEN and not any(one.failed for one in due.values()):
                continue
            failed = np.array([one.failed for one in due.values()], np.float64)
            judged = np.array([one.judged for one in due.values()], np.int64)
            series = Series(np.array(list(due)), failed, np.full(len(due), math.nan), judged)
            verdicts = DETECTORS[trigger.detector].scan(series, subject=watched)
            for (start, one), verdict in zip(due.items(), verdicts, strict=True):
                if alert.state not in OPEN and verdict.state is not State.FIRE:
                    continue
                told = decide.because(verdict, one.why)
                result.judged.append(Judged(*where, start, one.end, one.failed, math.nan, told))
                evidence = {
                    "metric": METRIC,
                    "window": [start, one.end],
                    "value": one.failed,
                    "plan": plan,
                    "baseline": result.baseline,
                }
                alert, change = decide.step(alert, told, one.end, trigger, evidence)
                if change is not None:
                    result.changes.append(change)
            result.alerts[where] = alert


def _windows(judged: list[Judged]) -> dict[tuple[str, str], dict[float, _Window]]:
    """Return the windows of each version and trigger, with how many of its series failed and the first reason."""
    found: dict[tuple[str, str], dict[float, _Window]] = {}
    for item in judged:
        window = found.setdefault((item.version, item.trigger), {}).setdefault(item.start, _Window(item.end))
        window.judged += 1
        if item.verdict.state is State.ERROR:
            window.failed += 1
            window.why = window.why or item.verdict.reason
    return found
