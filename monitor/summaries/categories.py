"""How often each action was taken."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from monitor.summaries.base import Summary
from monitor.summaries.parts import Ints


@dataclass(frozen=True, eq=False, slots=True)
class Actions(Summary):
    """Counts of the plan's actions, and of every other one together.

    A vector action, a missing one and one that the plan does not name are all "other".

    Examples
    --------
    >>> import pyarrow as pa
    >>> from monitor.summaries.plan import Plan
    >>> table = pa.table({"action": ["cool", "hold", "cool", "melt"]})
    >>> Actions.of(table, Plan(actions=("hold", "cool"))).counts.tolist()
    [1, 2, 1]
    """

    KIND: ClassVar[int] = 5
    FIELDS: ClassVar[tuple[str, ...]] = ("actions",)

    @property
    def counts(self) -> Ints:
        """Rows by action in the plan's order, then other; shape (K + 1,)."""
        return self.parts.counts

    @property
    def other(self) -> int:
        """Rows whose action the plan does not name."""
        return int(self.parts.counts[-1]) if len(self.parts.counts) else 0
