"""Comparing versions that are assigned to people: isolation, dependence, and gains that are only news."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from monitor.landing.land import Landing
from tests.rollout_stages import ROWS, columns, compared, said, stage


def people(seed: int, share: float, gain: float, *, mixed: int = 0) -> dict[str, Any]:
    """400 people who come back for two hours, each under one version; ``mixed`` of them meet both."""
    rng = np.random.default_rng(seed)
    own, level = rng.random(400) < share, rng.normal(0, 1, 400)
    who = rng.integers(0, 400, ROWS)
    mine = own[who] ^ ((who < mixed) & (rng.random(ROWS) < 0.5))
    reward = 10.0 + level[who] + rng.normal(0, 0.3, ROWS) + np.where(mine, gain, 0.0)
    names = np.where(mine, "v2", "v1").tolist()
    return {
        "version": names,
        "reward": reward,
        "segment.person": [f"p{one}" for one in who],
        "state.load": np.zeros(ROWS),
    }


BY_PERSON: dict[str, Any] = {"comparison": {"subject": "segment.person"}}


def test_people_who_met_both_versions_hold_a_pass_back(tmp_path: Path) -> None:
    found = compared(stage(tmp_path, people(5, 0.2, 2.0, mixed=10), **BY_PERSON))
    assert found.verdict == "inconclusive"
    said(found, "10 of 400 subjects (segment.person) met both versions: the arms are not isolated")


def test_people_who_are_mostly_not_named_are_not_counted(tmp_path: Path) -> None:
    made = people(5, 0.2, 2.0)
    made["segment.person"] = [one if i % 50 else None for i, one in enumerate(made["segment.person"])]
    found = compared(stage(tmp_path, made, **BY_PERSON))
    assert found.body["subjects"] is None
    said(found, "was not checked: 144 of 7,200 decisions have no segment.person")


def test_people_and_not_their_decisions_are_counted(tmp_path: Path) -> None:
    """400 people are not 7,200 independent rows: plainly counted, chance alone would be a difference."""
    landing = stage(tmp_path, people(6, 0.2, 0.0), **BY_PERSON)
    found = compared(landing)
    assert found.body["effect"]["dispersion"] > 5
    assert found.body["ratio"]["of"] == "segment.person"
    assert found.verdict == "inconclusive"
    found = compared(stage_again(tmp_path, people(6, 0.2, 2.0)))
    assert found.verdict == "better"


def stage_again(folder: Path, made: dict[str, Any]) -> Landing:
    (folder / "again").mkdir()
    return stage(folder / "again", made, **BY_PERSON)


def test_a_gain_that_fades_with_time_is_named(tmp_path: Path) -> None:
    fading = np.where(np.arange(ROWS) < ROWS / 3, 1.5, 0.0)
    found = compared(stage(tmp_path, columns(gain=fading)))
    assert found.effect is not None
    assert found.effect > 0.3
    assert found.verdict == "inconclusive"
    said(found, "The gain fades: 1.", "by time since the stage began")


@pytest.mark.full
def test_a_gain_that_fades_and_stays_is_told_and_passes(tmp_path: Path) -> None:
    fading = np.where(np.arange(ROWS) < ROWS / 3, 2.0, 0.7)
    found = compared(stage(tmp_path, columns(gain=fading)))
    assert found.verdict == "better"
    said(found, "The gain fades", "still gain")


@pytest.mark.full
def test_a_novelty_is_seen_by_the_age_of_exposure_where_people_are_known(tmp_path: Path) -> None:
    """New people come all the time: by the clock nothing fades, by age everything does."""
    rng = np.random.default_rng(7)
    who = np.arange(ROWS) // 12 + rng.integers(-300, 1, ROWS).clip(-300, 0)
    own = np.random.default_rng(8).random(1000) < 0.5
    mine = own[who + 300]
    first: dict[int, int] = {}
    age = np.array([at - first.setdefault(int(one), at) for at, one in enumerate(who)])
    reward = 10.0 + rng.normal(0, 0.5, ROWS) + np.where(mine & (age < 1800), 2.0, 0.0)
    made = {"version": np.where(mine, "v2", "v1").tolist(), "reward": reward}
    made |= {"segment.person": [f"p{one}" for one in who], "state.load": np.zeros(ROWS)}
    found = compared(stage(tmp_path, made, **BY_PERSON), shares={"v2": 0.5, "v1": 0.5})
    assert found.verdict == "inconclusive"
    said(found, "The gain fades", "by exposure age of subjects")
