"""Coefficients of agreement against the published examples, their limits, and rates of weighted samples."""

from __future__ import annotations

import math
import random

import pytest

from runbooks.agreement import alpha_interval, cohen_kappa, fleiss_kappa, krippendorff_alpha
from runbooks.weighted_rates import weighted_rate

# Fleiss (1971) as Wikipedia, "Fleiss' kappa", works it out: 14 raters, 10 subjects, 5 categories.
FLEISS = (
    "0 0 0 0 14", "0 2 6 4 2", "0 0 3 5 6", "0 3 9 2 0", "2 2 8 1 1", "7 7 0 0 0", "3 2 6 3 0", "2 5 3 2 2",
    "6 5 2 1 0", "0 2 2 3 7",
)  # fmt: skip
# Krippendorff (2011), "Computing Krippendorff's Alpha-Reliability", section C: 4 observers, 12 units, some missing.
MISSING = {"A": "123321412...", "B": "1233224125.3", "C": ".3332342251.", "D": "12332441251."}


def test_cohens_kappa_is_that_of_the_worked_examples() -> None:
    table = {("a", "a"): 45, ("a", "b"): 15, ("b", "a"): 25, ("b", "b"): 15}  # Wikipedia, "same percentages"
    other = {("a", "a"): 25, ("a", "b"): 35, ("b", "a"): 5, ("b", "b"): 35}
    found = [cohen_kappa([pair for pair, n in one.items() for _ in range(n)]) for one in (table, other)]
    assert found == pytest.approx([0.1304, 0.2593], abs=5e-5)


def test_fleiss_kappa_is_that_of_the_worked_example() -> None:
    counts = [dict(zip("12345", map(int, row.split()), strict=True)) for row in FLEISS]
    assert fleiss_kappa(counts) == pytest.approx(0.210, abs=5e-4)


def test_krippendorffs_alpha_is_that_of_the_worked_examples() -> None:
    units = [{who: said[unit] for who, said in MISSING.items() if said[unit] != "."} for unit in range(12)]
    assert krippendorff_alpha(units) == pytest.approx(0.743, abs=5e-4)
    meg_and_owen = [{"meg": a, "owen": b} for a, b in zip("0100000010", "1110010000", strict=True)]  # section A
    assert krippendorff_alpha(meg_and_owen) == pytest.approx(0.095, abs=5e-4)


def test_full_agreement_is_one_and_what_chance_explains_is_not_defined() -> None:
    mixed = [("x", "x"), ("y", "y")]
    assert cohen_kappa(mixed) == 1.0
    assert fleiss_kappa([{"x": 2}, {"y": 2}]) == 1.0
    assert krippendorff_alpha([{"a": one, "b": two} for one, two in mixed]) == 1.0
    assert cohen_kappa([("x", "x")] * 3) is None
    assert cohen_kappa([]) is None
    assert fleiss_kappa([{"x": 2}] * 3) is None
    assert fleiss_kappa([{"x": 2}, {"x": 1}]) is None  # not equally many raters
    assert krippendorff_alpha([{"a": "x", "b": "x"}]) is None
    assert krippendorff_alpha([{"a": "x"}, {"b": "y"}]) is None  # nobody judged the same item


@pytest.mark.full
def test_the_interval_holds_its_level_for_reviewers_who_agree_partly() -> None:
    drawing = random.Random(5)
    inside = 0
    for world in range(30):
        items = []
        for _ in range(60):
            true = drawing.choice(["improvement", "neutral"])
            items.append({who: true if drawing.random() < 0.8 else "exploit" for who in ("a", "b")})
        found = alpha_interval(items, level=0.9, seed=world)
        assert found is not None
        inside += found.low <= 0.5 <= found.high
    # True alpha: P(agree) = 0.8^2 + 0.2^2 = 0.68, chance 0.4^2 + 0.4^2 + 0.2^2 = 0.36, so 0.5.
    assert inside >= 22


@pytest.mark.full
def test_a_weighted_rate_has_no_bias_and_covers() -> None:
    drawing = random.Random(7)
    truth, values, covered = 0.2, [], 0
    for _ in range(400):
        judged = []
        for _item in range(200):
            inclusion = drawing.choice([0.2, 1.0])
            if drawing.random() < inclusion:
                judged.append((drawing.random() < (0.1 if inclusion == 0.2 else 0.3), inclusion))
        rate = weighted_rate(judged)
        assert rate is not None
        values.append(rate.value)
        covered += rate.low <= truth <= rate.high
    mean = sum(values) / len(values)
    error = math.sqrt(sum((value - mean) ** 2 for value in values)) / len(values)
    assert abs(mean - truth) < 4 * error + 0.002  # a ratio: biased by 1 / n
    assert covered >= 0.94 * 400


def test_nothing_judged_has_no_rate_and_nothing_found_has_an_upper_bound() -> None:
    assert weighted_rate([]) is None
    rate = weighted_rate([(False, 0.5)] * 20)
    assert rate is not None
    assert (rate.value, rate.low, round(rate.high, 3)) == (0.0, 0.0, 0.168)
    every = weighted_rate([(True, 1.0)] * 20)
    assert every is not None
    assert (every.value, every.high, round(every.low, 3)) == (1.0, 1.0, 0.832)
