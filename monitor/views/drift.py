"""How far each state feature has moved from its reference, window by window, as it was judged."""

from __future__ import annotations

from typing import Any

import pandas as pd
from sqlalchemy import Connection, select

from monitor.clock import Clock
from monitor.judging.windows import newest_baseline
from monitor.settings import Settings
from monitor.store.tables import verdicts
from monitor.views.spans import bounds, resolution, window_of


def drift(connection: Connection, settings: Settings, clock: Clock, policy: str, span: str) -> dict[str, Any]:
    """Return the debiased Jensen-Shannon divergence of each feature and window, in bits.

    Returns
    -------
    dict
        ``table``: frame, features (worst newest first) by start of window, NaN where nothing could be judged;
        ``reason``: the newest sentence of each feature; ``limit`` in bits; ``missing``: why the table is empty.
    """
    begin, end = bounds(span, clock.now())
    triggers = {name: item for name, item in settings.triggers(policy).items() if item.metric == "state_drift"}
    strictest = max(triggers.items(), key=lambda item: item[1].threshold or 0.0, default=None)
    window = resolution(window_of(settings, policy, "state_drift"), end - begin)
    answer: dict[str, Any] = {"begin": begin, "end": end, "window": window, "reason": {}, "missing": ""}
    answer |= {"table": pd.DataFrame(), "limit": strictest[1].threshold if strictest else None}
    if strictest is None:
        return {**answer, "missing": "No trigger measures state_drift for this policy."}
    c = verdicts.c
    found = select(c.key, c.start, c.statistic, c.reason).where(
        c.policy == policy, c.trigger == strictest[0], c.end > begin, c.start < end
    )
    frame = pd.DataFrame(connection.execute(found.order_by(c.start)).all(), columns=["key", "start", "bits", "reason"])
    frame["bits"] = pd.to_numeric(frame["bits"])
    judged = frame[frame["bits"].notna()]
    if judged.empty:
        return {**answer, "missing": _missing(connection, policy, frame)}
    newest = judged.groupby("key").last()
    start = judged["start"] // window * window
    table = judged.assign(start=start).pivot_table(index="key", columns="start", values="bits", aggfunc="max")
    table = table.loc[newest.sort_values("bits", ascending=False).index]
    first, final = float(table.columns[0]), float(table.columns[-1])
    steps = [first + i * window for i in range(round((final - first) / window) + 1)]
    return {**answer, "table": table.reindex(columns=steps), "reason": newest["reason"].to_dict()}


def _missing(connection: Connection, policy: str, frame: pd.DataFrame) -> str:
    if newest_baseline(connection, policy) is None:
        return "No baseline is frozen, so there is nothing to compare with: run `checkrein baseline freeze`."
    if frame.empty:
        return "No window of this span has been judged yet."
    return str(frame["reason"].iloc[-1])
