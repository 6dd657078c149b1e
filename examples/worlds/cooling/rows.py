"""A batch as the decision log wants it: columns named by role, for Parquet and for HTTP."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from examples.worlds.cooling.controllers import CONTROLLERS
from examples.worlds.cooling.names import ACTIONS, CONSTRAINTS, FEATURES, POLICY
from examples.worlds.cooling.plant import Batch

STATES = tuple(f"state.{name}" for name in FEATURES)
COSTS = tuple(f"cost.{limit.name}" for limit in CONSTRAINTS)


def stamp(seconds: float) -> str:
    """Return seconds since 1970 as RFC 3339 text in UTC.

    >>> stamp(0)
    '1970-01-01T00:00:00Z'
    """
    return datetime.fromtimestamp(int(seconds), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _constants(batch: Batch) -> dict[str, Any]:
    return {
        "policy": POLICY,
        "version": batch.version,
        "arm": "live",
        "irreversible": False,
        "artifact_sha256": CONTROLLERS[batch.version].sha256,
    }


def table(batch: Batch) -> pa.Table:
    """Return the batch as an Arrow table, one row a decision; ``decision_id`` is "c" and the second."""
    n = len(batch)
    second = batch.first + np.arange(n, dtype=np.int64)
    action = pa.DictionaryArray.from_arrays(pa.array(batch.action.astype(np.int8)), list(ACTIONS)).cast(pa.string())
    offsets = np.arange(0, 3 * n + 1, 3, dtype=np.int32)
    columns: dict[str, Any] = {
        "decision_id": pc.binary_join_element_wise("c", pa.array(second).cast(pa.string()), ""),
        "ts": pa.array(second * 1_000_000).cast(pa.timestamp("us", tz="UTC")),
        "action": action,
        "propensity": pa.array(batch.propensity),
        "reward": pa.array(batch.reward),
        "action_probs": pa.ListArray.from_arrays(pa.array(offsets), pa.array(batch.probabilities.ravel())),
        "latency_ms": pa.array(batch.latency),
    }
    columns |= {name: pa.repeat(value, n) for name, value in _constants(batch).items()}
    columns |= {name: pa.array(values) for name, values in zip(STATES, batch.readings, strict=True)}
    columns |= {name: pa.array(values) for name, values in zip(COSTS, batch.costs, strict=True)}
    return pa.table(columns)


def lines(batch: Batch) -> list[bytes]:
    """Return the batch as NDJSON, one line a decision with its line feed.

    Examples
    --------
    >>> from examples.worlds.cooling.plant import Plant
    >>> batch = Plant(seed=1).run("v7", first=0, count=2)
    >>> row = json.loads(lines(batch)[1])
    >>> row["decision_id"], row["ts"], row["version"], len(row["action_probs"])
    ('c1', '1970-01-01T00:00:01Z', 'v7', 3)
    """
    constants = _constants(batch)
    names = (*STATES, *COSTS)
    values = np.concatenate([batch.readings, batch.costs]).T.tolist()
    probabilities, propensity = batch.probabilities.tolist(), batch.propensity.tolist()
    found = []
    for index, (numbers, action, reward, latency) in enumerate(
        zip(values, batch.action.tolist(), batch.reward.tolist(), batch.latency.tolist(), strict=True)
    ):
        row = {
            "decision_id": f"c{batch.first + index}",
            "ts": stamp(batch.first + index),
            **constants,
            "action": ACTIONS[action],
            "propensity": propensity[index],
            "action_probs": probabilities[index],
            "reward": reward,
            "latency_ms": latency,
            **dict(zip(names, numbers, strict=True)),
        }
        found.append(json.dumps(row, separators=(",", ":")).encode() + b"\n")
    return found
