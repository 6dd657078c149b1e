"""The log of an estimate: read and validated like any other, chunk by chunk."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from monitor import validate
from monitor.estimate.facts import Facts
from monitor.estimate.repeats import Repeats
from monitor.log_store.schema import TIMESTAMP
from monitor.settings import ConfigurationError
from monitor.sources import SOURCES, Chunk, FileSource, Source, SourceError, readers
from monitor.validate import ROW
from monitor.validate.cast import one
from monitor.validate.faults import Faults
from monitor.validate.lists import vectors
from monitor.validate.roles import is_role
from monitor.validate.times import instants

Q = "__q__"
_NO_TIME = pa.scalar("1970-01-01T00:00:00Z")  # time has no part in an estimate, so that a log may lack it


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


def decisions(
    log: Path, literal: Sequence[str], facts: Facts, kind: str | None = None, q: str | None = None
) -> Iterator[pa.Table]:
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
    q
        A column of per-action values, which becomes the column ``Q``.

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
        facts.shadow += len(accepted.table) - len(executed.table)
        facts.unnamed |= accepted.derived_ids
        executed = seen.drop(executed, at.take(pa.array(_places(raw, chunk.first_row, executed))))
        facts.repeated = seen.dropped
        facts.reject(chunk, executed.rejects)
        table = _targeted(executed.table, facts.target)
        if q is not None:
            table = table.append_column(
                Q, _values(raw, q, chunk.path).take(pa.array(_places(raw, chunk.first_row, executed)))
            )
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


def _targeted(table: pa.Table, target: str) -> pa.Table:
    """Give a log without what is estimated an empty column of it."""
    if target in table.column_names:
        return table
    return table.append_column(target, pa.nulls(len(table), pa.float64()))


def _values(raw: pa.Table, q: str, path: str) -> pa.Array:
    """Return the column of per-action values as lists of float; what is none is found where it is used."""
    if q not in raw.column_names:
        names = ", ".join(name for name in raw.column_names if name not in (ROW, "ts"))
        raise ConfigurationError(f"--q {q}: {path} has no column {q}; it has {names}")
    values, bad = vectors(one(raw[q]))
    return values if bad is None else pc.if_else(pa.array(~bad), values, pa.scalar(None, values.type))


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
