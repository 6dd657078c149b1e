"""More than the mean: how the candidate's reward is distributed, its quantiles and its worst part."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from ope.decisions import Decisions
from ope.intervals.bootstrap import bootstrap
from ope.intervals.sample import Sample
from ope.sums import WeightSums
from ope.terms import TermSums
from ope.verdict.health import judge
from ope.verdict.trust import Judgement, Trust

Floats = NDArray[np.float64]

REPLICATES = 1000
POINTS = 1000  # rewards at which the distribution function is kept: it is a band's resolution, no quantile's
GROUPS = 1024  # independent units, or random groups of them, that a replicate draws from
ENOUGH = 10  # effective rows beyond a level: with fewer, nothing but the largest weights speaks
_AT_ONCE = 32


@dataclass(frozen=True)
class Part:
    """One number of a distribution, with its interval.

    Parameters
    ----------
    at
        Which: the probability of a quantile, or the share of the worst rewards that CVaR averages.
    value, low, high
        The number and its interval; None when refused, or when too few effective rows lie beyond.
    """

    at: float
    value: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True, eq=False)
class Distribution:
    """How the candidate's reward is distributed.

    Parameters
    ----------
    reward
        Rewards in ascending order, at most 1,000 of them.
    function, low, high
        Share of the candidate's rewards that are at most so large, and a band that holds the whole function at once
        with probability ``level``. Empty when refused.
    quantiles
        Rewards below which so much of the mass lies, each with its own interval.
    cvar
        Mean of the worst (smallest) so much of the rewards, each with its own interval.
    level
        Coverage probability of each interval, and of the band.
    n, ess
        Rows used, and the effective sample size of their weights.
    trust, reasons
        May it be quoted, and why not.
    """

    reward: Floats
    function: Floats
    low: Floats
    high: Floats
    quantiles: tuple[Part, ...]
    cvar: tuple[Part, ...]
    level: float
    n: int
    ess: float
    trust: Trust
    reasons: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return plain data for JSON, without the function."""
        return {
            "quantiles": [asdict(part) for part in self.quantiles],
            "cvar": [asdict(part) for part in self.cvar],
            "level": self.level,
            "n": self.n,
            "ess": self.ess,
            "trust": self.trust.value,
            "reasons": list(self.reasons),
        }


def distribution(
    log: Decisions,
    quantiles: Sequence[float] = (0.05, 0.5, 0.95),
    alpha: Sequence[float] = (0.05,),
    *,
    level: float = 0.95,
    judgement: Judgement | None = None,
    seed: int = 0,
) -> Distribution:
    r"""Estimate the distribution of the candidate's reward: its function, quantiles and conditional value at risk.

    .. math:: \hat F(x) = \frac{\sum_i w_i 1[r_i \le x]}{\sum_i w_i}, \qquad
              \hat q_p = \inf\{x : \hat F(x) \ge p\}, \qquad
              \widehat{CVaR}_\alpha = \frac1\alpha \int_0^\alpha \hat q_u \, du

    The self-normalised form, so that the function ends at 1. CVaR is the mean of the worst part: what a candidate
    with a better mean may have paid for it with. For a cost, where large is bad, estimate that of the negated column.

    A quantile's interval inverts the delta interval of the function there (Woodruff); CVaR is the self-normalised mean
    of :math:`q - (q - r)^+ / \alpha` and has its bootstrap interval; the band is the distance that resampled functions
    keep at all points at once, as Dvoretzky, Kiefer and Wolfowitz have it for equal weights. Units are rows, or
    subjects where rows belong together. All are asymptotic. A quantile or CVaR without at least ten effective rows
    beyond it is refused: there nothing but the largest weights speaks.

    Parameters
    ----------
    log
        Decisions with the candidate's probability of the executed action.
    quantiles, alpha
        Which quantiles, and which worst shares, in (0, 1) and (0, 1].
    level
        Coverage probability.
    judgement
        The candidate's verdict; None: judged here from the weights alone. The answer is never trusted more.
    seed
        Of the resampling.

    Raises
    ------
    ValueError
        If ``level``, a quantile or an alpha is out of range, or a number of the log cannot be used; names it.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> action = rng.random(4000) < 0.5                       # action 1 earns more, and now and then loses 10
    >>> reward = np.where(action, np.where(rng.random(4000) < 0.1, -10.0, 3.0), 1.0) + rng.normal(0, 0.1, 4000)
    >>> found = distribution(Decisions(reward, np.full(4000, 0.5), np.where(action, 0.8, 0.2)))
    >>> [round(part.value) for part in found.quantiles], round(found.cvar[0].value), found.trust.value
    ([-10, 3, 3], -10, 'trusted')

    References
    ----------
    Chandak et al. (2021), Universal off-policy evaluation.
    Woodruff (1952), Confidence intervals for medians and other position measures.
    Huang, Leqi, Lipton, Azizzadenesheli (2021), Off-policy risk assessment in contextual bandits.
    """
    for name, values, most in (("quantile", quantiles, False), ("alpha", alpha, True), ("level", (level,), False)):
        for value in values:
            if not (0 < value < 1 or (most and value == 1)):
                raise ValueError(f"{name} is {value}, but must lie between 0 and 1")
    weights = WeightSums()
    for piece in log.blocks():
        weights = weights + piece.weight_sums()
    judged = judgement or judge(weights)
    trust, reasons = judged.verdict, list(judged.reasons)
    deep = {p for p in quantiles if weights.ess * min(p, 1 - p) < ENOUGH} | {
        a for a in alpha if weights.ess * a < ENOUGH
    }
    if trust is Trust.REFUSED:
        none = np.empty(0)
        parts = [tuple(Part(at, None, None, None) for at in levels) for levels in (quantiles, alpha)]
        return Distribution(
            none, none, none, none, parts[0], parts[1], level, weights.n, weights.ess, trust, tuple(reasons)
        )
    if deep:
        reasons.append(
            f"{', '.join(f'{at:g}' for at in sorted(deep))}: fewer than {ENOUGH} of {weights.ess:.1f} effective rows "
            "lie beyond, too few to tell; choose a level nearer to the middle."
        )
    ordered = _Ordered.of(log)
    band_at, masses = _by_point(log, ordered, rng := np.random.default_rng(seed))
    function = _function(masses.sum(axis=0))
    reach = _band(function, masses, rng, level)
    return Distribution(
        band_at, function[0], np.maximum(function[0] - reach, 0.0), np.minimum(function[0] + reach, 1.0),
        tuple(Part(p, None, None, None) if p in deep else _quantile(log, ordered, p, level) for p in quantiles),
        tuple(Part(a, None, None, None) if a in deep else _cvar(log, ordered, a, level, seed) for a in alpha),
        level, weights.n, weights.ess, trust, tuple(reasons),
    )  # fmt: skip


