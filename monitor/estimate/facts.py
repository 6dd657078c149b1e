"""What is true of the log of an estimate whoever the candidate is: counts of rows, refusals, episodes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from monitor import validate
from monitor.settings import ConfigurationError
from monitor.sources import Chunk


@dataclass
class Facts:
    """Counts over the whole log.

    Parameters
    ----------
    target
        The column whose mean is estimated: ``reward``, or a cost or outcome.
    behaviour
        Where the propensities come from: "logged", "estimated", or "versions" (the policies that wrote the log).
    """

    target: str = "reward"
    behaviour: str = "logged"
    rows: int = 0
    repeated: int = 0
    shadow: int = 0  # rows that were not executed
    unnamed: bool = False  # ids are those of files and rows, so that a row that is there twice cannot be told
    rejected: dict[str, tuple[int, str]] = field(default_factory=dict)  # field -> rows, first reason
    executed: set[str] = field(default_factory=set)
    _total: float = 0.0
    _known: int = 0
    _episodes: set[str] = field(default_factory=set)
    _in_episodes: int = 0

    def add(self, table: pa.Table) -> None:
        """Count validated rows."""
        self.rows += len(table)
        self._total += float(pc.sum(table[self.target]).as_py() or 0.0)
        self._known += len(table) - table[self.target].null_count
        self.executed.update(pc.unique(table["action"]).to_pylist())
        if "episode_id" in table.column_names:
            self._episodes.update(name for name in pc.unique(table["episode_id"]).to_pylist() if name is not None)
            self._in_episodes += len(table) - table["episode_id"].null_count

    def reject(self, chunk: Chunk, rejects: Sequence[validate.Reject]) -> None:
        """Count refused rows.

        Raises
        ------
        ConfigurationError
            If a whole file or a propensity is wrong: what is left would be another log than the one that was meant.
        """
        for item in rejects:
            if item.field == "file":
                raise ConfigurationError(item.reason)
            if item.field == "propensity":
                raise ConfigurationError(f"{chunk.path}, row {item.row}: {item.reason}")
            where = "" if item.reason.startswith(str(chunk.path)) else f"{chunk.path}, row {item.row}: "
            rows, reason = self.rejected.get(item.field, (0, f"{where}{item.reason}"))
            self.rejected[item.field] = rows + 1, reason

    def check(self, log: Path) -> None:
        """Raise ConfigurationError if nothing can be estimated from the log."""
        if not self.rows:
            why = "; ".join(reason for _, reason in self.rejected.values()) or "it has no rows of executed decisions"
            raise ConfigurationError(f"{log}: no row can be used: {why}")
        if not self._known:
            raise ConfigurationError(f"{log}: no row has a {self.target}: log it as the column {self.target}")

    @property
    def read(self) -> int:
        """Rows, with those that were refused."""
        return self.rows + sum(rows for rows, _ in self.rejected.values())

    @property
    def several_steps(self) -> bool:
        """Whether an episode has more than one row."""
        return self._in_episodes > len(self._episodes)

    def sentences(self) -> list[str]:
        """Return what every estimate from this log has to be read with."""
        said = []
        if self.repeated:
            said.append(f"{self.repeated:,} rows are decisions that the log has twice; each counts once.")
        return said + [f"{rows:,} rows are refused, the first: {why}." for rows, why in self.rejected.values()]

    def to_dict(self, actions: Sequence[int]) -> dict[str, Any]:
        """Return the public JSON of `log`; ``actions`` are the numbers of actions that the candidates know."""
        return {
            "rows": self.rows,
            "episodes": len(self._episodes) or None,
            "actions": max(len(self.executed), *actions),
            "mean_reward": self._total / self._known,
            "behaviour": self.behaviour,
            "duplicates": None if self.unnamed else self.repeated,
            "shadow": self.shadow,
            "target": self.target,
        }
