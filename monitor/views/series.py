"""Reward, its distribution, entropy and violations of a policy over time, all from the roll-ups of one span."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
from scipy import special, stats
from sqlalchemy import Connection, select

from detectors.season import expectation
from monitor.bucketing import buckets, plans
from monitor.bucketing.buckets import MINUTE
from monitor.clock import Clock
from monitor.judging.windows import Windows, newest_baseline
from monitor.metrics import METRICS
from monitor.settings import Settings
from monitor.store.tables import verdicts
from monitor.summaries import BucketSummary
from monitor.summaries.plan import Plan
from monitor.views.spans import LIVE, bounds, resolution, window_of

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
_BASELINE_WINDOWS = 30  # fewer say nothing about a spread
Loaded = list[tuple[str, int, BucketSummary]]  # version, start, summary


def series(
    connection: Connection, settings: Settings, clock: Clock, policy: str, span: str, windows: Windows
) -> dict[str, Any]:
    """Return what the policy page draws over time.

    Parameters
    ----------
    connection, settings, clock, policy
        The read transaction, the configuration, the time, and whose numbers.
    span
        A name of ``SPANS``, which ends at the injected clock's now, or ``FROM/TO``.
    windows
        Keeps the baselines between calls, which never change.

    Returns
    -------
    dict
        ``begin``, ``end`` and ``window`` in seconds; frames ``reward`` (time is the middle of the window; version,
        value, n, expected, sigma), ``minutes`` (the same of minutes, not judged), ``fired`` (verdicts that
        fired), ``fan``
        (q05 .. q95), ``entropy``; ``constraints`` (one row each over the span) and ``rates`` (one row a constraint and
        window, with an exact 95% interval).

    References
    ----------
    Clopper, C. J. and Pearson, E. S. (1934). The use of confidence or fiducial limits. Biometrika 26, 404-413.
    """
    begin, end = bounds(span, clock.now())
    plan, _id = plans.current_plan(connection, settings, policy)
    judged = window_of(settings, policy, "reward")
    window = resolution(judged, end - begin)
    loaded = _load(connection, policy, window, begin, end, plan)
    minutes = _load(connection, policy, MINUTE, begin, end, plan) if end - begin <= LIVE and window > MINUTE else []
    reward = _means(loaded, window)
    rates = _rates([*loaded, *_newer(connection, policy, loaded, window, begin, end, plan)], window, plan)
    return {
        "begin": begin,
        "end": end,
        "window": window,
        "judged_window": judged,
        "reward": _expected(connection, settings, policy, reward, window, plan, windows),
        "minutes": _means(minutes, MINUTE),
        "fired": _fired(connection, settings, policy, "reward", begin, end),
        "fan": _fan(loaded, window),
        "entropy": _entropy(loaded, window, plan),
        "entropy_floor": _newest_limit(connection, settings, policy, "action_entropy"),
        "rates": rates,
        "constraints": _constraints(settings, policy, rates),
        "actions": list(plan.actions),
    }


def interval(count: float, n: float) -> tuple[float, float]:
    """Return the exact 95% interval of a rate (Clopper and Pearson, 1934).

    >>> low, high = interval(0, 300)
    >>> low, round(high, 4)
    (0.0, 0.0122)
    """
    low = 0.0 if count == 0 else float(stats.beta.ppf(0.025, count, n - count + 1))
    high = 1.0 if count == n else float(stats.beta.ppf(0.975, count + 1, n - count))
    return low, high


def _load(connection: Connection, policy: str, window: int, begin: float, end: float, plan: Plan) -> Loaded:
    names = buckets.versions(connection, policy, window, begin, end)
    try:
        return [
            (name, start, summary)
            for name in names
            for start, summary in buckets.load(connection, policy, name, "", window, begin, end, plan)
        ]
    except ValueError:
        return []  # a rebuild with a new plan is under way; the page says that it has no windows


def _newer(
    connection: Connection, policy: str, loaded: Loaded, window: int, begin: float, end: float, plan: Plan
) -> Loaded:
    """Return what came after the last whole window as one more: a limit that was just passed must be in the count."""
    last = max((start for _version, start, _summary in loaded), default=None)
    begin = max(begin, end - 2 * window) if last is None else last + window
    newest: dict[str, BucketSummary] = {}
    for version, _start, summary in _load(connection, policy, MINUTE, begin, end, plan):
        newest[version] = newest[version] + summary if version in newest else summary
    return [(version, int(begin), summary) for version, summary in newest.items()]


def _means(loaded: Loaded, window: int) -> pd.DataFrame:
    rows = []
    for version, start, summary in loaded:
        reward = summary["reward"]
        if reward.n:
            rows.append((start + window / 2, version, reward.mean, int(reward.n)))
    return pd.DataFrame(rows, columns=["time", "version", "value", "n"]).sort_values(["time", "n"], ignore_index=True)


def _expected(
    connection: Connection,
    settings: Settings,
    policy: str,
    reward: pd.DataFrame,
    window: int,
    plan: Plan,
    windows: Windows,
) -> pd.DataFrame:
    """Add what each version's own baseline expects of each window, and one sigma of a window around it."""
    reward = reward.assign(expected=np.nan, sigma=np.nan)
    frozen = newest_baseline(connection, policy)
    if frozen is None:
        return reward
    for version, group in reward.groupby("version"):
        start = float(group["time"].max())
        found = windows.series(
            connection, policy, str(version), "reward", ("",), window, start, start, plan, frozen
        )  # no windows: only the baseline, which is kept
        base = found[""].baseline
        if base is None or int(np.sum(base.n > 0)) < _BASELINE_WINDOWS:
            continue
        known = expectation(
            base.time,
            np.where(base.n > 0, base.value, np.nan),
            group["time"] - window / 2,
            settings.policy[policy].season,
        )
        usual = 1 / float(np.mean(1 / base.n[base.n > 0]))
        widened = np.maximum(1.0, usual / group["n"].to_numpy())
        reward.loc[group.index, "expected"] = known.value
        reward.loc[group.index, "sigma"] = np.sqrt(known.spread.variance * widened + known.error)
    return reward


