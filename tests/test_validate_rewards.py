"""Reward and outcome events are checked like decisions and have an id that says what they say."""

from __future__ import annotations

import pyarrow as pa
import pytest

from monitor.validate import MappingError, rewards

NOON = "2026-01-31T12:00:00Z"


def events(**columns: object) -> pa.Table:
    return pa.table({"decision_id": ["a", "b"], "ts": [NOON, NOON]} | columns)


def test_an_event_without_id_gets_the_hash_of_the_rest() -> None:
    first = rewards(events(reward=[1.0, 2.0]), latest=2e9, origin="r", first_row=1).table
    ids = first["event_id"].to_pylist()
    assert len(set(ids)) == 2
    assert all(len(event) == 32 for event in ids)
    wider = events(reward=[1.0, 2.0], **{"outcome.churn": pa.nulls(2, pa.float64())})
    assert rewards(wider, latest=2e9, origin="r", first_row=9).table["event_id"].to_pylist() == ids
    other = rewards(events(reward=[1.0, 2.5]), latest=2e9, origin="r", first_row=1).table["event_id"].to_pylist()
    assert (other[0] == ids[0], other[1] == ids[1]) == (True, False)


def test_given_ids_stay_and_empty_ones_are_filled() -> None:
    table = rewards(events(reward=[1.0, 2.0], event_id=["e1", None]), latest=2e9, origin="r", first_row=1).table
    first, second = table["event_id"].to_pylist()
    assert first == "e1"
    assert len(second) == 32


def test_outcomes_need_no_reward_and_a_decision_time_is_read() -> None:
    raw = events(**{"outcome.churn": [0.0, None], "decision_ts": ["2026-01-31T11:00:00Z", None]})
    accepted = rewards(raw, latest=2e9, origin="r", first_row=1)
    assert accepted.table.column_names == ["decision_id", "ts", "event_id", "decision_ts", "reward", "outcome.churn"]
    assert accepted.table["decision_ts"][0].as_py().hour == 11
    assert [(r.row, r.field) for r in accepted.rejects] == [(2, "reward")]


@pytest.mark.parametrize(
    ("columns", "field", "words"),
    [
        ({"reward": [1.0, float("nan")]}, "reward", "reward is NaN: leave it empty"),
        ({"reward": ["1", "good"]}, "reward", "a number is expected"),
        ({"reward": [1.0, 2.0], "decision_id": ["a", None]}, "decision_id", "decision_id is missing"),
        ({"reward": [1.0, 2.0], "ts": [NOON, "2026-01-31T12:00:00"]}, "ts", "no time zone"),
        ({"reward": [1.0, 2.0], "ts": [NOON, "2036-01-31T12:00:00Z"]}, "ts", "later than"),
        ({"reward": [1.0, 2.0], "decision_ts": [NOON, "soon"]}, "decision_ts", "no timestamp"),
    ],
)
def test_a_bad_event_is_refused_alone(columns: dict[str, object], field: str, words: str) -> None:
    accepted = rewards(events(**columns), latest=2e9, origin="r", first_row=1)
    assert accepted.table["decision_id"].to_pylist() == ["a"]
    assert [(r.row, r.field) for r in accepted.rejects] == [(2, field)]
    assert words in accepted.rejects[0].reason


def test_columns_that_are_no_part_of_an_event_are_ignored_and_named() -> None:
    accepted = rewards(
        events(reward=[1.0, 2.0], policy=["x", "x"], note=["n", "n"]), latest=2e9, origin="r", first_row=1
    )
    assert accepted.ignored == ("policy", "note")
    with pytest.raises(MappingError, match="no such role"):
        rewards(events(reward=[1.0, 2.0]), latest=2e9, origin="r", first_row=1, columns={"propensity": "reward"})
