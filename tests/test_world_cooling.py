"""The cooling world: healthy for two weeks, and worse when its sensor drifts."""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.dataset as ds
import pytest

from examples.worlds.cooling import ACTIONS, CONSTRAINTS, FEATURES, configuration
from examples.worlds.cooling.controllers import write_policies
from examples.worlds.cooling.history import write
from examples.worlds.cooling.plant import RAMP, Batch, Plant
from examples.worlds.cooling.rows import lines, table
from monitor import candidates, settings
from monitor.log_store.schema import REQUIRED, role_type

END = 1_763_600_400
HARD = [index for index, limit in enumerate(CONSTRAINTS) if limit.hard]
WINDOW = 900


@pytest.fixture(scope="module")
def logs(tmp_path_factory: pytest.TempPathFactory) -> pa.Table:
    folder = tmp_path_factory.mktemp("logs")
    assert write(folder, days=4, end=END, seed=1) == 4 * 86400
    return ds.dataset(folder, format="parquet").to_table().sort_by("ts")


def _of(logs: pa.Table, version: str, name: str) -> Any:
    return logs.filter(pa.compute.equal(logs["version"], version))[name].to_numpy()


def test_the_history_is_one_decision_a_second_the_first_half_by_the_rule(logs: pa.Table) -> None:
    seconds = logs["ts"].cast(pa.int64()).to_numpy() // 1_000_000
    assert np.array_equal(seconds, np.arange(END - 4 * 86400, END))
    assert logs["version"].to_pylist() == ["v6"] * 172800 + ["v7"] * 172800
    assert len(set(logs["decision_id"].to_pylist())) == logs.num_rows


def test_every_column_is_a_role_of_the_decision_log(logs: pa.Table) -> None:
    for name, kind in zip(logs.schema.names, logs.schema.types, strict=True):
        wanted = role_type(name)
        same = pa.types.is_list(kind) if name == "action_probs" else kind == (wanted or pa.float64())
        assert same, f"{name} is {kind}"
    assert set(REQUIRED) <= set(logs.column_names)
    assert {f"state.{name}" for name in FEATURES} <= set(logs.column_names)
    assert {f"cost.{limit.name}" for limit in CONSTRAINTS} <= set(logs.column_names)
    assert (len(FEATURES), len(CONSTRAINTS), len(HARD)) == (20, 21, 1)
    assert sum(column.null_count for column in logs.columns) == 0
    assert set(logs["action"].to_pylist()) == set(ACTIONS)


def test_a_seed_gives_the_same_files_and_another_seed_others(tmp_path: Path) -> None:
    for name, seed in (("one", 1), ("again", 1), ("other", 2)):
        write(tmp_path / name, days=0.05, end=END, seed=seed)
    found = [[path.read_bytes() for path in sorted((tmp_path / name).iterdir())] for name in ("one", "again", "other")]
    assert len(found[0]) == 2
    assert found[0] == found[1]
    assert found[0] != found[2]


def test_healthy_operation_keeps_every_limit_but_for_rare_readings(logs: pa.Table) -> None:
    for version in ("v6", "v7"):
        for limit in CONSTRAINTS:
            cost = _of(logs, version, f"cost.{limit.name}")
            assert (cost >= 0).all()
            assert float(np.mean(cost > 0)) <= (0.0 if limit.hard else 0.0003), (version, limit.name)


def test_the_learned_policy_needs_less_energy_than_the_rule(logs: pa.Table) -> None:
    old, new = (_of(logs, version, "reward").reshape(2, -1).mean(1) for version in ("v6", "v7"))
    assert (new > old * 0.97).all()  # rewards are negative: at least 3% less energy, every day


