"""SHD-02: is it understood where and how often the shadow decides otherwise?"""

from __future__ import annotations

from typing import Any

from runbooks.checklist.evaluator import Parameters
from runbooks.checklist.facts import Facts
from runbooks.checklist.item import Item, State, insufficient


def evaluate(facts: Facts, parameters: Parameters) -> Item:
    """Compare each day's rate of disagreement with that of all days, and ask for an estimate that is better.

    A day whose rate is far from the others is news about the states or the shadow, whatever the mean says.
    """
    found = facts.reviewed
    paired = sum(day.paired for day in found.days) if found else 0
    if found is None or not paired:
        return insufficient(f"No shadow decision of {facts.version} has a live action beside it: log incumbent_action.")
    least = int(parameters["decisions"])
    rate = sum(day.differing for day in found.days) / paired
    by_day = {
        day.day: day.differing / day.paired for day in found.days if day.paired >= int(parameters["day_decisions"])
    }
    statistics: dict[str, Any] = {"rate": rate, "paired": paired, "days": [vars(day) for day in found.days]}
    numbers: dict[str, Any] = {"threshold": float(parameters["rate_within"]), "unit": "share of decisions"}
    if paired < least:
        return insufficient(f"{paired:,} paired decisions; {least:,} are asked for.", statistics)
    if len(by_day) < 2:
        return insufficient("Fewer than two days can be compared, so nothing shows that the rate holds.", statistics)
    apart = max(abs(one - rate) for one in by_day.values())
    words = f"{rate:.1%} of {paired:,} paired decisions differ, on {len(by_day)} days by at most {apart:.1%} from that"
    if apart > float(parameters["rate_within"]):
        return Item(State.FAIL, f"Not stable: {words}.", statistics, number=apart, **numbers)
    value = facts.candidate
    low = None if value is None or value.trust != "trusted" else value.difference_low
    if low is None or low <= 0:
        why = "is not known" if low is None else f"begins at {low:.3g}, not above 0"
        sentence = f"Stable: {words}. What {facts.version} would gain {why}."
        return insufficient(sentence, statistics, number=apart, **numbers)
    sentence = f"Stable: {words}. {facts.version} would gain at least {low:.3g} a decision."
    return Item(State.PASS, sentence, statistics, number=apart, **numbers)
