"""The tail of each cost: the mean of its worst share, of an episode where the log has episodes, else of a decision."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from monitor.checklists.span import Span
from runbooks.checklist.row_facts import Tail

SHARE = 0.05
FEWEST = 200  # decisions or episodes: ten in the worst 5%


def gather(span: Span, own: pa.Table) -> dict[str, Any]:
    """Return ``tails`` of the version's newest rows: constraint -> CVaR 0.95 of its cost, with its standard error."""
    found = {}
    episode = _episodes(own)
    for limit in span.plan.constraints:
        name = f"cost.{limit.cost}"
        if name not in own.column_names:
            continue
        cost = own.column(name).cast(pa.float64()).to_numpy()
        known = np.isfinite(cost)
        values = cost[known]
        if episode is not None:
            inside = known & (episode >= 0)
            values = np.bincount(episode[inside], cost[inside])[np.bincount(episode[inside]) > 0]
        tail = cvar(values)
        if tail is not None:
            found[limit.name] = Tail("decision" if episode is None else "episode", len(values), *tail)
    return {"tails": found}


def cvar(values: NDArray[np.float64], share: float = SHARE) -> tuple[float, float] | None:
    """Return the mean of the greatest ``share`` of the values and its standard error, None where they are too few.

    Against the quantile, it says how bad the worst cases are and not only where they begin. The error is that of
    q + mean((x - q)+) / share (Rockafellar and Uryasev, 2000) for independent values, the quantile q taken as known.

    >>> cvar(np.arange(1000.0))[0]
    974.5
    """
    n = len(values)
    if n < FEWEST:
        return None
    quantile = float(np.partition(values, n - 1 - math.floor(share * n))[n - 1 - math.floor(share * n)])
    beyond = np.maximum(values - quantile, 0.0)
    return quantile + float(beyond.mean()) / share, float(beyond.std(ddof=1)) / share / math.sqrt(n)


def _episodes(table: pa.Table) -> NDArray[np.int64] | None:
    """Return the number of each row's episode, -1 for none, shape (rows,); None where the log has no episodes."""
    if "episode_id" not in table.column_names or table.column("episode_id").null_count == table.num_rows:
        return None
    codes = pc.dictionary_encode(table.column("episode_id").combine_chunks()).indices
    numbers: NDArray[np.int64] = codes.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)
    return numbers
