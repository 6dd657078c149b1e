"""How often each operating limit was passed, and what it cost."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

from monitor.summaries.base import Summary


class Violation(NamedTuple):
    """One constraint: ``n`` costs known, of which ``violations`` > limit; ``missing`` and ``infinite`` costs; sums."""

    n: int
    violations: int
    missing: int
    infinite: int
    cost: float
    cost_sq: float

    @property
    def rate(self) -> float:
        """Share of the known costs that pass the limit, NaN of none."""
        return self.violations / self.n if self.n else math.nan

    @property
    def mean_cost(self) -> float:
        """Mean of the finite costs, NaN of none."""
        finite = self.n - self.infinite
        return self.cost / finite if finite else math.nan


@dataclass(frozen=True, eq=False, slots=True)
class Violations(Summary):
    """Every constraint of the plan: rows, violations (cost > limit, as float64), sums of cost and cost squared.

    An infinite cost is known and can violate; it is left out of the sums.

    Examples
    --------
    >>> import pyarrow as pa
    >>> from monitor.summaries.plan import Limit, Plan
    >>> plan = Plan(constraints=(Limit("inlet", "excess", 1.0),))
    >>> violations = Violations.of(pa.table({"cost.excess": [0.5, 1.0, 3.0, None]}), plan)
    >>> violations.count("inlet"), violations["inlet"].n, violations["inlet"].cost
    (1, 3, 4.5)
    """

    KIND: ClassVar[int] = 6
    FIELDS: ClassVar[tuple[str, ...]] = ("constraints",)

    def __getitem__(self, constraint: str | int) -> Violation:
        """Return all numbers of one constraint, by name (the plan must be known) or by its place in the plan.

        Raises
        ------
        KeyError
            If there is no such constraint.
        ValueError
            If a name is asked for and the plan is not known.
        """
        if isinstance(constraint, str) or self.plan is not None:
            names = tuple(limit.name for limit in self.known_plan().constraints)
            index = self.position(constraint, names, "constraint")
        else:
            index = self.position(constraint, ("",) * self.layout.constraints, "constraint")
        if not self.layout.constraints:
            return Violation(0, 0, 0, 0, 0.0, 0.0)
        n, violations, missing, infinite = self.parts.counts[4 * index : 4 * index + 4].tolist()
        cost, cost_sq = self.parts.sums[2 * index : 2 * index + 2].tolist()
        return Violation(n, violations, missing, infinite, cost, cost_sq)

    def count(self, constraint: str | int) -> int:
        """Return how many decisions passed the limit."""
        return self[constraint].violations

    def n(self, constraint: str | int) -> int:
        """Return how many decisions have a known cost."""
        return self[constraint].n
