"""All summaries of one bucket, as one value that adds and travels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from monitor.summaries.base import Summary
from monitor.summaries.categories import Actions
from monitor.summaries.histogram import Features, Histogram
from monitor.summaries.layout import Layout
from monitor.summaries.moments import Moments
from monitor.summaries.quantiles import Quantiles
from monitor.summaries.tallies import Tallies
from monitor.summaries.tracked import TrackedValues
from monitor.summaries.violations import Violations
from monitor.summaries.weights import WeightedSums

SUMMARIES: dict[str, type[Summary]] = {
    "tallies": Tallies,
    "reward": Moments,
    "reward_histogram": Histogram,
    "reward_quantiles": Quantiles,
    "constraints": Violations,
    "features": Features,
    "actions": Actions,
    "candidates": WeightedSums,
    "tracked": TrackedValues,
}


@dataclass(frozen=True, eq=False, slots=True)
class BucketSummary(Summary):
    """Every summary of ``SUMMARIES`` for the same rows, in one set of flat arrays.

    Adding two is a few array additions whatever the number of features; ``bucket["reward"]`` cuts one summary out.
    The bytes carry the digest of the plan and not its names: give the plan when reading them.

    Examples
    --------
    >>> import pyarrow as pa
    >>> from monitor.summaries.plan import Plan
    >>> plan = Plan(actions=("hold",))
    >>> bucket = BucketSummary.of(pa.table({"action": ["hold", "cool"], "reward": [1.0, 3.0]}), plan)
    >>> both = BucketSummary.from_bytes(bucket.to_bytes(), plan) + bucket
    >>> both.rows, both["reward"].mean, both["actions"].counts.tolist(), "reward_histogram" in both
    (4, 2.0, [2, 2], False)
    """

    KIND: ClassVar[int] = 0
    FIELDS: ClassVar[tuple[str, ...]] = Layout._fields
    SPARSE: ClassVar[bool] = True

    @property
    def rows(self) -> int:
        """Decisions counted."""
        return int(self.parts.counts[0]) if self.layout.tallies else 0

    def __contains__(self, name: object) -> bool:
        """Tell whether there is such a summary; the reward histogram needs edges in the plan."""
        return name in SUMMARIES and (name != "reward_histogram" or self.layout.histogram > 0)

    def __getitem__(self, name: str) -> Any:
        """Return one of the summaries.

        Raises
        ------
        KeyError
            If there is no such summary here.
        """
        if name not in self:
            why = "the plan has no reward_edges" if name in SUMMARIES else f"there are {', '.join(SUMMARIES)}"
            raise KeyError(f"no summary {name!r} in this bucket: {why}")
        return SUMMARIES[name].carved(self.parts, self.layout, self.digest, self.plan)
