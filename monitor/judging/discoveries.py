"""The level of a rule over all its series together: twenty features of one window are not twenty chances."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from detectors import State
from monitor.judging.scans import Scanned

_JUDGED = {State.OK, State.FIRE}


def discoveries(p: ArrayLike, level: float, tests: int | None = None) -> NDArray[np.bool_]:
    """Return which p-values are discoveries at a false discovery rate, by the step-up of Benjamini and Hochberg.

    Where nothing changed at all, the chance of a single discovery is at most ``level``, as with Bonferroni; where a
    fault moves ten features of twenty, it asks each of them for half the level instead of a twentieth of it.

    Parameters
    ----------
    p
        P-values, shape (K,).
    level
        Share of false discoveries that is accepted.
    tests
        Tests that were meant to be made, where more than K; those without a p-value are no discoveries.

    References
    ----------
    Benjamini, Y. and Hochberg, Y. (1995). Controlling the false discovery rate: a practical and powerful approach to
    multiple testing. JRSS B 57, 289-300. It holds for positively dependent tests too (Benjamini and Yekutieli, 2001).

    Examples
    --------
    >>> discoveries([0.001, 0.02, 0.04, 0.6], 0.05).tolist()
    [True, True, False, False]
    """
    values = np.asarray(p, np.float64)
    if len(values) == 0:
        return np.zeros(0, np.bool_)
    ordered = np.sort(values)
    steps = level * np.arange(1, len(values) + 1) / max(len(values), tests or 0)
    met = np.flatnonzero(ordered <= steps)
    return np.asarray(values <= (ordered[met[-1]] if len(met) else -1.0))


def together(found: Sequence[Scanned], level: float, tests: int) -> list[Scanned]:
    """Return the verdicts of all series of one rule with its level held over all of them, window by window.

    A FIRE whose p-value is no discovery among those of its window becomes OK and says so. Verdicts without a p-value
    stay as they are: they were not decided by chance.

    Parameters
    ----------
    found
        The verdicts of every key, over the same windows.
    level
        The rule's ``alpha``.
    tests
        Keys of the rule; those that could not be judged in a window are no discoveries there.

    Examples
    --------
    >>> from detectors import Series, Verdict
    >>> one = Series([0], [0], [0], [9])
    >>> said = [Verdict(State.FIRE, 0.1, None, 0.02, 9, "It moved.", p) for p in (0.0001, 0.004)]
    >>> scanned = [Scanned(key, 0, 900, one, [verdict]) for key, verdict in zip("ab", said)]
    >>> [item.verdicts[0].state.value for item in together(scanned, 0.005, 20)]
    ['fire', 'ok']
    >>> together(scanned, 0.005, 20)[1].verdicts[0].reason
    'It moved. No discovery among the 20 judged together at 0.005 (Benjamini-Hochberg).'
    """
    by_start: dict[float, list[tuple[int, int]]] = {}
    for number, item in enumerate(found):
        for index, verdict in enumerate(item.verdicts):
            if verdict.p is not None and verdict.state in _JUDGED:
                by_start.setdefault(float(item.series.time[index]), []).append((number, index))
    changed = [list(item.verdicts) for item in found]
    why = f" No discovery among the {tests:,} judged together at {level:g} (Benjamini-Hochberg)."
    for places in by_start.values():
        p = [found[number].verdicts[index].p or 0.0 for number, index in places]
        for (number, index), kept in zip(places, discoveries(p, level, tests), strict=True):
            verdict = changed[number][index]
            if verdict.state is State.FIRE and not kept:
                changed[number][index] = replace(verdict, state=State.OK, reason=verdict.reason + why)
    return [replace(item, verdicts=verdicts) for item, verdicts in zip(found, changed, strict=True)]
