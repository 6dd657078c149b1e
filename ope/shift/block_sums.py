"""Sums by block of time, of which every part of a change is a ratio."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ope.models.basis import Bools, Floats
from ope.shift.by_block import by_block

Ints = NDArray[np.int64]

PARTS = ("state_mix", "action_mix", "environment", "not_attributable")


@dataclass(frozen=True, eq=False)
class Lean:
    """A model's mean residual over baseline rows that are weighted to look like the window, as sums by block."""

    weight: Floats
    reward: Floats
    columns: Floats

    @staticmethod
    def of(weight: Floats | None, reward: Floats, columns: Floats, block: Ints, blocks: int) -> Lean:
        """Add rows up; without weights the residual counts as 0."""
        if weight is None:
            weight = np.zeros(len(reward))
        return Lean(
            by_block(weight, block, blocks),
            by_block(weight * reward, block, blocks),
            by_block(weight[:, None] * columns, block, blocks),
        )

    def mean(self, drawn: Floats, beta: Floats) -> Floats:
        """Return the mean residual for each draw of blocks and its beta."""
        residual = drawn @ self.reward - ((drawn @ self.columns) * beta).sum(axis=1)
        total = drawn @ self.weight
        return np.where(total > 0, residual / np.where(total > 0, total, 1.0), 0.0)


@dataclass(frozen=True, eq=False)
class BlockSums:
    """Sums by block: a draw of blocks adds them up and never looks at rows again.

    Parameters
    ----------
    n0, r0, m0
        Rows, rewards and columns of m of the baseline.
    n1, r1
        Rows and rewards of the window.
    near, near_m
        Its rows whose state is supported, and their columns of m.
    both_n, both, both_m, both_mu
        Its rows whose action in their state is supported, too: rows, rewards, columns of m and of mu.
    lean_m, lean_mu
        How wrong m and mu are where the window is: weight, weighted rewards and columns of the baseline's rows.
    """

    n0: Floats
    r0: Floats
    m0: Floats
    n1: Floats
    r1: Floats
    near: Floats
    near_m: Floats
    both_n: Floats
    both: Floats
    both_m: Floats
    both_mu: Floats
    lean_m: Lean
    lean_mu: Lean

    @staticmethod
    def of(
        reward0: Floats,
        block0: Ints,
        old0: Floats,
        blocks0: int,
        reward1: Floats,
        block1: Ints,
        old1: Floats,
        paid1: Floats,
        near: Bools,
        both: Bools,
        lean_m: Lean,
        lean_mu: Lean,
    ) -> BlockSums:
        """Add rows up: rewards and blocks, the columns of m (old) and mu (paid), and what is supported."""
        blocks1 = int(block1.max()) + 1
        here = block1, blocks1
        return BlockSums(
            by_block(np.ones(len(reward0)), block0, blocks0),
            by_block(reward0, block0, blocks0),
            by_block(old0, block0, blocks0),
            by_block(np.ones(len(reward1)), *here),
            by_block(reward1, *here),
            by_block(near.astype(np.float64), *here),
            by_block(old1 * near[:, None], *here),
            by_block(both.astype(np.float64), *here),
            by_block(reward1 * both, *here),
            by_block(old1 * both[:, None], *here),
            by_block(paid1 * both[:, None], *here),
            lean_m,
            lean_mu,
        )

    def parts(self, drawn0: Floats, drawn1: Floats, pays: Floats, earns: Floats) -> dict[str, Floats]:
        """Return every part for each draw of blocks and the betas that go with it."""
        n0, n1 = drawn0 @ self.n0, np.maximum(drawn1 @ self.n1, 1.0)
        change = drawn1 @ self.r1 / n1 - drawn0 @ self.r0 / n0
        earned = ((drawn0 @ self.m0) * earns).sum(axis=1) / n0
        there = ((drawn1 @ self.near_m) * earns).sum(axis=1)
        same = ((drawn1 @ self.both_m) * earns).sum(axis=1)
        paid = ((drawn1 @ self.both_mu) * pays).sum(axis=1)
        near, both = drawn1 @ self.near, drawn1 @ self.both_n
        # Where m or mu bends more than its lines, its residual on like rows of the baseline says so: doubly robust.
        lean_m, lean_mu = self.lean_m.mean(drawn0, earns), self.lean_mu.mean(drawn0, pays)
        state = (there + (lean_m - earned) * near) / n1
        action = (paid - same + (lean_mu - lean_m) * both) / n1
        environment = (drawn1 @ self.both - paid - lean_mu * both) / n1
        rest = change - state - action - environment
        return dict(zip((*PARTS, "change"), (state, action, environment, rest, change), strict=True))

    def carried(
        self, drawn0: Floats, drawn1: Floats, earns: Floats, of: Sequence[tuple[int, ...]], names: Sequence[str]
    ) -> dict[str, Floats]:
        """Return what each feature carries of the state mix; a product's share is halved between its two."""
        n0, n1 = (drawn0 @ self.n0)[:, None], np.maximum(drawn1 @ self.n1, 1.0)[:, None]
        shift = (drawn1 @ self.near_m - (drawn1 @ self.near)[:, None] * (drawn0 @ self.m0) / n0) / n1
        share = np.zeros((shift.shape[1], len(names) + 1))
        for column, mine in enumerate(of, start=1):
            for f in mine or (len(names),):
                share[column, f] += 1.0 / max(1, len(mine))
        by_column = (shift * earns) @ share
        found: dict[str, Floats] = {}
        for f, name in enumerate((*names, "")):
            found[name] = found.get(name, np.zeros(len(shift))) + by_column[:, f]
        return found
