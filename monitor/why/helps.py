"""Will going back help? The previous version in the same windows, by its weights, by the baseline's model."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from monitor.settings import Settings
from monitor.why.case import Case
from monitor.why.encode import Encoder
from monitor.why.sample import Sample
from monitor.why.versions import Acts, acts, propensity
from ope.models.outcome_model import OutcomeModel
from ope.shift.attribution import Attributor
from ope.shift.comparison import Comparison, Weighted, by_model, compare, refused
from ope.shift.rows import Rows

Floats = NDArray[np.float64]
_LEAST = 500  # own rows in the baseline from which a version's rewards by state are learned
_KNOWN = 0.95  # share of the window whose probabilities must be known
LEVEL = 0.95


def comparisons(
    settings: Settings,
    case: Case,
    base: Sample,
    seen: Sample,
    encoder: Encoder,
    fitted: Attributor,
    window: Rows,
    kept: NDArray[np.bool_],
    reward_of: Callable[[pa.Table], Floats],
) -> list[Comparison]:
    """Return every comparison with the version that one would go back to, the most direct first.

    Parameters
    ----------
    settings, case, base, seen
        The configuration, what fired, and the samples.
    encoder, fitted, window
        What the baseline's columns became, its models, and the window's rows of the firing version.
    kept
        Which of the firing version's rows are in ``window``.
    reward_of
        Rewards as the configuration reads them.
    """
    if case.previous is None:
        return [refused("", "no version is left to go back to")]
    mine = _version(seen.table, case.version)
    now, blocks = seen.table.filter(pa.array(mine)), seen.block[mine]
    reward = reward_of(now)
    current = Weighted(
        reward[np.isfinite(reward)], np.ones(int(np.isfinite(reward).sum())), blocks[np.isfinite(reward)]
    )
    then_rows = _version(base.table, case.previous) & np.isfinite(reward_of(base.table))
    compared = then_rows & base.compared if (then_rows & base.compared).any() else then_rows
    then = _then(settings, case, base, encoder, reward_of(base.table), compared)
    chances = acts(settings, case.policy, case.previous, now, encoder.actions)
    found = [_concurrent(case, seen, current, then, reward_of)]
    found.append(_off_policy(settings, case, now, blocks, reward, current, then, chances))
    found.append(_by_model(case, base, encoder, fitted, window, reward_of, then_rows, compared, kept, chances))
    return found


def _then(
    settings: Settings, case: Case, base: Sample, encoder: Encoder, reward: Floats, own: NDArray[np.bool_]
) -> Weighted | None:
    """Return what the previous version earned in the baseline: its own rows, else those of others by weights."""
    if own.sum() >= _LEAST:
        return Weighted(reward[own], np.ones(int(own.sum())), base.block[own])
    chances = acts(settings, case.policy, case.previous or "", base.table, encoder.actions)
    if chances is None:
        return None
    weight = chances.executed / propensity(settings, case.policy, base.table)
    usable = np.isfinite(weight) & np.isfinite(reward) & base.compared
    return Weighted(reward[usable], weight[usable], base.block[usable]) if usable.any() else None


def record(case: Case, base: Sample, reward_of: Callable[[pa.Table], Floats]) -> float | None:
    """Return what the version to go back to earned itself in the baseline, None where it hardly acted."""
    reward = reward_of(base.table)
    rows = _version(base.table, case.previous or "") & np.isfinite(reward)
    compared = rows & base.compared
    rows = compared if compared.any() else rows
    return float(reward[rows].mean()) if rows.sum() >= _LEAST else None


def _concurrent(
    case: Case, seen: Sample, current: Weighted, then: Weighted | None, reward_of: Callable[[pa.Table], Floats]
) -> Comparison:
    """Compare with rows of the previous version in the same windows; a control arm is randomised, so it goes first."""
    rows = _version(seen.table, case.previous or "")
    if "arm" in seen.table.column_names:
        control = pc.fill_null(pc.equal(seen.table["arm"], "control"), False).to_numpy()
        rows = control & rows if (control & rows).any() else rows
    rows &= np.isfinite(reward_of(seen.table))
    if not rows.any():
        return refused("concurrent", "it does not act in these windows")
    previous = Weighted(reward_of(seen.table)[rows], np.ones(int(rows.sum())), seen.block[rows])
    return compare("concurrent", previous, current, then, seed=case.transition, level=LEVEL)


def _off_policy(
    settings: Settings,
    case: Case,
    now: pa.Table,
    blocks: NDArray[np.int64],
    reward: Floats,
    current: Weighted,
    then: Weighted | None,
    chances: Acts | None,
) -> Comparison:
    if chances is None:
        column, table = f"candidate_probs.{case.previous}", f"[policy.{case.policy}.candidate.{case.previous}]"
        return refused("off_policy", f"what it would have done is not known (log {column}, or configure {table})")
    weight = chances.executed / propensity(settings, case.policy, now)
    usable = np.isfinite(weight) & np.isfinite(reward)
    if usable.sum() < len(reward) / 2:
        return refused("off_policy", "most rows have no propensity", int(usable.sum()))
    previous = Weighted(reward[usable], weight[usable], blocks[usable])
    return compare("off_policy", previous, current, then, seed=case.transition, level=LEVEL)


def _by_model(
    case: Case,
    base: Sample,
    encoder: Encoder,
    fitted: Attributor,
    window: Rows,
    reward_of: Callable[[pa.Table], Floats],
    then_rows: NDArray[np.bool_],
    compared: NDArray[np.bool_],
    kept: NDArray[np.bool_],
    chances: Acts | None,
) -> Comparison:
    """Ask the baseline's model, with the previous version's probabilities or else with its own rewards by state."""
    reward = reward_of(base.table)
    states = encoder.states(base.table)
    action = encoder.index(base.table)
    then = Rows(states[compared], action[compared], reward[compared], base.block[compared])
    if chances is not None and chances.each is not None:
        each = chances.each[kept]
        known = np.asarray(np.isfinite(each).all(axis=1), bool)
        if known.mean() >= _KNOWN:
            return by_model(fitted, window.of(known), each[known], then, seed=case.transition, level=LEVEL)
    if then_rows.sum() < _LEAST or len(np.unique(base.block[then_rows])) < 2:
        return refused("model", "it hardly acted in the baseline")
    alone = np.zeros(int(then_rows.sum()), np.int64)
    earned = OutcomeModel.fit(
        states[then_rows], alone, reward[then_rows], base.block[then_rows], actions=1, blocks=fitted.blocks
    )
    return by_model(fitted, window, earned, then, seed=case.transition, level=LEVEL)


def _version(table: pa.Table, version: str) -> NDArray[np.bool_]:
    found: NDArray[np.bool_] = pc.fill_null(pc.equal(table["version"].cast(pa.string()), version), False).to_numpy()
    return found
