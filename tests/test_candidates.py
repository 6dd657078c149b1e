"""Candidate policies: what they answer, what they leave out and count."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch

from monitor import settings
from monitor.candidates import KINDS, CandidateError
from tests.candidate_files import ACTIONS, LINEAR, linear, mlp, network, of, states


def test_a_column_of_lists_gives_the_executed_actions_probability() -> None:
    log = pa.table({"action": ["cool", "heat"], "candidate_probs.c": [[0.2, 0.7, 0.1], [0.1, 0.3, 0.6]]})
    assert of("column:c").probabilities(log, ACTIONS).tolist() == [0.7, 0.6]
    assert of("column:candidate_probs.c").probabilities(log, ACTIONS).tolist() == [0.7, 0.6]


def test_a_column_of_numbers_is_the_executed_actions_probability() -> None:
    log = pa.table({"action": ["cool", "heat"], "mine": pa.array([0.25, None])})
    np.testing.assert_array_equal(of("column:mine").probabilities(log, ACTIONS), [0.25, np.nan])


def test_list_columns_of_every_arrow_kind_and_slices_of_them_read_the_same() -> None:
    values = [[0.2, 0.8], [0.5, 0.5], [1.0, 0.0]]
    for kind in (pa.list_(pa.float32()), pa.large_list(pa.float64()), pa.list_(pa.float64(), 2)):
        column = pa.chunked_array([pa.array(values[:1], kind), pa.array(values[1:], kind)])
        log = pa.table({"action": ["0", "1", "0"], "c": column}).slice(1)
        assert of("column:c").probabilities(log, ()).tolist() == [0.5, 1.0]


@pytest.mark.parametrize(
    ("value", "action", "reason"),
    [
        (None, "hold", "is missing"),
        ([0.5, 0.5], "hold", "does not have one probability for each of 3 actions"),
        ([0.5, 0.5, None], "hold", "not a finite number"),
        ([float("inf"), float("-inf"), 0.0], "hold", "not a finite number"),
        ([1.5, -0.5, 0.0], "hold", "negative"),
        ([0.5, 0.5, 0.1], "hold", "does not sum to 1"),
        ([0.5, 0.25, 0.25], "vent", "the executed action is not one of the 3 actions"),
        ([0.5, 0.25, 0.25], None, "the executed action is not one of the 3 actions"),
    ],
)
def test_a_bad_row_of_a_column_is_left_out_and_counted_while_the_rest_counts(
    value: list[float] | None, action: str | None, reason: str
) -> None:
    log = pa.table({"action": ["hold", action], "c": pa.array([[0.2, 0.7, 0.1], value], pa.list_(pa.float64()))})
    scored = of("column:c").score(log, ACTIONS)
    np.testing.assert_array_equal(scored.probability, [0.2, np.nan])
    [(said, rows)] = scored.unscored.items()
    assert rows == 1
    assert reason in said


def test_a_sum_within_one_millionth_of_1_is_a_distribution() -> None:
    log = pa.table({"action": ["0"] * 2, "c": [[0.5 + 9e-7, 0.5], [0.5 + 2e-6, 0.5]]})
    assert np.isnan(of("column:c").probabilities(log, ())).tolist() == [False, True]


def test_a_missing_column_scores_nothing_and_says_so() -> None:
    scored = of("column:nope").score(states(3), ACTIONS)
    assert np.isnan(scored.probability).all()
    assert scored.unscored == {"the log has no column nope": 3}


def test_a_column_of_text_is_an_error() -> None:
    with pytest.raises(CandidateError, match=r"column state\.mode has type string"):
        of("column:state.mode").probabilities(pa.table({"action": ["0"], "state.mode": ["eco"]}), ())


def test_continuous_actions_are_an_error() -> None:
    with pytest.raises(CandidateError, match="only discrete actions"):
        of("column:c").probabilities(pa.table({"action": [[0.1, 0.2]], "c": [[0.5, 0.5]]}), ())


def test_a_linear_softmax_is_what_its_formula_says(tmp_path: Path) -> None:
    log = states()
    x = np.column_stack([(log["state.inlet"].to_numpy() - 22) / 3, (log["state.load"].to_numpy() - 0.5) / 0.2])
    logits = (x @ np.array(LINEAR["weights"]).T + LINEAR["bias"]) / 2.0
    expected = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    candidate = of(f"linear:{linear(tmp_path).name}", tmp_path)
    distribution = candidate.score(log, ACTIONS).distribution
    assert distribution is not None
    np.testing.assert_allclose(distribution, expected, rtol=1e-12)
    np.testing.assert_allclose(candidate.probabilities(log, ACTIONS), expected[np.arange(50), np.arange(50) % 3])


def test_an_mlp_is_what_torch_says(tmp_path: Path) -> None:
    log = states(10_000)
    x = np.column_stack([(log["state.inlet"].to_numpy() - 22) / 3, (log["state.load"].to_numpy() - 0.5) / 0.2])
    with torch.no_grad():
        expected = network()(torch.tensor(x, dtype=torch.float32)).double().softmax(1).numpy()
    candidate = of("mlp:v8", mlp(tmp_path / "v8").parent)
    distribution = candidate.score(log, ACTIONS).distribution
    assert distribution is not None
    np.testing.assert_allclose(distribution, expected, atol=1e-6)
    assert candidate.probabilities(log, ACTIONS).shape == (10_000,)


def test_rows_without_a_feature_or_a_known_action_have_no_probability_and_are_counted(tmp_path: Path) -> None:
    log = pa.table(
        {
            "action": ["hold", "cool", "vent", None],
            "state.inlet": pa.array([22.0, None, 22.0, 22.0]),
            "state.load": [0.5, 0.5, 0.5, 0.5],
        }
    )
    scored = of(f"linear:{linear(tmp_path)}").score(log, ACTIONS)
    assert np.isnan(scored.probability).tolist() == [False, True, True, True]
    assert sorted(scored.unscored.values()) == [1, 2]
    assert scored.unscored["state.inlet is missing"] == 1


def test_an_action_that_the_policy_has_but_the_candidate_does_not_has_probability_0(tmp_path: Path) -> None:
    log = pa.table({"action": ["vent"], "state.inlet": [22.0], "state.load": [0.5]})
    assert of(f"linear:{linear(tmp_path)}").probabilities(log, (*ACTIONS, "vent")).tolist() == [0.0]


def test_an_unknown_feature_scores_nothing_and_is_named(tmp_path: Path) -> None:
    scored = of(f"linear:{linear(tmp_path, features=['inlet', 'humidity'])}").score(states(4), ACTIONS)
    assert scored.unscored == {"the log has no column state.humidity": 4}


def test_a_text_feature_is_an_error_that_names_it(tmp_path: Path) -> None:
    log = states(2).set_column(2, "state.load", pa.array(["low", "high"]))
    with pytest.raises(CandidateError, match=r"feature state\.load has type string"):
        of(f"linear:{linear(tmp_path)}").probabilities(log, ACTIONS)


def test_a_boolean_feature_is_0_or_1_also_where_the_log_keeps_it_as_text(tmp_path: Path) -> None:
    candidate = of(f"linear:{linear(tmp_path)}")
    number, flag, text = (
        candidate.probabilities(states(2).set_column(2, "state.load", pa.array(values)), ACTIONS)
        for values in ([1.0, 0.0], [True, False], ["true", "false"])
    )
    assert number.tolist() == flag.tolist() == text.tolist()


def test_an_empty_table_has_no_probabilities(tmp_path: Path) -> None:
    for candidate in (of(f"linear:{linear(tmp_path)}"), of("column:c")):
        assert candidate.probabilities(states(3).slice(0, 0), ACTIONS).shape == (0,)


def test_the_configuration_may_name_the_features_but_not_contradict_the_file(tmp_path: Path) -> None:
    bare = f"linear:{linear(tmp_path, features=None)}"
    assert of(bare, Path(), "inlet", "load").probabilities(states(2), ACTIONS).shape == (2,)
    with pytest.raises(CandidateError, match="features is missing"):
        of(bare)
    with pytest.raises(CandidateError, match="the configuration says"):
        of(f"linear:{linear(tmp_path)}", Path(), "load", "inlet")


def test_an_mlp_without_pytorch_names_the_extra_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = mlp(tmp_path / "v8")
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(CandidateError, match=r"checkrein\[torch\]"):
        of(f"mlp:{folder}")


def test_only_an_mlp_loads_pytorch() -> None:
    code = "import sys, monitor.candidates; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_every_kind_that_the_configuration_knows_can_be_loaded() -> None:
    assert set(KINDS) == {"column", "table", "linear", "linucb", "thompson", "mlp", "onnx"}
    for kind in KINDS:
        assert settings.Candidate(policy=f"{kind}:x", features=())
