"""`checkrein ingest`: a one-shot import of log files through the path that scheduled passes take."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import func, select

from monitor.landing.pull import Pulled, take
from monitor.settings import Source
from monitor.sources import Chunk
from monitor.store.tables import quarantine
from monitor.tick import Parts

_SHOWN = 5


@dataclass(frozen=True)
class Imported:
    """What an import brought."""

    pulled: Pulled
    seconds: float
    refused: tuple[dict[str, Any], ...]

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {**asdict(self.pulled), "seconds": round(self.seconds, 3), "refused": list(self.refused)}

    def sentence(self) -> str:
        """Say it to a person: what was kept, what was not and why."""
        p = self.pulled
        rate = f" ({p.accepted / self.seconds:,.0f} rows/s)" if self.seconds > 0 and p.accepted else ""
        lines = [f"{p.accepted:,} decisions from {_counted(p.files, 'file')} in {self.seconds:.1f} s{rate}"]
        if not p.files and not p.problems:
            lines = ["nothing new: every file was read before"]
        for number, words in ((p.duplicates, "duplicates dropped"), (p.late, "late rows counted, not judged")):
            if number:
                lines.append(f"{number:,} {words}")
        rows = [item for item in self.refused if item["field"] != "file"]  # whole files are the problems below
        count = p.quarantined - len(p.problems)
        if count > 0:
            lines.append(f"{_counted(count, 'row')} quarantined:")
            lines += [f"  {item['origin']} row {item['row']}, {item['field']}: {_short(item)}" for item in rows]
            if count > len(rows) > 0:
                lines.append(f"  ... and {count - len(rows):,} more; `checkrein status` counts them by reason")
        lines += [f"· {note}" for note in p.notes]
        lines += [f"! {problem}" for problem in p.problems]
        return "\n".join(lines)


def _short(item: dict[str, Any]) -> str:
    return str(item["reason"]).removeprefix(f"{item['origin']}: row {item['row']}: ")


def _counted(number: int, what: str) -> str:
    return f"{number:,} {what}{'s' * (number != 1)}"


def import_logs(
    parts: Parts, policy: str, source: Source, paths: Sequence[Path], progress: Callable[[Chunk], None]
) -> Imported:
    """Import files, directories or globs; what was imported before is not read again.

    Raises
    ------
    SourceError
        If a path has nothing to read.
    """
    began = time.monotonic()
    with parts.database.read() as connection:
        before = connection.execute(select(func.coalesce(func.max(quarantine.c.id), 0))).scalar_one()
    total = Pulled()
    for path in paths:
        one = source.model_copy(update={"path": str(path)})
        total = total.merge(
            take(parts.settings, parts.database, parts.landing, policy, one, final=True, progress=progress)
        )
    columns = [quarantine.c[name] for name in ("origin", "row", "field", "reason")]
    with parts.database.read() as connection:
        rows = connection.execute(
            select(*columns).where(quarantine.c.id > before).order_by(quarantine.c.id).limit(_SHOWN)
        )
        refused = tuple(dict(row._mapping) for row in rows)
    return Imported(total, time.monotonic() - began, refused)
