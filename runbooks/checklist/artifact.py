"""GOV-01: is what is registered what is served?"""

from __future__ import annotations

from typing import Any

from runbooks.checklist.evaluator import Parameters
from runbooks.checklist.facts import Facts
from runbooks.checklist.item import Item, State, insufficient


def evaluate(facts: Facts, parameters: Parameters) -> Item:
    """Compare the artefact's SHA-256 in the register, in every logged row, and as the serving side showed it."""
    found = facts.artifacts
    if found is None:
        return insufficient("No artefact hash was read.")
    rows = sum(found.logged.values()) + found.unnamed
    statistics: dict[str, Any] = {
        "registered": found.registered, "logged": dict(found.logged), "unnamed": found.unnamed, "served": found.served,
        "rows": rows,
    }  # fmt: skip
    hashes = {
        *found.logged,
        *([found.registered] if found.registered else []),
        *([found.served] if found.served else []),
    }
    expected = found.registered or (next(iter(found.logged)) if len(found.logged) == 1 else None)
    strangers = sum(count for name, count in found.logged.items() if name != expected)
    numbers: dict[str, Any] = {"number": float(strangers), "threshold": 0.0, "unit": "rows with another artefact"}
    if len(hashes) > 1:
        shown = ", ".join(sorted(name[:12] for name in hashes))
        sentence = f"{len(hashes)} different artefacts under the name {facts.version}: {shown}."
        return Item(State.FAIL, sentence, statistics, **numbers)
    if rows == 0:
        return insufficient("No row was read.", statistics)
    if found.unnamed:
        return insufficient(f"{found.unnamed:,} of {rows:,} rows do not say what was loaded.", statistics, **numbers)
    if found.registered is None:
        where = f"policy.{facts.policy}.checklist.artifacts.{facts.version}"
        return insufficient(f"All {rows:,} rows agree, but nothing is registered: set {where}.", statistics, **numbers)
    if rows < int(parameters["decisions"]):
        sentence = f"{rows:,} rows agree; {int(parameters['decisions']):,} are asked for."
        return insufficient(sentence, statistics, **numbers)
    served = "the serving side shows it too" if found.served else "the serving side was not asked since it came"
    sentence = f"All {rows:,} rows were decided by the registered artefact {found.registered[:12]}; {served}."
    return Item(State.PASS, sentence, statistics, **numbers)
