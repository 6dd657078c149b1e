"""`checkrein estimate`: costs and outcomes, segments, the tail, the comparison with what acted, and the text."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from monitor.estimate import estimate
from monitor.estimate.report import WIDTH, text
from ope import INTERVALS
from tests.test_estimate import BEHAVIOUR, CANDIDATE, SPEC, VALUE, answer, parquet, rows


def log_with_more(count: int = 4000) -> dict[str, Any]:
    log = rows(count)
    rng = np.random.default_rng(9)
    log["cost.energy"] = (np.array(log["action"]) + rng.normal(0, 0.1, count)).tolist()
    log["outcome.sales"] = [None if i % 100 == 0 else float(a) for i, a in enumerate(log["action"])]
    log["segment.region"] = ["north" if i % 4 else "south" for i in range(count)]
    return log


def test_a_cost_is_estimated_like_the_reward_and_is_better_when_lower(tmp_path: Path) -> None:
    path = parquet(tmp_path, log_with_more())
    found = estimate(path, [SPEC], target="cost.energy", margin="5%")
    assert found["log"]["target"] == "cost.energy"
    truth = float(CANDIDATE @ np.arange(4))
    assert answer(found)["low"] < truth < answer(found)["high"]
    difference = found["candidates"][0]["difference"]
    assert difference["of"] == "-cost.energy"
    assert difference["value"] == pytest.approx(found["log"]["mean_reward"] - answer(found)["value"])
    assert difference["margin"] == pytest.approx(0.05 * found["log"]["mean_reward"])
    assert difference["sentence"].startswith(
        "Not shown: cost.energy is not above that of the log's policy by more than"
    )


def test_an_outcome_that_is_missing_in_some_rows_is_estimated_from_the_others(tmp_path: Path) -> None:
    found = estimate(parquet(tmp_path, log_with_more()), [SPEC], target="outcome.sales")
    assert answer(found)["n"] == 3960
    assert answer(found)["low"] < float(CANDIDATE @ np.arange(4)) < answer(found)["high"]


def test_each_segment_has_the_estimates_of_its_rows_alone(tmp_path: Path) -> None:
    log = log_with_more()
    found = estimate(parquet(tmp_path, log), [SPEC], segment="region", estimators=["ips", "dr"])
    north, south = found["candidates"][0]["segments"]
    assert [(part["value"], part["rows"]) for part in (north, south)] == [("north", 3000), ("south", 1000)]
    alone = {name: [v for v, s in zip(values, log["segment.region"], strict=True) if s == "south"]
             for name, values in log.items()}  # fmt: skip
    whole = estimate(parquet(tmp_path, alone), [SPEC], estimators=["ips"])
    [ips, dr] = south["estimates"]
    assert {**ips, "reasons": []} == {**answer(whole, "ips"), "reasons": []}
    assert dr["n"] == 1000
    assert south["diagnostics"]["ess"] == pytest.approx(whole["candidates"][0]["diagnostics"]["ess"])


def test_the_difference_to_what_acted_is_paired_and_said_as_a_sentence(tmp_path: Path) -> None:
    log = rows()
    found = estimate(parquet(tmp_path, log), [SPEC], margin="0.02")
    difference = found["candidates"][0]["difference"]
    weight, reward = (CANDIDATE / BEHAVIOUR)[log["action"]], np.array(log["reward"])
    assert difference["value"] == pytest.approx((weight * reward).sum() / weight.sum() - reward.mean())
    assert difference["sentence"].startswith("No worse than the log's policy by more than 0.02 (")
    assert "95% lower bound" in difference["sentence"]


def test_the_worst_share_and_quantiles_are_those_of_the_weighted_rewards(tmp_path: Path) -> None:
    log = log_with_more()
    found = estimate(
        parquet(tmp_path, log), [SPEC], target="cost.energy", cvar=[0.1], quantiles=[0.9], estimators=["snips"]
    )
    tail = found["candidates"][0]["distribution"]
    assert tail["quantiles"][0]["at"] == 0.9
    assert tail["quantiles"][0]["value"] == pytest.approx(3.1, abs=0.05)  # of cost 3 the candidate has 40%
    assert tail["cvar"][0]["value"] == pytest.approx(3.127, abs=0.05)  # the largest quarter of these
    assert tail["cvar"][0]["low"] < tail["cvar"][0]["value"] < tail["cvar"][0]["high"]


def test_the_text_fits_a_terminal_and_puts_the_verdict_first(tmp_path: Path) -> None:
    log = log_with_more()
    log["reward"] = [-12345.678901 * r + 0.001 * i for i, r in enumerate(log["reward"])]
    log["episode_id"], log["step"] = [f"e{i // 2}" for i in range(4000)], [i % 2 for i in range(4000)]
    found = estimate(parquet(tmp_path, log), [SPEC], segment="region", cvar=[0.05], quantiles=[0.5])
    lines = text(found).splitlines()
    assert max(map(len, lines)) <= WIDTH
    assert lines[0].startswith("2,000 episodes, 4,000 rows, 4 actions, mean reward")
    assert lines[2] == f"{SPEC}: {found['candidates'][0]['verdict']}"
    assert [line.split()[0] for line in lines if line.strip().startswith("estimator ")] == ["estimator"] * 4
    assert "  of a whole episode:" in lines


def test_estimates_that_contradict_each_other_are_shown(tmp_path: Path) -> None:
    log = rows()
    log["q_hat"] = [[2.0 + 0.01 * (i % 7)] * 4 for i in range(4000)]
    printed = text(estimate(parquet(tmp_path, log), [SPEC], q="q_hat", estimators=["ips", "dm"]))
    assert "Intervals do not overlap, so that at least one of each pair is wrong: ips and dm." in printed


@pytest.mark.parametrize("interval", list(INTERVALS))
def test_every_kind_of_interval_has_estimators_by_default(tmp_path: Path, interval: str) -> None:
    found = estimate(parquet(tmp_path, rows()), [SPEC], interval=interval)
    one = answer(found, "ips")
    assert one["interval"] == interval
    assert one["low"] < VALUE < one["high"]


def test_a_difference_without_a_known_error_says_why_beside_estimates_that_have_one(tmp_path: Path) -> None:
    log = rows(2000)
    log["reward"] = [2.5e5 + reward for reward in log["reward"]]
    [candidate] = estimate(parquet(tmp_path, log), [SPEC], estimators=["snips"])["candidates"]
    assert candidate["estimates"][0]["value"] is not None
    assert "has no spread in these rows that doubles resolve" in candidate["difference"]["sentence"]
