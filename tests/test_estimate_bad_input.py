"""`checkrein estimate` on logs that hold no answer: an error that names field, row and fix, or a refusal; no number."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from monitor.estimate import estimate
from monitor.estimate.report import text
from monitor.settings import ConfigurationError
from tests.test_estimate import SPEC, parquet, rows


def changed(column: str, row: int, value: Any) -> dict[str, Any]:
    log = rows(200)
    return {**log, column: [value if i == row else old for i, old in enumerate(log[column])]}


@pytest.mark.parametrize(
    ("log", "message"),
    [
        (changed("propensity", 7, None), "decision d7 has no propensity, and 0 others .*: log propensity, the probab"),
        (changed("propensity", 7, 0.0), r"log\.parquet, row 8: propensity is 0: .*; log that one"),
        (changed("propensity", 7, 1e-320), "decision d7 has a propensity that is 0 but for rounding, .* infinite"),
        (
            changed("action", 7, 9),
            "decision d7 has the action '9', which is none of the candidate's 4 actions .*give it",
        ),
        (
            changed("candidate_probs.c", 7, [0.5, 0.5]),
            "candidate_probs.c has 2 numbers in decision d7, but 4 in others",
        ),
    ],
)
def test_one_bad_row_is_an_error_that_names_it_and_the_fix(tmp_path: Path, log: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        estimate(parquet(tmp_path, log), [SPEC])


def test_lists_of_the_behaviour_policy_have_one_length_too(tmp_path: Path) -> None:
    log = rows(200)
    del log["propensity"]
    log["action_probs"] = [[0.4, 0.3, 0.2, 0.1]] * 199 + [[0.5, 0.5]]
    with pytest.raises(ConfigurationError, match="action_probs has 2 numbers in decision d199, but 4 in others"):
        estimate(parquet(tmp_path, log), [SPEC])


def test_lists_may_not_change_their_length_from_file_to_file(tmp_path: Path) -> None:
    (tmp_path / "parts").mkdir()
    parquet(tmp_path / "parts", rows(50), "a.parquet")
    later = rows(50) | {"decision_id": [f"e{i}" for i in range(50)], "candidate_probs.c": [[0.2] * 5] * 50}
    parquet(tmp_path / "parts", later, "b.parquet")
    with pytest.raises(ConfigurationError, match=r"candidate_probs\.c has 5 numbers in decision e0, but 4 in others"):
        estimate(tmp_path / "parts", [SPEC])


@pytest.mark.parametrize(
    ("log", "reason"),
    [
        (rows(1), "1 usable rows: an estimate needs more"),
        ({**rows(300), "reward": [0.5] * 300}, "All 300 rewards are equal"),
        ({**rows(300), "reward": [1e9 + x for x in rows(300)["reward"]]}, "rewards are equal, or differ by less"),
        ({**rows(300), "reward": [1e-200 * x for x in rows(300)["reward"]]}, "rewards are equal, or differ by less"),
        ({**rows(300), "propensity": [1e-9] * 300}, "propensities are too small"),
    ],
)
def test_a_log_without_an_answer_is_refused_without_a_number(tmp_path: Path, log: dict[str, Any], reason: str) -> None:
    [candidate] = estimate(parquet(tmp_path, log), [SPEC])["candidates"]
    assert candidate["verdict"] == "refused"
    for item in candidate["estimates"]:
        assert [item[name] for name in ("value", "stderr", "low", "high", "anytime_low")] == [None] * 5
        assert item["trust"] == "refused"
        assert any(reason in said for said in item["reasons"]), item
    assert candidate["difference"]["value"] is None


def test_a_candidate_that_never_plays_what_was_logged_is_refused(tmp_path: Path) -> None:
    log = rows(300)
    log["action"] = [0] * 300
    log["candidate_probs.c"] = [[0.0, 1.0, 0.0, 0.0]] * 300
    [candidate] = estimate(parquet(tmp_path, log), [SPEC])["candidates"]
    assert candidate["verdict"] == "refused"
    assert all(item["value"] is None for item in candidate["estimates"])


def test_numbers_whose_powers_leave_what_doubles_hold_are_errors(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"reward is 1e\+90 in decision d7: sums of powers"):
        estimate(parquet(tmp_path, changed("reward", 7, 1e90)), [SPEC])
    log = {**rows(200), "q_hat": [[1.0, 1.0, 1.0, 1e150 if i == 7 else 1.0] for i in range(200)]}
    with pytest.raises(ConfigurationError, match=r"q_hat is beyond 1e\+60 in decision d7"):
        estimate(parquet(tmp_path, log), [SPEC], q="q_hat")


def test_rows_that_were_not_executed_are_counted(tmp_path: Path) -> None:
    log = {**rows(400), "arm": ["shadow" if i % 4 == 0 else "live" for i in range(400)]}
    found = estimate(parquet(tmp_path, log), [SPEC], estimators=["snips"])
    assert (found["log"]["rows"], found["log"]["shadow"]) == (300, 100)
    assert "100 rows of arm shadow are left out: their action was not executed" in text(found)


def test_a_line_that_is_no_row_is_named_once(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    row = {"action": 0, "propensity": 0.5, "reward": 1.0, "candidate_probs.c": [0.5, 0.5]}
    path.write_text(
        "".join(json.dumps(row | {"decision_id": str(i), "reward": i % 7}) + "\n" for i in range(99)) + "{\n"
    )
    [candidate] = estimate(path, [SPEC], estimators=["snips"])["candidates"]
    [said] = [reason for reason in candidate["estimates"][0]["reasons"] if "1 rows are refused" in reason]
    assert said.count("log.jsonl") == 1
    assert "row 100: not JSON" in said


@pytest.mark.parametrize("second", ["no column", "the executed action's"])
def test_a_candidate_whose_list_is_not_in_every_file_is_weighted_where_it_is_known(tmp_path: Path, second: str) -> None:
    (tmp_path / "parts").mkdir()
    parquet(tmp_path / "parts", rows(400), "a.parquet")
    later = rows(400) | {"decision_id": [f"e{i}" for i in range(400)]}
    listed = later.pop("candidate_probs.c")
    if second != "no column":
        later["candidate_probs.c"] = [p[a] for p, a in zip(listed, later["action"], strict=True)]
    parquet(tmp_path / "parts", later, "b.parquet")
    [candidate] = estimate(tmp_path / "parts", [SPEC])["candidates"]
    names = [one["estimator"] for one in candidate["estimates"]]
    assert "snips" in names
    assert "dr" not in names
    assert candidate["estimates"][0]["n"] == (400 if second == "no column" else 800)
    with pytest.raises(ConfigurationError, match="dr needs the probability of every action"):
        estimate(tmp_path / "parts", [SPEC], estimators=["dr"])
