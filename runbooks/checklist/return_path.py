"""ROL-05: is the previous version one click away?"""

from __future__ import annotations

from typing import Any

from runbooks.checklist.evaluator import Parameters
from runbooks.checklist.facts import Facts
from runbooks.checklist.item import Item, State, insufficient

_DAY = 86400.0


def evaluate(facts: Facts, parameters: Parameters) -> Item:
    """Ask for a version to go back to, and for a confirmed rollback onto it that was quick and is recent.

    A real rollback proves the path as a drill does. The time counts until the serving side showed the version; the
    proof from the decision log takes its windows longer.
    """
    if facts.fallback is None:
        sentence = (
            f"There is no version to go back to from {facts.version}: name one in policy.{facts.policy}.fallbacks."
        )
        return Item(State.FAIL, sentence, {"fallback": None})
    within, oldest = float(parameters["seconds"]), float(parameters["days"])
    path = [r for r in facts.returns if r.from_version == facts.version and r.to_version == facts.fallback]
    done = [r for r in path if r.state == "confirmed" and r.confirmed is not None and r.seconds is not None]
    statistics: dict[str, Any] = {"fallback": facts.fallback, "tried": len(path), "confirmed": len(done)}
    where = f"{facts.version} -> {facts.fallback}"
    if not done:
        tried = f"{len(path)} were tried and none is confirmed" if path else "none was tried"
        return insufficient(f"No rollback {where} has been seen to work: {tried}. Drill it.", statistics)
    last = max(done, key=lambda r: r.confirmed or 0.0)
    seconds, age = float(last.seconds or 0.0), max(0.0, (facts.as_of - float(last.confirmed or 0.0)) / _DAY)
    statistics = {**statistics, "seconds": seconds, "age_days": age, "trigger": last.trigger}
    numbers: dict[str, Any] = {"number": seconds, "threshold": within, "unit": "s"}
    if seconds > within:
        sentence = f"The last rollback {where} took {seconds:.0f} s until it was served; {within:g} s are allowed."
        return Item(State.FAIL, sentence, statistics, **numbers)
    if age > oldest:
        sentence = f"The last rollback {where} is {age:.0f} days old; drill it every {oldest:g} days."
        return insufficient(sentence, statistics, **numbers)
    sentence = (
        f"{where} was served after {seconds:.1f} s and confirmed from the log, {age:.1f} days ago ({last.trigger})."
    )
    return Item(State.PASS, sentence, statistics, **numbers)
