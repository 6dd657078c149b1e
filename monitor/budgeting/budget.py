"""The false-alarm budget: what share of it each rollback trigger has, what follows from it, and whether it is kept."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from scipy import stats
from sqlalchemy import Connection

from detectors import DETECTORS, Series
from monitor.bucketing import buckets
from monitor.bucketing.plans import current_plan
from monitor.budgeting.cures import LEAST, correlation_of, cure_of
from monitor.budgeting.resampled import firings, resample
from monitor.budgeting.runs import false_alarms
from monitor.events import canonical
from monitor.judging.parameters import budget_per_window, parameters_of, sharing
from monitor.judging.segments import keys_of
from monitor.judging.standing import standing
from monitor.judging.windows import Frozen, Windows
from monitor.metrics import METRICS
from monitor.settings import Settings, Trigger
from monitor.summaries.plan import Plan
from monitor.units import human

SIMULATED = 2880  # windows of each series that a bootstrap judges: a month of quarters of an hour
_FEWEST = 192  # windows of each series where there are many
_KEPT: OrderedDict[str, tuple[int, int]] = OrderedDict()
_MOST_KEPT = 512


@dataclass(frozen=True)
class Share:
    """One trigger's part of the budget.

    Parameters
    ----------
    trigger, detector, keys, window, for_
        The rule, and how many series it judges.
    windows
        Windows of one series in the budget's time.
    share
        False rollbacks that are its part.
    threshold
        What its detector is called with: its own values, or those that follow from its share.
    expected, method
        False rollbacks to expect in the budget's time, and how that is known; None where it is not.
    correlation
        Between neighbouring windows of the baseline: the largest one of its series; None where it is not known.
    simulated, fired
        Windows of the baseline that were drawn again and judged by the live code, and how often it fired.
    kept
        Whether what is expected is within its share.
    cure
        What would keep it, where it is not kept.
    dry_run
        Whether it rolls nothing back now. It keeps its share, so that it judges as it will when it is armed, and arming
        it moves no other trigger's threshold; what is expected of it is not added up.
    """

    trigger: str
    detector: str
    keys: int
    window: float
    for_: int
    windows: float
    share: float
    threshold: str
    expected: float | None
    method: str
    correlation: float | None
    simulated: int
    fired: int
    kept: bool | None
    cure: str
    dry_run: bool


def shares(
    connection: Connection, settings: Settings, policy: str, windows: Windows, simulated: int = SIMULATED
) -> list[Share]:
    """Return the share of every rollback trigger of a policy.

    What a detector guarantees is computed from its threshold; for "k sigma, several in a row" from the correlation that
    the baseline shows; and everything is tried on blocks of the baseline, with the live code. The baseline then judges
    itself, which is the best case: a backtest over healthy history is the proof.

    Parameters
    ----------
    connection, settings, policy
        A read transaction, the configuration, and whose triggers.
    windows
        This process's cache.
    simulated
        Windows to draw from the baseline for each series; 0 draws none.
    """
    plan, _id = current_plan(connection, settings, policy)
    now = standing(connection, policy)
    triggers = settings.triggers(policy)
    found = []
    for name in sharing(settings, policy, plan):
        trigger = triggers[name]
        series = {}
        if now.frozen is not None:
            series = _baselines(connection, policy, now.serving, trigger, plan, now.frozen, windows)
        found.append(_share(settings, policy, name, trigger, plan, series, simulated, now.frozen))
    return found


def document(settings: Settings, policy: str, found: list[Share]) -> dict[str, Any]:
    """Return the shares as JSON values, with the policy's budget and what all of them together come to."""
    budget = settings.policy[policy].false_rollbacks
    armed = [one for one in found if not one.dry_run]
    known = [one.expected for one in armed if one.expected is not None]
    single = [n for n, t in settings.triggers(policy).items() if t.severity == "rollback" and METRICS[t.metric].event]
    return {
        "policy": policy,
        "at_most": budget.at_most,
        "per_s": budget.per,
        "expected": sum(known) if len(known) == len(armed) else None,
        "kept": all(one.kept is not False for one in armed),
        "single_events": single,
        "triggers": [asdict(one) | {"window": human(one.window)} for one in found],
    }


def _baselines(
    connection: Connection, policy: str, version: str, trigger: Trigger, plan: Plan, frozen: Frozen, windows: Windows
) -> dict[str, Series]:
    """Return the baseline's windows of each key: of the version that serves, or of one that acted in the baseline."""
    window, keys = int(trigger.window), keys_of(trigger, plan)
    acted = buckets.versions(connection, policy, window, frozen.begin, frozen.end)
    if not acted:
        return {}
    chosen = version if version in acted else acted[0]
    span = (window, frozen.begin, frozen.end)
    found = windows.series(connection, policy, chosen, trigger.metric, keys, *span, plan, None)
    return {key: one for key, one in found.items() if int(np.sum(one.n > 0)) >= LEAST}


