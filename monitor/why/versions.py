"""What a version would have done: replayed from its file, or read from the log; None where nobody knows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from monitor.candidates import CandidateError, Scored, load
from monitor.candidates.column import Column
from monitor.settings import Settings

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Acts:
    """A version's probabilities on a table.

    Parameters
    ----------
    executed
        Of the executed action, nan where not known, shape (rows,).
    each
        Of every action that the encoder knows, shape (rows, actions); None where only the executed one's is known.
    source
        Where they come from, for the record.
    """

    executed: Floats
    each: Floats | None
    source: str


def acts(settings: Settings, policy: str, version: str, table: pa.Table, actions: Sequence[str]) -> Acts | None:
    """Return a version's probabilities: of the candidate of its name, else of its column; None where there is neither.

    A file that cannot be loaded counts as not there: the log may still have the column.
    """
    configured = settings.policy[policy]
    if pa.types.is_list(table["action"].type):
        return None
    if version in configured.candidate:
        try:
            candidate = load(version, configured.candidate[version], settings.base)
            return _of(candidate.score(table, configured.actions), actions, f"candidate {version}")
        except CandidateError:
            pass
    if f"candidate_probs.{version}" in table.column_names:
        try:
            scored = Column(version, version).score(table, configured.actions)
        except CandidateError:
            return None
        return _of(scored, actions, f"column candidate_probs.{version}")
    return None


def logged(
    settings: Settings, policy: str, own: pa.Table, window: pa.Table, actions: Sequence[str]
) -> tuple[Acts, Acts] | None:
    """Return the logged probabilities of both tables where one and the same artefact acted in them, else None.

    The version's name alone does not say so: a policy that goes on learning keeps it.
    """
    hashes = {value for table in (own, window) for value in _distinct(table, "artifact_sha256")}
    lists = all("action_probs" in table.column_names for table in (own, window))
    if len(hashes) != 1 or None in hashes or not lists:
        return None
    try:
        scored = [
            Column("the policy", "action_probs").score(table, settings.policy[policy].actions)
            for table in (own, window)
        ]
    except CandidateError:
        return None
    first, second = (_of(one, actions, "column action_probs of the same artefact") for one in scored)
    return first, second


def propensity(settings: Settings, policy: str, table: pa.Table) -> Floats:
    """Return the probability with which each executed action was chosen, nan where it was not logged or cannot be."""
    found = np.full(table.num_rows, np.nan)
    if "propensity" in table.column_names:
        found = np.array(table["propensity"].cast(pa.float64()).to_numpy(), dtype=np.float64)
    if "action_probs" in table.column_names and not pa.types.is_list(table["action"].type):
        try:
            scored = Column("the policy", "action_probs").score(table, settings.policy[policy].actions)
            found = np.where(np.isnan(found), scored.probability, found)
        except CandidateError:
            pass
    return np.where((found > 0) & (found <= 1), found, np.nan)


def _of(scored: Scored, actions: Sequence[str], source: str) -> Acts:
    each = None
    if scored.distribution is not None:
        each = np.zeros((len(scored.probability), len(actions)))
        for column, name in enumerate(scored.actions):
            if name in actions:
                each[:, list(actions).index(name)] = scored.distribution[:, column]
    return Acts(scored.probability, each, source)


def _distinct(table: pa.Table, name: str) -> list[str | None]:
    if name not in table.column_names:
        return [None]
    return list(pc.unique(table[name]).to_pylist())
