"""Weekly seasons: they neither alarm nor hide a real drop, and a short history falls back and says so."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from detectors import DETECTORS, Series, State
from detectors.reference_histogram import reference
from detectors.season import expectation

HOUR, WEEK = 3600.0, 168
MONDAY = 4 * 24  # hours since 1970 of the first one
RUSH = np.array([1.0 + 0.8 * (h % 24 in range(8, 20)) * (h // 24 < 5) + 0.3 * (h // 24 >= 5) for h in range(WEEK)])
NIGHT, WORK, REST = (0.1, 0.2, 0.3, 0.4), (0.4, 0.3, 0.2, 0.1), (0.1, 0.5, 0.3, 0.1)


def hours(first: int, length: int) -> NDArray[np.int64]:
    return MONDAY + first + np.arange(length)


def shares(hour: int) -> tuple[float, ...]:
    if (hour - MONDAY) % WEEK // 24 >= 5:
        return REST
    return WORK if 8 <= hour % 24 < 20 else NIGHT


def series(at: Any, value: Any, n: Any, past: Series | None = None, counts: Any = None) -> Series:
    return Series(at * HOUR, value, np.full(len(at), np.nan), n, past, counts)


def rewards(rng: np.random.Generator, at: Any) -> Any:
    return RUSH[(at - MONDAY) % WEEK] + rng.normal(0, 0.05, len(at))


@pytest.mark.parametrize("weeks", [3, 5])
def test_a_weekly_season_of_the_reward_neither_alarms_nor_hides_a_drop(weeks: int) -> None:
    rng = np.random.default_rng(100)
    before, after = hours(0, weeks * WEEK), hours(weeks * WEEK, 2 * WEEK)
    past = series(before, rewards(rng, before), np.full(len(before), 500))
    value = rewards(rng, after)
    scan = DETECTORS["frozen_sigma"].scan
    healthy = series(after, value, np.full(len(after), 500), past)
    fired = [v.state for v in scan(healthy, k=3.0, season="hour_of_week")].count(State.FIRE)
    assert fired <= 4  # of 336, at 1 in 741
    dropped = np.where(np.arange(len(after)) >= WEEK, value - 0.4, value)
    fallen = series(after, dropped, np.full(len(after), 500), past)
    verdicts = scan(fallen, k=3.0, season="hour_of_week")[WEEK:]
    assert [v.state for v in verdicts].count(State.FIRE) > 0.9 * WEEK
    # a frozen mean holds the same drop for an ordinary night
    flat = scan(fallen, k=3.0, season="none")[WEEK:]
    assert [v.state for v in flat].count(State.FIRE) < 0.1 * WEEK


def test_a_weekly_season_of_the_states_neither_alarms_nor_hides_a_drift() -> None:
    rng = np.random.default_rng(101)
    before, after = hours(0, 4 * WEEK), hours(4 * WEEK, 2 * WEEK)

    def drawn(at: Any, mix: Any = shares) -> Any:
        return np.stack([rng.multinomial(800, mix(int(h))) for h in at])

    past = series(before, 0.0 * before, np.full(len(before), 800), None, drawn(before))
    scan = DETECTORS["jensen_shannon"].scan
    healthy = series(after, 0.0 * after, np.full(len(after), 800), past, drawn(after))
    verdicts = scan(healthy, threshold=0.02, alpha=0.001, season="hour_of_week")
    assert {v.state for v in verdicts} == {State.OK}
    p = np.array([v.p for v in verdicts])
    assert np.mean(p <= 0.05) < 0.12
    # every night of the week is Monday's noon: the whole reference would not see what no hour is like
    stuck = series(after, 0.0 * after, np.full(len(after), 800), past, drawn(after, lambda _h: WORK))
    states = [v.state for v in scan(stuck, threshold=0.05, season="hour_of_week")]
    wrong = np.array([shares(int(h)) != WORK for h in after])
    fired = np.array([state is State.FIRE for state in states])
    assert fired[wrong].mean() > 0.95
    assert not fired[~wrong].any()
    flat = [v.state for v in scan(healthy, threshold=0.02, season="none", pool=1)]
    assert flat.count(State.FIRE) + flat.count(State.INSUFFICIENT) > WEEK  # and calls every night a drift, or refuses


def test_a_weekly_season_of_the_volume_neither_alarms_nor_hides_silence() -> None:
    rng = np.random.default_rng(102)
    usual = np.where(RUSH > 1.5, 900.0, np.where(RUSH > 1.2, 60.0, 3.0))
    before, after = hours(0, 4 * WEEK), hours(4 * WEEK, WEEK)
    volume = rng.poisson(usual[(before - MONDAY) % WEEK])
    past = series(before, volume.astype(float), volume)
    today = rng.poisson(usual[(after - MONDAY) % WEEK])
    scan = DETECTORS["silence"].scan
    healthy = scan(series(after, today.astype(float), today, past), season="hour_of_week")
    assert State.FIRE not in {v.state for v in healthy}
    lost = today.copy()
    lost[24 * 2 + 9 : 24 * 2 + 20] = rng.poisson(5.0, 11)  # Wednesday's work is gone; a night would be like that
    states = [v.state for v in scan(series(after, lost.astype(float), lost, past), season="hour_of_week")]
    assert states[24 * 2 + 11 : 24 * 2 + 20] == [State.FIRE] * 9
    flat = scan(series(after, today.astype(float), today, past), season="none")
    assert State.FIRE in {v.state for v in flat}  # every night


@pytest.mark.parametrize(
    ("length", "used"),
    [(20 * 24, "hour of day is used"), (2 * 24, "no season is used"), (6, "no season is used")],
)
def test_less_than_three_weeks_fall_back_and_say_so(length: int, used: str) -> None:
    rng = np.random.default_rng(103)
    before, after = hours(0, length), hours(length, 3)
    counts = np.stack([rng.multinomial(900, WORK) for _ in before])
    past = series(before, rewards(rng, before), np.full(length, 900), None, counts)
    now = series(after, rewards(rng, after), np.full(3, 900), past, np.stack([rng.multinomial(900, WORK)] * 3))
    for name in ("frozen_sigma", "jensen_shannon", "silence", "entropy_drop"):
        verdicts = DETECTORS[name].scan(now, season="hour_of_week")
        assert name != "silence" or used in verdicts[0].reason
        for verdict in verdicts:
            assert used in verdict.reason or verdict.state is State.INSUFFICIENT, name


def test_an_hour_that_the_baseline_hardly_knows_is_not_compared_with_the_whole() -> None:
    rng = np.random.default_rng(104)
    before, after = hours(0, 4 * WEEK), hours(4 * WEEK, WEEK)

    def drawn(at: Any) -> Any:  # four decisions an hour at night, of another mix
        return np.stack([rng.multinomial(800 if shares(int(h)) == WORK else 4, shares(int(h))) for h in at])

    table, now = drawn(before), drawn(after)
    past = series(before, 0.0 * before, table.sum(axis=1), None, table)
    live = series(after, 0.0 * after, now.sum(axis=1), past, now)
    verdicts = DETECTORS["jensen_shannon"].scan(live, threshold=0.1, season="hour_of_week")
    assert State.FIRE not in {v.state for v in verdicts}
    assert {v.state for v in verdicts} == {State.OK, State.INSUFFICIENT}
    known = reference(live, "hour_of_week", 25)
    assert not isinstance(known, str)
    assert np.sum(known.sizes == 0) == WEEK - 60


def test_the_effect_of_an_hour_is_shrunk_by_its_own_noise() -> None:
    rng = np.random.default_rng(105)
    at = hours(0, 3 * WEEK)
    errors = []
    for _ in range(20):
        noise = rng.normal(1.0, 0.3, len(at))  # no season at all, three values for each hour
        expected = expectation(at * HOUR, noise, hours(3 * WEEK, WEEK) * HOUR, "hour_of_week")
        raw = np.array([noise[(at - MONDAY) % WEEK == h].mean() for h in range(WEEK)])
        errors.append((np.mean((expected.value - 1.0) ** 2), np.mean((raw - 1.0) ** 2)))
    shrunk, plain = np.mean(errors, axis=0)
    assert shrunk < 0.2 * plain
