"""How far reviewers agree beyond chance: Cohen's, Fleiss' and Krippendorff's coefficients for named categories.

1 is full agreement, 0 what chance gives, below 0 is worse than chance. None where it is not defined: nobody judged
the same thing, or all verdicts are of one category, so that chance would agree fully as well.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

Ratings = Sequence[Mapping[str, str]]  # of each item: rater -> category
DRAWS = 1000


class Interval(NamedTuple):
    """A coefficient with its interval."""

    value: float
    low: float
    high: float


def cohen_kappa(pairs: Sequence[tuple[str, str]]) -> float | None:
    """Return the agreement of two raters who judged the same items (Cohen, 1960).

    Against Fleiss' coefficient, chance is each rater's own habits.

    Parameters
    ----------
    pairs
        What the first and the second rater say of each item.

    Examples
    --------
    >>> table = {("yes", "yes"): 20, ("yes", "no"): 5, ("no", "yes"): 10, ("no", "no"): 15}
    >>> round(cohen_kappa([pair for pair, count in table.items() for _ in range(count)]), 4)
    0.4
    """
    n = len(pairs)
    if not n:
        return None
    first, second = Counter(one for one, _ in pairs), Counter(two for _, two in pairs)
    chance = sum(first[category] * second[category] for category in first) / n**2
    if chance == 1.0:
        return None
    return (sum(one == two for one, two in pairs) / n - chance) / (1.0 - chance)


def fleiss_kappa(counts: Sequence[Mapping[str, int]]) -> float | None:
    """Return the agreement of equally many raters of each item, who may be different people (Fleiss, 1971).

    Against Krippendorff's coefficient it takes no item with a verdict missing: None where the items have differently
    many.

    Parameters
    ----------
    counts
        Of each item: category -> raters who chose it.

    Examples
    --------
    >>> round(fleiss_kappa([{"a": 2}, {"a": 1, "b": 1}, {"b": 2}]), 4)
    0.3333
    """
    raters = {sum(one.values()) for one in counts}
    if len(raters) != 1 or max(raters) < 2:
        return None
    m, n = raters.pop(), len(counts)
    observed = sum(sum(k * (k - 1) for k in one.values()) for one in counts) / (n * m * (m - 1))
    totals: Counter[str] = Counter()
    for one in counts:
        totals.update(one)
    chance = sum((total / (n * m)) ** 2 for total in totals.values())
    return None if chance == 1.0 else (observed - chance) / (1.0 - chance)


def krippendorff_alpha(items: Ratings) -> float | None:
    """Return the agreement of any number of raters, verdicts missing or not (Krippendorff, 2011, nominal data).

    Items that fewer than two have judged say nothing and are left out.

    Examples
    --------
    >>> meg, owen = "0100000010", "1110010000"
    >>> round(krippendorff_alpha([{"meg": a, "owen": b} for a, b in zip(meg, owen)]), 3)
    0.095
    """
    return _alpha(Counter(_pattern(one) for one in items if len(one) > 1))


def alpha_interval(items: Ratings, level: float = 0.95, seed: int = 0) -> Interval | None:
    """Return Krippendorff's coefficient with a bootstrap interval over items (percentiles of 1,000 draws, seeded).

    Items are drawn and not verdicts (against Krippendorff's own scheme), because reviewers are the same people and
    items are what there are more of. A draw in which all verdicts are of one category counts as full agreement.

    Examples
    --------
    >>> items = [{"a": "x", "b": "x"}] * 9 + [{"a": "y", "b": "y"}] * 9 + [{"a": "x", "b": "y"}] * 2
    >>> [round(number, 2) for number in alpha_interval(items)]
    [0.8, 0.5, 1.0]
    """
    patterns = Counter(_pattern(one) for one in items if len(one) > 1)
    value = _alpha(patterns)
    if value is None:
        return None
    kinds = sorted(patterns)
    weights, n = [patterns[kind] for kind in kinds], patterns.total()
    drawing = random.Random(seed)
    drawn = sorted(
        1.0 if found is None else found
        for found in (_alpha(Counter(drawing.choices(kinds, weights, k=n))) for _ in range(DRAWS))
    )
    edge = round((1.0 - level) / 2.0 * DRAWS)
    return Interval(value, drawn[edge], drawn[DRAWS - 1 - edge])


def _pattern(item: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(sorted(item.values()))


def _alpha(patterns: Mapping[tuple[str, ...], int]) -> float | None:
    """Return 1 - observed / expected disagreement, from how often each combination of verdicts occurs."""
    totals: Counter[str] = Counter()
    agreeing = 0.0
    for pattern, count in patterns.items():
        said = Counter(pattern)
        for category, k in said.items():
            totals[category] += k * count
        agreeing += count * sum(k * (k - 1) for k in said.values()) / (len(pattern) - 1)
    n = totals.total()
    chance = n * n - sum(total * total for total in totals.values())
    if not chance:
        return None
    return 1.0 - (n - 1) * (n - agreeing) / chance
