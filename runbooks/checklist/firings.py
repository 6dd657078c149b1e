"""RBK-06: did every firing roll back, reach a person where it had to, and leave a record?"""

from __future__ import annotations

from typing import Any

from runbooks.checklist.evaluator import Parameters
from runbooks.checklist.facts import Facts
from runbooks.checklist.item import Item, State, insufficient

# What may follow a firing without a person: the rollback is confirmed, a newer one replaced it, the version did not
# serve any more, or a pass that caught up with the log found the trouble over.
_DONE = {"confirmed", "superseded", "unneeded", "over"}
# No version was left to go to, and the trouble ended without one: answered where a person was paged.
_ENDED = "ended"


def evaluate(facts: Facts, parameters: Parameters) -> Item:
    """Go through the ledger of firings; one that did not end in moved traffic must have paged somebody."""
    if facts.firings is None:
        return insufficient("The ledger of firings was not read.")
    if not facts.firings:
        return insufficient(
            "No rollback trigger has fired, so nothing shows what follows a firing. Drill it.", {"firings": 0}
        )
    lost = [f for f in facts.firings if not f.recorded or not f.answer]
    unheard = [f for f in facts.firings if f.answer and f.answer not in _DONE and not f.paged]
    waiting = [f for f in facts.firings if f.answer and f.answer not in {*_DONE, _ENDED} and f.paged]
    good = len(facts.firings) - len(lost) - len(unheard) - len(waiting)
    statistics: dict[str, Any] = {
        "firings": len(facts.firings),
        "answered": good,
        "ledger": [vars(f) for f in facts.firings[-50:]],
    }
    numbers: dict[str, Any] = {"number": good / len(facts.firings), "threshold": 1.0, "unit": "share of firings"}
    if lost:
        first = lost[0]
        sentence = f"{len(lost)} of {len(facts.firings)} firings have no action and no record"
        sentence += f", first {first.trigger} {first.key}."
        return Item(State.FAIL, sentence, statistics, **numbers)
    if unheard:
        sentence = f"{len(unheard)} firings did not end in a confirmed rollback and paged nobody ({unheard[0].answer})."
        return Item(State.FAIL, sentence, statistics, **numbers)
    if waiting:
        answers = ", ".join(sorted({f.answer for f in waiting}))
        sentence = f"{len(waiting)} of {len(facts.firings)} firings are not confirmed ({answers}); people were paged."
        return Item(State.FAIL, sentence, statistics, **numbers)
    sentence = (
        f"All {len(facts.firings)} firings were recorded and ended in a confirmed rollback, or found the version gone, "
        f"or no version left and paged a person."
    )
    return Item(State.PASS, sentence, statistics, **numbers)
