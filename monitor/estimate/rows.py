"""The rows of a log that estimates are made of, kept as compact columns while the log streams by."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from monitor.candidates.scored import Floats
from monitor.estimate import propensities
from monitor.estimate.log import Q
from monitor.estimate.wanted import Wanted
from monitor.settings import ConfigurationError
from ope.bandit.mixture import balanced_propensity

LARGEST = 1e60  # its fourth power, with weights, is still a double
_STATE, _SEGMENT = "state.", "segment."


class Rows:
    """What all candidates share: rewards, actions, propensities, states and who acted.

    Parameters
    ----------
    log
        File or directory, for messages.
    wanted
        What was asked for: columns that nothing needs are not kept.
    versions
        The policies that wrote the log, where ``--behaviour`` names them.
    """

    def __init__(self, log: Path, wanted: Wanted, versions: propensities.Versions | None) -> None:
        self._log, self._wanted, self._versions = log, wanted, versions
        self._tables: list[pa.Table] = []
        self._propensity: list[Floats] = []
        self._behaviour: list[Floats] | None = []
        self._q: list[Floats] = []

    def add(self, table: pa.Table) -> None:
        """Keep a table's columns.

        Raises
        ------
        ConfigurationError
            If a propensity cannot be used, or a list has another length than those before; names the decision.
        """
        if "action_probs" in table.column_names:
            same_length(table, "action_probs", table["action_probs"], None)
        scored = propensities.distribution(table)
        if self._versions is not None:
            self._versions.add(table)
        found = propensities.logged(table, scored)
        if self._wanted.behaviour == "logged":
            found = propensities.require(self._log, table, found)
        self._propensity.append(found)
        if scored is None or scored.distribution is None:
            self._behaviour = None
        elif self._behaviour is not None:
            self._behaviour.append(scored.distribution)
        if self._wanted.q is not None:
            before = self._q[0].shape[1] if self._q else None
            self._q.append(same_length(table, self._wanted.q, table[Q], before))
            if (far := np.abs(self._q[-1]) > LARGEST).any():
                first = table["decision_id"][int(np.argmax(far.any(axis=1)))].as_py()
                raise ConfigurationError(f"{self._wanted.q} is beyond {LARGEST:g} in decision {first}: mend the log")
        kept = ["action", "version", self._wanted.target, "episode_id", "step", "eligible_actions"]
        kept = [name for name in kept if name in table.column_names]
        kept += [name for name in table.column_names if name == f"{_SEGMENT}{self._wanted.segment}"]
        kept += [name for name in table.column_names if name.startswith(_STATE)]
        for name in kept:
            if pa.types.is_floating(table[name].type):
                in_range(table, name)
        self._tables.append(table.select(kept))

    def done(self) -> None:
        """Put the pieces together.

        Raises
        ------
        ConfigurationError
            If a column is a number in one file and text in another, or the policies that wrote the log do not fit it.
        """
        try:
            self.table = pa.concat_tables(self._tables, promote_options="default").combine_chunks()
        except pa.ArrowException as error:
            raise ConfigurationError(f"{self._log}: a column has another type in another file: {error}") from None
        self._tables = []
        self.reward: Floats = np.array(self.table[self._wanted.target].to_numpy(), dtype=np.float64)
        self.propensity = np.concatenate(self._propensity)
        self.q = np.concatenate(self._q) if self._q else None
        whole = self._behaviour is not None and len({found.shape[1] for found in self._behaviour}) == 1
        self.behaviour = np.concatenate(self._behaviour) if whole and self._behaviour is not None else None
        self._propensity, self._behaviour, self._q = [], None, []
        if self._versions is not None:
            try:
                self.propensity = balanced_propensity(*self._versions.arrays)
            except ValueError as error:
                raise ConfigurationError(f"--behaviour: {error}") from None
            self.behaviour = None  # the logged one is of the version that acted, not of the mixture

    def __len__(self) -> int:
        return len(self.reward)

    @property
    def furthest(self) -> float:
        """Largest distance of a logged propensity from the one that its version's policy gives."""
        return self._versions.furthest if self._versions else 0.0

    def episodes(self) -> NDArray[np.int64]:
        """Return a number for the episode of each row; a row without one is an episode of its own."""
        codes = self.table["episode_id"].combine_chunks().dictionary_encode()
        found = np.asarray(pc.fill_null(codes.indices, -1).to_numpy(), dtype=np.int64)
        alone = found < 0
        found[alone] = len(codes.dictionary) + np.arange(int(alone.sum()))
        return found

    def text(self, column: str) -> NDArray[np.object_]:
        """Return a column of text as Python strings, None where it is missing."""
        return np.asarray(self.table[column].to_numpy(zero_copy_only=False), dtype=object)

    def actions(self, names: tuple[str, ...]) -> NDArray[np.int64]:
        """Return the place of each executed action among ``names``, -1 for others."""
        found = pc.index_in(self.table["action"], value_set=pa.array(list(names), pa.string()))
        return np.asarray(pc.fill_null(found, -1).to_numpy(), dtype=np.int64)

    def eligible(self, names: tuple[str, ...]) -> NDArray[np.bool_] | None:
        """Return which actions could be taken in each row, shape (rows, actions); None where a row does not say."""
        if "eligible_actions" not in self.table.column_names or self.table["eligible_actions"].null_count:
            return None
        lists = self.table["eligible_actions"].combine_chunks()
        lists = pa.concat_arrays(lists.chunks) if isinstance(lists, pa.ChunkedArray) else lists
        inner = np.asarray(
            pc.fill_null(pc.index_in(lists.flatten(), value_set=pa.array(list(names), pa.string())), -1).to_numpy(),
            dtype=np.int64,
        )
        rows = np.asarray(pc.list_parent_indices(lists).to_numpy(), dtype=np.int64)
        found = np.zeros((len(self), len(names)), dtype=bool)
        found[rows[inner >= 0], inner[inner >= 0]] = True
        return found


def in_range(table: pa.Table, name: str) -> None:
    """Raise ConfigurationError if squares of a number leave what doubles hold; names the decision."""
    far = np.abs(np.nan_to_num(table[name].to_numpy(), nan=0.0)) > LARGEST
    if far.any():
        row = int(np.argmax(far))
        raise ConfigurationError(
            f"{name} is {table[name][row].as_py():g} in decision {table['decision_id'][row].as_py()}: sums of powers "
            f"of numbers beyond {LARGEST:g} are infinite; mend the log, or choose other units"
        )


def same_length(table: pa.Table, name: str, column: pa.ChunkedArray, before: int | None) -> Floats:
    """Return a column of lists as an array, shape (rows, length of each).

    Raises
    ------
    ConfigurationError
        If a row has none, or one of another length than the first; names the decision.
    """
    sizes = np.asarray(pc.fill_null(pc.list_value_length(column), -1).to_numpy(), dtype=np.int64)
    if not len(sizes):
        return np.empty((0, before or 0))
    wanted = max(int(sizes.max()), 1) if before is None else before
    bad = sizes != wanted
    if bad.any():
        row = int(np.argmax(bad))
        first = table["decision_id"][row].as_py()
        has = "has no list of finite numbers" if sizes[row] < 0 else f"has {sizes[row]} numbers"
        raise ConfigurationError(
            f"{name} {has} in decision {first}, but {wanted} in others: give one for each action in every row"
        )
    lists = column.combine_chunks()
    lists = pa.concat_arrays(lists.chunks) if isinstance(lists, pa.ChunkedArray) else lists
    found: Floats = lists.flatten().to_numpy(zero_copy_only=False).reshape(len(sizes), wanted).astype(np.float64)
    return found
