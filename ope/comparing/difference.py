"""Is a candidate better than what acted? The paired difference on the same rows, with what it proves at every look."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from ope.bounds import Seen
from ope.comparing.paired import anytime_p, by_unit, paired
from ope.decisions import Decisions
from ope.estimator import Estimator
from ope.evaluate import applicable
from ope.intervals import INTERVALS, Sample
from ope.registry import ESTIMATORS
from ope.sequence import anytime_interval, slowed
from ope.sums import WeightSums
from ope.terms import RESOLUTION, TermSums
from ope.trajectory.episodes import Episodes
from ope.verdict.health import judge
from ope.verdict.health_evidence import Evidence
from ope.verdict.trust import Judgement, Trust, worst


@dataclass(frozen=True)
class Difference:
    """How much more a candidate would have earned per unit than the policy that acted, on the same rows.

    A refused difference has no value, as a refused ``Estimate``.

    Parameters
    ----------
    estimator
        An ESTIMATORS entry.
    value, stderr
        Candidate minus incumbent, and its standard error; pairing takes what both share out of it.
    low, high
        Interval of ``level`` for one look.
    level
        Coverage probability of both intervals.
    anytime_low, anytime_high
        Confidence sequence of the same level: right at all looks at once.
    margin
        How much worse still counts as no worse, at least 0, in units of the reward.
    anytime_p
        p value of "worse than the incumbent by the margin or more", valid however often it is looked at: at most
        1 - level exactly when the sequence lies above -margin.
    incumbent
        Mean reward of the policy that acted on these rows.
    n, ess
        Rows used, and the effective sample size of their weights.
    trust, reasons
        May it be quoted, and why not.
    """

    estimator: str
    value: float | None
    stderr: float | None
    low: float | None
    high: float | None
    level: float
    anytime_low: float | None
    anytime_high: float | None
    margin: float
    anytime_p: float | None
    incumbent: float | None
    n: int
    ess: float
    trust: Trust
    reasons: tuple[str, ...]

    @property
    def shown(self) -> bool:
        """Whether the sequence excludes "worse by the margin or more"; never where it must not be quoted."""
        return self.anytime_low is not None and self.anytime_low > -self.margin

    def to_dict(self) -> dict[str, Any]:
        """Return plain data for JSON."""
        return {**asdict(self), "trust": self.trust.value, "reasons": list(self.reasons)}

    def sentence(self, incumbent: str) -> str:
        """Return what a reviewer reads, with the incumbent's name.

        >>> rng = np.random.default_rng(4)
        >>> sums = WeightSums.from_rows(rng.uniform(0.8, 1.2, 20_000), rng.normal(1.0, 0.1, 20_000))
        >>> difference_of_weights("snips", sums, margin=0.01).sentence("v6")
        'No worse than v6 by more than 0.01 (1.0% of its 0.9993): 95% lower bound -0.0001767 at every look.'
        """
        if self.trust is Trust.REFUSED:
            return f"Not compared with {incumbent}: {' '.join(self.reasons)}"
        better = f"Better than {incumbent}"
        if self.margin > 0:
            share = f" ({self.margin / abs(self.incumbent):.1%} of its {self.incumbent:.5g})" if self.incumbent else ""
            better = f"No worse than {incumbent} by more than {self.margin:.4g}{share}"
        if self.anytime_low is None:
            return f"Not shown yet: {better.lower()[0]}{better[1:]}; too few rows for a bound."
        verdict = better if self.shown else f"Not shown: {better[0].lower()}{better[1:]}"
        return f"{verdict}: {100 * self.level:g}% lower bound {self.anytime_low:.4g} at every look."


def difference(
    log: Decisions | Episodes,
    name: str,
    margin: float = 0.0,
    level: float = 0.95,
    judgement: Judgement | None = None,
) -> Difference:
    r"""Compare a candidate with what the log's own policy earned on the same rows.

    .. math:: \hat\Delta = \hat V - \frac1n \sum_{i=1}^n r_i

    with the terms of any estimator :math:`\hat V` and one more column, :math:`-r` of mass 1, so that the error knows
    that both saw the same rows. Two separate intervals that overlap say little; this one answers. For "no worse than
    the incumbent" read the lower bound against the margin, not a probability.

    Parameters
    ----------
    log
        The decisions, with the candidate's probabilities; or ``Episodes``, whose unit is an episode's return.
    name
        A key of ESTIMATORS.
    margin
        How much worse still counts as no worse, in units of the reward.
    level
        Coverage of both intervals.
    judgement
        The candidate's verdict; None: judged here, from all that the log has.

    Raises
    ------
    ValueError
        If the estimator is unknown or needs what the log lacks, the margin is negative or not finite, or ``level`` is
        outside (0, 1).

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> action = rng.random(4000) < 0.5
    >>> log = Decisions(rng.normal(action, 0.1), np.full(4000, 0.5), np.where(action, 0.8, 0.2))
    >>> found = difference(log, "snips")
    >>> round(found.value, 2), round(found.incumbent, 2), found.anytime_low > 0
    (0.3, 0.5, True)

    References
    ----------
    Waudby-Smith, Wu, Ramdas, Karampatziakis, Mineiro (2024), Anytime-valid off-policy inference for contextual bandits.
    """
    item = _known(name)
    if name not in (usable := applicable(log)):
        raise ValueError(f"{name} needs columns that this log lacks; those that can be told: {', '.join(usable)}")
    tuning = None if item.tune is None else item.tune(log)
    sums, weights = TermSums(0, np.zeros(2), np.zeros((2, 2))), WeightSums()
    seen, evidence = Seen(), Evidence()
    for piece in log.blocks():
        earned = piece.returns if isinstance(piece, Episodes) else piece.reward
        terms = by_unit(piece, paired(item.terms(piece, tuning), earned))
        found, added = TermSums.of(*terms), piece.weight_sums()
        sums, weights = sums + found if sums.n else found, weights + added
        seen.add(terms)
        if judgement is None:
            evidence.add(piece, added)
    judged = judgement or judge(weights, evidence=evidence)
    return _answer(item, sums, weights, margin, level, judged, seen.reach(sums))


def difference_of_weights(
    name: str,
    sums: WeightSums,
    margin: float = 0.0,
    level: float = 0.95,
    judgement: Judgement | None = None,
    rewards: tuple[float, float] | None = None,
) -> Difference:
    """Compare from stored weight sums alone, as a live view does; the same value and error as from the rows.

    Parameters and errors as for ``difference``; the estimator must have ``of_weights``. ``rewards`` are the smallest
    and the largest: with them the sequence is as wide as any row may ask for, without them too narrow as long as few
    rows with a reward have come (see ``ope.sequence.slowed``).

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> action = rng.random(4000) < 0.5
    >>> log = Decisions(rng.normal(action, 0.1), np.full(4000, 0.5), np.where(action, 0.8, 0.2))
    >>> live = difference_of_weights("ips", WeightSums.from_rows(log.weight, log.reward))
    >>> bool(np.isclose(live.stderr, difference(log, "ips").stderr, rtol=1e-9))
    True
    """
    item, s = _known(name), sums
    if item.of_weights is None:
        live = ", ".join(key for key, found in ESTIMATORS.items() if found.of_weights is not None)
        raise ValueError(f"{name!r} cannot be told from weight sums; those that can: {live}")
    own, judged = item.of_weights(s), judgement or judge(s)
    total, mass = own.first.tolist()
    low, high = rewards or (0.0, 0.0)
    if float(own.second[1, 1]) == s.n:  # every mass is 1: one column, whose square is that of w r - r
        squares = float(own.second[0, 0]) - 2 * s.wr2 + s.r2
        corners = [part * edge for part in (-1.0, s.w_max - 1.0) for edge in (low, high)]
        most = (max(corners) - min(corners)) / s.n if rewards and s.n else None
        one = TermSums.ratio(s.n, total - s.r, s.n, squares, total - s.r, s.n)
        return _answer(item, one, s, margin, level, judged, most)
    first = np.array([total, -s.r, mass, s.n])
    second = np.zeros((4, 4))
    second[np.ix_([0, 2], [0, 2])] = own.second
    second[np.ix_([1, 3], [1, 3])] = [[s.r2, -s.r], [-s.r, s.n]]
    crossed = np.array([[-s.wr2, total], [-s.wr, mass]])  # (w r, w) with (-r, 1)
    second[np.ix_([0, 2], [1, 3])], second[np.ix_([1, 3], [0, 2])] = crossed, crossed.T
    most = (high - low) * (s.w_max / mass + 1 / s.n) if rewards and mass > 0 else None
    return _answer(item, TermSums(s.n, first, second), s, margin, level, judged, most)


def _known(name: str) -> Estimator:
    if name not in ESTIMATORS:
        raise ValueError(f"no estimator is called {name!r}; available: {', '.join(ESTIMATORS)}")
    return ESTIMATORS[name]


def _answer(
    item: Estimator,
    sums: TermSums,
    weights: WeightSums,
    margin: float,
    level: float,
    judgement: Judgement,
    reach: float | None,
) -> Difference:
    if not 0 < level < 1:
        raise ValueError(f"level is {level}, but must lie between 0 and 1, such as 0.95")
    if not (math.isfinite(margin) and margin >= 0):
        raise ValueError(f"margin is {margin}, but must be a finite number of at least 0, in units of the reward")
    trust, reasons = worst(judgement.verdict, item.at_most), list(judgement.reasons)
    reasons += [item.note] if item.note else []
    n, ess, earned = int(sums.n), weights.ess, weights.r / weights.n if weights.n else None
    value, stderr = sums.value, sums.stderr
    same = weights.n > 0 and abs(weights.w2 - 2 * weights.w + weights.n) <= RESOLUTION * weights.n
    if same and trust is not Trust.REFUSED:
        reasons.append("The candidate decides as the policy that acted in every row, so there is no difference.")
        p = 0.0 if margin > 0 else 1.0
        return Difference(
            item.name, 0.0, 0.0, 0.0, 0.0, level, 0.0, 0.0, margin, p, earned, n, ess, trust, tuple(reasons)
        )
    if value is None or stderr is None or sums.flat or trust is Trust.REFUSED:
        if trust is not Trust.REFUSED:
            reasons.append("The difference has no spread in these rows that doubles resolve, so it has no known error.")
        return Difference(
            item.name, None, None, None, None, level, None, None, margin, None, earned, n, ess, Trust.REFUSED,
            tuple(reasons),
        )  # fmt: skip
    low, high = INTERVALS["delta"](Sample(sums), level) or (None, None)
    clock = slowed(ess, sums, reach)
    always_low, always_high = anytime_interval(sums, clock, level) or (None, None)
    p = anytime_p(sums, clock, -margin, level)
    return Difference(
        item.name, value, stderr, low, high, level, always_low, always_high, margin, p, earned, n, ess, trust,
        tuple(reasons),
    )  # fmt: skip
