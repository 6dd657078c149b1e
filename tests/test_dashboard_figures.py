"""Charts as pure functions: what they draw, what they refuse to draw, and that no text of a log becomes markup."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from dashboard import figures
from dashboard.figures.frame import broken, mark, nothing, ribbon
from dashboard.words import STATES, counted

BEGIN, END, WINDOW = 0.0, 21_600.0, 900
NONE = pd.DataFrame(columns=["time", "kind", "text"])


def found(**changes: Any) -> dict[str, Any]:
    time = np.arange(450.0, END, WINDOW)
    reward = pd.DataFrame({"time": time, "version": "v7", "value": 1.0, "n": 900, "expected": 1.0, "sigma": 0.1})
    fired = pd.DataFrame(
        {"time": [time[-1]], "version": ["v7"], "value": [0.5], "trigger": ["reward_3sigma"], "severity": ["rollback"]}
    ).assign(reason="Mean <b>reward</b> fell.")
    fan = pd.DataFrame({"time": time, "q05": 0.1, "q25": 0.3, "q50": 0.5, "q75": 0.7, "q95": 0.9, "mean": 0.5})
    entropy = pd.DataFrame({"time": time, "version": "v7", "value": 0.9, "n": 900})
    answer = {"begin": BEGIN, "end": END, "window": WINDOW, "reward": reward, "minutes": reward[:0], "fired": fired}
    answer |= {"fan": fan, "entropy": entropy, "entropy_floor": 0.4, "actions": ["a", "b"]}
    return {**answer, **changes}


def said(figure: Any) -> str:
    return str(figure.to_json())


def named(figure: Any) -> dict[str, Any]:
    return {trace.name: trace for trace in figure.data if trace.name}


def test_the_control_chart_has_bands_limit_line_and_firings_at_the_span() -> None:
    figure = figures.control(found(), NONE, "v7", "same")
    traces = named(figure)
    assert {"baseline ±1, 2, 3 sigma", "−3 sigma", "v7", "fired, rolls back"} <= set(traces)
    assert max(value for value in traces["−3 sigma"].y if value is not None) == 0.7
    assert traces["fired, rolls back"].marker.symbol == "square"
    assert list(figure.layout.xaxis.range) == [BEGIN * 1000, END * 1000]
    assert figure.layout.uirevision == "same"


def test_a_warning_is_a_triangle_and_never_the_rollbacks_square() -> None:
    warned = found()
    warned["fired"] = warned["fired"].assign(severity="warn")
    symbols = {trace.marker.symbol for trace in figures.control(warned, NONE, "v7", "").data if trace.mode == "markers"}
    assert symbols == {"triangle-up"}


def test_without_a_baseline_no_band_is_drawn() -> None:
    bare = found()
    bare["reward"] = bare["reward"].assign(expected=math.nan, sigma=math.nan)
    assert not [name for name in named(figures.control(bare, NONE, "v7", "")) if "sigma" in name]


def test_a_missing_window_is_a_gap_in_line_and_band() -> None:
    gap = found()
    gap["reward"] = gap["reward"].drop(index=[5, 6])
    line = named(figures.control(gap, NONE, "v7", ""))["v7"]
    assert list(line.y).count(None) == 1
    x, _y = ribbon([450.0, 2250.0], [0.0, 0.0], [1.0, 1.0], 900.0)
    assert x.tolist().count(None) == 2
    assert broken([450.0, 1350.0], [1.0, 2.0], 900.0)[1].tolist() == [1.0, 2.0]


def test_what_is_not_there_is_said_and_not_drawn_as_quiet() -> None:
    empty = found(reward=found()["reward"][:0], fan=found()["fan"][:0], entropy=found()["entropy"][:0])
    empty["fired"] = empty["fired"][:0]
    charts = [
        figures.control(empty, NONE, "v7", ""),
        figures.fan(empty, NONE, ""),
        figures.entropy(empty, NONE, "v7", ""),
        figures.heatmap({"table": pd.DataFrame(), "missing": "No baseline is frozen."}, ""),
        figures.forest({"rows": pd.DataFrame(), "missing": "No candidate is configured."}),
        nothing("why"),
    ]
    for chart in charts:
        (note,) = chart.layout.annotations
        assert note.text.startswith("○ ")


def test_text_of_a_log_is_never_markup() -> None:
    happened = pd.DataFrame({"time": [900.0], "kind": ["rollback"], "text": ["rollback <img src=x> → v6"]})
    chart = said(figures.control(found(), happened, "v7", ""))
    assert "<img" not in chart
    assert "<b>reward" not in chart
    table = pd.DataFrame([[0.2]], index=["<script>"], columns=[0.0])
    drift = {"table": table, "limit": 0.1, "window": 900, "begin": BEGIN, "end": END, "missing": ""}
    assert "<script>" not in said(figures.heatmap(drift, ""))


def test_marks_of_what_happened_are_lines_on_every_chart_and_words_on_one() -> None:
    happened = pd.DataFrame(
        {"time": [9000.0, 9060.0], "kind": ["rollback", "confirmed"], "text": ["rollback v7 → v6", "confirmed"]}
    )
    quiet, loud = (mark(figures.fan(found(), NONE, ""), happened, BEGIN, END, named=flag) for flag in (False, True))
    assert len(quiet.layout.shapes) == len(loud.layout.shapes) == 2
    assert len(quiet.layout.annotations) == 0
    assert [note.text for note in loud.layout.annotations] == ["■ rollback v7 → v6"]


def test_a_rate_over_its_budget_is_a_red_square_and_a_rate_within_is_none() -> None:
    columns = ["time", "violations", "n", "rate", "low", "high"]
    table = pd.DataFrame([[450.0, 0, 900, 0.0, 0.0, 0.004], [1350.0, 90, 900, 0.1, 0.08, 0.12]], columns=columns)
    limit = {"budget": 0.001, "slack": 0.0005, "hard": False}
    span = {"begin": BEGIN, "end": END, "window": WINDOW}
    (over,) = [trace for trace in figures.rate(table, limit, span, NONE, "").data if trace.mode == "markers"]
    assert list(over.x) == [1350.0 * 1000]
    assert over.marker.symbol == "square"


def test_one_violation_of_a_hard_limit_is_over_whatever_the_interval() -> None:
    columns = ["time", "violations", "n", "rate", "low", "high"]
    table = pd.DataFrame([[450.0, 1, 900, 1 / 900, 0.0, 0.006]], columns=columns)
    span = {"begin": BEGIN, "end": END, "window": WINDOW}
    for hard, count in ((True, 1), (False, 0)):
        limit = {"budget": 0.001, "slack": 0.0005, "hard": hard}
        (over,) = [trace for trace in figures.rate(table, limit, span, NONE, "").data if trace.mode == "markers"]
        assert len(over.x) == count


def test_drift_above_the_limit_carries_a_sign_and_what_was_not_judged_is_empty() -> None:
    table = pd.DataFrame([[0.01, 0.5], [math.nan, 0.02]], index=["inlet", "load"], columns=[0.0, 900.0])
    drift = {"table": table, "limit": 0.1, "window": 900, "begin": BEGIN, "end": END, "missing": ""}
    (heat,) = figures.heatmap(drift, "").data
    assert [list(row) for row in heat.text] == [["", "▲"], ["", ""]]
    assert heat.z[1][0] is None


def test_trust_is_a_filled_hollow_or_crossed_mark_and_a_word() -> None:
    columns = ["name", "estimator", "value", "low", "high", "n", "ess", "trust", "reason"]
    rows = [
        ["logged", "mean", 1.0, 0.9, 1.1, 100, 100.0, "logged", ""],
        ["v8", "snips", 1.2, 1.0, 1.4, 100, 80.0, "trusted", ""],
        ["v8", "ips", 1.2, 0.2, 2.4, 100, 9.0, "weak", "Few effective rows."],
        ["v9", "ips", math.nan, math.nan, math.nan, 100, 1.0, "refused", "No support."],
    ]
    figure = figures.forest({"rows": pd.DataFrame(rows, columns=columns), "missing": ""})
    symbols: Mapping[str, str] = {trace.y[0]: trace.marker.symbol for trace in figure.data}
    assert symbols == {
        "what was earned": "circle",
        "v8 snips · trusted": "diamond",
        "v8 ips · weak": "diamond-open",
        "v9 ips · refused": "x-thin-open",
    }
    (refused,) = [trace for trace in figure.data if trace.y[0].endswith("refused")]
    assert "No support." in refused.text[0]
    assert "no value" in refused.text[0]


def test_a_week_of_windows_stays_small_enough_to_travel_every_refresh() -> None:
    time = np.arange(450.0, 604_800.0, 900.0)
    noise = np.random.default_rng(0).normal(size=len(time))
    week = found(end=604_800.0)
    week["reward"] = pd.DataFrame({"time": time, "version": "v7", "value": noise, "n": 900})
    week["reward"] = week["reward"].assign(expected=noise / 3, sigma=0.1)
    assert len(said(figures.control(week, NONE, "v7", ""))) < 200_000


def test_every_state_has_a_shape_and_a_word_and_only_healthy_is_a_full_circle() -> None:
    assert [name for name, (shape, _word) in STATES.items() if shape == "●"] == ["healthy"]
    assert all(word for _shape, word in STATES.values())
    assert counted({"no_data": 1, "healthy": 3}) == "1 ○"
    assert counted({}) == "○"
