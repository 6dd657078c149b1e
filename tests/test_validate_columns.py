"""Columns of a log onto roles: mapped, missing, flattened, and read by the type that they have."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pyarrow as pa
import pytest

from monitor.validate import MappingError
from monitor.validate.roles import OPEN, UNTYPED
from tests.decision_rows import NOON, check, good, only_fault


def test_columns_are_mapped_onto_roles_and_the_rest_is_reported() -> None:
    raw = good(reward=None, r=[1.0, 2.0, 3.0], inlet_c=[20.0, 21.0, 22.0], note=["x"] * 3)
    accepted = check(raw, columns={"reward": "r", "state.inlet": "inlet_c"})
    assert accepted.table["reward"].to_pylist() == [1.0, 2.0, 3.0]
    assert accepted.table["state.inlet"].to_pylist() == [20.0, 21.0, 22.0]
    assert accepted.ignored == ("note",)


def test_a_mapping_to_a_column_that_the_log_lacks_names_the_nearest_one() -> None:
    with pytest.raises(MappingError, match=r"no column rewrd; did you mean reward_usd\?"):
        check(good(reward=None, reward_usd=[1.0] * 3), columns={"reward": "rewrd"})
    with pytest.raises(MappingError, match=r"no such role; did you mean reward\?"):
        check(good(), columns={"rewrd": "reward"})


def test_a_json_batch_without_a_mapped_field_is_read_and_says_so() -> None:
    raw = good(r=[1.0] * 3).replace_schema_metadata(OPEN)
    accepted = check(raw, columns={"shield": "rule"})
    assert accepted.table.num_rows == 3
    assert "shield" in accepted.missing
    assert "the log has no column rule" in accepted.notes[0]


def test_a_log_without_a_required_column_is_an_error_that_names_the_nearest() -> None:
    with pytest.raises(MappingError, match=r"logs/a.jsonl: the log has no column for ts; did you mean t_s\?"):
        check(good(ts=None, t_s=[NOON] * 3))


def test_two_columns_of_one_name_are_an_error() -> None:
    raw = good().append_column("reward", pa.array([1.0, 2.0, 3.0]))
    with pytest.raises(MappingError, match="two columns named reward"):
        check(raw)


def test_an_empty_batch_has_the_required_columns() -> None:
    table = check(pa.table({}).replace_schema_metadata(OPEN), policy="cooling").table
    assert table.num_rows == 0
    assert table.column_names == ["decision_id", "ts", "policy", "version", "action"]


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_timestamps_of_any_unit_become_utc_microseconds(unit: str) -> None:
    when = datetime(2026, 1, 31, 13, tzinfo=timezone(timedelta(hours=1)))
    accepted = check(good(ts=pa.array([when] * 3, pa.timestamp(unit, tz="Europe/Berlin"))))
    assert accepted.rejects == ()
    assert accepted.table["ts"].to_pylist() == [when] * 3


def test_text_with_more_digits_than_microseconds_or_other_offsets_is_read() -> None:
    accepted = check(
        good(ts=["2026-01-31 13:00:00.123456789+01:00", "2026-01-31T12:00:00.5Z", "2026-01-31T07:00-0500"])
    )
    micros = [0.123456, 0.5, 0.0]
    assert [t.timestamp() - 1769860800 for t in accepted.table["ts"].to_pylist()] == pytest.approx(micros)


@pytest.mark.parametrize("kind", [pa.timestamp("us"), pa.string()])
def test_naive_times_are_read_in_the_zone_that_the_source_declares(kind: pa.DataType) -> None:
    naive = pa.array(["2026-01-31T13:00:00", "2026-03-29T02:30:00", "2025-10-26T02:30:00"]).cast(kind)
    refused = check(good(ts=naive))
    assert [r.field for r in refused.rejects] == ["ts"] * 3
    accepted = check(good(ts=naive), zone="Europe/Berlin")
    assert accepted.table["ts"].to_pylist() == [datetime(2026, 1, 31, 12, tzinfo=UTC)]
    assert [(r.row, "when clocks change" in r.reason) for r in accepted.rejects] == [(2, True), (3, True)]


def test_a_zone_that_does_not_exist_is_an_error() -> None:
    with pytest.raises(MappingError, match='zone = "Mars/Base" is no time zone'):
        check(good(ts=["2026-01-31T13:00:00"] * 3), zone="Mars/Base")


def test_ints_index_the_configured_actions_and_lists_are_vectors() -> None:
    assert check(good(action=[0, 1, 2])).table["action"].to_pylist() == ["hold", "cool", "heat"]
    assert check(good(action=[0, 1, 2]), actions=[]).table["action"].to_pylist() == ["0", "1", "2"]
    assert check(good(action=["3", "7", "3"]), actions=["3", "7"]).table["action"].to_pylist() == ["3", "7", "3"]
    vectors = check(good(action=[[0.5], [1.0], [2.0]], propensity=[1.7, 3.0, 0.0]), actions=[])
    assert vectors.table["action"].to_pylist() == [[0.5], [1.0]]
    assert vectors.rejects[0].field == "propensity"


def test_state_features_are_numbers_or_text_as_the_log_has_them() -> None:
    accepted = check(good(**{"state.on": [True, False, None], "state.n": [1, 2, 3], "state.zip": ["1", "2", "3"]}))
    assert accepted.table["state.on"].to_pylist() == ["true", "false", None]
    assert accepted.table["state.n"].to_pylist() == [1.0, 2.0, 3.0]
    assert accepted.table["state.zip"].to_pylist() == ["1", "2", "3"]


def test_untyped_text_is_numbers_where_most_of_it_is_unless_it_is_pinned() -> None:
    raw = good(**{"state.x": ["1", "oops", "3"]})
    at = raw.schema.get_field_index("state.x")
    raw = raw.set_column(at, pa.field("state.x", pa.string(), metadata=UNTYPED), raw["state.x"])
    only_fault(check(raw), 2, "state.x", 'state.x is "oops"')
    assert check(raw, kinds={"state.x": "text"}).table["state.x"].to_pylist() == ["1", "oops", "3"]
    words = good(**{"state.x": ["a", "b", "3"]})
    assert check(words, kinds={"state.x": "number"}).table["state.x"].to_pylist() == [3.0]


def test_sliced_and_dictionary_columns_keep_their_rows() -> None:
    raw = good(
        5,
        **{
            "action_probs": pa.array([None, [0.2, 0.3, 0.5], None, [0.3, 0.3, 0.5], [1.0, 0.0, 0.0]]),
            "state.mode": pa.array(list("abcab")).dictionary_encode(),
            "eligible_actions": pa.array([["hold"], None, ["cool", "heat"], [], ["heat"]]),
        },
    ).slice(1)
    accepted = check(raw, first_row=2)
    assert [r.row for r in accepted.rejects] == [4]
    assert accepted.table["action_probs"].to_pylist() == [[0.2, 0.3, 0.5], None, [1.0, 0.0, 0.0]]
    assert accepted.table["state.mode"].to_pylist() == ["b", "c", "b"]
    assert accepted.table["eligible_actions"].to_pylist() == [None, ["cool", "heat"], ["heat"]]


def test_nested_columns_of_an_arrow_table_are_flat_roles() -> None:
    nested = pa.array([{"inlet": 1.5, "fan": {"rpm": 3}}, None, {"inlet": None, "fan": None}])
    accepted = check(good(state=nested))
    assert accepted.table["state.inlet"].to_pylist() == [1.5, None, None]
    assert accepted.table["state.fan.rpm"].to_pylist() == [3.0, None, None]
    assert accepted.ignored == ()
