"""Would another version earn more on the same decisions? The difference with its interval, and whether it fell too."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ope.models.basis import Floats
from ope.models.outcome_model import OutcomeModel
from ope.shift.attribution import Attributor
from ope.shift.by_block import by_block
from ope.shift.part import Part, block_draws, part
from ope.shift.rows import Rows
from ope.sums import WeightSums
from ope.verdict.health import judge
from ope.verdict.trust import Trust, worst

Ints = NDArray[np.int64]

LEAST_ROWS, LEAST_BLOCKS = 50, 4
LEAST_INSIDE = 0.8  # share of the window that the baseline's model must know


@dataclass(frozen=True, eq=False)
class Weighted:
    """Rewards with what each row counts; 1 for a version's own rows, the importance weight for another's."""

    reward: Floats
    weight: Floats
    block: Ints


@dataclass(frozen=True)
class Comparison:
    """What a version that does not serve is expected to earn against the one that does.

    Parameters
    ----------
    method
        "concurrent" (it acted in the same windows), "off_policy" (self-normalised importance weights), "model" (the
        baseline's mean rewards), or "" where none could be used.
    difference
        Its mean reward less the serving version's, on today's decisions; None when refused.
    change
        Its own mean reward today less that of the baseline; None where one of them is not known.
    n, ess, trust, reasons
        Rows, effective rows, whether it may be quoted, and why not.
    """

    method: str
    difference: Part | None
    change: Part | None
    n: int
    ess: float
    trust: Trust
    reasons: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return plain data for JSON."""
        return {
            "method": self.method,
            "difference": None if self.difference is None else self.difference.to_dict(),
            "change": None if self.change is None else self.change.to_dict(),
            "n": self.n,
            "ess": self.ess,
            "trust": self.trust.value,
            "reasons": list(self.reasons),
        }


def refused(method: str, reason: str, n: int = 0) -> Comparison:
    """Return a comparison that cannot be made, with the reason."""
    return Comparison(method, None, None, n, 0.0, Trust.REFUSED, (reason,))


def compare(
    method: str,
    previous: Weighted,
    current: Weighted,
    then: Weighted | None,
    *,
    seed: int,
    level: float = 0.95,
) -> Comparison:
    r"""Compare two versions over the same blocks of time.

    .. math:: \hat d = \frac{\sum_b \sum_{i \in b} w_i r_i}{\sum_b \sum_{i \in b} w_i} - \bar r

    Both means are drawn with the same blocks, so that what hit both versions alike cancels: a concurrent comparison is
    narrower than one with last week, and right when last week was another world.

    Parameters
    ----------
    method
        "concurrent" or "off_policy"; importance weights are judged, own rows are not.
    previous, current
        The version that does not serve and the one that does, in the same windows and with the same blocks.
    then
        The previous version in the baseline, which says whether it fell too; None where it is not known.
    seed, level
        Of the draws of blocks, and coverage of the intervals.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> block = np.repeat(np.arange(20), 50)
    >>> better, worse = (Weighted(rng.normal(mean, 1, 1000), np.ones(1000), block) for mean in (0.5, 0.2))
    >>> compare("concurrent", better, worse, None, seed=1).difference.clear
    True

    References
    ----------
    Swaminathan, Joachims (2015), The self-normalized estimator for counterfactual learning.
    """
    n, shared = len(previous.reward), np.intersect1d(previous.block[previous.weight > 0], current.block)
    if n < LEAST_ROWS or len(shared) < LEAST_BLOCKS:
        return refused(
            method, f"{n} rows in {len(shared)} shared blocks of time, {LEAST_ROWS} in {LEAST_BLOCKS} are needed", n
        )
    sums = WeightSums.from_rows(previous.weight, previous.reward)
    trust: Trust = Trust.TRUSTED
    reasons: tuple[str, ...] = ()
    if method == "off_policy":
        judged = judge(sums)
        trust, reasons = judged.verdict, judged.reasons
    if trust is Trust.REFUSED or sums.w <= 0:
        return Comparison(method, None, None, n, sums.ess, Trust.REFUSED, reasons)
    rng = np.random.default_rng([seed, 5])
    blocks = int(max(previous.block.max(), current.block.max())) + 1
    drawn = block_draws(rng, blocks)
    first, second = _ratio(previous, blocks), _ratio(current, blocks)
    usable = (drawn @ first[0] > 0) & (drawn @ second[0] > 0)
    drawn = drawn[usable]
    of_previous, of_current = _mean(first, drawn), _mean(second, drawn)
    now = _mean(first, np.ones((1, blocks)))[0]
    difference = part(float(now - _mean(second, np.ones((1, blocks)))[0]), of_previous - of_current, len(shared), level)
    change = None
    if then is not None and len(then.reward) >= LEAST_ROWS and then.weight.sum() > 0:
        past, count = _ratio(then, int(then.block.max()) + 1), int(then.block.max()) + 1
        redrawn = block_draws(rng, count, len(drawn))
        sound = redrawn @ past[0] > 0
        change = part(
            float(now - _mean(past, np.ones((1, count)))[0]),
            of_previous[sound] - _mean(past, redrawn[sound]),
            min(len(shared), len(np.unique(then.block))),
            level,
        )
    return Comparison(method, difference, change, n, sums.ess, trust, reasons)


def by_model(
    fitted: Attributor,
    window: Rows,
    previous: Floats | OutcomeModel,
    then: Rows | None,
    *,
    seed: int,
    level: float = 0.95,
) -> Comparison:
    r"""Compare by the baseline's model: what the previous version would be paid for its actions in today's states.

    .. math:: \hat d = E_1\Big[\sum_a \pi(a|s) \mu(s, a) - \mu(s, a_{executed})\Big]

    What the environment pays differently today cancels where it does so for every action alike; whether it does, the
    baseline cannot say. So the answer is weak at best, and refused where the model has not been.

    Parameters
    ----------
    fitted
        The baseline's models.
    window
        The window's rows.
    previous
        The previous version's probabilities, shape (rows, actions), or a model of its own rewards by state.
    then
        Its rows in the baseline, None where it did not act there.
    seed, level
        As for ``compare``.
    """
    near = fitted.pays.supported(window.states, window.action)
    if isinstance(previous, OutcomeModel):
        near &= previous.supported(window.states, np.zeros(len(window), np.int64))
    inside = float(near.mean()) if len(window) else 0.0
    if inside < LEAST_INSIDE or len(np.unique(window.block[near])) < LEAST_BLOCKS:
        return refused("model", f"{1 - inside:.0%} of the decisions are outside what the baseline saw", len(window))
    rows = window.of(near)
    taken = np.eye(fitted.pays.basis.actions)[rows.action]
    model = previous if isinstance(previous, OutcomeModel) else fitted.pays
    chosen = np.ones((len(rows), 1)) if isinstance(previous, OutcomeModel) else previous[near]
    rng, blocks = np.random.default_rng([seed, 6]), int(rows.block.max()) + 1
    drawn0, drawn1 = block_draws(rng, fitted.blocks), block_draws(rng, blocks)
    n = by_block(np.ones(len(rows)), rows.block, blocks)
    drawn0, drawn1 = drawn0[drawn1 @ n > 0], drawn1[drawn1 @ n > 0]
    wanted, paid = model.columns(rows.states, chosen), fitted.pays.columns(rows.states, taken)
    wanted1, paid1 = by_block(wanted, rows.block, blocks), by_block(paid, rows.block, blocks)
    earned = ((drawn1 @ wanted1) * model.draws(drawn0)).sum(axis=1)
    drawn = (earned - ((drawn1 @ paid1) * fitted.pays.draws(drawn0)).sum(axis=1)) / (drawn1 @ n)
    few = min(fitted.blocks, int((n > 0).sum()))
    value = float((wanted @ model.beta - paid @ fitted.pays.beta).mean())
    difference = part(value, drawn, few, level)
    change = None
    if then is not None and len(then) >= LEAST_ROWS:
        reward1, reward0 = by_block(rows.reward, rows.block, blocks), by_block(then.reward, then.block, fitted.blocks)
        n0 = by_block(np.ones(len(then)), then.block, fitted.blocks)
        sound = drawn0 @ n0 > 0
        today, past = (drawn1 @ reward1 / (drawn1 @ n))[sound], (drawn0 @ reward0)[sound] / (drawn0 @ n0)[sound]
        moved = float(rows.reward.mean() + value - then.reward.mean())
        change = part(moved, today + drawn[sound] - past, min(few, int((n0 > 0).sum())), level)
    reason = "told by what the baseline paid, as if today's environment paid every action equally more or less"
    return Comparison("model", difference, change, len(rows), float(len(rows)), worst(Trust.WEAK), (reason,))


def _ratio(rows: Weighted, blocks: int) -> tuple[Floats, Floats]:
    return by_block(rows.weight, rows.block, blocks), by_block(rows.weight * rows.reward, rows.block, blocks)


def _mean(sums: tuple[Floats, Floats], drawn: Floats) -> Floats:
    found: Floats = drawn @ sums[1] / (drawn @ sums[0])
    return found