def _fired(
    connection: Connection, settings: Settings, policy: str, metric: str, begin: float, end: float
) -> pd.DataFrame:
    triggers = settings.triggers(policy).items()
    known = {name: item for name, item in triggers if item.metric == metric and not item.segment}
    c = verdicts.c
    found = select(c.trigger, c.version, c.start, c.end, c.value, c.reason).where(
        c.policy == policy, c.trigger.in_(known), c.state == "fire", c.start + c.end > 2 * begin, c.start < end
    )
    rows = [
        ((row.start + row.end) / 2, row.version, row.value, row.trigger, known[row.trigger].severity, row.reason)
        for row in connection.execute(found.order_by(c.start))
    ]
    return pd.DataFrame(rows, columns=["time", "version", "value", "trigger", "severity", "reason"])


def _fan(loaded: Loaded, window: int) -> pd.DataFrame:
    """Return quantiles of the reward of all live traffic together."""
    merged: dict[int, BucketSummary] = {}
    for _version, start, summary in loaded:
        merged[start] = merged[start] + summary if start in merged else summary
    rows = []
    for start, summary in sorted(merged.items()):
        found = summary["reward_quantiles"]
        if found.n:
            rows.append((start + window / 2, *found.quantile(np.array(QUANTILES)), summary["reward"].mean))
    return pd.DataFrame(rows, columns=["time", "q05", "q25", "q50", "q75", "q95", "mean"])


def _entropy(loaded: Loaded, window: int, plan: Plan) -> pd.DataFrame:
    rows = []
    for version, start, summary in loaded:
        point = METRICS["action_entropy"].point(summary, plan, "")
        if point.n:
            rows.append((start + window / 2, version, point.value, point.n))
    return pd.DataFrame(rows, columns=["time", "version", "value", "n"]).sort_values("time", ignore_index=True)


def _newest_limit(connection: Connection, settings: Settings, policy: str, metric: str) -> float | None:
    names = [name for name, item in settings.triggers(policy).items() if item.metric == metric and not item.segment]
    c = verdicts.c
    found = select(c.low).where(c.policy == policy, c.trigger.in_(names), c.low.is_not(None))
    return connection.execute(found.order_by(c.start.desc()).limit(1)).scalar_one_or_none()


def _rates(loaded: Loaded, window: int, plan: Plan) -> pd.DataFrame:
    counts: dict[tuple[str, int], list[int]] = {}
    for _version, start, summary in loaded:
        found = summary["constraints"]
        for place, limit in enumerate(plan.constraints):
            one = found[place]
            if one.n:
                pair = counts.setdefault((limit.name, start), [0, 0])
                pair[0] += one.violations
                pair[1] += one.n
    columns = ["constraint", "time", "violations", "n"]
    rows = [(name, start + window / 2, hit, n) for (name, start), (hit, n) in counts.items()]
    return pd.DataFrame(rows, columns=columns).sort_values(["constraint", "time"], ignore_index=True)


def rate_series(rates: pd.DataFrame, constraint: str) -> pd.DataFrame:
    """Return one constraint's rate in each window with its exact 95% interval."""
    found = rates[rates["constraint"] == constraint]
    hits, counts = found["violations"].to_numpy(dtype=float), found["n"].to_numpy(dtype=float)
    with np.errstate(invalid="ignore"):  # all at once: one at a time takes longer than to read them
        low = np.where(hits == 0, 0.0, special.betaincinv(np.maximum(hits, 1), counts - hits + 1, 0.025))
        high = np.where(hits == counts, 1.0, special.betaincinv(hits + 1, np.maximum(counts - hits, 1), 0.975))
    return found.assign(rate=found["violations"] / found["n"], low=low, high=high)


def _constraints(settings: Settings, policy: str, rates: pd.DataFrame) -> list[dict[str, Any]]:
    """Return each constraint over the whole span: rate with interval, budget, and how fast the budget burns."""
    totals = rates.groupby("constraint")[["violations", "n"]].sum()
    rows: list[dict[str, Any]] = []
    counted = {str(name): (int(hit), int(n)) for name, hit, n in totals.itertuples()}
    for name, limit in settings.policy[policy].constraint.items():
        row: dict[str, Any] = {"constraint": name, "budget": limit.budget, "slack": limit.slack, "hard": limit.hard}
        row |= {"violations": 0, "n": 0, "rate": None, "low": None, "high": None, "burn": None, "state": "no_data"}
        if name in counted:
            hit, n = counted[name]
            low, high = interval(hit, n)
            allowed = limit.budget + limit.slack
            over = low > allowed or (limit.hard and hit > 0)
            row |= {"violations": hit, "n": n, "rate": hit / n, "low": low, "high": high}
            row["burn"] = hit / n / limit.budget if limit.budget else None
            row["state"] = "over" if over else "within" if high <= allowed else "unclear"
        rows.append(row)
    return sorted(rows, key=_worst)


def _worst(row: dict[str, Any]) -> tuple[int, float, float, str]:
    order = ("over", "unclear", "within", "no_data")
    return order.index(row["state"]), -(row["burn"] or 0.0), -(row["rate"] or 0.0), row["constraint"]


def last(frame: pd.DataFrame, column: str) -> float | None:
    """Return the newest value of a column, None of an empty frame."""
    if frame.empty:
        return None
    value = float(frame[column].iloc[-1])
    return None if math.isnan(value) else value
