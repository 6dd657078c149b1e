"""What a checklist run is about: whose version, which span, and how what was read is cited."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import Connection

from monitor.bucketing import buckets
from monitor.clock import stamp
from monitor.events import canonical
from monitor.judging.windows import Frozen
from monitor.settings import Settings
from monitor.summaries import BucketSummary
from monitor.summaries.plan import Plan
from runbooks.checklist.facts import Dataset

DAY, HOUR, MINUTE = 86400, 3600, 60
SPAN = 7 * DAY  # what summaries are read of
RECENT = DAY  # what rows of the lake are read of, at most
MOST_ROWS = 500_000


@dataclass(frozen=True)
class Span:
    """One version over [begin, end): ``end`` is where the log is sealed, so that the answer does not change."""

    settings: Settings
    policy: str
    version: str
    serving: str
    begin: float
    end: float
    plan: Plan
    frozen: Frozen | None

    @property
    def incumbent(self) -> str:
        """The version that the configuration trusts."""
        return self.settings.policy[self.policy].incumbent

    def cite(self, what: str, rows: int, first: float | None, last: float | None, digests: Iterable[str]) -> Dataset:
        """Return the citation of something that was read."""
        query = f"{what} of {self.policy} from {stamp(self.begin)} to {stamp(self.end)}"
        return Dataset(query, rows, first, last, hashlib.sha256("\n".join(digests).encode()).hexdigest())

    def cite_values(self, what: str, rows: int, values: object) -> Dataset:
        """Return the citation of plain values that were read from the control state."""
        return self.cite(what, rows, None, None, [canonical(values)])


def load(connection: Connection, span: Span, version: str, begin: float, end: float) -> list[tuple[int, BucketSummary]]:
    """Return a version's buckets of [begin, end): whole hours where they are rolled up, minutes at both edges."""
    first, last = -(-int(begin) // HOUR) * HOUR, int(end) // HOUR * HOUR
    found: list[tuple[int, BucketSummary]] = []
    pieces = ((MINUTE, begin, min(first, end)), (HOUR, first, last), (MINUTE, max(first, last), end))
    for resolution, start, stop in pieces:
        if start < stop:
            found += buckets.load(connection, span.policy, version, "", resolution, start, stop, span.plan)
    return found
