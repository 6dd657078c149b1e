"""Why the mean reward moved: other states, other actions, another environment, or what nobody can tell."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ope.models.basis import Bools, Floats
from ope.models.outcome_model import OutcomeModel
from ope.shift.block_sums import PARTS, BlockSums, Lean
from ope.shift.density_ratio import density_ratio
from ope.shift.part import Part, block_draws, part
from ope.shift.rows import Rows

LEAST_ROWS = 50


@dataclass(frozen=True)
class Attribution:
    """A change of the mean reward in four parts that sum to it.

    Parameters
    ----------
    before, after
        Mean reward of the baseline's rows and of the window's.
    change
        Their difference, with its interval.
    parts
        By name, in the order of ``PARTS``.
    features
        What each feature's own shift carries of the state mix, largest first; "" is what comes through the old
        policy's choice of actions.
    outside
        Share of the window's rows outside the baseline's support, and by feature the share that it puts outside.
    n, blocks
        Rows and blocks of the window.
    """

    before: float
    after: float
    change: Part
    parts: Mapping[str, Part]
    features: Mapping[str, Part]
    outside: float
    outside_by: Mapping[str, float]
    n: int
    blocks: int

    def to_dict(self) -> dict[str, Any]:
        """Return plain data for JSON."""
        return {
            "before": self.before,
            "after": self.after,
            "change": self.change.to_dict(),
            "parts": {name: one.to_dict() for name, one in self.parts.items()},
            "features": {name: one.to_dict() for name, one in self.features.items()},
            "outside": self.outside,
            "outside_by": dict(self.outside_by),
            "n": self.n,
            "blocks": self.blocks,
        }


@dataclass(frozen=True, eq=False)
class Attributor:
    r"""What the baseline says about rewards, fitted once; it splits the change of any window, whole or by segment.

    With :math:`\mu(s, a)` the reward that the baseline pays and :math:`m(s) = \sum_a \pi_0(a|s) \mu(s, a)` what the
    old policy :math:`\pi_0` earns in a state, the change from the baseline 0 to the window 1 is

    .. math:: \underbrace{E_1 m - E_0 m}_{\text{state mix}} + \underbrace{E_1[\mu - m]}_{\text{action mix}}
              + \underbrace{E_1[r - \mu]}_{\text{environment}} + \underbrace{E_0[m - r]}_{\text{fitting residual}}

    Rows whose state, or whose action in their state, the baseline has hardly seen enter the first three with 0: what
    they changed is in the last part, "not attributable", with the fitting residual. So the parts always sum to the
    change. Against a plain Oaxaca-Blinder split this one is curved, has the policy between, and says what it cannot.

    Where the old policy's probabilities are not known, m is fitted to the old policy's own rewards by state.

    Parameters
    ----------
    names
        The feature of each column of states; several columns may be of one feature.
    pays, earns
        The model of mu, and the old policy's rewards by state alone: m where its probabilities are not known, and in
        any case the states that it met.
    blocks
        Number of blocks of the baseline.
    known
        Whether the old policy's probabilities are known, so that m is their mean of mu.
    base, own
        What it was fitted on, and in which of its rows the old policy acted.

    Examples
    --------
    >>> rng = np.random.default_rng(3)
    >>> def log(shift, rows, every):
    ...     states, action = rng.normal(shift, 1, (rows, 1)), rng.integers(0, 2, rows)
    ...     reward = states[:, 0] + action + rng.normal(0, 0.1, rows)
    ...     return Rows(states, action, reward, np.arange(rows) // every)
    >>> before, after = log(0.0, 4000, 100), log(-0.5, 1000, 50)
    >>> found = Attributor.fit(before, ["load"], actions=2).split(before, after, seed=1)
    >>> round(found.parts["state_mix"].value, 1), found.parts["environment"].clear
    (-0.5, False)

    References
    ----------
    Oaxaca (1973), Male-female wage differentials in urban labor markets.
    Budhathoki, Janzing, Bloebaum, Ng (2021), Why did the distribution change?
    """

    names: tuple[str, ...]
    pays: OutcomeModel
    earns: OutcomeModel
    blocks: int
    known: bool
    base: Rows
    own: Bools

    @staticmethod
    def fit(base: Rows, names: Sequence[str], *, actions: int, own: Bools | None = None) -> Attributor:
        """Fit the two models on the baseline.

        Parameters
        ----------
        base, names, actions
            The baseline's rows of whoever acted, the feature of each column, and the number of actions.
        own
            The rows in which the old policy acted; None: all.

        Raises
        ------
        ValueError
            If too few rows can be used, a column is not finite, or shapes do not fit; says which.
        """
        base.check(len(names), actions, "baseline")
        mine = np.ones(len(base), bool) if own is None else own
        blocks = int(base.block.max()) + 1
        seen = base.action >= 0
        pays = OutcomeModel.fit(
            base.states[seen], base.action[seen], base.reward[seen], base.block[seen], actions=actions, blocks=blocks
        )
        rows, alone = base.states[mine], np.zeros(int(mine.sum()), np.int64)
        earns = OutcomeModel.fit(rows, alone, base.reward[mine], base.block[mine], actions=1, blocks=blocks)
        return Attributor(tuple(names), pays, earns, blocks, base.old is not None, base, mine)

    def split(self, before: Rows, after: Rows, *, seed: int, level: float = 0.95) -> Attribution:
        """Split the change between two logs.

        Parameters
        ----------
        before
            The old policy's rows of the baseline that the window is compared with; blocks as in ``fit``.
        after
            The window's rows.
        seed
            Of the draws of blocks; the same seed and rows give the same answer to the bit.
        level
            Coverage of the intervals.

        Raises
        ------
        ValueError
            If either has fewer than 50 rows or fewer than two blocks.
        """
        for rows, what in ((before, "baseline"), (after, "window")):
            if len(rows) < LEAST_ROWS or len(np.unique(rows.block)) < 2:
                raise ValueError(
                    f"the {what} has {len(rows)} rows with a reward in {len(np.unique(rows.block))} blocks of time; "
                    f"{LEAST_ROWS} rows in 2 are the least from which a change and its error can be told"
                )
        after.check(len(self.names), self.pays.basis.actions, "window")
        sums = self._sums(before, after)
        rng = np.random.default_rng([seed, 4])
        drawn0, drawn1 = block_draws(rng, self.blocks), block_draws(rng, sums.n1.shape[0])
        kept = drawn0 @ sums.n0 > 0
        drawn0, drawn1 = drawn0[kept], drawn1[kept]
        pays = self.pays.draws(drawn0)
        old = self.pays if self.known else self.earns
        earns = pays if self.known else self.earns.draws(drawn0)
        one0, one1 = np.ones((1, self.blocks)), np.ones((1, len(sums.n1)))
        point = sums.parts(one0, one1, self.pays.beta[None], old.beta[None])
        draws = sums.parts(drawn0, drawn1, pays, earns)
        few = min(int((sums.n0 > 0).sum()), int((sums.n1 > 0).sum()))
        told = {name: part(float(point[name][0]), draws[name], few, level) for name in (*PARTS, "change")}
        of = old.basis.features()
        carried = sums.carried(one0, one1, old.beta[None], of, self.names)
        drawn = sums.carried(drawn0, drawn1, earns, of, self.names)
        features = {name: part(float(carried[name][0]), drawn[name], few, level) for name in carried}
        ordered = sorted(features, key=lambda name: (-abs(features[name].value), name))
        return Attribution(
            float(before.reward.mean()),
            float(after.reward.mean()),
            told.pop("change"),
            told,
            {name: features[name] for name in ordered if features[name].value != 0.0},
            1.0 - float(sums.both_n.sum() / len(after)),
            self._outside_by(after),
            len(after),
            int((sums.n1 > 0).sum()),
        )

    def old_columns(self, rows: Rows) -> Floats:
        """Return the columns whose product with beta is what the old policy earns in each row's state."""
        if self.known:
            if rows.old is None:
                raise ValueError("the old policy's probabilities are known in the baseline but not in the window")
            return self.pays.columns(rows.states, rows.old)
        return self.earns.columns(rows.states, np.ones((len(rows), 1)))

    def _sums(self, before: Rows, after: Rows) -> BlockSums:
        near = self.earns.supported(after.states, np.zeros(len(after), np.int64))
        both = near & self.pays.supported(after.states, after.action)
        old0, old1 = self.old_columns(before), self.old_columns(after)
        paid = self.pays.columns(after.states, self._taken(after))
        return BlockSums.of(
            before.reward,
            before.block,
            old0,
            self.blocks,
            after.reward,
            after.block,
            old1,
            paid,
            near,
            both,
            self._lean(self.own, after.of(near), False),
            self._lean(self.base.action >= 0, after.of(both), True),
        )

    def _lean(self, mine: Bools, after: Rows, executed: bool) -> Lean:
        """Return the residual of mu (``executed``) or m on the baseline's rows, weighted to look like the window."""
        rows = self.base.of(mine)
        here, there = rows.states, after.states
        if executed:
            here, there = (self._together(one) for one in (rows, after))
        weight = density_ratio(here, there)
        columns = self.pays.columns(rows.states, self._taken(rows)) if executed else self.old_columns(rows)
        return Lean.of(weight, rows.reward, columns, rows.block, self.blocks)

    def _together(self, rows: Rows) -> Floats:
        """Return states, actions and, while they are few, states by action."""
        taken = self._taken(rows)[:, 1:]
        by = [rows.states * taken[:, [a]] for a in range(taken.shape[1])]
        return np.hstack([rows.states, taken, *(by if len(by) * rows.states.shape[1] <= 100 else [])])

    def _taken(self, rows: Rows) -> Floats:
        return np.eye(self.pays.basis.actions)[np.maximum(rows.action, 0)]

    def _outside_by(self, after: Rows) -> dict[str, float]:
        """Return the share of rows that each feature puts outside what the old policy met, largest first."""
        beyond = self.earns.ranges.outside(after.states, np.zeros(len(after), np.int64)).mean(axis=0)
        by = dict.fromkeys(self.names, 0.0)
        for name, share in zip(self.names, beyond.tolist(), strict=True):
            by[name] = max(by[name], share)
        return {name: by[name] for name in sorted(by, key=lambda name: (-by[name], name)) if by[name] > 0}
