"""One candidate over the whole log: what it would have done in each row, and the log as it looks from there."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from monitor.candidates import Candidate, CandidateError
from monitor.candidates.column import Column
from monitor.candidates.scored import Floats
from monitor.estimate.facts import Facts
from monitor.estimate.propensities import SMALLEST
from monitor.estimate.rows import Rows, same_length
from monitor.settings import ConfigurationError
from ope import Decisions
from ope.decisions import COLUMNS, TABLES


@dataclass(frozen=True, eq=False)
class View:
    """The usable rows of a log as one candidate sees them.

    Parameters
    ----------
    log
        The decisions, without predicted rewards.
    used
        Which rows of the log they are, ascending by cluster, shape (rows,).
    names
        Names of the actions, in the order of the log's tables; none where only the executed one's probability is known.
    never
        Which of them the log never has, shape (actions,).
    unsupported
        Mean probability of the candidate on actions that the log cannot contain, None where that is not known.
    """

    log: Decisions
    used: NDArray[np.int64]
    names: tuple[str, ...]
    never: NDArray[np.bool_]
    unsupported: float | None

    def part(self, rows: NDArray[np.int64]) -> View:
        """Return some of the rows, ascending."""
        columns = {name: getattr(self.log, name) for name in (*COLUMNS, *TABLES, "state")}
        taken: dict[str, Any] = {name: None if found is None else found[rows] for name, found in columns.items()}
        log = Decisions(**taken)
        return replace(self, log=log, used=self.used[rows], unsupported=_unsupported(log, self.never))


class Tally:
    """Scores tables for one candidate, and puts the pieces together at the end."""

    def __init__(self, spec: str, candidate: Candidate | None) -> None:
        self.spec, self._candidate = spec, candidate
        self._probability: list[Floats] = []
        self._distribution: list[Floats] = []
        self._unscored: dict[str, int] = {}
        self._names: tuple[str, ...] | None = None
        self._scored = 0

    @property
    def actions(self) -> int:
        """Number of actions that the candidate knows, 0 where it only knows the executed one's probability."""
        return len(self._names or ())

    def add(self, table: pa.Table) -> None:
        """Score a table.

        Raises
        ------
        ConfigurationError
            If a list has another length than the others, or an executed action is none of the candidate's; names the
            decision and the fix.
        """
        assert self._candidate is not None
        self._check_lengths(table)
        scored = self._candidate.score(table, ())
        names = scored.actions if scored.distribution is not None else ()
        if self._names is None and len(table):
            self._names = names
        if names:
            self._check_actions(table, names)
        for reason, rows in scored.unscored.items():
            self._unscored[reason] = self._unscored.get(reason, 0) + rows
        known = ~np.isnan(scored.probability)
        self._scored += int(known.sum())
        self._probability.append(scored.probability)
        if scored.distribution is not None and len(table):
            self._distribution.append(scored.distribution)

    def _check_lengths(self, table: pa.Table) -> None:
        if not isinstance(self._candidate, Column):
            return
        column = self._candidate.column
        found = next((name for name in (column, f"candidate_probs.{column}") if name in table.column_names), None)
        if found is not None and pa.types.is_list(table[found].type):
            whole = table.filter(pc.is_valid(table[found]))
            same_length(whole, f"candidate {self.spec}: {found}", whole[found], self.actions or None)

    def _check_actions(self, table: pa.Table, names: tuple[str, ...]) -> None:
        unknown = pc.is_in(table["action"], value_set=pa.array(list(names), pa.string())).to_numpy()
        if unknown.all():
            return
        row = int(np.argmin(unknown))
        told = ", ".join(names) if len(names) <= 8 else f"{', '.join(names[:3])}, ... {names[-1]}"
        raise CandidateError(
            f"candidate {self.spec}: decision {table['decision_id'][row].as_py()} has the action "
            f"{table['action'][row].as_py()!r}, which is none of the candidate's {len(names)} actions ({told}): give "
            "it a probability, 0 if the candidate never plays it, or correct the log's names of actions"
        )

    def view(self, rows: Rows, facts: Facts, *, features: Floats, clustered: NDArray[np.int64] | None) -> View:
        """Return the usable rows: those with what is estimated, a propensity and a probability of the candidate.

        Parameters
        ----------
        rows, facts
            The log.
        features
            Of the states, shape (rows, features).
        clustered
            Which rows belong together, shape (rows,).

        Raises
        ------
        ConfigurationError
            If no row has a probability, or a weight is infinite.
        """
        if not self._scored:
            why = "; ".join(f"{reason} ({count:,} rows)" for reason, count in self._unscored.items())
            raise CandidateError(f"candidate {self.spec}: no row has a probability: {why}")
        probability = np.concatenate(self._probability)
        used = np.flatnonzero(~(np.isnan(probability) | np.isnan(rows.reward) | np.isnan(rows.propensity)))
        if clustered is not None:
            used = used[np.argsort(clustered[used], kind="stable")]
        names = self._names or ()
        full = bool(names) and sum(map(len, self._distribution)) == len(rows)
        names = names if full else ()  # a file without the column, or with a number, leaves the executed action's alone
        same = full and rows.behaviour is not None and rows.behaviour.shape[1] == len(names)
        same = same and names == tuple(str(i) for i in range(len(names)))
        eligible = rows.eligible(names) if full else None
        tiny = rows.propensity[used] < SMALLEST
        if tiny.any():
            raise ConfigurationError(
                f"candidate {self.spec}: usable row {int(np.argmax(tiny)) + 1} and {int(tiny.sum()) - 1:,} others have "
                "a propensity that is 0 but for rounding, so that their weight would be infinite: check --behaviour"
            )
        whole = np.concatenate(self._distribution) if full else None
        self._distribution = []
        every = clustered is None and len(used) == len(rows)
        at: Any = slice(None) if every else used  # tables of a whole log are not copied once more
        log = Decisions(
            rows.reward[at],
            rows.propensity[at],
            probability[at],
            rows.actions(names)[at] if full else None,
            None if whole is None else whole[at],
            behaviour=rows.behaviour[at] if same and rows.behaviour is not None else None,
            eligible=None if eligible is None else eligible[at],
            state=features[at],
            cluster=None if clustered is None else clustered[at],
        )
        never = np.array([name not in facts.executed for name in names], dtype=bool)
        return View(log, used, names, never, _unsupported(log, never))

    def sentences(self) -> list[str]:
        """Return which rows the candidate has no probability for."""
        return [f"{rows:,} rows are left out: {why}." for why, rows in self._unscored.items()]


def _unsupported(log: Decisions, never: NDArray[np.bool_]) -> float | None:
    """Mean mass where the logged distribution is 0; where none is logged, on actions that were never executed."""
    if log.candidate is None or not len(log):
        return None
    outside = log.candidate[:, never] if log.behaviour is None else log.candidate[log.behaviour == 0]
    return float(outside.sum() / len(log))
