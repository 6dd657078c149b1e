"""Several candidates at once: which are better than what acts, and which may be the best, however often one looks."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from ope.comparing.difference import Difference, difference_of_weights
from ope.sums import WeightSums
from ope.terms import TermSums
from ope.verdict.trust import Trust

DEFAULT = "snips"


@dataclass(frozen=True)
class Selection:
    """What may be said of all candidates together, with one probability alpha of any error at any time.

    Parameters
    ----------
    alpha, family
        Error probability of the whole answer, and the number of candidates that it is divided among.
    differences
        Candidate -> its difference to the incumbent; intervals are of level 1 - alpha / family.
    adjusted
        Candidate -> its p value after Holm's correction; 1 where its estimate is refused.
    better
        Shown better than the incumbent (by more than -margin), the surest first.
    best
        Not excluded as the best of all; the incumbent stands in it as None.
    untold
        Refused: they may be anything.
    sentences
        The same in words.
    """

    alpha: float
    family: int
    differences: Mapping[str, Difference]
    adjusted: Mapping[str, float]
    better: tuple[str, ...]
    best: tuple[str | None, ...]
    untold: tuple[str, ...]
    sentences: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return plain data for JSON."""
        found = asdict(self)
        found["differences"] = {name: one.to_dict() for name, one in self.differences.items()}
        return {name: list(value) if isinstance(value, tuple) else value for name, value in found.items()}


def select(
    sums: Mapping[str, WeightSums],
    incumbent: str = "the incumbent",
    *,
    margin: float = 0.0,
    alpha: float = 0.05,
    family: int | None = None,
    estimator: str = DEFAULT,
    rewards: Mapping[str, tuple[float, float]] | None = None,
) -> Selection:
    r"""Compare several candidates with the incumbent and with each other.

    Whoever looks at ten candidates every hour and takes the first that seems better is wrong far more often than in
    5% of cases. Two corrections together: each p value is anytime-valid, and Holm's steps divide alpha among the
    candidates, in any dependence. Together they hold at all looks at once: with m_0 candidates that are not better,
    a false answer needs one of them to reach :math:`p \le \alpha / m_0` at some time, and

    .. math:: P(\exists t, i: p_{i,t} \le \alpha / m_0) \le m_0 \cdot \alpha / m_0 = \alpha.

    A candidate is excluded as the best when its sequence at 1 - alpha / m ends below another one's, or below 0.

    Parameters
    ----------
    sums
        Candidate -> its sums over the rows of the incumbent.
    incumbent
        Its name, for the sentences.
    margin
        How much worse still counts as no worse.
    alpha
        Probability that anything in the answer is ever wrong.
    family
        Candidates that were ever looked at, where it is more than those given: a file that was tried and replaced has
        used its share.
    estimator
        One with ``of_weights``.
    rewards
        Candidate -> smallest and largest reward of its rows, see ``difference_of_weights``.

    Raises
    ------
    ValueError
        If alpha is outside (0, 1), or ``family`` is smaller than the number of candidates.

    Examples
    --------
    >>> rng = np.random.default_rng(2)
    >>> action = rng.random(20_000) < 0.5
    >>> reward = rng.normal(action, 0.5)
    >>> sums = {name: WeightSums.from_rows(np.where(action, p, 1 - p) / 0.5, reward)
    ...         for name, p in (("v7", 0.8), ("v8", 0.7), ("v9", 0.4))}
    >>> found = select(sums, "v6")
    >>> found.better, found.best
    (('v7', 'v8'), ('v7',))
    >>> found.sentences[0]
    'Better than v6: v7 and v8. The chance that this list is ever wrong is at most 5%, however often it is read.'

    References
    ----------
    Holm (1979), A simple sequentially rejective multiple test procedure.
    Howard, Ramdas, McAuliffe, Sekhon (2021), Time-uniform, nonparametric, nonasymptotic confidence sequences.
    """
    if not 0 < alpha < 1:
        raise ValueError(f"alpha is {alpha}, but must lie between 0 and 1, such as 0.05")
    m = max(len(sums), 1) if family is None else family
    if m < len(sums):
        raise ValueError(f"family is {m}, but {len(sums)} candidates are given: count every one that was looked at")
    level, known = 1 - alpha / m, rewards or {}
    found = {
        name: difference_of_weights(estimator, one, margin, level, rewards=known.get(name))
        for name, one in sums.items()
    }
    adjusted = holm({name: 1.0 if one.anytime_p is None else one.anytime_p for name, one in found.items()}, m)
    better = tuple(sorted((name for name in found if adjusted[name] <= alpha), key=lambda name: (adjusted[name], name)))
    untold = tuple(name for name, one in found.items() if one.trust is Trust.REFUSED)
    low = {name: -math.inf if one.anytime_low is None else one.anytime_low for name, one in found.items()}
    high = {name: math.inf if one.anytime_high is None else one.anytime_high for name, one in found.items()}
    lead = max([0.0, *low.values()])
    best: tuple[str | None, ...] = tuple(name for name in found if name not in untold and high[name] >= lead)
    best = best if lead > 0 else (None, *best)
    sentences = _sentences(incumbent, better, best, untold, margin, alpha)
    return Selection(alpha, m, found, adjusted, better, best, untold, sentences)


