"""What candidate policies would have done: one ``pi.<candidate>`` column each, in the lake and in every bucket."""

from __future__ import annotations

import logging

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from monitor.candidates import Candidate, CandidateError, load
from monitor.settings import Settings
from monitor.summaries.plan import Plan

_log = logging.getLogger(__name__)


class Scorer:
    """Loads each candidate once; one that cannot be loaded or does not fit the log scores null, which is logged once.

    A candidate serves nobody: its broken file must not stop the decisions of the policy that does from landing.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._loaded: dict[tuple[str, str], Candidate | None] = {}
        self._said: set[tuple[tuple[str, str], str]] = set()

    def score(self, policy: str, table: pa.Table, plan: Plan) -> pa.Table:
        """Return the table with the probability of the executed action under each candidate of the plan.

        What is there already stays; only missing values are computed.
        """
        for name in plan.candidates:
            column = f"pi.{name}"
            there = table.column(column) if column in table.column_names else None
            if there is not None and there.null_count == 0:
                continue
            scored = pa.chunked_array([pa.array(self._probabilities(policy, name, table, plan), from_pandas=True)])
            if there is None:
                table = table.append_column(column, scored)
            else:
                table = table.set_column(table.column_names.index(column), column, pc.coalesce(there, scored))
        return table

    def _probabilities(self, policy: str, name: str, table: pa.Table, plan: Plan) -> NDArray[np.float64]:
        key = (policy, name)
        try:
            if key not in self._loaded:
                self._loaded[key] = None
                self._loaded[key] = load(name, self._settings.policy[policy].candidate[name], self._settings.base)
            candidate = self._loaded[key]
            if candidate is not None:
                return candidate.probabilities(table, plan.actions)
        except CandidateError as error:
            if (key, str(error)) not in self._said:
                self._said.add((key, str(error)))
                _log.warning("policy.%s.candidate.%s is not estimated: %s", policy, name, error)
        return np.full(table.num_rows, np.nan)
