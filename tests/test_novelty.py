"""Novelty: states that are unusual together are found, usual ones are not, and no score is ever another network's."""

from __future__ import annotations

import json
import logging
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from numpy.typing import NDArray
from sqlalchemy import select

from monitor import novelty
from monitor.bucketing import buckets
from monitor.bucketing.baseline import freeze
from monitor.bucketing.plans import current_plan
from monitor.bucketing.tracking import NOVELTY
from monitor.clock import ManualClock
from monitor.landing.scoring import NOVELTY_BY, Scorer
from monitor.novelty import Network, NoveltyError
from monitor.novelty.files import path_of
from monitor.runtime import build
from monitor.settings import parse
from monitor.starting.check import check
from monitor.store.tables import baselines, verdicts
from monitor.summaries import BucketSummary
from monitor.summaries.plan import Plan
from monitor.tick import Parts, tick
from tests.passes import BASE, HOUR, log, parts_at, pass_at, put, rows

ASKED: dict[str, Any] = {"metrics": {"novelty": True}}
Floats = NDArray[np.float64]


def states(rng: np.random.Generator, n: int, *, broken: bool = False) -> dict[str, Floats]:
    """Return three features that move together; broken: each as before, the third with the load of other moments."""
    load = rng.normal(0.0, 1.0, n)
    power = 40.0 + 10.0 * load + rng.normal(0.0, 3.0, n)
    other = rng.permutation(load) if broken else load
    return {"state.load": load, "state.power": power, "state.inlet": 20.0 - 2.0 * other + rng.normal(0.0, 0.6, n)}


def plant(begin: float, hours: float, *, broken: bool = False, **more: Any) -> pa.Table:
    rng = np.random.default_rng([11, int(begin)])
    return log(begin, hours, {**states(rng, int(hours * 360), broken=broken), **more})


@pytest.fixture(scope="module")
def taught() -> tuple[Network, float]:
    """A network and the 99% quantile of what it was not taught."""
    table = pa.table(states(np.random.default_rng(1), 12_000))
    network, held = novelty.fit(table, ["load", "power", "inlet"])
    return network, float(np.quantile(held, 0.99))


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Parts:
    """A baseline of 32 hours, six healthy hours, six in which the features contradict each other, all judged."""
    parts = parts_at(tmp_path_factory.mktemp("world"), **ASKED)
    frozen(parts)
    put(parts, plant(BASE, 6))
    put(parts, plant(BASE + 6 * HOUR, 6, broken=True))
    pass_at(parts, BASE + 12 * HOUR + 120)
    return parts


def frozen(parts: Parts, hours: float = 32) -> None:
    put(parts, plant(BASE - hours * HOUR, hours))
    pass_at(parts, BASE)
    freeze(parts, "p", BASE - hours * HOUR, BASE, "test")


def serving(folder: Path, novelty: bool = True) -> Parts:
    """Build the parts of a policy that serves from the end of its baseline on, so that silence is a finding."""
    (folder / "logs").mkdir(exist_ok=True)
    policy = {"incumbent": "v7", "source": {"kind": "parquet", "path": "logs"}, "metrics": {"novelty": novelty}}
    return build(parse({"policy": {"p": policy}}, folder), ManualClock(BASE))


def judged(parts: Parts, trigger: str, begin: float) -> list[str]:
    found = rows(parts, verdicts, "start", "trigger", "key", "state")
    return [state for at, name, _key, state in found if name == trigger and begin <= at < begin + 6 * HOUR]


def plan_of(parts: Parts) -> Plan:
    with parts.database.read() as connection:
        return current_plan(connection, parts.settings, "p")[0]


def landed(parts: Parts, begin: float, end: float) -> pa.Table:
    with parts.database.read() as connection:
        return parts.landing.lake.read(connection, "p", "decisions", begin, end)


def test_new_rows_of_the_same_kind_are_above_the_limit_as_often_as_the_limit_says(
    taught: tuple[Network, float],
) -> None:
    network, limit = taught
    share = np.mean(network.errors(pa.table(states(np.random.default_rng(2), 40_000))) > limit)
    assert 0.006 < share < 0.015


