"""Several candidates at once: the whole answer is rarely wrong, however often it is read and whoever is among them."""

from __future__ import annotations

import math

import numpy as np
import pytest

from ope import Trust, WeightSums, explained, select
from ope.comparing.selection import holm


def rivals(rows: int, chances: dict[str, float], gain: float, seed: int) -> dict[str, WeightSums]:
    """Candidates that play the better of two actions with these chances, over the same rows of a log that tosses."""
    rng = np.random.default_rng(seed)
    action = rng.random(rows) < 0.5
    reward = rng.normal(gain * action, 0.5)
    return {
        name: WeightSums.from_rows(np.where(action, chance, 1 - chance) / 0.5, reward)
        for name, chance in chances.items()
    }


def test_who_is_better_who_may_be_best_and_who_is_out() -> None:
    found = select(rivals(20_000, {"a": 0.9, "b": 0.89, "c": 0.6, "d": 0.3}, 0.5, 1), "v6")
    assert found.better == ("a", "b", "c")
    assert found.best == ("a", "b")
    assert found.sentences == (
        "Better than v6: a, b and c. The chance that this list is ever wrong is at most 5%, however often it is read.",
        "May still be the best: a and b.",
    )


def test_with_few_rows_nothing_is_shown_and_the_incumbent_may_be_the_best() -> None:
    found = select(rivals(300, {"a": 0.6, "b": 0.4}, 0.1, 2), "v6")
    assert found.better == ()
    assert found.best == (None, "a", "b")
    assert found.sentences[0] == "Better than v6: none is shown to be, at 5%."
    assert found.sentences[1] == "May still be the best: v6, a and b."


def test_a_refused_candidate_is_neither_better_nor_out_but_untold() -> None:
    few = rivals(20_000, {"a": 0.9}, 0.5, 3) | {"few": WeightSums.from_rows([40.0, 1.0], [1.0, 0.0])}
    found = select(few, "v6")
    assert found.differences["few"].trust is Trust.REFUSED
    assert (found.untold, found.best, found.adjusted["few"]) == (("few",), ("a",), 1.0)
    assert found.sentences[-1] == "Cannot be told: few."


def test_more_candidates_ask_for_more_evidence() -> None:
    sums = rivals(1000, {"a": 0.7}, 0.15, 4)
    alone, among = select(sums), select(sums, family=50)
    assert alone.better == ("a",)
    assert among.better == ()
    low, less = alone.differences["a"].anytime_low, among.differences["a"].anytime_low
    assert low is not None
    assert less is not None
    assert less < low


def test_holm_is_between_bonferroni_and_none_and_keeps_the_order() -> None:
    p = {"a": 0.001, "b": 0.012, "c": 0.03, "d": 0.9}
    assert holm(p, 4) == pytest.approx({"a": 0.004, "b": 0.036, "c": 0.06, "d": 0.9})
    assert holm(p, 10)["a"] == pytest.approx(0.01)
    assert holm({}, 0) == {}


def test_the_answer_is_the_same_in_any_order() -> None:
    sums = rivals(5000, {"a": 0.8, "b": 0.7, "c": 0.5}, 0.3, 5)
    one, other = select(sums), select(dict(reversed(sums.items())))
    assert (one.better, set(one.best), one.adjusted) == (other.better, set(other.best), other.adjusted)


def ever_wrong(streams: int, looks: int, step: int, seed: int) -> float:
    """Return the share of streams in which any of five candidates that are worth no more is ever listed as better.

    Two are worth the same; two are worth less, which Holm's steps may take into account; one is truly better, which
    makes the steps of the others smaller when it is found.
    """
    rng = np.random.default_rng(seed)
    chances = {"same": 0.8, "alike": 0.3, "worse": 0.45, "bad": 0.2, "good": 0.8}
    wrong = 0
    for _ in range(streams):
        rows = looks * step
        useless, useful = rng.random(rows) < 0.5, rng.random(rows) < 0.5  # two choices, of which one matters
        reward = (rng.random(rows) < 0.2 + 0.2 * useful).astype(float)
        chosen = {"same": useless, "alike": useless, "worse": useful, "bad": useful, "good": useful}
        weights = {name: np.where(chosen[name], chance, 1 - chance) / 0.5 for name, chance in chances.items()}
        sums = dict.fromkeys(chances, WeightSums())
        for begin in range(0, rows, step):
            part = slice(begin, begin + step)
            sums = {name: sums[name] + WeightSums.from_rows(weights[name][part], reward[part]) for name in chances}
            found = select(sums, rewards=dict.fromkeys(chances, (0.0, 1.0)))
            if set(found.better) - {"good"} or "good" not in found.best:
                wrong += 1
                break
    return wrong / streams


def test_the_whole_answer_is_rarely_ever_wrong() -> None:
    assert ever_wrong(50, 12, 200, 1) <= 0.05 + 4 * math.sqrt(0.05 * 0.95 / 50)


@pytest.mark.full
def test_the_whole_answer_is_rarely_ever_wrong_in_many_streams() -> None:
    assert ever_wrong(500, 30, 100, 2) <= 0.05 + 4 * math.sqrt(0.05 * 0.95 / 500)


def test_why_one_estimator_is_quoted_and_when_the_two_disagree() -> None:
    rng = np.random.default_rng(6)
    weight, reward = rng.uniform(0.5, 1.5, 4000), rng.normal(5.0, 0.1, 4000)
    told = explained(WeightSums.from_rows(weight, reward))
    assert told.startswith("snips is quoted: it does not move when all rewards shift, and its standard error")
    assert "They agree: 5" in told
    apart = explained(WeightSums.from_rows(1.2 * weight, reward))
    assert "They disagree: 5" in apart
    assert apart.endswith("because the mean weight is 1.198 and not 1.")
    assert "too few rows" in explained(WeightSums())


@pytest.mark.parametrize(
    ("more", "said"),
    [({"alpha": 0.0}, "alpha is 0.0, but must lie"), ({"family": 1}, "family is 1, but 2 candidates are given")],
)
def test_what_cannot_be_asked_is_an_error_that_names_it(more: dict[str, float], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        select(rivals(100, {"a": 0.6, "b": 0.5}, 0.1, 7), **more)  # type: ignore[arg-type]
