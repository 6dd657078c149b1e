"""What the first rows of a log show: its kind, the roles of its columns, its policies, versions and actions."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from monitor import validate
from monitor.settings import ConfigurationError
from monitor.sources import FileSource, readers
from monitor.sources.obd import role as obd_role
from monitor.starting.guesses import Guess, guess

_SKEW = 300.0
_DATASET = {"item_id", "position", "click", "propensity_score"}


@dataclass(frozen=True)
class Found:
    """What a sample of a log shows.

    Parameters
    ----------
    kind, path
        As ``[policy.P.source]`` has them.
    guess
        Which column plays which role; ``rest`` are the columns that nobody could tell.
    policies, versions, actions
        Seen in the sample: policies most frequent first, versions in the order in which they began to act.
    zone
        "UTC" where the log's times name no zone, which is then a guess.
    """

    kind: str
    path: str
    guess: Guess = field(default_factory=Guess)
    policies: tuple[str, ...] = ()
    versions: tuple[str, ...] = ()
    actions: tuple[str, ...] = ()
    zone: str | None = None


def look(path: Path, base: Path, now: float) -> Found:
    """Read the first rows of a log: a file, a directory or a glob.

    Raises
    ------
    ConfigurationError
        If there is no log, or its first rows cannot be read.
    """
    known = readers(path)
    counted = {kind: len(_files(reader)) for kind, reader in known.items()}
    kind = max(counted, key=counted.__getitem__)
    if not counted[kind]:
        endings = ", ".join(f"*{ending}" for reader in known.values() for ending in reader.endings)
        raise ConfigurationError(f"--from {path}: no log is there; one is a file, or a directory of files, {endings}")
    chunk = next((chunk for chunk in known[kind].chunks({}, False) if chunk.table.num_rows), None)
    if chunk is None:
        raise ConfigurationError(f"--from {path}: no row of it can be read: look at it with `checkrein validate` later")
    raw = chunk.table
    while any(pa.types.is_struct(item.type) for item in raw.schema):
        raw = raw.flatten()
    inside = Path(os.path.abspath(path)).is_relative_to(os.path.abspath(base))
    shown = os.path.relpath(path, base) if inside else os.path.abspath(path)
    if set(raw.column_names) >= _DATASET:
        mapped = {role: name for name in raw.column_names if (role := obd_role(name))}
        version = chunk.path.split(os.sep)[-3:-1]
        return Found("obd", shown, Guess(mapped, {}), versions=tuple(v for v in version if v in {"random", "bts"}))
    found = guess(raw)
    zone = None
    for zone in (None, "UTC"):
        try:
            good = _sample(raw, found.columns, zone, now)
        except validate.MappingError:
            return Found(kind, shown, found)
        if good.num_rows:
            break
    ordered = good.sort_by("ts")
    return Found(
        kind,
        shown,
        found,
        policies=_frequent(good, "policy") if "policy" in found.roles else (),
        versions=tuple(ordered["version"].unique().to_pylist()) if "version" in found.roles else (),
        actions=() if pa.types.is_list(good["action"].type) else _sorted(good),
        zone=zone if good.num_rows else None,
    )


def _files(reader: FileSource) -> list[Path]:
    return [file for file in reader.files() if file.exists() and file.name.lower().endswith(reader.endings)]


def _sample(raw: pa.Table, columns: Mapping[str, str], zone: str | None, now: float) -> pa.Table:
    return validate.decisions(
        raw,
        columns=columns,
        policy=None if "policy" in {*raw.column_names, *columns} else "main",
        version=None if "version" in {*raw.column_names, *columns} else "v1",
        known=(),
        zone=zone,
        latest=now + _SKEW,
        actions=(),
        origin="sample",
        origin_digest="sample",
        first_row=1,
    ).table


def _frequent(table: pa.Table, column: str) -> tuple[str, ...]:
    counted = pc.value_counts(table[column].combine_chunks()).to_pylist()
    return tuple(item["values"] for item in sorted(counted, key=lambda item: (-item["counts"], item["values"])))


def _sorted(table: pa.Table) -> tuple[str, ...]:
    seen = _frequent(table, "action")
    return tuple(sorted(seen, key=lambda name: (not name.isdigit(), int(name) if name.isdigit() else 0, name)))
