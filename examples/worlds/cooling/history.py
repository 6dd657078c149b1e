"""Two weeks of logs: the rule served first, the learned policy after it."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pyarrow.parquet as pq

from examples.worlds.cooling.names import CONSTRAINTS, FEATURES
from examples.worlds.cooling.plant import Batch, Plant
from examples.worlds.cooling.rows import COSTS, STATES, table

DAY = 86400
# Measurements repeat, because a sensor has a resolution; probabilities do not, and their dictionary would cost time.
_DICTIONARY = [
    *STATES,
    *COSTS,
    "policy",
    "version",
    "action",
    "arm",
    "irreversible",
    "artifact_sha256",
    "reward",
    "latency_ms",
]


def batches(days: float, end: int, seed: int) -> Iterator[Batch]:
    """Yield the decisions of ``days`` days up to second ``end``, a day or less at a time: first half v6, then v7.

    Raises
    ------
    ValueError
        If there is less than a minute of them.

    Examples
    --------
    >>> [(batch.version, batch.first, len(batch)) for batch in batches(days=0.5, end=43200, seed=1)]
    [('v6', 0, 21600), ('v7', 21600, 21600)]
    """
    seconds = int(days * DAY)
    if seconds < 60:
        raise ValueError(f"--days {days:g} is less than a minute of decisions")
    plant, begin = Plant(seed), end - seconds
    middle = begin + seconds // 2
    for version, first, last in (("v6", begin, middle), ("v7", middle, end)):
        for start in range(first, last, DAY):
            yield plant.run(version, start, min(DAY, last - start))


def write(out: Path, days: float, end: int, seed: int) -> int:
    """Write one Parquet file per batch into ``out`` and return the number of decisions; a seed gives the same files."""
    out.mkdir(parents=True, exist_ok=True)
    total = 0
    with ThreadPoolExecutor(2) as pool:  # compression leaves the interpreter's lock; the plant goes on meanwhile
        writing: list[Future[None]] = []
        for batch in batches(days, end, seed):
            writing.append(pool.submit(_write, out / f"cooling-{batch.first}.parquet", batch))
            total += len(batch)
            if len(writing) > 3:  # a day is about 40 MB
                writing.pop(0).result()
        for future in writing:
            future.result()
    return total


def _write(path: Path, batch: Batch) -> None:
    temporary = path.with_suffix(".tmp")  # a reader that looks for *.parquet never meets half a file
    pq.write_table(table(batch), temporary, compression="snappy", use_dictionary=_DICTIONARY)
    temporary.replace(path)


def sentence(total: int, out: Path) -> str:
    """Return the line that the command prints."""
    return f"{total:,} decisions, {len(FEATURES)} readings, {len(CONSTRAINTS)} operating limits, in {out}"