def test_quarter_hours_of_the_same_hour_differ_little_in_healthy_operation(logs: pa.Table) -> None:
    windows = _of(logs, "v7", "reward").reshape(2, 86400 // WINDOW, WINDOW).mean(2)
    assert float(np.std(windows[1] - windows[0])) / abs(float(windows.mean())) < 0.02


def test_propensities_are_the_probabilities_that_actions_are_drawn_with(logs: pa.Table) -> None:
    for version in ("v6", "v7"):
        mine = logs.filter(pa.compute.equal(logs["version"], version))
        probabilities = mine["action_probs"].combine_chunks().values.to_numpy().reshape(-1, 3)
        action = np.array([ACTIONS.index(name) for name in mine["action"].to_pylist()])
        propensity = mine["propensity"].to_numpy()
        assert np.array_equal(propensity, probabilities[np.arange(len(action)), action])
        assert (propensity > 0).all()
        assert (propensity <= 1).all()
        assert np.allclose(probabilities.sum(1), 1.0, atol=1e-12)
        # Drawn with these probabilities: each action's count is its sum of probabilities, within 5 standard errors.
        variance = (probabilities * (1 - probabilities)).sum(0)
        drawn = np.bincount(action, minlength=3)
        assert (np.abs(drawn - probabilities.sum(0)) < 5 * np.sqrt(variance)).all()
    # A weight for another policy has mean one: the uniform policy's is 1 / (3 p).
    weight = 1 / (3 * _of(logs, "v7", "propensity"))
    assert abs(weight.mean() - 1) < 5 * weight.std() / np.sqrt(len(weight))


def test_a_replay_of_the_policy_files_gives_the_logged_probabilities(logs: pa.Table, tmp_path: Path) -> None:
    write_policies(tmp_path / "policies")
    for version in ("v6", "v7"):
        spec = settings.Candidate(policy=f"linear:policies/{version}.json")
        mine = logs.filter(pa.compute.equal(logs["version"], version)).slice(0, 5000)
        found = candidates.load(version, spec, tmp_path).probabilities(mine, ACTIONS)
        assert np.allclose(found, mine["propensity"].to_numpy(), rtol=1e-9)


def test_the_candidate_overlaps_and_is_better_on_the_log_and_in_the_plant(logs: pa.Table, tmp_path: Path) -> None:
    write_policies(tmp_path / "policies")
    mine = logs.filter(pa.compute.equal(logs["version"], "v7"))
    spec = settings.Candidate(policy="linear:policies/v8.json")
    propensity, reward = mine["propensity"].to_numpy(), mine["reward"].to_numpy()
    weight = candidates.load("v8", spec, tmp_path).probabilities(mine, ACTIONS) / propensity
    assert float(weight.sum() ** 2 / (weight**2).sum()) > 0.8 * len(weight)
    value = float((weight * reward).sum() / weight.sum())
    assert value - reward.mean() > 5 * float(np.std(weight * (reward - value))) / np.sqrt(len(weight))
    one, other = (Plant(seed=5).run(version, END, 86400) for version in ("v7", "v8"))
    assert other.reward.mean() > one.reward.mean()


def _faulty(version: str, seed: int) -> tuple[Batch, Batch]:
    """Three hours of the fault, and the same three hours without it."""
    found = []
    for fault in (float(END), np.inf):
        plant = Plant(seed)
        plant.run(version, END - 3600, 3600)
        found.append(plant.run(version, END, 3 * 3600, fault))
    return found[0], found[1]


@pytest.mark.parametrize("seed", range(5))
def test_the_drift_makes_the_learned_policy_waste_energy_and_then_break_the_hard_limit(seed: int) -> None:
    faulty, healthy = _faulty("v7", seed)
    more = (faulty.reward / healthy.reward).reshape(-1, WINDOW).mean(1) - 1
    assert more[0] > 0.05
    assert (more[1:] >= 0.10).all()
    assert (more < 0.40).all()
    first = int(np.flatnonzero(faulty.costs[HARD[0]])[0])
    assert 15 * 60 <= first <= 25 * 60
    assert not healthy.costs[HARD[0]].any()


@pytest.mark.parametrize("seed", range(5))
def test_the_rule_stays_healthy_under_the_same_drift(seed: int) -> None:
    faulty, healthy = _faulty("v6", seed)
    assert np.allclose(faulty.reward, healthy.reward)
    assert ((faulty.costs > 0).mean(1) < 0.0005).all()
    assert not faulty.costs[HARD].any()


def test_the_drift_is_in_the_log_of_the_biased_sensor_alone() -> None:
    faulty, healthy = _faulty("v6", 1)
    moved = (faulty.readings - healthy.readings)[:, int(RAMP) :].mean(1)
    assert {name: round(float(shift), 1) for name, shift in zip(FEATURES, moved, strict=True) if abs(shift) > 0.01} == {
        "inlet": 6.0
    }


@pytest.mark.parametrize("minutes", [19, 21, 25])
def test_the_rule_inherits_no_broken_limit_when_it_takes_over(minutes: int) -> None:
    plant = Plant(seed=3)
    plant.run("v7", END - 1800, 1800)
    assert plant.run("v7", END, minutes * 60, float(END)).costs[HARD].any()
    after = plant.run("v6", END + minutes * 60, 1800, float(END))
    assert not after.costs[HARD].any()
    assert ((after.costs > 0).sum(1) <= 1).all()


def test_decisions_do_not_depend_on_how_many_are_taken_at_a_time() -> None:
    whole, parts = Plant(seed=4).run("v7", END, 60), Plant(seed=4)
    pieces = [parts.run("v7", END + first, count) for first, count in ((0, 1), (1, 14), (15, 45))]
    assert np.array_equal(whole.readings, np.concatenate([piece.readings for piece in pieces], axis=1))
    assert np.array_equal(whole.reward, np.concatenate([piece.reward for piece in pieces]))


def test_http_and_parquet_carry_the_same_rows() -> None:
    batch = Plant(seed=1).run("v7", END, 3)
    posted = [json.loads(line) for line in lines(batch)]
    stored = table(batch).to_pylist()
    for row in stored:
        row["ts"] = row["ts"].strftime("%Y-%m-%dT%H:%M:%SZ")
    assert posted == stored


def test_the_world_configures_the_product(tmp_path: Path) -> None:
    text = configuration(hook_port=9123, logs="logs/*.parquet")
    found = settings.parse(tomllib.loads(text), tmp_path)
    policy = found.policy["cooling"]
    assert (policy.incumbent, policy.first_serving, policy.fallbacks, policy.actions) == ("v6", "v7", ("v6",), ACTIONS)
    assert (policy.season, policy.reward_horizon) == ("hour_of_day", 0.0)
    assert [name for name, limit in policy.constraint.items() if limit.hard] == ["supply_too_cold"]
    assert set(policy.constraint) == {limit.name for limit in CONSTRAINTS}
    assert found.hook["serving"].url == "http://127.0.0.1:9123/rollback"
    assert policy.source is not None
    write_policies(tmp_path / "policies")
    assert candidates.load("v8", policy.candidate["v8"], tmp_path).name == "v8"
    assert "source" not in configuration(hook_port=9123)


def test_the_command_line_writes_what_a_demo_needs(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "examples.worlds.cooling"]
    run = ["history", "--out", str(tmp_path / "logs"), "--days", "0.01", "--end", str(END), "--seed", "1"]
    done = subprocess.run([*command, *run], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("864 decisions")
    subprocess.run([*command, "configure", "--out", str(tmp_path), "--hook-port", "9123"], check=True)
    found = settings.load(tmp_path / "checkrein.toml")
    assert candidates.load("v8", found.policy["cooling"].candidate["v8"], found.base).name == "v8"
