"""Decisions without a fault, to put one in, and the check that it was found."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa

from monitor.validate import Accepted, decisions

LATEST = datetime(2026, 6, 1, tzinfo=UTC).timestamp()
NOON = "2026-01-31T12:00:00Z"


def good(rows: int = 3, /, **changes: Any) -> pa.Table:
    """Return rows that have no fault, with the given columns in place of or beside theirs."""
    columns: dict[str, Any] = {
        "decision_id": [f"d{i}" for i in range(rows)],
        "ts": [NOON] * rows,
        "policy": ["cooling"] * rows,
        "version": ["v7"] * rows,
        "action": ["hold", "cool", "heat", "hold", "cool"][:rows],
        "propensity": [0.5] * rows,
        "reward": [1.0] * rows,
    }
    columns.update(changes)
    return pa.table({name: column for name, column in columns.items() if column is not None})


def check(raw: pa.Table, **changes: Any) -> Accepted:
    """Validate with the settings of a policy named cooling."""
    settings: dict[str, Any] = {
        "columns": {},
        "policy": None,
        "version": None,
        "known": ["cooling", "bids"],
        "zone": None,
        "latest": LATEST,
        "actions": ["hold", "cool", "heat"],
        "origin": "logs/a.jsonl",
        "origin_digest": "ab12",
        "first_row": 1,
    }
    return decisions(raw, **(settings | changes))


def only_fault(accepted: Accepted, row: int, field: str, *words: str) -> None:
    """Assert that one row of three was refused, for the named field and reason."""
    assert accepted.table.num_rows == 2
    assert f"d{row - 1}" not in accepted.table["decision_id"].to_pylist()
    (reject,) = accepted.rejects
    assert (reject.row, reject.field) == (row, field)
    for word in words:
        assert word in reject.reason
    assert json.loads(reject.raw)["decision_id"] == f"d{row - 1}"
