"""Every way in which a row of a decision log can be wrong, and that it takes no good row with it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from monitor.log_store.schema import TIMESTAMP
from monitor.validate import ROW
from monitor.validate.roles import OPEN
from tests.decision_rows import NOON, check, good, only_fault


def test_good_rows_come_out_canonical_and_in_order() -> None:
    accepted = check(good())
    assert accepted.rejects == ()
    assert not accepted.derived_ids
    assert accepted.table["decision_id"].to_pylist() == ["d0", "d1", "d2"]
    assert accepted.table.schema.field("ts").type == TIMESTAMP
    assert accepted.table["ts"][0].as_py() == datetime(2026, 1, 31, 12, tzinfo=UTC)
    assert "q_value" in accepted.missing
    assert "cost.*" in accepted.missing
    assert "reward" not in accepted.missing


@pytest.mark.parametrize(
    ("column", "values", "words"),
    [
        ("reward", [1.0, float("nan"), 2.0], ["reward is NaN: leave it empty (null) if it is not known yet"]),
        ("reward", [1.0, float("inf"), 2.0], ["reward is infinite"]),
        ("reward", ["1", "high", "2"], ['reward is "high"', "a number is expected"]),
        ("reward", ["1", "NaN", "2"], ["reward is NaN"]),
        ("propensity", [0.5, 0.0, 1.0], ["propensity is 0", "above 0"]),
        ("propensity", [0.5, 1.2, 1.0], ["propensity is 1.2", "at most 1"]),
        ("propensity", [0.5, -0.1, 1.0], ["propensity is -0.1"]),
        ("propensity", [0.5, float("nan"), 1.0], ["propensity is NaN"]),
        ("cost.k", [0.5, float("nan"), 1.0], ["cost.k is NaN"]),
        ("state.inlet", [0.5, float("-inf"), 1.0], ["state.inlet is infinite"]),
        (
            "policy",
            ["cooling", "colling", "cooling"],
            ['policy is "colling"', "did you mean cooling?", "bids, cooling"],
        ),
        ("arm", ["live", "shadw", None], ["live, shadow, canary, control"]),
        ("action", ["hold", "col", "heat"], ['action is "col"', "did you mean cool?"]),
        ("action", ["hold", None, "heat"], ["action is missing"]),
        ("action", [0, 3, 1], ["action is 3", "hold, cool, heat"]),
        ("action", [0.0, 1.5, 1.0], ["action is 1.5", "continuous"]),
        ("proposed_action", ["hold", "col", None], ["did you mean cool?"]),
        ("version", ["v7", None, "v7"], ["version is missing"]),
        ("version", ["v7", "", "v7"], ["version is missing"]),
        ("decision_id", ["d0", None, "d2"], ["decision_id is missing"]),
        ("step", [1, 2.5, 3], ["step is 2.5", "whole number"]),
        ("exploration", ["true", "maybe", "0"], ['exploration is "maybe"', "true or false"]),
        ("shield", [None, [1], None], ["text is expected"]),
        ("action_probs", [[0.2, 0.3, 0.5], [0.2, 0.3, 0.4], None], ["action_probs sums to 0.9"]),
        ("action_probs", [[0.2, 0.3, 0.5], [0.5, 0.5], None], ["action_probs has 2 entries", "3 actions"]),
        ("action_probs", [[0.2, 0.3, 0.5], [-0.5, 0.5, 1.0], None], ["in [0, 1]"]),
        ("action_probs", [[0.2, 0.3, 0.5], [0.5, None, 0.5], None], ["finite numbers"]),
        ("action_probs", ["[0.2,0.3,0.5]", "[0.2,", None], ["list of finite numbers"]),
        ("candidate_probs.v8", [[1, 0, 0], [1, 1, 0], None], ["candidate_probs.v8 sums to 2"]),
        ("candidate_probs.v8", [0.0, 1.5, 1.0], ["candidate_probs.v8 is 1.5"]),
        ("eligible_actions", [["hold"], ["hold", "fly"], None], ["eligible_actions"]),
        ("ts", [NOON, "2026-01-31T12:00:00", NOON], ["no time zone", 'zone = "..."']),
        ("ts", [NOON, "2026-13-31T12:00:00Z", NOON], ["no timestamp"]),
        ("ts", [NOON, "yesterday", NOON], ['ts is "yesterday"']),
        ("ts", [NOON, "1767225600", NOON], ["no unit", "2026-01-31T12:00:00Z"]),
        ("ts", [NOON, "2031-01-31T12:00:00Z", NOON], ["later than 2026-06-01T00:00:00Z"]),
        ("ts", [NOON, None, NOON], ["ts is missing"]),
    ],
)
def test_a_bad_row_is_refused_with_its_field_and_reason(column: str, values: Any, words: list[str]) -> None:
    if column == "shield":
        values = pa.array(values, pa.list_(pa.int64()))
    if column == "action_probs" and isinstance(values[0], list):
        values = pa.array(values, pa.list_(pa.float64()))
    accepted = check(good(**{column: values}))
    if column == "decision_id":
        assert [r.field for r in accepted.rejects] == ["decision_id"]
        assert accepted.table.num_rows == 2
    else:
        only_fault(accepted, 2, column, *words)
    assert all(word in accepted.rejects[0].reason for word in words)


def test_a_row_with_several_faults_is_refused_once_for_the_first() -> None:
    accepted = check(good(ts=[NOON, "never", NOON], reward=[1.0, float("nan"), 1.0], propensity=[1.0, 0.0, 1.0]))
    only_fault(accepted, 2, "ts")


def test_rows_are_numbered_from_the_first_row_or_by_their_own_column() -> None:
    raw = good(reward=[1.0, float("nan"), 1.0])
    assert check(raw, first_row=101).rejects[0].row == 102
    numbered = raw.append_column(ROW, pa.array([7, 9, 12]))
    accepted = check(numbered, first_row=101)
    assert accepted.rejects[0].row == 9
    assert ROW not in accepted.table.column_names
    assert ROW not in accepted.rejects[0].raw


def test_a_missing_decision_id_is_derived_from_digest_and_row_visibly() -> None:
    accepted = check(good(decision_id=None), first_row=11)
    assert accepted.derived_ids
    assert accepted.table["decision_id"].to_pylist() == ["ab12-11", "ab12-12", "ab12-13"]


def test_a_json_line_without_id_gets_one_whatever_its_neighbours_have() -> None:
    raw = good(decision_id=["a", None, "c"]).replace_schema_metadata(OPEN)
    accepted = check(raw)
    assert accepted.table["decision_id"].to_pylist() == ["a", "ab12-2", "c"]
    assert accepted.derived_ids


def test_policy_and_version_are_filled_where_the_log_has_none() -> None:
    accepted = check(good(policy=None, version=["v7", None, "v8"]), policy="cooling", version="v6")
    assert accepted.table["policy"].to_pylist() == ["cooling"] * 3
    assert accepted.table["version"].to_pylist() == ["v7", "v6", "v8"]


def test_a_row_of_another_policy_than_the_source_reads_for_is_refused() -> None:
    accepted = check(good(policy=["cooling", "bids", "cooling"]), policy="cooling")
    only_fault(accepted, 2, "policy", "this log is read for cooling")


def test_a_json_row_without_a_required_field_is_only_its_own_fault() -> None:
    raw = good(ts=[NOON, None, NOON]).replace_schema_metadata(OPEN)
    only_fault(check(raw), 2, "ts", "ts is missing")


def test_every_hundredth_row_bad_leaves_exactly_the_others() -> None:
    rows = 20_000
    rewards = np.arange(rows, dtype=float)
    rewards[::100] = np.nan
    raw = good(1).take(pa.array([0] * rows)).drop_columns(["reward", "decision_id"])
    raw = raw.append_column("reward", pa.array(rewards))
    accepted = check(raw)
    assert accepted.table["reward"].to_pylist() == rewards[~np.isnan(rewards)].tolist()
    assert [r.row for r in accepted.rejects] == list(range(1, rows, 100))
