"""Any log becomes finite columns: gaps, levels, vectors and nonsense included; what is new in the window is outside."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from monitor.settings import parse
from monitor.why.encode import COLUMNS, Encoder
from monitor.why.versions import acts, logged, propensity
from ope.shift.attribution import Attribution, Attributor
from ope.shift.rows import Rows

N, M = 1200, 600
SETTINGS = parse({"policy": {"p": {"incumbent": "v6", "actions": ["hold", "cool"]}}})


def table(n: int, seed: int, **more: Any) -> pa.Table:
    rng = np.random.default_rng(seed)
    action = np.where(rng.random(n) < 0.5, "cool", "hold")
    columns = {
        "decision_id": [str(i) for i in range(n)],
        "version": ["v7"] * n,
        "action": action.tolist(),
        "reward": (action == "cool") + rng.normal(0, 0.3, n),
    }
    return pa.table({**columns, **more})


def split(base: pa.Table, window: pa.Table) -> Attribution:
    made = Encoder.learn(base, window, ())

    def rows(one: pa.Table, every: int) -> Rows:
        reward = np.array(one["reward"].to_numpy(), dtype=np.float64)
        return Rows(made.states(one), made.index(one), reward, np.arange(len(one)) // every)

    before, after = rows(base, 30), rows(window, 30)
    assert np.isfinite(before.states).all()
    assert np.isfinite(after.states).all()
    fitted = Attributor.fit(before, made.names, actions=len(made.actions))
    return fitted.split(before, after, seed=1)


def numbers(n: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=n)


def test_a_feature_that_goes_missing_puts_its_rows_outside() -> None:
    base, window = table(N, 1, **{"state.load": numbers(N, 3)}), table(M, 2)
    gone = window.append_column("state.load", pa.array([None, 1.0] * (M // 2), pa.float64()))
    found = split(base, gone)
    assert found.outside == pytest.approx(0.5)
    assert next(iter(found.outside_by)) == "load"
    assert split(base, window).outside == 1.0  # the whole column is gone


def test_infinities_are_gaps_and_a_constant_feature_that_moves_is_outside() -> None:
    base = table(N, 1, **{"state.load": numbers(N, 3), "state.fixed": np.full(N, 2.0)})
    window = table(
        M, 2, **{"state.load": np.where(np.arange(M) < 60, np.inf, numbers(M, 4)), "state.fixed": np.full(M, 2.0)}
    )
    assert split(base, window).outside == pytest.approx(0.1, abs=0.02)
    moved = window.set_column(window.column_names.index("state.fixed"), "state.fixed", pa.array(np.full(M, 3.0)))
    assert split(base, moved).outside_by["fixed"] == 1.0


def test_ten_levels_that_become_ten_thousand_are_not_known() -> None:
    rng = np.random.default_rng(5)
    base = table(N, 1, **{"state.user": [f"u{i}" for i in rng.integers(0, 10, N)]})
    window = table(M, 2, **{"state.user": [f"u{i}" for i in rng.integers(0, 10_000, M)]})
    found = split(base, window)
    assert found.outside > 0.95
    assert list(found.outside_by) == ["user"]
    assert len(Encoder.learn(base, window, ()).names) < 20


def test_a_segment_is_a_state_like_any_other() -> None:
    rng = np.random.default_rng(6)

    def log(n: int, seed: int, share: float) -> pa.Table:
        site = np.where(rng.random(n) < share, "big", "small")
        made = table(n, seed, **{"segment.site": site.tolist()})
        reward = made["reward"].to_numpy() + (site == "big")
        return made.set_column(made.column_names.index("reward"), "reward", pa.array(reward))

    found = split(log(N, 1, 0.5), log(M, 2, 0.1))
    assert found.parts["state_mix"].value == pytest.approx(-0.4, abs=0.08)
    assert next(iter(found.features)) == "segment.site"


def test_vector_actions_are_compared_in_bins() -> None:
    rng = np.random.default_rng(7)

    def log(n: int, seed: int, mean: float) -> pa.Table:
        dial = rng.normal(mean, 1.0, n)
        made = table(n, seed, **{"state.load": numbers(n, seed)})
        made = made.set_column(2, "action", pa.array([[one, 2 * one] for one in dial]))
        return made.set_column(3, "reward", pa.array(dial + rng.normal(0, 0.2, n)))

    found = split(log(N, 1, 0.0), log(M, 2, -0.6))
    assert found.change.value == pytest.approx(-0.6, abs=0.12)
    assert found.parts["action_mix"].value / found.change.value > 0.75  # within a bin they differ, too


def test_many_features_are_screened_to_those_that_matter() -> None:
    more = {f"state.f{i}": numbers(N, 100 + i) for i in range(100)}
    base = table(N, 1, **more)
    reward = base["reward"].to_numpy() + 3 * more["state.f77"]
    base = base.set_column(3, "reward", pa.array(reward))
    window = table(M, 2, **{name: column[:M] + (2.0 if name == "state.f13" else 0.0) for name, column in more.items()})
    names = Encoder.learn(base, window, ()).names
    assert len(names) <= COLUMNS
    assert {"f77", "f13"} <= set(names)


def test_a_rare_action_has_no_index() -> None:
    base = table(N, 1)
    rare = base.set_column(2, "action", pa.array(["burn"] * 5 + base["action"].to_pylist()[5:]))
    made = Encoder.learn(rare, rare, ("hold", "cool", "burn"))
    assert made.actions == ["hold", "cool"]
    assert (made.index(rare) == -1).sum() == 5


def test_the_old_policy_is_read_from_its_column_and_from_the_log_of_the_same_artefact() -> None:
    lists = [[0.3, 0.7]] * N
    read = acts(SETTINGS, "p", "v6", table(N, 1, **{"candidate_probs.v6": lists}), ("hold", "cool"))
    assert read is not None
    assert read.each is not None
    assert read.each[0].tolist() == [0.3, 0.7]
    assert set(np.round(read.executed, 6)) == {0.3, 0.7}
    assert acts(SETTINGS, "p", "v6", table(N, 1), ("hold", "cool")) is None
    own = table(N, 1, action_probs=lists, artifact_sha256=["a"] * N)
    same, other = own.slice(0, 50), own.slice(0, 50).set_column(5, "artifact_sha256", pa.array(["b"] * 50))
    assert logged(SETTINGS, "p", own, same, ("hold", "cool")) is not None
    assert logged(SETTINGS, "p", own, other, ("hold", "cool")) is None  # the name alone proves nothing
    assert logged(SETTINGS, "p", table(N, 1, action_probs=lists), same, ("hold", "cool")) is None


def test_a_propensity_that_cannot_be_is_not_known() -> None:
    log = table(4, 1, propensity=[0.5, 0.0, 1.5, None])
    assert np.isnan(propensity(SETTINGS, "p", log)).tolist() == [False, True, True, True]
