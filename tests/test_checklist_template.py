"""Templates are data of strangers: what is not plain, complete and unambiguous is refused by name."""

from __future__ import annotations

from typing import Any

import pytest

from runbooks.checklist import TemplateError, parse, shipped
from runbooks.checklist.bounds import binomial_tail, holm, lower_rate, upper_quantile, upper_rate
from runbooks.checklist.predicate import PredicateError
from runbooks.checklist.predicate import parse as predicate
from runbooks.checklist.safe_yaml import YamlError, read

SMALL = """
template: small
version: 1
references_status: verify before relying
phases: {offline: Before exposure}
gates: {G1: enter shadow}
defaults: {alpha: 0.05}
items:
  - id: OFF-03
    phase: offline
    gates: [G1]
    severity: blocking
    waivable: false
    question: Is every cost under its budget?
    measured_from: the log
    passes_when: it is
    valid_for: 7d
"""


def test_a_small_template_is_read() -> None:
    template = parse(SMALL)
    (item,) = template.items
    assert (item.blocking, item.waivable, item.valid_for, item.attested_by) == (True, False, 7 * 86400.0, None)
    assert template.parameters(item) == {"alpha": 0.05}


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("waivable: false", "waivable: false\n    waivable: true", "the key 'waivable' is there twice"),
        ("alpha: 0.05", "alpha: 0.05, alpha: 0.5", "the key 'alpha' is there twice"),
        ("version: 1", "version: &a 1", "anchors and aliases"),
        ("gates: [G1]", "gates: [G9]", "name at least one of G1"),
        ("gates: [G1]", "gates: []", "name at least one of G1"),
        ("phase: offline", "phase: later", "phase is 'later'"),
        ("severity: blocking", "severity: nice", "severity is 'nice'"),
        ("waivable: false", "waivable: 'no'", "waivable must be bool"),
        ("version: 1", "version: true", "version must be int"),
        ("valid_for: 7d", "valid_for: a week", "write 30m, 24h or 30d"),
        ("valid_for: 7d", "valid_for: 7d\n    aplies_if: candidate", "unknown key aplies_if"),
        ("valid_for: 7d", "valid_for: 7d\n    applies_if: __import__", "'__import__' is not known"),
        ("    question: Is every cost under its budget?\n", "", "question is missing"),
        ("references_status: verify before relying", "references_status: final", "verify before relying"),
        ("template: small", "template: !!python/object/apply:os.getcwd []", "could not determine a constructor"),
        ("template: small", "template: !!python/name:os.system x", "could not determine a constructor"),
        ("version: 1", "1: 1", "is not text"),
        ("template: small", "<<: {a: 1}\ntemplate: small", "is not text"),
    ],
)
def test_a_template_that_is_not_plain_is_refused_by_name(old: str, new: str, words: str) -> None:
    assert old in SMALL
    with pytest.raises(TemplateError) as error:
        parse(SMALL.replace(old, new, 1))
    assert words in str(error.value)


def test_an_item_that_is_there_twice_is_refused() -> None:
    item = SMALL[SMALL.index("  - id") :]
    with pytest.raises(TemplateError, match="there twice: OFF-03"):
        parse(SMALL + item)


def test_a_yaml_bomb_is_refused_before_it_grows() -> None:
    rows = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    rows += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 12)]
    with pytest.raises(YamlError, match="anchors and aliases"):
        read("\n".join(rows))


@pytest.mark.parametrize("text", ["[" * 5000, "a: " + "x" * 400_000, "{" * 50 + "}" * 50, "a: [1", "a: 1\n---\nb: 2"])
def test_deep_long_broken_or_double_documents_are_refused(text: str) -> None:
    with pytest.raises(YamlError):
        read(text)


def test_layout_and_comments_do_not_change_a_templates_digest_but_every_value_does() -> None:
    digests = [parse(text).digest for text in (SMALL, "# a comment\n" + SMALL, SMALL.replace("7d", "8d"))]
    assert digests[0] == digests[1] != digests[2]


def test_parameters_of_a_policy_must_exist() -> None:
    assert shipped().changed({"OFF-09": {"decisions": 500}}).parameters(shipped().spec("ROL-05"))["decisions"] == 10_000
    with pytest.raises(TemplateError, match="OFF-09 has no parameter decision; it has"):
        shipped().changed({"OFF-09": {"decision": 500}})
    with pytest.raises(TemplateError, match="no item 'OFF-99'"):
        shipped().changed({"OFF-99": {}})


def test_the_shipped_template_marks_what_is_never_waived_and_refers_to_both_frameworks() -> None:
    items = shipped().items
    assert {item.id for item in items if item.waivable} == {
        "OFF-02", "OFF-09", "SAF-06", "SHD-02", "SHD-03", "LIM-04", "AB-01", "AB-02", "AB-03",
        "FUL-01", "FUL-02", "FUL-03", "FUL-04", "FAI-01",
    }  # fmt: skip
    assert {item.id for item in items if not item.blocking} == {"AB-03", "FUL-02", "FUL-04"}
    assert all(set(item.references) == {"eu_ai_act", "nist_ai_rmf"} for item in items)


CONTEXT: dict[str, Any] = {"tier": "high-risk", "candidate": True, "serving": False, "constraints": 3.0}


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("candidate", True),
        ("serving", False),
        ("not serving", True),
        ("candidate and serving", False),
        ("candidate or serving and serving", True),
        ("not (candidate and not serving)", False),
        ('tier == "high-risk"', True),
        ('tier != "high-risk"', False),
        ("constraints >= 3", True),
        ("constraints < 3 or serving == false", True),
        ("tier > 3", False),
    ],
)
def test_predicates_mean_what_they_say(text: str, *, holds: bool) -> None:
    assert predicate(text, CONTEXT)(CONTEXT) is holds


NOT_IN_THE_GRAMMAR = (
    *("", "and", "not", "candidate candidate", "(candidate", "candidate)", "constraints >", "1 == 1", "x" * 501),
    *("unknown", "candidate.__class__", "candidate == serving", "__import__('os')", "candidate; serving"),
)


@pytest.mark.parametrize("text", NOT_IN_THE_GRAMMAR)
def test_what_is_not_in_the_grammar_is_refused(text: str) -> None:
    with pytest.raises(PredicateError):
        predicate(text, CONTEXT)


def test_exact_bounds_agree_with_scipy() -> None:
    from scipy.stats import beta, binom

    for k, n in ((0, 3000), (3, 10), (500, 1000), (20, 300_000), (999, 1000)):
        assert upper_rate(k, n, 0.05) == pytest.approx(beta.ppf(0.95, k + 1, n - k), rel=1e-9)
        assert lower_rate(k, n, 0.05) == pytest.approx(beta.ppf(0.05, k, n - k + 1) if k else 0.0, rel=1e-9)
        assert binomial_tail(k, n, 0.01) == pytest.approx(binom.cdf(k, n, 0.01), abs=1e-9)
    ascending = [float(i) for i in range(5000)]
    assert upper_quantile(ascending, 0.99, 0.05) == binom.ppf(0.95, 5000, 0.99)


def test_holm_rejects_nothing_when_the_strongest_is_not_enough() -> None:
    assert holm([0.02, 0.03, 0.9], 0.05) == [False, False, False]
    assert holm([], 0.05) == []