def test_what_no_feature_shows_alone_is_found_together(taught: tuple[Network, float]) -> None:
    network, limit = taught
    usual, odd = (states(np.random.default_rng(3), 20_000, broken=broken) for broken in (False, True))
    for name in usual:
        assert np.quantile(odd[name], [0.05, 0.5, 0.95]) == pytest.approx(
            np.quantile(usual[name], [0.05, 0.5, 0.95]), abs=0.05 * float(np.std(usual[name]))
        )
    assert np.mean(network.errors(pa.table(odd)) > limit) > 0.5


def test_a_score_does_not_depend_on_the_rows_beside_it(taught: tuple[Network, float]) -> None:
    table = pa.table(states(np.random.default_rng(4), 500))
    whole = taught[0].errors(table)
    np.testing.assert_array_equal(
        np.concatenate([taught[0].errors(table.slice(i, 7)) for i in range(0, 500, 7)]), whole
    )


def test_a_row_that_lacks_a_feature_has_no_score_and_an_enormous_one_has(taught: tuple[Network, float]) -> None:
    network, limit = taught
    load = [0.0, None, float("nan"), float("inf"), 1e308]
    table = pa.table({"state.load": load, "state.power": [40.0] * 5, "state.inlet": [20.0] * 5})
    found = network.errors(table)
    assert np.isnan(found).tolist() == [False, True, True, True, False]
    assert found[0] < limit < found[4]
    assert np.isnan(network.errors(table.drop_columns(["state.inlet"]))).all()


def test_equal_rows_and_seeds_teach_equal_networks_and_reading_gives_what_was_written() -> None:
    table = pa.table(states(np.random.default_rng(5), 1500))
    one, other, third = (novelty.fit(table, ["load", "power"], seed=seed, steps=40)[0] for seed in (0, 0, 1))
    assert one.to_bytes() == other.to_bytes() != third.to_bytes()
    again = Network.from_bytes(one.to_bytes())
    assert again.features == ("load", "power")
    np.testing.assert_array_equal(again.errors(table), one.errors(table))


def test_features_that_say_nothing_are_left_out_and_too_little_to_learn_from_is_said() -> None:
    rng = np.random.default_rng(6)
    x = rng.normal(size=1200)
    rare = pa.array(x, mask=rng.random(1200) < 0.3)
    table = pa.table({"state.x": x, "state.flat": np.ones(1200), "state.rare": rare, "state.text": ["a"] * 1200})
    assert novelty.fit(table, ["x", "flat", "rare", "text", "absent"], steps=2)[0].features == ("x",)
    with pytest.raises(NoveltyError, match=r"numeric state feature that varies .* set novelty = false"):
        novelty.fit(table, ["flat", "rare"])
    with pytest.raises(NoveltyError, match=r"needs 1,000 decisions that have x; .* has 900: freeze a longer span"):
        novelty.fit(table.slice(0, 900), ["x"])


def test_the_trigger_is_quiet_while_healthy_and_fires_where_features_contradict_each_other(world: Parts) -> None:
    healthy, broken = judged(world, "novelty", BASE), judged(world, "novelty", BASE + 6 * HOUR)
    assert healthy == ["ok"] * 24
    assert broken == ["fire"] * 24
    for alone in ("state_drift", "state_drift_warn"):
        assert set(judged(world, alone, BASE + 6 * HOUR)) == {"ok"}
    with world.database.read() as connection:
        said = connection.execute(select(verdicts.c.reason).where(verdicts.c.trigger == "novelty")).scalars().all()
    assert said[-1].startswith("Share of decisions in novel states 0.")


