"""How far to shrink large weights: the constant at which variance saved outweighs bias, chosen from the log."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from ope.decisions import BLOCK, Decisions

Floats = NDArray[np.float64]
Shrink = Callable[[Floats, Floats], Floats]

# Where a weight may be cut: steps of the square root of 2 from 1, and infinity for "nowhere". Below 1 an estimator
# would hand ordinary rows to its model, which is dm.
CUTS = np.append(2.0 ** (np.arange(41) / 2), np.inf)
PER_DOUBLING, DOUBLINGS_BELOW, BINS = 8, 10, 256  # sizes of weights: steps of 9%, from 2^-10 to 2^22


def least_error(log: Decisions, shrink: Shrink, choices: Floats, *, model: bool) -> float:
    r"""Return the constant that minimises an estimated bound of the mean squared error.

    .. math:: \hat\lambda = \arg\min_\lambda \; \frac1n \widehat{\mathrm{Var}}\big(g_\lambda(w) \, e\big)
              + \Big(\frac1n \sum_i (w_i - g_\lambda(w_i)) \, |e_i|\Big)^2

    where w is the weight, :math:`g_\lambda(w)` what is left of it, and e what it multiplies: the reward, or the reward
    minus the model. The second term bounds the bias whatever the signs of e. Where the log has the behaviour policy's
    whole distribution, the bound of Wang et al. is known, too, and the smaller one counts: the candidate's mass that is
    shrunk away, times the largest :math:`|e|`.

    It is a cautious rule, because no interval counts the bias. A plain estimate of the bias is as noisy as the weights
    that are to be avoided, takes what it cannot see for 0, and turns ``dr`` into ``dm`` where overlap is good; and
    Ionides' :math:`\sqrt n` knows no bias: it would cut what a deterministic candidate needs. Here little or nothing is
    cut unless few rows carry much. A switch pays only where fewer rows are expected than were seen, and needs the whole
    distribution for that; without it, it stays open.

    Rows enter by the size of their weight (steps of 9%), so that all choices together cost one pass, and the order of
    rows does not matter.

    Parameters
    ----------
    log
        The decisions.
    shrink
        (weights, constants) -> what is left of the weights.
    choices
        Constants, ascending, at least one; a tie goes to the largest, which shrinks least.
    model
        Whether e is the reward minus ``q``.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> p = np.where(rng.random(4000) < 0.005, 0.001, 0.5)             # a few rows have weight 1000
    >>> log = Decisions(rng.normal(1.0, 0.1, 4000), p, np.where(p < 0.5, 1.0, 0.5))
    >>> least_error(log, np.minimum, np.array([10.0, np.inf]), model=False)  # they carry five sixths of the value
    inf
    >>> rare = Decisions(log.reward, p, np.where(p < 0.5, 0.01, 0.5))  # weight 10: a twentieth of it
    >>> least_error(rare, np.minimum, np.array([1.0, 10.0]), model=False)
    10.0

    References
    ----------
    Wang, Agarwal, Dudik (2017), Optimal and adaptive off-policy evaluation in contextual bandits, section 4.3.
    Su, Dimakopoulou, Krishnamurthy, Dudik (2020), Doubly robust off-policy evaluation with shrinkage, section 5.
    Ionides (2008), Truncated importance sampling.
    """
    found, n = _sizes(log, model), max(len(log), 1)
    if not np.isfinite(found.absolute.sum()):
        return float(choices[-1])  # a reward of q is missing, which is named when the tables are checked
    middle = np.append(0.0, 2.0 ** ((np.arange(1, BINS) - 0.5) / PER_DOUBLING - DOUBLINGS_BELOW))
    left = shrink(middle, choices[:, None])
    bias = (middle - left) @ found.absolute / n
    if log.behaviour is not None and log.candidate is not None:
        middle[0] = 1.0  # a weight of 0 has no mass
        bias = np.minimum(bias, (1 - left / middle) @ found.mass / n * found.largest)
    variance = left**2 @ found.square / n - (left @ found.total / n) ** 2
    bound = np.maximum(variance, 0.0) / n + bias**2
    return float(choices[np.flatnonzero(bound <= bound.min() * (1 + 1e-9))[-1]])


@dataclass
class _Sizes:
    """Sums over the rows of each step of weights: of e, its size and its square, and of the candidate's mass."""

    total: Floats
    absolute: Floats
    square: Floats
    mass: Floats
    largest: float = 0.0


# The last sums of a log that is still in use: two estimators choose their constant from the same.
_LAST: WeakKeyDictionary[Decisions, tuple[bool, _Sizes]] = WeakKeyDictionary()


def _sizes(log: Decisions, model: bool) -> _Sizes:
    last = _LAST.get(log)
    if last is not None and last[0] == model:
        return last[1]
    found = _Sizes(np.zeros(BINS), np.zeros(BINS), np.zeros(BINS), np.zeros(BINS))
    known = log.behaviour is not None and log.candidate is not None
    for piece in log.blocks(tables=known):  # q is checked when the estimate is made
        weight, error = piece.weight, piece.reward - piece.q_executed if model else piece.reward
        size, absolute = _size(weight), np.abs(error)
        found.total += np.bincount(size, error, BINS)
        found.absolute += np.bincount(size, absolute, BINS)
        found.square += np.bincount(size, error * error, BINS)
        found.largest = max(found.largest, float(absolute.max(initial=0.0)))
        if piece.behaviour is not None and piece.candidate is not None:
            found.mass += _mass(piece.candidate.ravel(), piece.behaviour.ravel())
    _LAST[log] = model, found
    return found


def _mass(candidate: Floats, behaviour: Floats) -> Floats:
    """Return the candidate's mass by size of weight, of all that could be taken: a block of cells at a time."""
    found = np.zeros(BINS)
    for begin in range(0, len(candidate), BLOCK):
        share, chance = candidate[begin : begin + BLOCK], behaviour[begin : begin + BLOCK]
        possible = chance > 0
        if not possible.all():  # picking takes longer than everything else
            share, chance = share[possible], chance[possible]
        found += np.bincount(_size(share / chance), share, BINS)
    return found


def _size(weight: Floats) -> NDArray[np.intp]:
    """Return the step of each weight's size; a cut at the upper end of a step keeps the step."""
    with np.errstate(divide="ignore"):
        step = np.ceil(PER_DOUBLING * (np.log2(weight) + DOUBLINGS_BELOW))
    found: NDArray[np.intp] = np.clip(step, 0, BINS - 1).astype(np.intp)
    return found
