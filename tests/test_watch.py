"""`checkrein watch`: seasons, bursts and shifts of bare series; one alarm an episode; quiet when nothing is wrong."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from scipy.stats import binom

from monitor.clock import stamp
from monitor.watch import watch
from monitor.watch.scores import RUN_LENGTH, scores
from tests.command_line import Desk

Floats = NDArray[np.float64]
STEP = 300.0
DAY = 288  # rows
ROWS = 14 * DAY


@pytest.fixture
def desk(
    tmp_path: Path, migrated_file: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Desk:
    return Desk(tmp_path, migrated_file, capsys, monkeypatch)


def autoregression(draw: np.random.Generator, rows: int, phi: float) -> Floats:
    noise = draw.normal(size=rows)
    for row in range(1, rows):
        noise[row] += phi * noise[row - 1]
    return noise


def clock_of(value: Floats) -> Floats:
    return np.asarray(STEP * np.arange(len(value)), np.float64)


def daily(rows: int = ROWS) -> Floats:
    return np.sin(np.arange(rows) / DAY * 2 * np.pi)


def weekly(draw: np.random.Generator, rows: int) -> Floats:
    weekend = np.arange(rows) // DAY % 7 >= 5
    return 100 + 40 * daily(rows) * np.where(weekend, 0.3, 1.0) + draw.normal(0, 3, rows)


def alarms(value: Floats) -> list[int]:
    return [int(row) for row in np.flatnonzero(scores(clock_of(value), value).alarm)]


HEALTHY: dict[str, Callable[[np.random.Generator], Floats]] = {
    "normal": lambda draw: draw.normal(5, 1, ROWS),
    "correlated": lambda draw: autoregression(draw, ROWS, 0.9),
    "daily": lambda draw: 20 + 8 * daily() + draw.normal(0, 1, ROWS),
    "square": lambda draw: np.where(np.arange(ROWS) % DAY < 100, 80.0, 20.0) + draw.uniform(0, 9, ROWS),
    "weekly": lambda draw: weekly(draw, 2 * ROWS),
    "heavy": lambda draw: draw.standard_t(4, ROWS),
    "counts": lambda draw: draw.poisson(3.0, ROWS).astype(float),
    "constant": lambda _draw: np.full(ROWS, 45.0),
}


@pytest.mark.parametrize("kind", HEALTHY)
def test_a_healthy_series_keeps_the_stated_run_length(kind: str) -> None:
    rows = found = 0
    for seed in range(6):
        value = HEALTHY[kind](np.random.default_rng(seed))
        rows += len(value)
        found += len(alarms(value))
    assert binom.sf(found - 1, rows, 1 / RUN_LENGTH) > 1e-3, f"{found} alarms in {rows} healthy rows of {kind}"


def spiked(draw: np.random.Generator) -> tuple[Floats, int]:
    value = 0.13 + np.abs(draw.normal(0, 0.004, ROWS))
    value[3000:3003] += 2.0
    return value, 3000


def shifted(draw: np.random.Generator) -> tuple[Floats, int]:
    value = 40 + autoregression(draw, ROWS, 0.5)
    value[2500:] += 12
    return value, 2500


def flattened(draw: np.random.Generator) -> tuple[Floats, int]:
    """A day on which the usual rise does not come: no value is unusual, only its time."""
    value = np.where(np.arange(ROWS) % DAY >= 100, 80.0, 20.0) + draw.uniform(0, 9, ROWS)
    at = 9 * DAY + 100
    value[at : at + 188] = 20 + draw.uniform(0, 9, 188)
    return value, at


def burst(draw: np.random.Generator) -> tuple[Floats, int]:
    value = np.where(draw.random(ROWS) < 0.02, draw.lognormal(3, 0.7, ROWS), 0.0)
    value[3000:3012] = 4000.0
    return value, 3000


def holiday(draw: np.random.Generator) -> tuple[Floats, int]:
    value = weekly(draw, 5 * 7 * DAY)
    at = 30 * DAY
    value[at : at + DAY] = 100 + 0.3 * (value[at : at + DAY] - 100)
    return value, at


def drifting(draw: np.random.Generator) -> tuple[Floats, int]:
    """Ten means of ten rows that no single row gives away."""
    value = draw.normal(10, 1, ROWS)
    value[2600:2900] += 1.6
    return value, 2600


@pytest.mark.parametrize("trouble", [spiked, shifted, flattened, burst, holiday, drifting])
def test_an_episode_of_trouble_raises_one_alarm_soon(
    trouble: Callable[[np.random.Generator], tuple[Floats, int]],
) -> None:
    for seed in range(3):
        value, at = trouble(np.random.default_rng(seed))
        found = alarms(value)
        near = [row for row in found if at <= row < at + DAY]
        assert len(near) == 1, f"{found} for a trouble at {at}"
        assert len(found) <= 3


def test_a_score_depends_on_no_later_row() -> None:
    value = weekly(np.random.default_rng(3), ROWS)
    value[3000:3100] += 60
    whole = scores(clock_of(value), value)
    value[3600:] = 0.0  # another future
    other = scores(clock_of(value), value)
    assert np.array_equal(whole.score[:3600], other.score[:3600])
    assert np.array_equal(whole.alarm[:3600], other.alarm[:3600])


def test_only_the_side_that_is_asked_for_alarms() -> None:
    value = np.random.default_rng(0).normal(10, 1, ROWS)
    value[2000:2010] -= 9
    value[3500:3510] += 9
    time = clock_of(value)
    sides = {side: np.flatnonzero(scores(time, value, side=side).alarm).tolist() for side in ("both", "below", "above")}
    assert sides == {"both": [2000, 3500], "below": [2000], "above": [3500]}


def file(path: Path, value: list[object], times: list[str] | None = None, header: str = "timestamp,load") -> Path:
    times = times or [stamp(1_750_000_000.0 + STEP * row) for row in range(len(value))]
    lines = [f"{time},{item}" for time, item in zip(times, value, strict=True)]
    path.write_text("\n".join([header, *lines]) + "\n")
    return path


def test_the_command_writes_every_row_as_it_came_with_its_score_and_alarm(desk: Desk, tmp_path: Path) -> None:
    value = np.random.default_rng(0).normal(10, 1, ROWS).round(3)
    value[3000:3020] = 40.0
    path = file(tmp_path / "load.csv", [*value])
    done = desk.run("watch", path, "--value", "load")
    assert done.status == 0
    lines = done.out.splitlines()
    assert lines[0] == "timestamp,value,score,alarm"
    assert len(lines) == ROWS + 1
    assert lines[3001].startswith(f"{stamp(1_750_000_000.0 + STEP * 3000)},40.0,0.")
    assert [row for row, line in enumerate(lines[1:]) if line.endswith(",1")] == [3000]
    assert "1 alarms" in done.err
    assert "40 where" in done.err
    found = desk.run("watch", path, "--value", "load", "--json", "--out", tmp_path / "out.csv").json
    assert [alarm["row"] for alarm in found["alarms"]] == [3000]
    assert (tmp_path / "out.csv").read_text().splitlines() == lines


def test_odd_rows_are_named_and_never_scored_as_healthy(tmp_path: Path) -> None:
    value: list[object] = [*np.random.default_rng(0).normal(10, 1, 1000).round(3)]
    value[100], value[200], value[300] = "", "inf", "broken"
    times = [stamp(1_750_000_000.0 + STEP * row) for row in range(1000)]
    times[500], times[501] = times[501], times[500]
    found = watch(file(tmp_path / "odd.csv", value, times), "load")
    assert found.series.notes == (
        "3 rows have no finite number in load (the first is line 102): not scored",
        "1 rows are earlier than the row before (the first is line 503): taken in file order",
    )
    assert found.table["score"].iloc[[100, 200, 300]].tolist() == ["", "", ""]
    assert found.table["value"].iloc[300] == "broken"


@pytest.mark.parametrize(
    ("times", "header", "column", "said"),
    [
        (None, "timestamp,load", "lod", "no column 'lod' for --value; it has timestamp, load"),
        (None, "when,load", "load", "name the column of times with --time; it has when, load"),
        (["yesterday"], "timestamp,load", "load", "line 2: 'yesterday' in 'timestamp' is not a time"),
    ],
)
def test_a_file_that_cannot_be_watched_says_which_column_or_row(
    tmp_path: Path, times: list[str] | None, header: str, column: str, said: str
) -> None:
    rows = [stamp(1_750_000_000.0 + STEP * row) for row in range(200)]
    path = file(tmp_path / "x.csv", [1.0] * 200, rows if times is None else [*times, *rows[1:]], header)
    with pytest.raises(ValueError, match=said):
        watch(path, column)
    with pytest.raises(ValueError, match="12 rows; at least 100"):
        watch(file(tmp_path / "short.csv", [1.0] * 12), "load")


@pytest.mark.parametrize("unit", [1.0, 1e3, 1e9])
def test_times_may_be_numbers_of_any_unit(tmp_path: Path, unit: float) -> None:
    times = [f"{(1_750_000_000 + 300 * row) * unit:.0f}" for row in range(200)]
    found = watch(file(tmp_path / "epoch.csv", [1.0] * 200, times), "load")
    assert pd.Series(found.series.time).diff().dropna().unique().tolist() == [300.0]
