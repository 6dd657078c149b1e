"""The job that makes drift reports: one at a time over all workers, in claimed slots, and a fault of it is a note."""

from __future__ import annotations

import logging
import math
import tempfile
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import select, update

from monitor import events
from monitor.clock import stamp
from monitor.drift_report.asked import for_firings, next_asked
from monitor.drift_report.columns import plain
from monitor.drift_report.kept import keep
from monitor.drift_report.process import ReportError, StoppedError, Worker
from monitor.drift_report.sample import Sampled, sample
from monitor.running import slots
from monitor.store.database import DatabaseUnavailableError, insert_new
from monitor.store.tables import drift_reports
from monitor.tick import Parts

log = logging.getLogger("checkrein")

JOB = "drift_report"
PAUSE = 5.0  # real seconds between looks for what was asked
_NAMED = 5  # columns that the sentence names


@dataclass(frozen=True)
class Told:
    """What became of a request."""

    state: str
    sentence: str
    body: dict[str, Any]
    sha256: str = ""


def run(parts: Parts, owner: str, stopping: threading.Event | None = None, worker: Worker | None = None) -> int:
    """Ask for the newest firings, and make the report whose turn it is; returns how many were decided."""
    policies = list(parts.settings.policy)
    with parts.database.read() as connection:  # mostly nothing is new, and then nobody's write waits for this look
        new = [row for policy in policies for row in for_firings(connection, parts.settings, parts.clock, policy)]
    if new:
        with parts.database.begin() as connection:
            insert_new(connection, drift_reports, new)  # another worker may have asked for the same firing
    with parts.database.read() as connection:
        row = next_asked(connection, policies)
    return 0 if row is None else int(make(parts, row.id, owner, stopping, worker))


def make(
    parts: Parts, identity: int, owner: str, stopping: threading.Event | None = None, worker: Worker | None = None
) -> bool:
    """Make one report that was asked for; False while another worker is at one, or if this process ends meanwhile.

    Each is a slot of one job, so that of all workers one makes one: Evidently takes about 350 MB.
    """
    database, clock = parts.database, parts.clock
    held = slots.claim(database, clock, JOB, identity, owner)
    if held is None:
        return False
    with slots.Renewal(database, clock, held):
        with database.read() as connection:
            row = connection.execute(select(drift_reports).where(drift_reports.c.id == identity)).one()
        try:
            told = _told(parts, row, stopping, worker or Worker())
        except StoppedError:
            return False  # the claim runs out, and the next worker makes it
        values = {"state": told.state, "sentence": told.sentence, "body": events.canonical(told.body)}
        with database.begin() as connection:
            here = update(drift_reports).where(drift_reports.c.id == identity)
            connection.execute(here.values(**values, sha256=told.sha256, made=clock.now()))
            note = {"id": identity, "version": row.version, "begin": row.begin, "end": row.end, "sha256": told.sha256}
            events.record(connection, clock, f"drift_report.{told.state}", row.policy, row.actor, note)
            slots.finish(connection, clock, held)
    return True


def _told(parts: Parts, row: Any, stopping: threading.Event | None, worker: Worker) -> Told:
    """Return the report, or the note that stands in its place."""
    limit = math.sqrt(row.bits * math.log(2))  # our bits on the scale of Evidently's distance
    try:
        with tempfile.TemporaryDirectory(prefix="checkrein-report-") as directory:
            folder = Path(directory)
            with parts.database.read() as connection:
                drawn = sample(connection, parts.landing.lake, parts.settings.policy[row.policy].season, row)
            drawn.write(folder, limit)
            found = worker.run(folder, stopping)
            digest = keep(parts.landing.lake, (folder / "report.html").read_bytes())
    except (DatabaseUnavailableError, StoppedError):
        raise
    except (ValueError, ReportError) as error:
        said = str(error)
    except Exception as error:
        log.exception("the drift report %d of %s cannot be made", row.id, row.policy)
        said = f"{type(error).__name__}: {error}"
    else:
        return Told("made", _sentence(row, drawn, found["distances"], limit), _body(drawn, found, limit), digest)
    span = f"{row.version}, {stamp(row.begin)} to {stamp(row.end)}"
    return Told("failed", f"The drift report of {span} could not be made: {said.rstrip('.')}.", {})


def _sentence(row: Any, drawn: Sampled, distances: dict[str, float], limit: float) -> str:
    order = sorted(distances, key=lambda name: -distances[name])
    beyond = [name for name in order if distances[name] > limit]
    listed = ", ".join(f"{name} {distances[name]:.2f}" for name in (beyond or order)[:_NAMED])
    many = f"{len(beyond) or 'None'} of {len(order)} columns {'is' if len(beyond) < 2 else 'are'} further than "
    many += f"{limit:.2g} from the baseline (Jensen-Shannon distance): " if beyond else f"{limit:.2g} from the baseline"
    text = f"{many}{listed}" if beyond else f"{many} (Jensen-Shannon distance); the furthest: {listed}"
    sizes = f"{drawn.reference.num_rows:,} rows of the baseline ({drawn.of})"
    return f"{text}. {sizes} against {drawn.current.num_rows:,} of {row.version}."


def _body(drawn: Sampled, found: dict[str, Any], limit: float) -> dict[str, Any]:
    distances = found["distances"]
    moved = {name: {"distance": distances[plain(name)], "bits": bits} for name, bits in drawn.columns.bits.items()}
    sampled = {"baseline": drawn.reference.num_rows, "span": drawn.current.num_rows, "of": drawn.of}
    made_by = {"scripts": found["scripts"], "evidently": found["evidently"]}
    return {"columns": moved, "left_out": drawn.columns.left_out, "sampled": sampled, "limit": limit, **made_by}
