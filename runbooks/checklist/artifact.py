"""GOV-01: is what is registered what is served?"""

from __future__ import annotations

from typing import Any

from runbooks.checklist.evaluator import Parameters
from runbooks.checklist.facts import Facts
from runbooks.checklist.item import Item, State, insufficient


def evaluate(facts: Facts, parameters: Parameters) -> Item:
    """Compare the artefact's SHA-256 in the register, in every logged row, and as the serving side shows it.

    A health page that shows another version than the one that is judged and routed is a fail whatever the log says:
    the log is of yesterday. One that does not answer leaves open what is served now.
    """
    found = facts.artifacts
    if found is None:
        return insufficient("No artefact hash was read.")
    rows = sum(found.logged.values()) + found.unnamed
    statistics: dict[str, Any] = {
        "registered": found.registered, "logged": dict(found.logged), "unnamed": found.unnamed, "served": found.served,
        "rows": rows, "shown": [vars(page) for page in found.shown],
    }  # fmt: skip
    hashes = {
        *found.logged,
        *([found.registered] if found.registered else []),
        *([found.served] if found.served else []),
        *(page.artifact_sha256 for page in found.shown if page.version == facts.version and page.artifact_sha256),
    }
    expected = found.registered or (next(iter(found.logged)) if len(found.logged) == 1 else None)
    strangers = sum(count for name, count in found.logged.items() if name != expected)
    numbers: dict[str, Any] = {"number": float(strangers), "threshold": 0.0, "unit": "rows with another artefact"}
    astray = [page for page in found.shown if page.version not in {None, facts.version}]
    if astray:
        told = ", ".join(f"{page.version}, generation {page.generation} (hook {page.hook})" for page in astray)
        sentence = f"The route says {facts.version}, but the serving side shows {told}."
        return Item(State.FAIL, sentence, statistics, **numbers)
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
    silent = [page.hook for page in found.shown if page.version is None]
    if silent:
        sentence = (
            f"All {rows:,} rows agree, but the health page of {', '.join(silent)} does not say what is served now."
        )
        return insufficient(sentence, statistics, **numbers)
    served = "the serving side showed it when it took over" if found.served else "no health page of a hook says more"
    if found.shown:
        bare = [page.hook for page in found.shown if not page.artifact_sha256]
        served = f"the serving side shows {facts.version}, generation {found.shown[0].generation}, "
        served += f"without its hash ({', '.join(bare)})" if bare else "with the same hash"
    sentence = f"All {rows:,} rows were decided by the registered artefact {found.registered[:12]}; {served}."
    return Item(State.PASS, sentence, statistics, **numbers)
