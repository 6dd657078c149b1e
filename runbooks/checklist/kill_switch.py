"""SAF-06: does the kill switch work, with the database stopped too?"""

from __future__ import annotations

from typing import Any

from runbooks.checklist.evaluator import Parameters
from runbooks.checklist.facts import Facts
from runbooks.checklist.item import Item, State, insufficient


def evaluate(facts: Facts, parameters: Parameters) -> Item:
    """Ask for a passed drill of the kill switch that was quick and is recent.

    Against ROL-05, which asks for the way back to the previous version: here the last fallback takes over, and once
    without the database. The hash of that fallback is not measured: the sentence says so.

    Parameters
    ----------
    facts
        ``kill``: the newest passed drill.
    parameters
        ``seconds`` that it may take, ``days`` that it may be old.
    """
    within, oldest = float(parameters["seconds"]), float(parameters["days"])
    found = facts.kill
    if found is None:
        return insufficient("The kill switch was never drilled: `checkrein runbook drill kill` shows it.", {})
    statistics: dict[str, Any] = vars(found)
    numbers: dict[str, Any] = {"number": found.seconds, "threshold": within, "unit": "s"}
    if found.to_version != found.safe:
        sentence = (
            f"The kill switch was drilled onto {found.to_version}, and it goes to {found.safe} now: drill it again."
        )
        return insufficient(sentence, statistics, **numbers)
    if found.seconds > within:
        sentence = f"The kill switch took {found.seconds:.0f} s in its drill; {within:g} s are allowed."
        return Item(State.FAIL, sentence, statistics, **numbers)
    if found.age_days > oldest:
        sentence = (
            f"The last drill of the kill switch is {found.age_days:.0f} days old; drill it every {oldest:g} days."
        )
        return insufficient(sentence, statistics, **numbers)
    sentence = (
        f"The kill switch brought {found.safe} to serve in {found.seconds:.1f} s, with the database and without it, "
        f"{found.age_days:.1f} days ago (receiver: {found.receiver}). The hash of {found.safe} is not measured."
    )
    return Item(State.PASS, sentence, statistics, **numbers)
