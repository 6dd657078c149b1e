"""Evidence: what an answer was concluded from, as canonical JSON that is addressed by its SHA-256.

When it was recorded is not part of it, so that the same question about the same data has the same address.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from runbooks.checklist.canonical import digest
from runbooks.checklist.evaluator import Evaluator
from runbooks.checklist.facts import Facts
from runbooks.checklist.item import Item
from runbooks.checklist.template import ItemSpec, Template


def body(
    template: Template, spec: ItemSpec, facts: Facts, item: Item, evaluator: Evaluator | None, code: str
) -> dict[str, Any]:
    """Return the evidence of one answer; everything in it follows from template, facts and code.

    ``collected_at`` is the end of the data that it is about, ``expires_at`` that plus the item's ``valid_for``.
    """
    read = evaluator.reads if evaluator else ()
    return {
        "item": spec.id,
        "policy": facts.policy,
        "version": facts.version,
        "state": item.state.value,
        "sentence": item.sentence,
        "number": item.number,
        "threshold": item.threshold,
        "unit": item.unit,
        "statistics": item.statistics,
        "template": {"name": template.name, "version": template.version, "sha256": template.digest},
        "parameters": dict(template.parameters(spec)),
        "parameters_sha256": digest(template.parameters(spec)),
        "artifact_sha256": None if facts.artifacts is None else facts.artifacts.registered,
        "datasets": {name: asdict(facts.datasets[name]) for name in read if name in facts.datasets},
        "code": code,
        "collected_at": facts.as_of,
        "expires_at": facts.as_of + spec.valid_for,
    }
