"""One firing's explanation: sample, encode, split the change, compare the versions, say it.

Deterministic in the case and the lake: every draw is seeded by the transition's id, and the digest of the rows says
whether two computations saw the same.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from sqlalchemy import Connection

from monitor.log_store.lake import Lake
from monitor.settings import Settings
from monitor.why import sample
from monitor.why.case import Case
from monitor.why.encode import Encoder, rewards_of
from monitor.why.helps import comparisons, record
from monitor.why.versions import Acts, acts, logged
from ope import Trust, worst
from ope.shift.attribution import Attribution, Attributor
from ope.shift.rows import Rows
from ope.shift.sentences import help_of, why

Bools = NDArray[np.bool_]
SEGMENTS = 12  # shown, those that carry most of the change
LEAST = 60  # rows of a segment on either side
_UNKNOWN = 0.05  # share of rows whose old probabilities may be missing before they count as not known
_SEVERAL = "what a decision does changes the states after it, and that is not in the estimate"


def explain(connection: Connection, lake: Lake, settings: Settings, case: Case) -> dict[str, Any]:
    """Return what is stored of a firing: two sentences, the parts with intervals, segments, comparisons.

    Raises
    ------
    ValueError
        If it cannot be told: no baseline, too few rows, no reward; the sentence says which.
    """
    base = sample.baseline(connection, lake, settings, case)
    seen = sample.windows(connection, lake, settings, case)
    told = _Told(settings, case, base, seen)
    found = told.split()
    sequential = told.sequential
    tried = comparisons(settings, case, base, seen, told.encoder, told.fitted, told.window, told.kept1, told.reward_of)
    if sequential:  # weights by decision say nothing of the states that another version would have met
        tried = [
            one
            if one.method in ("concurrent", "") or one.trust is Trust.REFUSED
            else replace(one, trust=worst(one.trust, Trust.WEAK), reasons=(*one.reasons, _SEVERAL))
            for one in tried
        ]
    previous = case.previous or "another version"
    earned = record(case, base, told.reward_of)
    return {
        "case": asdict(case),
        "why": why(found, sequential=sequential),
        "help": help_of(previous, case.version, tried, found=found, fallback=case.fallback, record=earned),
        **found.to_dict(),
        "segments": told.segments(),
        "comparisons": [one.to_dict() for one in tried],
        "old_policy": told.source,
        "sequential": sequential,
        "fit": round(told.fitted.pays.r2, 4),
        "sampled": {
            "baseline": base.table.num_rows,
            "window": seen.table.num_rows,
            "sha256": _digest(base.table, seen.table),
        },
    }


class _Told:
    """The arrays of one case, and the model that was fitted on them."""

    def __init__(self, settings: Settings, case: Case, base: sample.Sample, seen: sample.Sample) -> None:
        self.settings, self.case, self.base = settings, case, base
        configured = settings.policy[case.policy]
        mine = _of(seen.table, case.version)
        self.now = seen.table.filter(pa.array(mine))
        self.block = seen.block[mine]
        acted = _of(base.table, case.version)
        self.own = acted if acted.any() else np.ones(base.table.num_rows, bool)  # else: who acted before it
        self.encoder = Encoder.learn(base.table, self.now, configured.actions)
        before, after = self._old(acted)
        self.source = "estimated from the baseline's rewards by state" if before is None else before.source
        old0 = None if before is None else before.each
        old1 = None if after is None else after.each
        known0 = self._known(base.table, old0, ~self.own)
        known1 = self._known(self.now, old1, np.zeros(self.now.num_rows, bool))
        self.rows = self._rows(base.table, base.block, old0, known0)
        self.window = self._rows(self.now, self.block, old1, known1)
        self.kept0, self.kept1 = known0, known1
        if not len(self.window):
            raise ValueError(f"no decision of {case.version} with a reward is in the windows that fired")
        if not len(self.rows):
            raise ValueError("no decision of the baseline has a reward")
        count = len(self.encoder.actions)
        self.fitted = Attributor.fit(self.rows, self.encoder.names, actions=count, own=self.own[known0])

    @property
    def sequential(self) -> bool:
        """Whether episodes have several steps."""
        if "episode_id" not in self.now.column_names:
            return False
        named = self.now["episode_id"].drop_null()
        return len(named) > len(pc.unique(named))

    def reward_of(self, table: pa.Table) -> NDArray[np.float64]:
        """Return rewards as the configuration reads them."""
        return rewards_of(table, self.settings.policy[self.case.policy].reward_if_absent)

    def split(self) -> Attribution:
        """Return the change of the whole window."""
        compared = (self.own & self.base.compared)[self.kept0]
        return self.fitted.split(self.rows.of(compared), self.window, seed=self.case.transition)

    def segments(self) -> list[dict[str, Any]]:
        """Return the segments that carry most of the change, each with its parts."""
        base = self.base.table.filter(pa.array(self.kept0))
        now = self.now.filter(pa.array(self.kept1))
        compared = (self.own & self.base.compared)[self.kept0]
        found = []
        for name in sorted(set(base.column_names) & set(now.column_names)):
            if not name.startswith("segment."):
                continue
            for level, rows in Counter(now[name].to_pylist()).items():
                here = _is(base, name, level) & compared
                if level is None or rows < LEAST or here.sum() < LEAST:
                    continue
                try:
                    one = self.fitted.split(
                        self.rows.of(here), self.window.of(_is(now, name, level)), seed=self.case.transition
                    )
                except ValueError:
                    continue  # too few blocks: the whole still says it
                share = rows / len(self.window)
                found.append(
                    {"segment": name.removeprefix("segment."), "level": level, "share": share, **one.to_dict()}
                )
        found.sort(key=lambda item: (-abs(item["share"] * item["change"]["value"]), item["segment"], item["level"]))
        return found[:SEGMENTS]

    def _old(self, acted: Bools) -> tuple[Acts, Acts] | tuple[None, None]:
        """Return the old policy's probabilities on both tables, where they are known for (nearly) every row."""
        if not acted.any():
            return None, None
        case, names = self.case, self.encoder.actions
        found = logged(self.settings, case.policy, self.base.table.filter(pa.array(acted)), self.now, names)
        if found is not None:
            each = np.full((self.base.table.num_rows, len(names)), np.nan)
            executed = np.full(self.base.table.num_rows, np.nan)
            executed[acted] = found[0].executed
            if found[0].each is not None:
                each[acted] = found[0].each
            found = Acts(executed, each, found[0].source), found[1]
        else:
            tables = (self.base.table, self.now)
            first, second = (acts(self.settings, case.policy, case.version, one, names) for one in tables)
            if first is None or second is None:
                return None, None
            found = first, second
        if found[0].each is None or found[1].each is None:
            return None, None
        unknown = np.isnan(found[0].each[acted]).any(axis=1).mean(), np.isnan(found[1].each).any(axis=1).mean()
        return (None, None) if max(unknown) > _UNKNOWN else found

    def _known(self, table: pa.Table, old: NDArray[np.float64] | None, exempt: Bools) -> Bools:
        known: Bools = np.isfinite(self.reward_of(table))
        if old is not None:
            known &= exempt | np.isfinite(old).all(axis=1)
        return known

    def _rows(self, table: pa.Table, block: NDArray[np.int64], old: NDArray[np.float64] | None, known: Bools) -> Rows:
        states, action = self.encoder.states(table), self.encoder.index(table)
        probabilities = None if old is None else np.nan_to_num(old[known])  # of other versions' rows nobody asks
        return Rows(states[known], action[known], self.reward_of(table)[known], block[known], probabilities)


def _of(table: pa.Table, version: str) -> Bools:
    return _is(table, "version", version)


def _is(table: pa.Table, name: str, value: str) -> Bools:
    found: Bools = pc.fill_null(pc.equal(table[name].cast(pa.string()), value), False).to_numpy()
    return found


def _digest(*tables: pa.Table) -> str:
    found = hashlib.sha256()
    for table in tables:
        found.update("\n".join(table["decision_id"].to_pylist()).encode() + b"\0")
    return found.hexdigest()
