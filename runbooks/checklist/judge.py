"""Ask every item of a template: the guards that no evaluator may forget stand here, once."""

from __future__ import annotations

from collections.abc import Mapping

from runbooks.checklist.evaluator import Evaluator
from runbooks.checklist.facts import Facts
from runbooks.checklist.item import Item, State, insufficient
from runbooks.checklist.template import ItemSpec, Template


def judge(template: Template, spec: ItemSpec, facts: Facts, evaluators: Mapping[str, Evaluator]) -> Item:
    """Answer one item.

    1. an item that ``applies_if`` excludes is not applicable
    2. an item without an evaluator is insufficient: nobody measured it
    3. no decision in the span, or a column without a single value, is insufficient, whatever else is known
    4. an exception is an error, which blocks like a fail
    """
    if not spec.applies(facts.context):
        return Item(State.NOT_APPLICABLE, f"Not asked of this policy: {spec.applies_if} does not hold.")
    evaluator = evaluators.get(spec.id)
    if evaluator is None:
        return insufficient("No evaluator measures this item yet.")
    whole = evaluator.whole_log
    if evaluator.needs and (facts.log_rows if whole else facts.rows) == 0:
        who = facts.policy if whole else facts.version
        return insufficient(f"{who} took no decision in the span, so there is nothing to measure.")
    missing = [role for role in evaluator.needs if not facts.has(role, whole_log=whole)]
    if missing:
        columns = ", ".join(missing)
        return insufficient(f"The log has no {columns}: without it this cannot be measured.", {"missing": missing})
    try:
        return evaluator.evaluate(facts, template.parameters(spec))
    except Exception as error:  # noqa: BLE001 - one broken item must not hide the others
        return Item(State.ERROR, f"{spec.id} could not be evaluated: {type(error).__name__}: {error}")