def test_every_decision_of_the_lake_has_its_score_and_the_network_that_gave_it(world: Parts) -> None:
    plan, table = plan_of(world), landed(world, BASE, BASE + 12 * HOUR)
    network = novelty.load(world.landing.lake.root, "p", plan.novelty)
    np.testing.assert_array_equal(table[NOVELTY].to_numpy(), network.errors(table))
    assert set(table[NOVELTY_BY].to_pylist()) == {plan.novelty[:16]}
    with world.database.read() as connection:
        stored = json.loads(connection.execute(select(baselines.c.plan)).scalar_one())
    assert Plan.from_json(json.dumps(stored)).novelty == plan.novelty
    assert dict(plan.learned)["novelty"][0] == pytest.approx(
        np.quantile(table[NOVELTY].to_numpy()[:2160], 0.99), abs=0.3
    )


def test_what_another_network_said_is_computed_anew_or_dropped(world: Parts) -> None:
    plan, table, scorer = plan_of(world), landed(world, BASE, BASE + HOUR), Scorer(world.settings)
    n = table.num_rows
    stale = table.set_column(table.column_names.index(NOVELTY), NOVELTY, pa.array(np.full(n, 9.0)))
    assert scorer.score("p", stale, plan)[NOVELTY].to_pylist() == [9.0] * n, "its own answers stay"
    marked = stale.set_column(stale.column_names.index(NOVELTY_BY), NOVELTY_BY, pa.array(["0123456789abcdef"] * n))
    assert scorer.score("p", marked, plan)[NOVELTY].to_pylist() == table[NOVELTY].to_pylist()
    assert NOVELTY not in scorer.score("p", marked, Plan()).column_names


def test_a_file_that_is_not_what_its_name_says_is_refused_and_rows_land_without_a_score(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    parts = serving(tmp_path)
    frozen(parts, 10)
    path = path_of(parts.landing.lake.root, "p", plan_of(parts).novelty)
    good = path.read_bytes()
    path.write_bytes(good[:-8] + bytes(8))
    with pytest.raises(NoveltyError, match=r"its SHA-256 is .*changed or mixed up"):
        novelty.load(parts.landing.lake.root, "p", plan_of(parts).novelty)
    again = serving(tmp_path)  # a process that has not read it before
    put(again, plant(BASE, 6))
    caplog.clear()
    with caplog.at_level(logging.WARNING, "monitor.landing.scoring"):
        pass_at(again, BASE + 6 * HOUR + 120)
    assert [
        record.message.partition(",")[0] for record in caplog.records if record.name == "monitor.landing.scoring"
    ] == ["policy.p.metrics.novelty is not computed"]
    assert landed(again, BASE, BASE + 6 * HOUR)[NOVELTY].null_count == 2160
    assert judged(again, "novelty", BASE) == ["no_data"] * 24
    path.write_bytes(good)
    again.landing.rebuild("p", BASE, BASE + 6 * HOUR)
    with again.database.read() as connection:
        found = buckets.load(connection, "p", "v7", "", 60, BASE, BASE + 6 * HOUR, plan_of(again))
    assert sum((one for _, one in found), start=BucketSummary())["tracked"]["novelty"].n == 2160


def test_without_pytorch_freezing_says_what_to_install_and_freezes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts = parts_at(tmp_path, **ASKED)
    put(parts, plant(BASE - 6 * HOUR, 6))
    tick(parts, "p", BASE)
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(NoveltyError, match=r"pip install \"checkrein\[torch\]\""):
        freeze(parts, "p", BASE - 6 * HOUR, BASE, "test")
    assert rows(parts, baselines, "id") == []
    config = tmp_path / "checkrein.toml"
    config.write_text('[policy.p]\nincumbent = "v6"\n[policy.p.metrics]\nnovelty = true\n', "utf-8")
    (found,) = (one for one in check(config) if one.where == "policy.p.metrics.novelty")
    assert found.bad
    assert "checkrein[torch]" in found.text


def test_asked_for_without_a_baseline_that_learned_it_is_never_healthy(tmp_path: Path) -> None:
    frozen(serving(tmp_path, novelty=False), 10)
    parts = serving(tmp_path)
    put(parts, plant(BASE, 6))
    pass_at(parts, BASE + 6 * HOUR + 120)
    assert judged(parts, "novelty", BASE) == ["no_data"] * 24
