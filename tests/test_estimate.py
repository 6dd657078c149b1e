"""`checkrein estimate`: the public JSON from log files of every kind, and each error that names its fix."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from monitor.estimate import estimate
from monitor.settings import ConfigurationError
from ope import ESTIMATORS, LIVE
from ope.estimator import DECISIONS

ACTIONS = 4
REWARD = np.array([0.2, 0.4, 0.6, 0.8])
BEHAVIOUR = np.array([0.4, 0.3, 0.2, 0.1])
CANDIDATE = np.array([0.1, 0.2, 0.3, 0.4])
SPEC = "column:candidate_probs.c"
VALUE = float(CANDIDATE @ REWARD)
SINGLE = [name for name, item in ESTIMATORS.items() if item.log == DECISIONS]


def rows(count: int = 4000, seed: int = 0) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    action = rng.choice(ACTIONS, count, p=BEHAVIOUR)
    return {
        "decision_id": [f"d{i}" for i in range(count)],
        "ts": ["2026-01-31T12:00:00Z"] * count,
        "policy": ["bids"] * count,
        "version": ["v1"] * count,
        "action": action.tolist(),
        "propensity": BEHAVIOUR[action].tolist(),
        "reward": (rng.random(count) < REWARD[action]).astype(float).tolist(),
        "candidate_probs.c": [CANDIDATE.tolist()] * count,
        "state.x": rng.normal(size=count).tolist(),
    }


def parquet(folder: Path, columns: dict[str, Any], name: str = "log.parquet") -> Path:
    pq.write_table(pa.table(columns), folder / name)
    return folder / name


def answer(found: dict[str, Any], estimator: str = "snips", candidate: int = 0) -> dict[str, Any]:
    one: dict[str, Any]
    [one] = [item for item in found["candidates"][candidate]["estimates"] if item["estimator"] == estimator]
    return one


def test_the_json_has_the_contracts_keys_and_covers_the_truth(tmp_path: Path) -> None:
    found = estimate(parquet(tmp_path, rows()), [SPEC])
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert list(found) == ["log", "candidates"]
    assert " ".join(found["log"]) == "rows episodes actions mean_reward behaviour duplicates shadow target"
    assert (found["log"]["rows"], found["log"]["episodes"], found["log"]["actions"]) == (4000, None, 4)
    [candidate] = found["candidates"]
    assert list(candidate) == ["candidate", "verdict", "estimates", "diagnostics", "difference"]
    assert (candidate["candidate"], candidate["verdict"]) == (SPEC, "trusted")
    assert [item["estimator"] for item in candidate["estimates"]] == SINGLE
    for item in candidate["estimates"]:
        if item["estimator"] not in LIVE:
            continue
        assert " ".join(item) == (
            "estimator value stderr low high level interval anytime_low anytime_high n ess trust reasons"
        )
        assert item["anytime_low"] < item["low"] < VALUE < item["high"] < item["anytime_high"]
        assert (item["level"], item["interval"], item["n"], item["trust"], item["reasons"]) == (
            0.95,
            "delta",
            4000,
            "trusted",
            [],
        )
    promised = "ess ess_ratio max_weight max_weight_share mean_weight mean_weight_ci unsupported_mass"
    assert " ".join(candidate["diagnostics"]).startswith(promised)
    assert candidate["diagnostics"]["max_weight"] == pytest.approx(4.0)
    assert candidate["diagnostics"]["unsupported_mass"] == 0.0


def test_the_numbers_are_those_of_the_formulas(tmp_path: Path) -> None:
    log = rows()
    found = estimate(parquet(tmp_path, log), [SPEC])
    weight = (CANDIDATE / BEHAVIOUR)[log["action"]]
    reward = np.array(log["reward"])
    assert found["log"]["mean_reward"] == pytest.approx(reward.mean())
    assert answer(found, "ips")["value"] == pytest.approx((weight * reward).mean())
    assert answer(found, "ips")["stderr"] == pytest.approx((weight * reward).std(ddof=1) / np.sqrt(4000))
    snips = (weight * reward).sum() / weight.sum()
    assert answer(found)["value"] == pytest.approx(snips)
    assert answer(found)["stderr"] == pytest.approx(
        np.sqrt((weight**2 * (reward - snips) ** 2).sum() * 4000 / 3999) / weight.sum()
    )


def test_parquet_json_lines_and_csv_plain_nested_or_compressed_give_the_same_answer(tmp_path: Path) -> None:
    log = rows(600)
    table = pa.table(log)
    flat = table.to_pylist()
    nested = [
        {**row, "state": {"x": row["state.x"]}, "candidate_probs": {"c": row["candidate_probs.c"]}} for row in flat
    ]
    for row in nested:
        del row["state.x"], row["candidate_probs.c"]
    lines = "".join(json.dumps(row) + "\n" for row in nested).encode()
    heading = ",".join(log) + "\n"
    text = heading + "".join(
        ",".join(json.dumps(json.dumps(v)) if isinstance(v, list) else str(v) for v in row.values()) + "\n"
        for row in flat
    )
    paths = [parquet(tmp_path, log)]
    pq.write_table(pa.Table.from_pylist(nested), tmp_path / "nested.parquet")
    (tmp_path / "log.jsonl").write_bytes(lines)
    (tmp_path / "log.jsonl.gz").write_bytes(gzip.compress(lines))
    (tmp_path / "log.csv").write_text(text)
    (tmp_path / "log.csv.gz").write_bytes(gzip.compress(text.encode()))
    paths += [tmp_path / name for name in ("nested.parquet", "log.jsonl", "log.jsonl.gz", "log.csv", "log.csv.gz")]
    first, *others = [estimate(path, [SPEC]) for path in paths]
    assert all(other == first for other in others)


def test_a_directory_is_the_log_of_all_its_files(tmp_path: Path) -> None:
    log = rows(900)
    whole = estimate(parquet(tmp_path, log), [SPEC])
    folder = tmp_path / "parts"
    folder.mkdir()
    table = pa.table(log)
    for i in range(3):
        pq.write_table(table.slice(300 * i, 300), folder / f"{i}.parquet")
    parts = estimate(folder, [SPEC])
    assert parts["log"]["rows"] == 900
    assert answer(parts)["value"] == pytest.approx(answer(whole)["value"], rel=1e-12)


def test_a_log_needs_only_action_propensity_reward_and_a_candidate(tmp_path: Path) -> None:
    log = {key: value for key, value in rows().items() if key in ("action", "propensity", "reward")}
    log["my_policy"] = CANDIDATE[log["action"]]
    found = estimate(parquet(tmp_path, log), ["column:my_policy"])
    assert answer(found)["low"] < VALUE < answer(found)["high"]
    assert found["candidates"][0]["diagnostics"]["unsupported_mass"] is None


def test_model_candidates_and_columns_stand_side_by_side(tmp_path: Path) -> None:
    model = {
        "kind": "linear_softmax",
        "features": ["x"],
        "actions": ["0", "1", "2", "3"],
        "weights": [[0.0]] * 4,
        "bias": np.log(CANDIDATE).tolist(),
    }
    (tmp_path / "model.json").write_text(json.dumps(model))
    found = estimate(parquet(tmp_path, rows()), [SPEC, f"linear:{tmp_path / 'model.json'}"], estimators=["snips"])
    assert answer(found, candidate=1)["value"] == pytest.approx(answer(found)["value"])
    assert len(found["candidates"][0]["estimates"]) == 1


def test_a_candidate_that_plays_what_the_log_never_plays_has_no_value(tmp_path: Path) -> None:
    log = rows()
    keep = np.array(log["action"]) != 3
    p = BEHAVIOUR / BEHAVIOUR[:3].sum()
    log = {key: [v for v, kept in zip(values, keep, strict=True) if kept] for key, values in log.items()}
    log["propensity"] = p[log["action"]].tolist()
    [candidate] = estimate(parquet(tmp_path, log), [SPEC])["candidates"]
    assert candidate["verdict"] == "refused"
    assert candidate["diagnostics"]["unsupported_mass"] == pytest.approx(0.4)
    for item in candidate["estimates"]:
        assert item["value"] is None
        assert any("40.0% of the candidate's decisions" in reason for reason in item["reasons"])
        assert item["reasons"][-1].startswith("Not to be quoted")


def test_the_logged_distribution_shows_missing_support_that_counting_actions_cannot(tmp_path: Path) -> None:
    log = rows()
    half = np.arange(4000) % 2 == 0
    log["action_probs"] = [[0.5, 0.5, 0.0, 0.0] if h else [0.0, 0.0, 0.5, 0.5] for h in half]
    log["action"] = [i // 2 % 2 + (0 if h else 2) for i, h in enumerate(half)]
    del log["propensity"]  # it is in action_probs, too
    [candidate] = estimate(parquet(tmp_path, log), [SPEC])["candidates"]
    assert candidate["diagnostics"]["unsupported_mass"] == pytest.approx(0.5)
    assert candidate["verdict"] == "refused"


def test_episodes_of_several_steps_make_single_decision_estimates_weak(tmp_path: Path) -> None:
    log = rows()
    log["episode_id"] = [f"e{i // 4}" for i in range(4000)]
    log["step"] = [i % 4 for i in range(4000)]
    found = estimate(parquet(tmp_path, log), [SPEC])
    assert found["log"]["episodes"] == 1000
    assert found["candidates"][0]["verdict"] == "weak"
    assert "Episodes have several steps" in answer(found)["reasons"][0]


def test_shadow_rows_are_not_decisions_that_were_executed(tmp_path: Path) -> None:
    log = rows()
    alone = estimate(parquet(tmp_path, log), [SPEC])
    both = {key: value + value for key, value in log.items()}
    both["arm"] = [None] * 4000 + ["shadow"] * 4000
    assert estimate(parquet(tmp_path, both), [SPEC]) == {**alone, "log": {**alone["log"], "shadow": 4000}}


def test_refused_rows_are_counted_with_the_first_reason(tmp_path: Path) -> None:
    log = rows()
    log["reward"] = [float("nan") if i < 30 else r for i, r in enumerate(log["reward"])]
    found = estimate(parquet(tmp_path, log), [SPEC])
    assert answer(found)["n"] == 3970
    assert answer(found)["trust"] == "trusted"
    assert "30 rows are refused, the first" in answer(found)["reasons"][0]
    assert "reward is NaN" in answer(found)["reasons"][0]


def test_rows_without_a_reward_yet_are_left_out_and_many_of_them_weaken_it(tmp_path: Path) -> None:
    log = rows()
    log["reward"] = [None if i % 4 == 0 else r for i, r in enumerate(log["reward"])]
    found = estimate(parquet(tmp_path, log), [SPEC])
    assert answer(found)["n"] == 3000
    assert answer(found)["trust"] == "weak"
    assert "25.0% of the rows are left out" in answer(found)["reasons"][0]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"propensity": [0.0] + [0.5] * 99}, r"log\.parquet, row 1: propensity is 0"),
        ({"propensity": [0.5] * 50 + [1.5] * 50}, r"row 51: propensity is 1\.5"),
        ({"propensity": [0.5] * 99 + [None]}, "decision d99 has no propensity"),
        ({"propensity": None}, "decision d0 has no propensity, and 99 others"),
        ({"reward": None}, "no row has a reward"),
        ({"action": None}, "no column for action"),
        ({"action": [[0.5, 0.1]] * 100}, "only discrete actions"),
        (
            {"action": ["hold"] * 100},
            r"decision d0 has the action 'hold', which is none of the candidate's 4 actions \(0, 1, 2, 3\): give it",
        ),
        ({"candidate_probs.c": None}, "no row has a probability: the log has no column candidate_probs.c"),
        ({"candidate_probs.c": [[0.9] * 4] * 100}, r"no row can be used: .*sums to 3\.6"),
    ],
)
def test_a_log_that_cannot_be_used_is_an_error_that_says_why(
    tmp_path: Path, change: dict[str, list[Any] | None], message: str
) -> None:
    log = {key: value for key, value in {**rows(100), **change}.items() if value is not None}
    with pytest.raises(ConfigurationError, match=message):
        estimate(parquet(tmp_path, log), [SPEC])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"estimators": ["snips", "nope"]}, "no estimator is called 'nope'; available: ips, snips"),
        ({"interval": "magic"}, "no interval is called 'magic'; available: delta"),
        ({"level": 95}, "level is 95"),
        ({"q": "q_hat"}, "--q q_hat: .*log.parquet has no column q_hat; it has decision_id, "),
        (
            {"q": "candidate_probs.c", "estimators": ["ips"]},
            "--q candidate_probs.c: only model-based estimators use it",
        ),
        ({"gamma": 0.9}, "--gamma 0.9: only trajectory estimators use it, and none applies: they need the columns"),
        ({"gamma": 0.9, "interval": "bernstein"}, "none applies: none of them has the interval bernstein"),
        ({"gamma": 1.5}, "--gamma 1.5: a discount lies between 0 and 1"),
        ({"target": "wins"}, "--target wins: it is reward, cost.NAME or outcome.NAME"),
        ({"target": "cost.energy"}, "no row has a cost.energy: log it as the column cost.energy"),
        ({"segment": "region"}, "--segment region: the log has no column segment.region"),
        ({"cvar": [5.0]}, "--cvar 5: it is a share between 0 and 1"),
        ({"margin": "much"}, "--margin much: write a number of at least 0, or a share"),
        ({"behaviour": ["v1"]}, "--behaviour v1: write estimate, or VERSION=SPEC"),
        ({"behaviour": ["v1=column:p", "v1=column:q"]}, "--behaviour v1=column:q: version v1 is given twice"),
        ({"candidates": []}, "no candidate"),
        ({"kind": "vw"}, "--format vw: unknown; known: parquet, jsonl, csv, obd"),
        ({"candidates": ["pickle:model.pkl"]}, "write column:NAME, table:FILE, linear:FILE"),
        ({"candidates": ["linear:nope.json"]}, "nope.json: cannot be read"),
    ],
)
def test_an_option_that_cannot_be_used_is_an_error_that_names_the_choice(
    tmp_path: Path, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigurationError, match=message):
        estimate(parquet(tmp_path, rows(200)), **{"candidates": [SPEC], **options})


def test_a_log_that_is_not_there_or_is_broken_is_an_error_that_names_it(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "notes.txt").write_text("hello")
    (tmp_path / "cut.parquet").write_bytes(parquet(tmp_path, rows(50)).read_bytes()[:-9])
    (tmp_path / "nothing.jsonl").write_text("")
    for name, message in (
        ("nope.parquet", "no such file"),
        ("empty", "no log is there"),
        ("notes.txt", "no log is there"),
        ("cut.parquet", "truncated Parquet"),
        ("nothing.jsonl", "no row"),
    ):
        with pytest.raises(ConfigurationError, match=message):
            estimate(tmp_path / name, [SPEC])
