"""Laws that hold for every evaluator of the readiness checklist."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from types import MappingProxyType

import pytest

from runbooks.checklist import EVALUATORS, Facts, Item, State, judge
from runbooks.checklist.canonical import canonical, digest
from runbooks.checklist.evidence import body
from runbooks.checklist.item import OPEN
from tests.checklist_facts import COLUMNS, TEMPLATE, answer, healthy

ALL = sorted(EVALUATORS)
NEEDS = [(name, role) for name in ALL for role in EVALUATORS[name].needs]
MEASURED = [
    "candidate", "constraints", "latency", "artifacts", "log", "fallback", "returns", "triggers", "replay", "firings",
    "kill", "watched", "reward", "reward_baseline", "drift", "diversity", "segments", "stage", "reviewed",
]  # fmt: skip


def test_every_item_of_the_template_is_measured_and_every_evaluator_is_asked() -> None:
    assert {spec.id for spec in TEMPLATE.items} == set(EVALUATORS)


@pytest.mark.parametrize("identity", ALL)
def test_a_policy_with_which_nothing_is_wrong_passes(identity: str) -> None:
    found = answer(identity, healthy())
    assert found.state is State.PASS, found.sentence
    assert found.sentence.endswith(".")


@pytest.mark.parametrize(("identity", "role"), NEEDS)
def test_a_missing_column_is_insufficient_whatever_else_is_known(identity: str, role: str) -> None:
    kept = {name: 1.0 for name in COLUMNS if not name.startswith(role.removesuffix("*"))}
    found = answer(identity, healthy(columns=kept, log_columns=kept))
    assert found.state is State.INSUFFICIENT
    assert role in found.sentence


@pytest.mark.parametrize("identity", [name for name in ALL if EVALUATORS[name].needs])
def test_no_rows_are_insufficient(identity: str) -> None:
    assert answer(identity, healthy(rows=0, log_rows=0)).state is State.INSUFFICIENT


@pytest.mark.parametrize("identity", ALL)
def test_nothing_measured_never_opens_a_gate(identity: str) -> None:
    columns = dict.fromkeys(COLUMNS, 1.0)
    blank = Facts("cooling", "v8", incumbent="v7", rows=9, log_rows=9, columns=columns, log_columns=columns)
    found = answer(identity, replace(blank, context={"splitting": True}))
    assert found.state in {State.INSUFFICIENT, State.FAIL}, found.sentence


@pytest.mark.parametrize("identity", ALL)
@pytest.mark.parametrize("missing", MEASURED)
def test_what_was_not_measured_never_turns_into_an_error(identity: str, missing: str) -> None:
    empty = () if isinstance(getattr(healthy(), missing), tuple) else None
    found = answer(identity, healthy(**{missing: empty}))
    assert found.state is not State.ERROR, found.sentence


@pytest.mark.parametrize("identity", ALL)
def test_each_item_rests_on_something_that_it_cannot_do_without(identity: str) -> None:
    facts = healthy()
    blanks = [healthy(**{name: () if isinstance(getattr(facts, name), tuple) else None}) for name in MEASURED]
    assert any(answer(identity, blank).state not in OPEN for blank in blanks)


@pytest.mark.parametrize("identity", ALL)
def test_the_same_facts_give_the_same_answer_and_the_same_evidence(identity: str) -> None:
    spec, evaluator = TEMPLATE.spec(identity), EVALUATORS[identity]
    digests = set()
    for _ in range(2):
        facts = healthy()
        found = answer(identity, facts)
        digests.add(digest(body(TEMPLATE, spec, facts, found, evaluator, "1.0")))
    assert len(digests) == 1


@pytest.mark.parametrize("identity", ALL)
def test_evidence_changes_with_facts_template_and_code(identity: str) -> None:
    spec, evaluator, facts = TEMPLATE.spec(identity), EVALUATORS[identity], healthy()
    found = answer(identity, facts)
    stricter = TEMPLATE.changed({identity: {"alpha": 0.01}})
    later = replace(facts, as_of=facts.as_of + 60)
    bodies = [
        body(TEMPLATE, spec, facts, found, evaluator, "1.0"),
        body(TEMPLATE, spec, facts, found, evaluator, "1.1"),
        body(TEMPLATE, spec, later, found, evaluator, "1.0"),
        body(stricter, stricter.spec(identity), facts, found, evaluator, "1.0"),
        body(TEMPLATE, spec, facts, replace(found, state=State.FAIL), evaluator, "1.0"),
    ]
    assert len({digest(one) for one in bodies}) == len(bodies)


@pytest.mark.parametrize("identity", ALL)
def test_answers_are_json_with_finite_numbers(identity: str) -> None:
    found = answer(identity, healthy())
    assert json.loads(canonical(found.statistics)) == json.loads(json.dumps(found.statistics, default=list))
    assert found.number is None or found.threshold is not None


def test_an_evaluator_that_breaks_is_an_error_of_its_item_alone() -> None:
    def broken(_facts: Facts, _parameters: object) -> Item:
        raise ZeroDivisionError("no rows")

    spec = TEMPLATE.spec("ROL-05")
    evaluators = {"ROL-05": replace(EVALUATORS["ROL-05"], evaluate=broken)}
    found = judge(TEMPLATE, spec, healthy(), evaluators)
    assert (found.state, found.opens) == (State.ERROR, False)
    assert "ZeroDivisionError" in found.sentence


def test_an_item_that_nobody_measures_is_insufficient() -> None:
    assert judge(TEMPLATE, TEMPLATE.spec("ROL-05"), healthy(), {}).state is State.INSUFFICIENT


def test_an_item_that_does_not_apply_says_why() -> None:
    spec = replace(TEMPLATE.spec("OFF-02"), applies_if="fine_tuned")
    found = judge(TEMPLATE, spec, healthy(), EVALUATORS)
    assert (found.state, "fine_tuned" in found.sentence) == (State.NOT_APPLICABLE, True)


def test_canonical_json_is_the_same_however_the_data_was_built() -> None:
    left = canonical({"b": [1.0, 2.5], "a": MappingProxyType({"y": None, "x": True})})
    assert left == canonical({"a": {"x": True, "y": None}, "b": (1, 2.5)}) == '{"a":{"x":true,"y":null},"b":[1,2.5]}'
    for value in (float("nan"), float("inf"), object()):
        with pytest.raises(ValueError, match="no place in evidence"):
            canonical({"x": value})


def test_every_fact_has_a_value_that_means_not_measured() -> None:
    blank = Facts("p", "v")
    measured = [field.name for field in fields(Facts) if getattr(blank, field.name) not in (None, (), {}, 0, "")]
    assert measured == ["policy", "version"]
