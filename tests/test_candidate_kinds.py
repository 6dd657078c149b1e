"""Candidates as JSON parameters: tables, LinUCB and Thompson sampling answer what their formulas say."""

from __future__ import annotations

import json
import re
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from scipy import integrate, special, stats

from monitor.candidates import Candidate, CandidateError, Scored
from monitor.candidates.winning import largest_beta, largest_normal
from tests.candidate_files import ACTIONS, of, states

TABLE: dict[str, Any] = {
    "kind": "table",
    "features": ["zone", "open"],
    "actions": list(ACTIONS),
    "states": [["north", True], ["south", False], ["south", True]],
    "probabilities": [[0.9, 0.1, 0.0], [0.2, 0.8, 0.0], [0.0, 0.0, 1.0]],
    "default": [0.5, 0.25, 0.25],
}
EYE = [[1.0, 0.0], [0.0, 1.0]]
LINUCB: dict[str, Any] = {
    "kind": "linucb",
    "features": ["inlet", "load"],
    "actions": list(ACTIONS),
    "alpha": 0.5,
    "theta": [[0.0, 0.0], [0.3, -0.2], [-0.1, 0.4]],
    "A_inv": [[[0.5, 0.1], [0.1, 0.5]], [[0.4, 0.0], [0.0, 0.2]], EYE],
    "mean": [22.0, 0.5],
    "scale": [3.0, 0.2],
}
GAUSSIAN: dict[str, Any] = {
    "kind": "thompson",
    "posterior": "gaussian",
    "features": ["inlet", "load"],
    "actions": list(ACTIONS),
    "theta": LINUCB["theta"],
    "covariance": LINUCB["A_inv"],
    "mean": [22.0, 0.5],
    "scale": [3.0, 0.2],
}
BETA = {"kind": "thompson", "posterior": "beta", "actions": list(ACTIONS), "alpha": [1, 3, 30], "beta": [1, 2, 20]}


def written(folder: Path, kind: dict[str, Any], **changes: Any) -> Candidate:
    said = {key: value for key, value in {**kind, **changes}.items() if value is not None}
    (folder / "v8.json").write_text(json.dumps(said))
    return of(f"{kind['kind']}:v8.json", folder)


def standard(log: pa.Table) -> Any:
    return np.column_stack([(log["state.inlet"].to_numpy() - 22) / 3, (log["state.load"].to_numpy() - 0.5) / 0.2])


def distribution(scored: Scored) -> Any:
    assert scored.distribution is not None
    return scored.distribution


def zones(**changes: Any) -> pa.Table:
    columns = {
        "action": ["hold", "cool", "heat", "hold", "hold"],
        "state.zone": ["north", "south", "south", "west", None],
        "state.open": [True, False, True, True, True],
    }
    return pa.table({**columns, **changes})


def test_a_table_answers_the_listed_states_and_its_default_for_all_others(tmp_path: Path) -> None:
    scored = written(tmp_path, TABLE).score(zones(), ACTIONS)
    np.testing.assert_array_equal(scored.probability, [0.9, 0.8, 1.0, 0.5, np.nan])
    np.testing.assert_array_equal(distribution(scored)[3], TABLE["default"])
    assert scored.unscored == {"state.zone is missing": 1}


def test_a_state_of_which_every_value_but_not_the_whole_is_listed_gets_the_default(tmp_path: Path) -> None:
    log = pa.table({"action": ["cool"], "state.zone": ["north"], "state.open": [False]})
    assert written(tmp_path, TABLE).probabilities(log, ACTIONS).tolist() == [0.25]


def test_a_table_reads_booleans_as_text_and_numbers_exactly(tmp_path: Path) -> None:
    as_text = zones(**{"state.open": ["true", "false", "true", "true", "true"]})
    np.testing.assert_array_equal(
        written(tmp_path, TABLE).probabilities(as_text, ACTIONS), [0.9, 0.8, 1.0, 0.5, np.nan]
    )
    table = written(tmp_path, TABLE, features=["step"], states=[[3], [0.1], [-7.5]])
    log = pa.table({"action": ["hold"] * 4, "state.step": [0.1, 3.0, 0.1 + 1e-16, 0.2]})
    assert table.probabilities(log, ACTIONS).tolist() == [0.2, 0.9, 0.5, 0.5]


