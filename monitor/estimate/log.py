"""The log of an estimate: read and validated like any other, with what is true of it whoever the candidate is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from monitor import validate
from monitor.candidates import Scored
from monitor.candidates.column import Column
from monitor.candidates.scored import Floats
from monitor.estimate.repeats import Repeats
from monitor.schema import TIMESTAMP
from monitor.settings import ConfigurationError
from monitor.sources import SOURCES, Chunk, FileSource, Source, SourceError, readers
from monitor.validate import ROW
from monitor.validate.cast import one
from monitor.validate.faults import Faults
from monitor.validate.roles import is_role
from monitor.validate.times import instants

_NO_TIME = pa.scalar("1970-01-01T00:00:00Z")  # time has no part in an estimate, so that a log may lack it


@dataclass
class Facts:
    """Counts over the whole log."""

    rows: int = 0
    repeated: int = 0
    rejected: dict[str, tuple[int, str]] = field(default_factory=dict)  # field -> rows, first reason
    executed: set[str] = field(default_factory=set)
    _reward: float = 0.0
    _rewarded: int = 0
    _episodes: set[str] = field(default_factory=set)
    _in_episodes: int = 0

    def add(self, table: pa.Table) -> None:
        """Count validated rows."""
        self.rows += len(table)
        self._reward += float(pc.sum(table["reward"]).as_py() or 0.0)
        self._rewarded += len(table) - table["reward"].null_count
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
            rows, reason = self.rejected.get(item.field, (0, f"{chunk.path}, row {item.row}: {item.reason}"))
            self.rejected[item.field] = rows + 1, reason

    def check(self, log: Path) -> None:
        """Raise ConfigurationError if nothing can be estimated from the log."""
        if not self.rows:
            why = "; ".join(reason for _, reason in self.rejected.values()) or "it has no rows of executed decisions"
            raise ConfigurationError(f"{log}: no row can be used: {why}")
        if not self._rewarded:
            raise ConfigurationError(f"{log}: no row has a reward: log it as the column reward")

    @property
    def read(self) -> int:
        """Rows, with those that were refused."""
        return self.rows + sum(rows for rows, _ in self.rejected.values())

    @property
    def several_steps(self) -> bool:
        """Whether an episode has more than one row."""
        return self._in_episodes > len(self._episodes)

    def to_dict(self, actions: Sequence[int]) -> dict[str, Any]:
        """Return the public JSON of `log`; ``actions`` are the numbers of actions that the candidates know."""
        return {
            "rows": self.rows,
            "episodes": len(self._episodes) or None,
            "actions": max(len(self.executed), *actions),
            "mean_reward": self._reward / self._rewarded,
            "behaviour": "logged",
            "duplicates": self.repeated,
        }


def _instants(raw: pa.Table) -> pa.Array:
    """Return when each row happened as far as that can be read: it only tells decisions of one id apart."""
    if "ts" not in raw.column_names or pa.types.is_null(raw.schema.field("ts").type):
        return pa.nulls(raw.num_rows, TIMESTAMP)
    return instants(one(raw["ts"]), "ts", "UTC", Faults(raw.num_rows))


def _places(raw: pa.Table, first_row: int, accepted: validate.Accepted) -> NDArray[np.int64]:
    """Return the row of ``raw`` that each accepted one was, shape (rows,)."""
    numbers = one(raw[ROW]).to_numpy() if ROW in raw.column_names else np.arange(first_row, first_row + raw.num_rows)
    assert accepted.numbers is not None
    return np.searchsorted(numbers, accepted.numbers).astype(np.int64)


def decisions(log: Path, literal: Sequence[str], facts: Facts, kind: str | None = None) -> Iterator[pa.Table]:
    """Yield validated tables of executed decisions, and count them and what was refused.

    Parameters
    ----------
    log
        File or directory.
    literal
        Columns of candidates' probabilities; one that is no role becomes ``candidate_probs.<column>``.
    facts
        Where rows are counted.
    kind
        A SOURCES entry; None: by the names of the files.

    Raises
    ------
    ConfigurationError
        If the log cannot be read, or has no column for a required role.
    """
    seen = Repeats()
    for chunk in _chunks(log, kind):
        raw = chunk.table
        facts.reject(chunk, chunk.rejects)
        if raw.num_rows == 0:
            continue
        while any(pa.types.is_struct(item.type) for item in raw.schema):
            raw = raw.flatten()  # a nested state{inlet} is state.inlet
        at = _instants(raw)
        if "ts" in raw.column_names:
            raw = raw.drop_columns(["ts"])
        raw = raw.append_column("ts", pa.repeat(_NO_TIME, raw.num_rows))
        try:
            accepted = validate.decisions(
                raw,
                columns={f"candidate_probs.{c}": c for c in literal if c in raw.column_names and not is_role(c)},
                policy=None if "policy" in raw.column_names else "log",
                version=None if "version" in raw.column_names else "log",
                known=(),
                zone=None,
                latest=0.0,
                actions=(),
                origin=chunk.path,
                origin_digest=chunk.digest,
                first_row=chunk.first_row,
            )
        except validate.MappingError as error:
            raise ConfigurationError(str(error)) from None
        executed = _executed(accepted)
        executed = seen.drop(executed, at.take(pa.array(_places(raw, chunk.first_row, executed))))
        facts.repeated = seen.dropped
        facts.reject(chunk, executed.rejects)
        table = _rewarded(executed.table)
        if not pa.types.is_string(table["action"].type):
            raise ConfigurationError(f"{chunk.path}: action holds lists, but only discrete actions can be weighted")
        facts.add(table)
        yield table


def _executed(accepted: validate.Accepted) -> validate.Accepted:
    """Leave shadow rows out: what they say was not executed, though it may bear the id of what was."""
    table, numbers = accepted.table, accepted.numbers
    if "arm" not in table.column_names or numbers is None:
        return accepted
    kept = pc.fill_null(pc.not_equal(table["arm"], "shadow"), True)
    return replace(accepted, table=table.filter(kept), numbers=numbers[kept.to_numpy()])


def _rewarded(table: pa.Table) -> pa.Table:
    """Give a log without rewards an empty column of them."""
    if "reward" in table.column_names:
        return table
    return table.append_column("reward", pa.nulls(len(table), pa.float64()))


def _chunks(log: Path, kind: str | None) -> Iterator[Chunk]:
    try:
        for source in [_source(log, kind)] if kind else _guessed(log):
            yield from source.chunks({}, final=True)
    except SourceError as error:
        raise ConfigurationError(str(error)) from None


def _source(log: Path, kind: str) -> Source:
    if kind not in SOURCES:
        raise ConfigurationError(f"--format {kind}: unknown; known: {', '.join(SOURCES)}")
    return SOURCES[kind](log)


def _guessed(log: Path) -> list[FileSource]:
    known = list(readers(log).values())
    if log.is_dir():
        found = [source for source in known if source.files()]
    else:
        found = [source for source in known if log.name.lower().endswith(source.endings)]
    if not found:
        wanted = ", ".join(f"*{ending}" for reader in known for ending in reader.endings)
        raise ConfigurationError(f"{log}: no log is there; one is a file, or a directory of files, called {wanted}")
    return found


def behaviour(table: pa.Table) -> Scored | None:
    """Return the behaviour policy's logged distribution, if there is one."""
    if "action_probs" not in table.column_names:
        return None
    return Column("the behaviour policy", "action_probs").score(table, ())


def propensity(log: Path, table: pa.Table, scored: Scored | None) -> Floats:
    """Return the propensity of each row, from ``propensity`` or else from ``action_probs``.

    Raises
    ------
    ConfigurationError
        If a row has none, or the distribution says that the executed action could not be taken.
    """
    found = np.full(len(table), np.nan)
    if "propensity" in table.column_names:
        found = np.array(table["propensity"].to_numpy(), dtype=np.float64)
    if scored is not None:
        found = np.where(np.isnan(found), scored.probability, found)
    for bad, what in ((np.isnan(found), "has no propensity"), (found <= 0, "has a propensity of 0")):
        if bad.any():
            first = table["decision_id"][int(np.argmax(bad))].as_py()
            raise ConfigurationError(
                f"{log}: decision {first} {what}, and {int(bad.sum()) - 1} others of its {len(table)} neighbours: "
                "log propensity, the probability above 0 with which the executed action was chosen"
            )
    return found
