"""RBK-01 to RBK-05: is each rollback trigger armed, and has it been seen to work?"""

from __future__ import annotations

from typing import Any

from runbooks.checklist.evaluator import Parameters
from runbooks.checklist.facts import Facts, TriggerFact
from runbooks.checklist.item import Item, State, insufficient

# States of a newest verdict in which a trigger sees nothing; one key of many may be in them, which FUL-01 counts.
_BLIND = {"no_data", "error", "insufficient"}


def evaluate(facts: Facts, parameters: Parameters) -> Item:
    """Ask for a trigger that is armed (enabled, alive, judging) and proven (a firing whose rollback was confirmed).

    Armed and never fired is insufficient: a trigger that nobody has seen fire is a hope. What the triggers would have
    called on healthy history counts for all of them together.

    Parameters
    ----------
    facts
        ``triggers`` and ``replay``.
    parameters
        ``match``: which triggers count, as {"metric": [...]} or {"detector": [...]}; ``proof_days``: how
        old a proof may be; ``false_rollbacks`` at most in ``false_days``.
    """
    match: dict[str, list[str]] = parameters["match"]
    wanted = ", ".join(f"{key} {' or '.join(values)}" for key, values in match.items())
    found = [t for t in facts.triggers if all(getattr(t, key) in values for key, values in match.items())]
    armed = [t for t in found if t.enabled and t.severity == "rollback" and not t.dry_run]
    false = _false_alarms(facts, parameters)
    statistics: dict[str, Any] = {"triggers": [_plain(t) for t in found], "false_rollbacks": false}
    if not armed:
        off = ", ".join(f"{t.name} ({_why_not(t)})" for t in found) or "there is none"
        return Item(State.FAIL, f"No rollback trigger for {wanted} is on: {off}.", statistics)
    dead = [t.name for t in armed if not t.alive]
    if len(dead) == len(armed):
        return Item(State.FAIL, f"Nothing evaluates {', '.join(dead)}: its job shows no sign of life.", statistics)
    most = float(parameters["false_rollbacks"])
    rate = None if false is None else float(false["in_period"])
    numbers: dict[str, Any] = {
        "number": rate,
        "threshold": most,
        "unit": f"false rollbacks in {parameters['false_days']} days",
    }
    if rate is not None and rate > most:
        sentence = f"{_history(false)} That is {rate:.2g} in {parameters['false_days']} days; {most:g} is allowed."
        return Item(State.FAIL, sentence, statistics, **numbers)
    blind = [t for t in armed if not t.event and (not set(t.judging) - _BLIND)]
    if len(blind) == len(armed):
        why = ", ".join(f"{t.name} ({'/'.join(sorted(set(t.judging) & _BLIND)) or 'never judged'})" for t in blind)
        return insufficient(f"On, but it does not see anything now: {why}.", statistics, **numbers)
    proven = [t for t in armed if _fresh(t, parameters) and t not in blind and t.alive]
    if not proven:
        names = ", ".join(t.name for t in armed)
        fired = sum(t.firings for t in armed)
        seen = "it has never fired here"
        if any(t.proofs or t.drills for t in armed):
            seen = f"its last confirmed rollback is more than {parameters['proof_days']} days old"
        elif fired:
            seen = f"it fired {fired} times without a confirmed rollback"
        sentence = (
            f"{names} is armed, and nobody has seen it work: {seen}. A drill with an injected fault would show it."
        )
        return insufficient(sentence, statistics, **numbers)
    names = ", ".join(f"{t.name} ({len(t.proofs)} rollbacks, {len(t.drills)} drills)" for t in proven)
    if rate is None:
        return insufficient(f"Armed and proven ({names}), but false alarms were not measured.", statistics, **numbers)
    sentence = f"Armed and proven: {names}. {_history(false)}"
    return Item(State.PASS, sentence, statistics, **numbers)


def _why_not(trigger: TriggerFact) -> str:
    return "off" if not trigger.enabled else "dry run" if trigger.dry_run else trigger.severity


def _history(false: dict[str, Any] | None) -> str:
    """Say what was replayed; how short it is stands beside what it is scaled to."""
    if false is None:
        return ""
    return f"All triggers together: {false['firings']} false rollbacks in {false['days']:g} days of {false['method']}."


def _false_alarms(facts: Facts, parameters: Parameters) -> dict[str, Any] | None:
    found = facts.replay
    if found is None or found.days <= 0:
        return None
    scaled = found.firings * float(parameters["false_days"]) / found.days
    return {**vars(found), "triggers": list(found.triggers), "in_period": scaled}


def _plain(trigger: TriggerFact) -> dict[str, Any]:
    lists = {name: list(getattr(trigger, name)) for name in ("judging", "proofs", "drills")}
    return {**vars(trigger), **lists}


def _fresh(trigger: TriggerFact, parameters: Parameters) -> bool:
    return any(age <= float(parameters["proof_days"]) for age in (*trigger.proofs, *trigger.drills))
