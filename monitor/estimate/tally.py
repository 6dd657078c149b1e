"""One candidate over the whole log: its sums, its support, its verdict."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa

from monitor.candidates import Candidate, CandidateError, Scored
from monitor.candidates.scored import Floats
from monitor.estimate.log import Facts
from ope import Judgement, Trust, WeightSums, from_weights, importance_weights, judge, worst


class Tally:
    """Adds tables up for one candidate, and answers at the end."""

    def __init__(self, spec: str, candidate: Candidate) -> None:
        self._spec, self._candidate = spec, candidate
        self._sums = WeightSums()
        self._unscored: dict[str, int] = {}
        self._scored = 0
        self._mass: dict[str, float] = {}  # the candidate's probability by action, summed over rows
        self._outside, self._outside_rows = 0.0, 0  # of it, where the logged distribution is 0

    @property
    def actions(self) -> int:
        """Number of actions that the candidate knows, 0 where it only knows the executed one's probability."""
        return len(self._mass)

    def add(self, table: pa.Table, propensity: Floats, behaviour: Scored | None) -> None:
        """Score a table and add its terms."""
        scored = self._candidate.score(table, ())
        for reason, rows in scored.unscored.items():
            self._unscored[reason] = self._unscored.get(reason, 0) + rows
        reward = np.array(table["reward"].to_numpy(), dtype=np.float64)
        self._sums = self._sums + WeightSums.from_rows(importance_weights(scored.probability, propensity), reward)
        known = ~np.isnan(scored.probability)
        self._scored += int(known.sum())
        if scored.distribution is None:
            return
        for name, mass in zip(scored.actions, scored.distribution[known].sum(axis=0).tolist(), strict=True):
            self._mass[name] = self._mass.get(name, 0.0) + mass
        if behaviour is not None and behaviour.distribution is not None and behaviour.actions == scored.actions:
            both = known & ~np.isnan(behaviour.probability)
            self._outside += float(scored.distribution[both][behaviour.distribution[both] == 0].sum())
            self._outside_rows += int(both.sum())

    def answer(self, facts: Facts, estimators: Sequence[str], interval: str, level: float) -> dict[str, Any]:
        """Return the public JSON of one candidate.

        Raises
        ------
        CandidateError
            If the candidate has a probability for no row.
        """
        if not self._scored:
            why = "; ".join(f"{reason} ({rows:,} rows)" for reason, rows in self._unscored.items())
            raise CandidateError(f"candidate {self._spec}: no row has a probability: {why}")
        judgement = self._judge(facts)
        found = [from_weights(name, self._sums, level=level, judgement=judgement) for name in estimators]
        return {
            "candidate": self._spec,
            "verdict": judgement.verdict.value,
            "estimates": [item.to_dict() for item in found],
            "diagnostics": judgement.diagnostics.to_dict(),
        }

    def _judge(self, facts: Facts) -> Judgement:
        judged = judge(self._sums, unsupported_mass=self._unsupported(facts), left_out=1 - self._sums.n / facts.read)
        verdict, reasons = judged.verdict, list(judged.reasons)
        if facts.repeated:
            reasons.append(f"{facts.repeated:,} rows are decisions that the log has twice; each counts once.")
        reasons += [f"{rows:,} rows are refused, the first: {why}." for rows, why in facts.rejected.values()]
        reasons += [f"{rows:,} rows are left out: {why}." for why, rows in self._unscored.items()]
        if facts.several_steps:
            verdict = worst(verdict, Trust.WEAK)
            reasons.append(
                "Episodes have several steps, but each decision is weighted on its own: how the candidate would change "
                "the states that follow is not in the estimate."
            )
        return replace(judged, verdict=verdict, reasons=tuple(reasons))

    def _unsupported(self, facts: Facts) -> float | None:
        """Mean mass where the logged distribution is 0; where none is logged, on actions that were never executed."""
        if self._outside_rows:
            return self._outside / self._outside_rows
        if not self._mass:
            return None
        return sum(mass for name, mass in self._mass.items() if name not in facts.executed) / self._scored
