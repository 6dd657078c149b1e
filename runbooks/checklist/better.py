"""OFF-02: is the candidate better than the policy whose log it is judged from?"""

from __future__ import annotations

from typing import Any

from runbooks.checklist.evaluator import Parameters
from runbooks.checklist.facts import Facts
from runbooks.checklist.item import Item, State, insufficient


def evaluate(facts: Facts, parameters: Parameters) -> Item:
    """Look at the lower bound of the paired difference between the candidate and the policy that acted.

    It is anytime-valid, so that whoever opens the page every day is not misled, and paired: what hit both alike, such
    as a hot week, is no part of its width.
    """
    found = facts.candidate
    if found is None:
        return insufficient(
            f"{facts.version} is not a candidate whose probabilities are known, so its value on this log is unknown: "
            f"configure policy.{facts.policy}.candidate.{facts.version}."
        )
    statistics: dict[str, Any] = {**vars(found), "reasons": list(found.reasons)}
    least = int(parameters["decisions"])
    if found.trust != "trusted" or found.value is None or found.behaviour is None:
        why = " ".join(found.reasons) or "no reason was given."
        return insufficient(f"The {found.estimator} estimate is {found.trust}: {why}", statistics)
    if found.n < least:
        return insufficient(
            f"{found.n:,} usable decisions; {least:,} are asked for.", statistics, number=found.n, threshold=least
        )
    if found.alpha > float(parameters["alpha"]) or found.difference_low is None:
        return insufficient("The bound has no end yet, or is of a weaker level than is asked for.", statistics)
    margin = found.difference_low
    statistics = {**statistics, "difference": found.value - found.behaviour, "lower_bound": margin}
    words = f"{found.estimator} {found.value:.4g} against {found.behaviour:.4g} of the log, {found.n:,} decisions"
    not_yet = "Doubly robust values, behaviour cloning and training seeds are not measured."
    numbers: dict[str, Any] = {"number": margin, "threshold": 0.0, "unit": "reward per decision"}
    if margin > 0:
        return Item(State.PASS, f"Better by at least {margin:.3g}: {words}. {not_yet}", statistics, **numbers)
    worse = found.value <= found.behaviour
    state = State.FAIL if worse else State.INSUFFICIENT
    lead = "Not better" if worse else f"Better on average, but the bound of the difference is {margin:.3g}, below 0"
    return Item(state, f"{lead}: {words}. {not_yet}", statistics, **numbers)