@dataclass(frozen=True, eq=False)
class _Ordered:
    """Rewards in order, with the weight up to each."""

    reward: Floats
    mass: Floats

    @staticmethod
    def of(log: Decisions) -> _Ordered:
        carries = np.flatnonzero(log.weight > 0)
        order = carries[np.argsort(log.reward[carries], kind="stable")]
        return _Ordered(log.reward[order], np.cumsum(log.weight[order]))

    def quantile(self, p: float) -> float:
        """Return the least reward with so much of the mass at or below it."""
        at = np.searchsorted(self.mass, p * self.mass[-1] * (1 - 1e-12))
        return float(self.reward[min(int(at), len(self.reward) - 1)])


def _terms(log: Decisions, outcome: Floats) -> tuple[Floats, Floats]:
    """Return numerators and masses of the self-normalised mean of an outcome, by unit."""
    both = np.stack([log.weight * outcome, log.weight])
    if log.cluster is not None:
        both = np.add.reduceat(both, np.flatnonzero(np.append(True, np.diff(log.cluster) > 0)), axis=1)
    return both[0], both[1]


def _quantile(log: Decisions, ordered: _Ordered, p: float, level: float) -> Part:
    """Invert the interval of the function at the quantile (Woodruff, 1952)."""
    value = ordered.quantile(p)
    stderr = TermSums.of(*_terms(log, (log.reward <= value).astype(np.float64))).stderr or 0.0
    reach = float(ndtri(0.5 + level / 2)) * stderr
    return Part(p, value, ordered.quantile(max(p - reach, 0.0)), ordered.quantile(min(p + reach, 1.0)))


def _cvar(log: Decisions, ordered: _Ordered, alpha: float, level: float, seed: int) -> Part:
    """Return the self-normalised mean of q - (q - r)+ / alpha, which is CVaR, and in which q's own error cancels."""
    q = ordered.quantile(alpha)
    terms = _terms(log, q - np.maximum(q - log.reward, 0.0) / alpha)
    sums = TermSums.of(*terms)
    low, high = bootstrap(Sample(sums, lambda: iter([terms]), seed), level)
    return Part(alpha, sums.value, low, high)


def _by_point(log: Decisions, ordered: _Ordered, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Return rewards in order, and the weight from one to the next by unit, or by random groups of units."""
    edge = np.unique(ordered.reward)
    if len(edge) > POINTS:
        edge = np.unique([ordered.quantile(p) for p in np.arange(1, POINTS + 1) / POINTS])
    point = np.minimum(np.searchsorted(edge, log.reward), len(edge) - 1)
    unit = np.arange(len(log)) if log.cluster is None else np.unique(log.cluster, return_inverse=True)[1]
    units = int(unit[-1]) + 1
    groups = min(units, GROUPS)
    group = unit if units <= GROUPS else (rng.permutation(units) % GROUPS)[unit]
    cells: Floats = np.bincount(group * len(edge) + point, log.weight, groups * len(edge)).astype(np.float64)
    return edge, cells.reshape(groups, len(edge))


def _function(masses: Floats) -> Floats:
    """Return distribution functions, shape (functions, points), from the masses at points."""
    summed = np.cumsum(np.atleast_2d(masses), axis=1)
    found: Floats = summed / summed[:, -1:]
    return found


def _band(function: Floats, masses: Floats, rng: np.random.Generator, level: float) -> float:
    """Return the distance that so many of the resampled functions keep at every point."""
    n, distance = len(masses), list[Floats]()
    for begin in range(0, REPLICATES, _AT_ONCE):
        draws = min(_AT_ONCE, REPLICATES - begin)
        chosen = rng.integers(0, n, (draws, n)) + n * np.arange(draws)[:, None]
        counts = np.bincount(chosen.ravel(), minlength=draws * n).reshape(draws, n).astype(np.float64)
        resampled = counts @ masses
        drawn = _function(resampled[resampled.sum(axis=1) > 0])
        distance.append(np.abs(drawn - function).max(axis=1))
    return float(np.quantile(np.concatenate(distance), level))