def _share(
    settings: Settings,
    policy: str,
    name: str,
    trigger: Trigger,
    plan: Plan,
    series: dict[str, Series],
    simulated: int,
    frozen: Frozen | None,
) -> Share:
    keys = keys_of(trigger, plan)
    budget = settings.policy[policy].false_rollbacks
    count = budget.per / trigger.window
    per_window = budget_per_window(settings, policy, trigger, plan)
    share = per_window * count * len(keys)
    called = parameters_of(settings, policy, trigger, keys[0], plan)
    seen = [correlation_of(one) for one in series.values()]
    correlation = max((one for one in seen if one is not None), default=None)
    expected, method, threshold = _expected(trigger, called, correlation, count, len(keys))
    drawn = fired = 0
    simulated = min(simulated, max(_FEWEST, 4 * simulated // max(len(series), 1))) if simulated else 0
    for key, one in series.items() if simulated else ():
        parameters = parameters_of(settings, policy, trigger, key, plan)
        of = [settings.store.url, str(settings.base), policy, name, key, simulated, 0 if frozen is None else frozen.id]
        windows, times = _tried(of, one, trigger, parameters, plan, simulated)
        drawn, fired = drawn + windows, fired + times
    measured = fired / drawn * count * len(keys) if drawn else None
    if expected is None and measured is not None:
        expected, method = measured, f"block bootstrap of the baseline, {fired} in {drawn:,} windows"
    kept = None if expected is None else expected <= share * (1 + 1e-9)
    if kept and measured is not None and stats.poisson.sf(fired - 1, share / count / len(keys) * drawn) < 0.01:
        kept, expected = False, measured
        method = f"block bootstrap of the baseline, {fired} in {drawn:,} windows; {method} says less"
    cure = (
        cure_of(trigger, called, list(series.values()), correlation, share, budget.per, len(keys))
        if kept is False
        else ""
    )
    return Share(
        name, trigger.detector, len(keys), trigger.window, trigger.for_, count, share, threshold, expected, method,
        correlation, drawn, fired, kept, cure, trigger.dry_run,
    )  # fmt: skip


def _expected(
    trigger: Trigger, called: dict[str, Any], correlation: float | None, count: float, keys: int
) -> tuple[float | None, str, str]:
    """Return what theory expects in the budget's time, by which argument, and the threshold in words."""
    own = "" if trigger.run_length or trigger.alpha or isinstance(trigger.k, float) else ", from the budget"
    if "run_length" in called:
        length = float(called["run_length"])
        kind = "calibrated" if trigger.detector == "shiryaev_roberts" else "guaranteed"
        return count * keys / length, f"{kind} by the detector", f"run length {length:,.0f} windows{own}"
    known = DETECTORS[trigger.detector].parameters
    if called.get("k") == "auto":
        p = float(called["budget_per_window"])
        return count * keys * p, "guaranteed for each window", f"k = {stats.norm.isf(p):.2f}{own}"
    if "alpha" in called and "run_length" in known:
        return count * keys * called["alpha"], "guaranteed by the detector", f"alpha = {called['alpha']:.2g}{own}"
    if "alpha" in called:
        return count * keys * called["alpha"], "level of the test", f"alpha = {called['alpha']:.2g}{own}"
    k = called.get("k", 3.0) if "k" in known else None
    if isinstance(k, float | int):
        rate = false_alarms(float(k), trigger.for_, correlation or 0.0)
        how = "independent windows" if correlation is None else f"windows correlated by {max(correlation, 0.0):.2f}"
        return count * keys * rate, how, f"k = {k:g}, {trigger.for_} in a row"
    return None, "not known", "its own"


def _tried(
    of: list[Any], series: Series, trigger: Trigger, parameters: dict[str, Any], plan: Plan, simulated: int
) -> tuple[int, int]:
    """Return how many resampled windows were judged and how often it fired; the same question is answered once."""
    asked = canonical([*of, trigger.model_dump(mode="json"), parameters, plan.digest])
    if asked not in _KEPT:
        drawn = resample(series, int(trigger.window), simulated, np.random.default_rng(20260101))
        _KEPT[asked] = (simulated, firings(drawn, trigger, parameters))
        while len(_KEPT) > _MOST_KEPT:
            _KEPT.popitem(last=False)
    return _KEPT[asked]
