"""Only what changed travels: no update, a Patch, or the whole; and the browser says what it has."""

from __future__ import annotations

from typing import Any

from dash import Patch, html, no_update

from dashboard import figures
from dashboard.components import moment
from dashboard.travel import changed
from tests.test_dashboard_figures import NONE, found


def chart(**changes: Any) -> Any:
    return figures.clocked(figures.control(found(**changes), NONE, "v7", "same"))


def operations(patch: Patch) -> list[tuple[Any, ...]]:
    return [tuple(one["location"]) for one in patch.to_plotly_json()["operations"]]


def test_the_first_answer_is_whole_and_the_same_again_is_nothing() -> None:
    values = [chart(), "5 windows", [html.B("v7"), " serves"]]
    sent, seen = changed(values, None)
    assert sent == values
    again, same = changed([chart(), "5 windows", [html.B("v7"), " serves"]], seen)
    assert again == [no_update] * 3
    assert same == seen


def test_a_time_that_passes_is_the_browsers_own_doing() -> None:
    _sent, seen = changed([moment(100.0, 160.0)], None)
    assert changed([moment(100.0, 3700.0)], seen)[0] == [no_update]
    assert changed([moment(101.0, 3700.0)], seen)[0] != [no_update]


def test_of_a_chart_only_the_trace_that_changed_and_the_range_travel() -> None:
    _sent, seen = changed([chart()], None)
    moved = found()["reward"]
    moved.loc[5, "value"] = 2.0
    (patch,), _seen = changed([chart(reward=moved, end=21_660.0)], seen)
    traces = [trace.name for trace in chart().data]
    assert operations(patch) == [("layout", "xaxis", "range"), ("data", traces.index("v7"))]


def test_a_chart_of_another_kind_travels_whole() -> None:
    _sent, seen = changed([chart()], None)
    bare = found()["fired"][:0]
    (sent,), _seen = changed([chart(fired=bare)], seen)
    assert len(sent.data) == len(chart().data) - 1
    (empty,), _seen = changed([figures.nothing("Why.")], seen)
    assert empty.layout.annotations


def test_a_chart_is_told_the_clock_of_a_zone_and_an_unknown_zone_is_utc() -> None:
    def begin(zone: str) -> str:
        return str(figures.clocked(figures.control(found(), NONE, "v7", ""), zone).layout.xaxis.range[0])

    assert begin("UTC") == "1970-01-01T00:00:00"
    assert begin("Asia/Kolkata") == "1970-01-01T05:30:00"
    assert begin("../etc/passwd") == begin("Nowhere/Here") == begin("UTC")