def test_a_large_table_finds_every_state(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    listed = np.unique(rng.integers(0, 40, (3000, 4)), axis=0)[:2000]
    rows = rng.dirichlet(np.ones(3), len(listed))
    log = rng.integers(0, 40, (500, 4))
    log[:400] = listed[rng.integers(0, len(listed), 400)]
    where = {tuple(state): row for state, row in zip(listed.tolist(), rows, strict=True)}
    changes = {"features": list("abcd"), "states": listed.tolist(), "probabilities": rows.tolist()}
    found = written(tmp_path, TABLE, **changes).score(
        pa.table({"action": ["hold"] * 500, **{f"state.{name}": log[:, at] for at, name in enumerate("abcd")}}), ACTIONS
    )
    expected = [where.get(tuple(state), TABLE["default"]) for state in log.tolist()]
    np.testing.assert_array_equal(distribution(found), expected)


def test_a_table_without_states_is_its_default(tmp_path: Path) -> None:
    found = written(tmp_path, TABLE, features=None, states=None, probabilities=None).score(states(5), ACTIONS)
    np.testing.assert_array_equal(distribution(found), [TABLE["default"]] * 5)


def test_a_table_of_text_over_a_log_of_numbers_says_so(tmp_path: Path) -> None:
    with pytest.raises(CandidateError, match=r"v8: feature state\.zone has type int64, but the table lists text"):
        written(tmp_path, TABLE).probabilities(zones(**{"state.zone": [1, 2, 3, 4, 5]}), ACTIONS)
    with pytest.raises(CandidateError, match=r"feature state\.zone has type string, but the model takes numbers"):
        written(tmp_path, TABLE, states=[[1, True], [2, False], [2, True]]).probabilities(zones(), ACTIONS)


def test_linucb_plays_the_highest_bound(tmp_path: Path) -> None:
    x = standard(states())
    bounds = np.column_stack(
        [
            x @ theta + 0.5 * np.sqrt(np.sum(x * (x @ np.array(one)), axis=1))
            for theta, one in zip(np.array(LINUCB["theta"]), LINUCB["A_inv"], strict=True)
        ]
    )
    expected = np.eye(3)[bounds.argmax(axis=1)]
    assert 0 < expected[:, 1].sum() < 50
    np.testing.assert_array_equal(distribution(written(tmp_path, LINUCB).score(states(), ACTIONS)), expected)
    mixed = written(tmp_path, LINUCB, epsilon=0.3, alpha=[0.5, 0.5, 0.5])
    np.testing.assert_allclose(distribution(mixed.score(states(), ACTIONS)), 0.7 * expected + 0.1, rtol=1e-12)


def test_ties_of_linucb_are_played_by_their_rule(tmp_path: Path) -> None:
    level = {"theta": [[0.0, 0.0]] * 3, "A_inv": [EYE, [[0.1, 0.0], [0.0, 0.1]], EYE]}
    assert distribution(written(tmp_path, LINUCB, **level).score(states(4), ACTIONS)).tolist() == [[1, 0, 0]] * 4
    shared = written(tmp_path, LINUCB, ties="share", **level)
    assert distribution(shared.score(states(4), ACTIONS)).tolist() == [[0.5, 0, 0.5]] * 4


def test_an_intercept_is_a_feature_that_is_always_1(tmp_path: Path) -> None:
    changes = {"intercept": True, "theta": [[0.0], [0.2], [0.1]], "A_inv": [[[0.01]], [[0.01]], [[0.09]]], "alpha": 1.0}
    free = written(tmp_path, LINUCB, features=None, mean=None, scale=None, **changes)
    assert distribution(free.score(states(3), ACTIONS)).tolist() == [[0, 0, 1]] * 3  # 0.1, 0.3 and 0.4


def exact(centre: Any, spread: Any) -> list[float]:
    """Integrate adaptively, between points where something happens."""

    def share(action: int) -> float:
        others = [b for b in range(len(centre)) if b != action]

        def density(t: float) -> Any:
            below = np.prod([special.ndtr((t - centre[b]) / spread[b]) for b in others])
            return stats.norm.pdf(t, centre[action], spread[action]) * below

        low, high = centre[action] - 9 * spread[action], centre[action] + 9 * spread[action]
        cuts = sorted({float(c + z * s) for c, s in zip(centre, spread, strict=True) for z in (-6, -2, 0, 2, 6)})
        cuts = [low, *(cut for cut in cuts if low < cut < high), high]
        return float(sum(integrate.quad(density, a, b, epsabs=1e-12)[0] for a, b in pairwise(cuts)))

    return [share(action) for action in range(len(centre))]


def test_the_largest_of_normal_variables_is_integrated_to_1e_minus_8() -> None:
    rng = np.random.default_rng(0)
    for _ in range(4):
        centre, spread = rng.normal(size=3), 10 ** rng.uniform(-3, 1, 3)
        np.testing.assert_allclose(largest_normal(centre[None], spread[None])[0], exact(centre, spread), atol=1e-8)
    two = rng.normal(size=(1000, 2)), 10 ** rng.uniform(-4, 2, (1000, 2))
    expected = special.ndtr((two[0][:, 0] - two[0][:, 1]) / np.hypot(*two[1].T))
    np.testing.assert_allclose(largest_normal(*two)[:, 0], expected, atol=1e-8)
    many = largest_normal(rng.normal(size=(50, 40)), 10 ** rng.uniform(-3, 1, (50, 40)))
    np.testing.assert_allclose(many.sum(axis=1), 1, atol=1e-8)


def test_the_largest_of_beta_variables_is_what_whole_parameters_say_exactly() -> None:
    # P(B(a, b) > B(c, d)) is a finite sum when a is whole (Evan Miller, 2014).
    a, b, c, d = 7, 13, 4.5, 9.5
    terms = [
        np.exp(special.betaln(c + i, d + b) - np.log(b + i) - special.betaln(1 + i, b) - special.betaln(c, d))
        for i in range(a)
    ]
    found = largest_beta(np.array([a, c]), np.array([b, d]))
    np.testing.assert_allclose(found, [sum(terms), 1 - sum(terms)], atol=1e-9)
    np.testing.assert_allclose(largest_beta(np.full(7, 0.3), np.full(7, 0.4)), 1 / 7, atol=1e-9)


def test_thompson_answers_how_often_each_action_is_drawn(tmp_path: Path) -> None:
    log, rng, draws = states(4), np.random.default_rng(1), 40_000
    x = standard(log)
    drawn = np.stack(
        [
            rng.multivariate_normal(theta, covariance, draws) @ x.T
            for theta, covariance in zip(GAUSSIAN["theta"], GAUSSIAN["covariance"], strict=True)
        ]
    )
    often = np.eye(3)[drawn.argmax(axis=0)].mean(axis=0)
    found = distribution(written(tmp_path, GAUSSIAN).score(log, ACTIONS))
    np.testing.assert_allclose(found, often, atol=5 * 0.5 / np.sqrt(draws))
    rates = rng.beta(np.array(BETA["alpha"]), np.array(BETA["beta"]), (draws, 3))
    rate = distribution(written(tmp_path, BETA).score(log, ACTIONS))
    np.testing.assert_allclose(rate, [np.eye(3)[rates.argmax(axis=1)].mean(axis=0)] * 4, atol=5 * 0.5 / np.sqrt(draws))
    again = distribution(written(tmp_path, GAUSSIAN).score(log, ACTIONS))
    np.testing.assert_array_equal(found, again)


def test_a_state_in_which_all_values_are_certain_and_equal_is_shared(tmp_path: Path) -> None:
    log = pa.table({"action": ["cool"], "state.inlet": [22.0], "state.load": [0.5]})
    assert written(tmp_path, GAUSSIAN).probabilities(log, ACTIONS) == pytest.approx([1 / 3])


@pytest.mark.parametrize(
    ("kind", "changes", "reason"),
    [
        (TABLE, {"default": [0.5, 0.5, 0.1]}, r"default sums to 1\.1, not to 1"),
        (TABLE, {"default": [1.5, -0.5, 0.0]}, r"default has -0\.5, which is negative"),
        (TABLE, {"default": None}, "default is missing"),
        (TABLE, {"probabilities": [[1, 0, 0]] * 2}, "probabilities has shape"),
        (TABLE, {"probabilities": [[1, 0, 0], [0.5, 0, 0], [1, 0, 0]]}, r"probabilities\[1\] sums to 0\.5"),
        (TABLE, {"states": [["north", True], ["south", False], ["north", True]]}, r"states\[2\] is listed twice"),
        (TABLE, {"states": [["north", True], ["south", 0], ["south", True]]}, "states of open must be all text, all"),
        (TABLE, {"states": [["north", True], [None, True], ["south", True]]}, "states of zone must be all text, all"),
        (TABLE, {"states": [["north"], ["south"], ["west"]]}, "states must be a list with 2 values a state"),
        (TABLE, {"states": [["a", 1], ["a", 2], ["a", 10**400]]}, "states of open has a number that is not finite"),
        (TABLE, {"states": None, "probabilities": None}, "states is missing"),
        (TABLE, {"states": None, "features": None}, "probabilities without states"),
        (LINUCB, {"A_inv": [EYE, [[1.0, 0.5], [0.0, 1.0]], EYE]}, "A_inv of action cool is not symmetric"),
        (LINUCB, {"A_inv": [EYE, EYE, [[1.0, 2.0], [2.0, 1.0]]]}, "A_inv of action heat has a negative eigenvalue"),
        (LINUCB, {"theta": [[0.0, 0.0]] * 2}, "theta has shape"),
        (LINUCB, {"intercept": True}, "theta has shape"),
        (LINUCB, {"intercept": 1}, "intercept must be true or false"),
        (LINUCB, {"alpha": -1.0}, "alpha must not be negative"),
        (LINUCB, {"alpha": [1.0, 1.0]}, "alpha has shape"),
        (LINUCB, {"epsilon": 1.5}, r"epsilon is 1\.5"),
        (LINUCB, {"ties": "random"}, "ties must be one of first, share"),
        (LINUCB, {"features": []}, "features must be a list of names"),
        (LINUCB, {"actions": ["\ud800", "a", "b"]}, "actions has a name that is no Unicode text"),
        (GAUSSIAN, {"covariance": [EYE, EYE, [[0.0, 0.0], [0.0, -1.0]]]}, "covariance of action heat has a negative"),
        (GAUSSIAN, {"theta": None}, "theta must hold numbers only"),
        (GAUSSIAN, {"alpha": [1, 2, 3]}, "alpha does not belong to a gaussian posterior"),
        (GAUSSIAN, {"posterior": "cauchy"}, "posterior must be one of gaussian, beta"),
        (GAUSSIAN, {"actions": [str(i) for i in range(257)]}, "257 actions; at most 256"),
        (BETA, {"beta": [1, 0, 1]}, "beta must be above 0"),
        (BETA, {"alpha": [1e300, 1e-300, 1], "beta": [1e-300, 1e300, 1]}, "nothing can be integrated"),
    ],
)
def test_a_parameter_that_does_not_fit_is_refused_by_field(
    tmp_path: Path, kind: dict[str, Any], changes: dict[str, Any], reason: str
) -> None:
    with pytest.raises(CandidateError, match=rf"v8\.json: .*{reason}"):
        written(tmp_path, kind, **changes)


def test_the_examples_of_the_docs_answer(tmp_path: Path) -> None:
    page = (Path(__file__).parents[1] / "docs/candidates.md").read_text("utf-8")
    examples = [json.loads(block) for block in re.findall(r"```json\n(.*?)```", page, re.DOTALL)]
    log = zones(**{"state.inlet": [20.0] * 5, "state.load": [0.5] * 5})
    for kind in ("table", "linear_softmax", "linucb", "thompson"):
        for example in (one for one in examples if one["kind"] == kind):
            (tmp_path / "v8.json").write_text(json.dumps(example))
            found = of(f"{kind.removesuffix('_softmax')}:v8.json", tmp_path).probabilities(log, ACTIONS)
            assert np.isfinite(found[:4]).all()
    assert {"onnx", "mlp"} < {one["kind"] for one in examples}


@pytest.mark.parametrize("kind", [LINUCB, GAUSSIAN], ids=["linucb", "thompson"])
def test_finite_parameters_that_overflow_are_refused_when_they_answer(tmp_path: Path, kind: dict[str, Any]) -> None:
    candidate = written(tmp_path, kind, theta=[[1e308, 1e308]] * 3, scale=[1e-3, 1e-3])
    with pytest.raises(CandidateError, match="not finite"):
        candidate.probabilities(states(5), ACTIONS)
