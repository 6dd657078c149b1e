"""A log is read block by block, fast where nothing is wrong; what is wrong is named all the same."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from ope import ESTIMATORS, Decisions, TermSums, applicable, evaluate, importance_weights
from ope.decisions import BLOCK

ROWS = BLOCK + 300
BAD = BLOCK + 7


def log() -> Decisions:
    rng = np.random.default_rng(1)
    behaviour, candidate = (rng.dirichlet(np.full(3, 5.0), ROWS) for _ in range(2))
    action = (rng.random((ROWS, 1)) > np.cumsum(behaviour, axis=1)[:, :-1]).sum(axis=1)
    at = np.arange(ROWS), action
    return Decisions(
        rng.normal(action), behaviour[at], candidate[at], action, candidate, q=rng.random((ROWS, 3)),
        behaviour=behaviour,
    )  # fmt: skip


LOG = log()


@pytest.mark.parametrize("table", ["q", "candidate", "behaviour"])
@pytest.mark.parametrize("name", applicable(LOG))
@pytest.mark.parametrize("column", [0, 1, 2])
def test_a_number_that_is_missing_in_a_table_is_named_whatever_is_asked(name: str, table: str, column: int) -> None:
    broken = np.array(getattr(LOG, table))
    broken[BAD, column] = np.nan
    changed: Any = {table: broken}
    with pytest.raises(ValueError, match=rf"{table} is not a finite number in row {BAD} \(1 rows\)"):
        evaluate(replace(LOG, **changed), [name])


@pytest.mark.parametrize("action", [-1, 3])
@pytest.mark.parametrize("name", ["ips", "dr", "switch_dr"])
def test_an_action_that_does_not_exist_is_named(name: str, action: int) -> None:
    assert LOG.action is not None
    broken = LOG.action.copy()
    broken[BAD] = action
    with pytest.raises(ValueError, match=f"action in row {BAD}"):
        evaluate(replace(LOG, action=broken), [name])


def test_a_bad_probability_is_named_beside_a_missing_one() -> None:
    with pytest.raises(ValueError, match=r"outside \[0, 1\] in row 1"):
        importance_weights([np.nan, 1.5, 0.5], [0.5, 0.5, 0.5])
    with pytest.raises(ValueError, match="propensity is missing in row 2"):
        importance_weights([np.nan, 1.0, 0.5], [0.5, 0.5, np.nan])
    assert np.isnan(importance_weights([np.nan, 1.0], [0.5, 0.5])[0])


def test_the_order_of_a_table_in_memory_does_not_matter() -> None:
    assert LOG.q is not None
    assert LOG.action is not None
    wide = np.zeros((ROWS, 6))
    wide[:, ::2] = LOG.q
    for q in (np.asfortranarray(LOG.q), wide[:, ::2]):
        other = replace(LOG, q=q)
        assert np.array_equal(other.q_executed, LOG.q[np.arange(ROWS), LOG.action])
        assert [item.value for item in evaluate(other)] == pytest.approx([item.value for item in evaluate(LOG)])


@pytest.mark.parametrize("name", applicable(LOG))
def test_blocks_add_up_to_the_whole(name: str) -> None:
    terms = ESTIMATORS[name].terms
    whole = TermSums.of(*terms(LOG, 2.0))
    parts = [TermSums.of(*terms(piece, 2.0)) for piece in LOG.blocks(1_000)]
    merged = sum(parts[1:], parts[0])
    assert merged.n == whole.n == ROWS
    assert merged.first == pytest.approx(whole.first, rel=1e-12)
    assert merged.second == pytest.approx(whole.second, rel=1e-12)


@pytest.mark.parametrize("columns", [1, 2, 3, 7])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("order", ["C", "F"])
def test_sums_are_those_of_the_definition(columns: int, weighted: bool, order: str) -> None:
    rng = np.random.default_rng(columns)
    total, mass = (np.array(rng.random((50, columns)), order="F" if order == "F" else "C") for _ in range(2))
    both = np.concatenate([total, mass if weighted else np.ones_like(total)], axis=1)
    found = TermSums.of(total, mass if weighted else None)
    assert found.n == 50
    assert found.first == pytest.approx(both.sum(axis=0), rel=1e-12)
    assert found.second == pytest.approx(both.T @ both, rel=1e-12)
