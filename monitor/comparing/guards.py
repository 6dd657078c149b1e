"""What must not get worse while the reward is looked at: violations and costs of every constraint, and latency."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from detectors.effect import least_effect
from monitor.comparing.minutes import Minutes, arm_of
from monitor.settings.policy import Policy
from monitor.summaries import BucketSummary
from monitor.summaries.plan import Plan
from ope.comparing.arms import Arm, effect, total
from runbooks.checklist.bounds import holm


@dataclass(frozen=True)
class Guard:
    """One measure of which more is worse.

    Parameters
    ----------
    name
        "violation rate of heat", "mean cost of heat", "mean latency".
    candidate, incumbent
        Its mean; None where nothing was logged.
    tolerance
        By how much the candidate's may be higher.
    p
        Anytime-valid p value of "it is not higher by more than that".
    n_candidate, n_incumbent
        Decisions whose value is known.
    worse
        Whether p is small enough among all guards (Holm).
    """

    name: str
    candidate: float | None
    incumbent: float | None
    tolerance: float
    p: float
    n_candidate: int
    n_incumbent: int
    worse: bool = False

    def sentence(self, version: str, other: str) -> str:
        """Say how the measure compares."""
        return (
            f"The {self.name} is {self.candidate:.4g} under {version} and {self.incumbent:.4g} under {other}, "
            f"more than {self.tolerance:.3g} higher (p = {self.p:.2g})."
        )

    def plain(self) -> dict[str, Any]:
        """Return it for the evidence."""
        return dict(vars(self))


def guards(minutes: Minutes, plan: Plan, configured: Policy, alpha: float, dispersion: float = 1.0) -> list[Guard]:
    """Return every guard; the chance that any of them is ever wrongly called worse is at most ``alpha``.

    One-sided, because a candidate with fewer violations needs no verdict for it. Violations are compared with the
    incumbent's of the same minutes and the constraint's slack, not with the budget: that is what triggers are for.
    """
    found = []
    for name, of, tolerance in _measures(plan, configured):
        pairs = minutes.pairs(of)
        one, other = total(pairs)
        seen = effect(pairs, at_least=dispersion)
        accepted = least_effect(tolerance, other.mean) if isinstance(tolerance, str) else tolerance
        means = (one.mean if one.n else None, other.mean if other.n else None)
        found.append(Guard(name, *means, accepted, seen.p_above(accepted), one.n, other.n))
    worse = holm([one.p for one in found], alpha)
    return [Guard(**(vars(one) | {"worse": bad})) for one, bad in zip(found, worse, strict=True)]


def _measures(plan: Plan, configured: Policy) -> Iterator[tuple[str, Callable[[BucketSummary], Arm], float | str]]:
    for limit in plan.constraints:
        yield f"violation rate of {limit.name}", _violations(limit.name), configured.constraint[limit.name].slack
        yield f"mean cost of {limit.name}", _cost(limit.name), configured.comparison.margin
    if "latency" in plan.tracked_names:
        yield "mean latency", lambda bucket: arm_of(bucket["tracked"]["latency"]), configured.comparison.latency_margin


def _violations(name: str) -> Callable[[BucketSummary], Arm]:
    def of(bucket: BucketSummary) -> Arm:
        found = bucket["constraints"][name]
        return Arm.of_hits(found.n, found.violations)

    return of


def _cost(name: str) -> Callable[[BucketSummary], Arm]:
    def of(bucket: BucketSummary) -> Arm:
        found = bucket["constraints"][name]
        return Arm.of_sums(found.n - found.infinite, found.cost, found.cost_sq)

    return of
