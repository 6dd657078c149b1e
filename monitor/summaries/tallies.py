"""How many rows were of each kind."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from monitor.summaries.base import Summary
from monitor.summaries.layout import TALLIES, TOTALS


@dataclass(frozen=True, eq=False, slots=True)
class Tallies(Summary):
    """Counters of rows by kind, and sums that belong to no other summary.

    ``reward_missing`` counts absent rewards even where the plan lets them stand for zero. A propensity is impossible
    when it is infinite, not above 0, or above 1 with named actions (a density may pass 1). ``shield``, ``fallback``
    and ``override`` count rows whose text is there and is not "false", "no", "none" or "0". ``proposed`` counts rows
    with a proposed action and ``disagreement`` those where it is not the executed one. ``neg_log_propensity`` sums -ln
    of the possible propensities: its mean over ``known_propensities`` estimates the behaviour policy's entropy.

    Examples
    --------
    >>> import pyarrow as pa
    >>> from monitor.summaries.plan import Plan
    >>> tallies = Tallies.of(pa.table({"action": ["a", "b"], "propensity": [0.5, None]}), Plan())
    >>> tallies["rows"], tallies["propensity_missing"], round(tallies["neg_log_propensity"], 3)
    (2, 1, 0.693)
    """

    KIND: ClassVar[int] = 1
    FIELDS: ClassVar[tuple[str, ...]] = ("tallies", "totals")

    def __getitem__(self, name: str) -> int | float:
        """Return a counter (int) or a total (float).

        Raises
        ------
        KeyError
            If there is no such name.
        """
        if name in TALLIES:
            return int(self.parts.counts[TALLIES.index(name)]) if self.layout.tallies else 0
        if name in TOTALS:
            return float(self.parts.sums[TOTALS.index(name)]) if self.layout.totals else 0.0
        raise KeyError(f"no tally {name!r}; there are {', '.join(TALLIES + TOTALS)}")

    def as_dict(self) -> dict[str, int | float]:
        """Return every counter and total by name."""
        return {name: self[name] for name in TALLIES + TOTALS}

    @property
    def known_propensities(self) -> int:
        """Rows with a possible propensity."""
        return int(self["rows"] - self["propensity_missing"] - self["propensity_impossible"])
