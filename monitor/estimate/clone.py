"""The candidate `clone`: the policy that imitates the log, which a learned candidate has to beat."""

from __future__ import annotations

import pyarrow as pa

from monitor.candidates.scored import Floats
from monitor.estimate.tally import Tally

CLONE = "clone"


class Clone(Tally):
    """Waits for the whole log, because what it would do is learned from it, each row's from the other rows."""

    def __init__(self) -> None:
        super().__init__(CLONE, None)

    def add(self, table: pa.Table) -> None:
        """Do nothing."""

    def imitate(self, names: tuple[str, ...], distribution: Floats, executed: Floats) -> None:
        """Take the probabilities of every action, shape (rows, actions), and of the executed one, shape (rows,)."""
        self._names, self._distribution, self._probability = names, [distribution], [executed]
        self._scored = len(executed)
