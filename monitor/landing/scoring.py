"""What landing computes of each row: what candidates would have done, and how novel its state is.

Both are columns of the lake, and numbers of every bucket.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from monitor import novelty
from monitor.bucketing.tracking import NOVELTY
from monitor.candidates import Candidate, CandidateError, load
from monitor.settings import Settings
from monitor.summaries.plan import Plan

Floats = NDArray[np.float64]
NOVELTY_BY = "score_by.novelty"

_log = logging.getLogger(__name__)


class Scorer:
    """Loads each candidate once; one that cannot be loaded or does not fit the log scores null, which is logged once.

    A candidate serves nobody: its broken file must not stop the decisions of the policy that does from landing.
    Beside ``pi.<candidate>`` stands in ``pi_by.<candidate>`` which one it was: a file that changes under its name is
    another policy, and the values of the two must not be mixed. ``score_by.novelty`` says the same of
    ``score.novelty``: each baseline has a network of its own.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._loaded: dict[tuple[str, str, str], Candidate | None] = {}
        self._networks: dict[tuple[str, str], novelty.Network] = {}
        self._said: set[tuple[object, str]] = set()

    def score(self, policy: str, table: pa.Table, plan: Plan) -> pa.Table:
        """Return the table with the probability of the executed action under each candidate, and with its novelty.

        What this candidate or network answered before stays; only what is missing or is another one's is computed.
        """
        for name, by in zip(plan.candidates, plan.scored_by or ("",) * len(plan.candidates), strict=True):
            ask = partial(self._probabilities, policy, name, by, plan)
            table = _filled(table, f"pi.{name}", f"pi_by.{name}", by, ask)
        if plan.novelty:
            return _filled(table, NOVELTY, NOVELTY_BY, plan.novelty[:16], partial(self._novelty, policy, plan.novelty))
        if "novelty" in plan.tracked_names:
            self._once(policy, "policy.%s.metrics.novelty: no baseline was frozen since it was set: freeze one", policy)
        return table.drop_columns([name for name in (NOVELTY, NOVELTY_BY) if name in table.column_names])

    def _probabilities(self, policy: str, name: str, by: str, plan: Plan, table: pa.Table) -> Floats:
        key = (policy, name, by)
        try:
            if key not in self._loaded:
                for old in [known for known in list(self._loaded) if known[:2] == key[:2]]:
                    self._loaded.pop(old, None)  # what its file was before: an ONNX has a process that ends with it
                self._loaded[key] = None
                self._loaded[key] = load(name, self._settings.policy[policy].candidate[name], self._settings.base)
            candidate = self._loaded[key]
            if candidate is not None:
                return candidate.probabilities(table, plan.actions)
        except CandidateError as error:
            self._once(key, "policy.%s.candidate.%s is not estimated: %s", policy, name, error)
        return np.full(table.num_rows, np.nan)

    def _novelty(self, policy: str, digest: str, table: pa.Table) -> Floats:
        """Return what the network says; one that cannot be read is tried again with the next batch."""
        try:
            key = (policy, digest)
            if key not in self._networks:
                lake = self._settings.path(self._settings.store.lake)
                self._networks[key] = novelty.load(lake, policy, digest)
            return self._networks[key].errors(table)
        except novelty.NoveltyError as error:
            self._once(policy, "policy.%s.metrics.novelty is not computed, freeze a baseline again: %s", policy, error)
        return np.full(table.num_rows, np.nan)

    def _once(self, key: object, text: str, *values: object) -> None:
        said = (key, text % values)
        if said not in self._said:
            self._said.add(said)
            _log.warning(text, *values)


def _filled(table: pa.Table, column: str, mark: str, by: str, ask: Callable[[pa.Table], Floats]) -> pa.Table:
    """Return the table with what ``by`` says, asked only where it did not answer before, and a mark that names it."""
    there = table.column(column) if column in table.column_names else None
    if there is not None and mark in table.column_names:
        there = pc.if_else(pc.equal(table.column(mark), by).fill_null(False), there, pa.scalar(None, there.type))
    if there is None or there.null_count:
        scored = pa.chunked_array([pa.array(ask(table), from_pandas=True)])
        table = _with(table, column, scored if there is None else pc.coalesce(there, scored))
    return _with(table, mark, pa.chunked_array([pa.repeat(by, table.num_rows)]))


def _with(table: pa.Table, name: str, column: pa.ChunkedArray) -> pa.Table:
    if name in table.column_names:
        return table.set_column(table.column_names.index(name), name, column)
    return table.append_column(name, column)
