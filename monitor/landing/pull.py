"""Pull new rows from a policy's source: after its watermark, validated, landed chunk by chunk."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from sqlalchemy import select

from monitor import validate
from monitor.bucketing.plans import current_plan
from monitor.landing.gaps import Gaps
from monitor.landing.land import Landed, Landing, Mark
from monitor.log_store.schema import no_decisions
from monitor.settings import Settings
from monitor.settings import Source as SourceSettings
from monitor.sources import SOURCES, Chunk, Position
from monitor.store.database import Database
from monitor.store.tables import watermarks
from monitor.summaries.plan import Plan


@dataclass(frozen=True)
class Pulled:
    """What a pull brought, summed over its chunks, and what the source has to say."""

    accepted: int = 0
    duplicates: int = 0
    quarantined: int = 0
    late: int = 0
    events: int = 0
    files: int = 0
    problems: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()  # what the log lacks, and what of it nobody reads

    def __add__(self, landed: Landed) -> Pulled:
        """Add one landed chunk."""
        return self.merge(Pulled(landed.accepted, landed.duplicates, landed.quarantined, landed.late, landed.events))

    def merge(self, other: Pulled) -> Pulled:
        """Add another pull."""
        names = ("accepted", "duplicates", "quarantined", "late", "events", "files")
        sums = {name: getattr(self, name) + getattr(other, name) for name in names}
        notes = tuple(dict.fromkeys((*self.notes, *other.notes)))
        return replace(self, **sums, problems=(*self.problems, *other.problems), notes=notes)


def pull(settings: Settings, database: Database, landing: Landing, policy: str) -> Pulled:
    """Pull what the policy's configured source has beyond its watermark; nothing if it is fed over HTTP."""
    configured = settings.policy[policy].source
    if configured is None:
        return Pulled()
    return take(settings, database, landing, policy, configured, final=False)


def take(
    settings: Settings,
    database: Database,
    landing: Landing,
    policy: str,
    source: SourceSettings,
    *,
    final: bool,
    progress: Callable[[Chunk], None] = lambda chunk: None,
) -> Pulled:
    """Read one source to its end; a file that was read before, whichever way, is not read again.

    Parameters
    ----------
    settings, database, landing
        Where rows go.
    policy, source
        Whose rows they are, and where they come from.
    final
        True for a one-shot import: a half line or a truncated file is refused now instead of awaited.
    progress
        Called with each chunk once it has landed.

    Raises
    ------
    SourceError
        If ``final`` and there is nothing to read.
    """
    with database.read() as connection:
        rows = connection.execute(select(watermarks).where(watermarks.c.source == policy))
        plan, _baseline = current_plan(connection, settings, policy)
        seen = {row.path: Position(row.position, row.rows, row.size, row.head, row.done) for row in rows}
    reader = SOURCES[source.kind](settings.path(source.path), policy, source.version)
    total, gaps = Pulled(), Gaps(bool(plan.constraints))
    paths: set[str] = set()
    for chunk in reader.chunks(seen, final):
        accepted = _accepted(settings, landing, policy, source, plan, chunk)
        total += landing.decisions(policy, accepted, chunk.path, Mark.of(chunk))
        gaps.add(accepted)
        paths.add(chunk.path)
        progress(chunk)
    problems = tuple(f"{problem.path}: {problem.reason}" for problem in reader.problems)
    return replace(total, files=len(paths), problems=problems, notes=gaps.notes())


def _accepted(
    settings: Settings, landing: Landing, policy: str, source: SourceSettings, plan: Plan, chunk: Chunk
) -> validate.Accepted:
    if not chunk.table.num_columns:  # only refused lines, or a file without rows
        return validate.Accepted(no_decisions(), chunk.rejects, ())
    configuration = settings.policy[policy]
    accepted = validate.decisions(
        chunk.table,
        columns=source.columns,
        policy=policy,
        version=source.version,
        known=settings.policy,
        zone=source.zone,
        latest=landing.clock.now() + configuration.skew,
        actions=configuration.actions,
        origin=chunk.path,
        origin_digest=chunk.digest,
        first_row=chunk.first_row,
        kinds={f"state.{one.name}": "text" if one.category else "number" for one in plan.features},
    )
    return replace(accepted, rejects=(*chunk.rejects, *accepted.rejects))