def holm(p: Mapping[str, float], family: int) -> dict[str, float]:
    """Return p values after Holm's correction for a family of tests, some of which may not be among these.

    >>> holm({"a": 0.01, "b": 0.04, "c": 0.03}, 3)
    {'a': 0.03, 'c': 0.06, 'b': 0.06}
    """
    found: dict[str, float] = {}
    reached = 0.0
    for step, name in enumerate(sorted(p, key=lambda name: (p[name], name))):
        reached = max(reached, min(1.0, (family - step) * p[name]))
        found[name] = reached
    return found


def explained(sums: WeightSums) -> str:
    """Return why the self-normalised estimate is the one that is quoted, and how far inverse propensity scoring is.

    The two use the same weights and differ by the normaliser alone. Far apart they say that the mean weight is not 1,
    which no interval covers; so the disagreement is said, not averaged away.

    Examples
    --------
    >>> rng = np.random.default_rng(2)
    >>> sums = WeightSums.from_rows(rng.uniform(0.5, 1.5, 4000), rng.normal(-2.0, 0.1, 4000))
    >>> print(explained(sums))
    snips is quoted: it does not move when all rewards shift, and its standard error here is 0.00163, against 0.00931 \
of ips. They agree: -1.995 and -1.995, 0.0 standard errors apart.
    """
    ips = TermSums.ratio(sums.n, sums.wr, sums.n, sums.w2r2, sums.wr, sums.n)
    snips = TermSums.ratio(sums.n, sums.wr, sums.w, sums.w2r2, sums.w2r, sums.w2)
    apart = TermSums(
        sums.n,
        np.array([sums.wr, -sums.wr, sums.n, sums.w]),
        np.array(
            [
                [sums.w2r2, -sums.w2r2, sums.wr, sums.w2r],
                [-sums.w2r2, sums.w2r2, -sums.wr, -sums.w2r],
                [sums.wr, -sums.wr, sums.n, sums.w],
                [sums.w2r, -sums.w2r, sums.w, sums.w2],
            ]
        ),
    )
    if ips.value is None or snips.value is None or ips.stderr is None or snips.stderr is None or snips.flat:
        return "snips and ips cannot be compared: too few rows, or rewards that do not differ."
    says = f"{snips.value:.4g} and {ips.value:.4g}"
    error = apart.stderr or 0.0
    far = abs(ips.value - snips.value) / error if error > 0 else 0.0
    why = (
        f"snips is quoted: it does not move when all rewards shift, and its standard error here is {snips.stderr:.3g}, "
        f"against {ips.stderr:.3g} of ips. "
    )
    if error <= 0 or far <= 3:
        return f"{why}They agree: {says}, {far:.1f} standard errors apart."
    mean = sums.w / sums.n
    return (
        f"{why}They disagree: {says}, {far:.1f} standard errors apart, because the mean weight is {mean:.3f} and not 1."
    )


def _sentences(
    incumbent: str,
    better: tuple[str, ...],
    best: tuple[str | None, ...],
    untold: tuple[str, ...],
    margin: float,
    alpha: float,
) -> tuple[str, ...]:
    than = f"No worse than {incumbent} by more than {margin:.4g}" if margin > 0 else f"Better than {incumbent}"
    sure = f"The chance that this list is ever wrong is at most {100 * alpha:g}%, however often it is read."
    first = f"{than}: {_all(better)}. {sure}" if better else f"{than}: none is shown to be, at {100 * alpha:g}%."
    named = tuple(incumbent if name is None else name for name in best)
    said = [first, f"May still be the best: {_all(named)}." if named else "None can be called the best."]
    if untold:
        said.append(f"Cannot be told: {_all(untold)}.")
    return tuple(said)


def _all(names: tuple[str, ...]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
