"""Shadow rows beside what acted, and the queue that they leave behind."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
from sqlalchemy import select

from monitor.landing.land import Landing
from monitor.store.database import Database
from monitor.store.tables import review_days, reviews
from tests.landings import log

SHOWN = [column for column in reviews.c if column.name != "added"]  # when it arrived is not which it is


def shadows(first: int, rows: int, *, every: float = 60.0, seed: int = 3) -> pa.Table:
    """Rows ``first`` to ``first + rows`` of one endless log of shadow v9, a minute apart."""
    p = np.random.default_rng(seed).uniform(size=first + rows)[first:]
    columns: dict[str, Any] = {
        "version": ["v9"] * rows,
        "arm": ["shadow"] * rows,
        "proposed_action": ["low" if x > 0.5 else "high" for x in p],
        "candidate_probs.v9": [[float(x), float(1 - x)] for x in p],
    }
    return log(first, rows, columns, every=every)


def queue(database: Database) -> tuple[list[Any], list[Any]]:
    """Return the items and the days as they are stored."""
    with database.read() as connection:
        items = connection.execute(select(*SHOWN).order_by(reviews.c.id)).all()
        days = connection.execute(select(review_days).order_by(review_days.c.version, review_days.c.day)).all()
    return [tuple(row) for row in items], [tuple(row) for row in days]


def of(landing: Landing) -> tuple[list[Any], list[Any]]:
    return queue(landing.database)
