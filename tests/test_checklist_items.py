"""Each item of the readiness checklist: what makes it fail, and what leaves it without an answer."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from runbooks.checklist import State
from runbooks.checklist.bounds import samples_for
from runbooks.checklist.facts import (
    ConstraintCount,
    Diversity,
    FeatureDrift,
    KillDrill,
    Modes,
    Replay,
    Return,
    Watched,
)
from runbooks.checklist.review_facts import Planted, ShadowDay
from runbooks.checklist.row_facts import Artifacts, Latency, LogHealth, Shown, Tail
from tests.checklist_facts import DAY, HASH, NOW, OTHER, REVIEWED, TRIGGERS, answer, healthy, pair

GOOD = healthy()
GOOD_DAYS = REVIEWED.days
FAIL, FEW = State.FAIL, State.INSUFFICIENT


def one(facts: Any, **changes: Any) -> Any:
    return replace(facts, **changes)


def soft(**changes: Any) -> ConstraintCount:
    return replace(ConstraintCount("heat", 400_000, 40, 0, hard=False, budget=0.001), **changes)


def hard(**changes: Any) -> ConstraintCount:
    return replace(ConstraintCount("spill", 400_000, 0, 0, hard=True, budget=0.001), **changes)


def armed(index: int, **changes: Any) -> dict[str, Any]:
    return {"triggers": tuple(replace(t, **changes) if i == index else t for i, t in enumerate(TRIGGERS))}


def latency(value: float, n: int, missing: int = 0, sla: float | None = 120.0) -> dict[str, Any]:
    return {"latency": Latency((value,) * n, missing, sla)}


def log(**changes: Any) -> dict[str, Any]:
    return {"log": replace(LogHealth(80_000, 80_000, 0, 0, 24, 0, 0, 3), **changes)}


def back(**changes: Any) -> dict[str, Any]:
    return {"returns": (replace(Return("v8", "v7", "drill", "confirmed", 12.0, NOW - DAY), **changes),)}


def fired(**changes: Any) -> dict[str, Any]:
    assert GOOD.firings
    return {"firings": (*GOOD.firings, replace(GOOD.firings[0], **changes))}


def reviewed(**changes: Any) -> dict[str, Any]:
    return {"reviewed": replace(REVIEWED, **changes)}


def seen(*pages: Shown) -> Artifacts:
    return Artifacts(HASH, {HASH: 80_000}, 0, HASH, pages)


CASES: list[tuple[str, State, str, dict[str, Any]]] = [
    ("GOV-01", FAIL, "different artefacts", {"artifacts": Artifacts(HASH, {HASH: 70_000, OTHER: 1}, 0, HASH)}),
    ("GOV-01", FAIL, "different artefacts", {"artifacts": Artifacts(OTHER, {HASH: 80_000}, 0, None)}),
    ("GOV-01", FAIL, "different artefacts", {"artifacts": Artifacts(HASH, {HASH: 80_000}, 0, OTHER)}),
    ("GOV-01", FAIL, "the serving side shows v7, generation 3", {"artifacts": seen(Shown("a", "v7", 3, HASH))}),
    ("GOV-01", FAIL, "different artefacts", {"artifacts": seen(Shown("a", "v8", 3, OTHER))}),
    ("GOV-01", FEW, "health page of a does not say", {"artifacts": seen(Shown("a"))}),
    ("GOV-01", FEW, "do not say what was loaded", {"artifacts": Artifacts(HASH, {HASH: 79_999}, 1, HASH)}),
    ("GOV-01", FEW, "nothing is registered", {"artifacts": Artifacts(None, {HASH: 80_000}, 0, HASH)}),
    ("GOV-01", FEW, "are asked for", {"artifacts": Artifacts(HASH, {HASH: 9_999}, 0, HASH)}),
    ("GOV-05", FAIL, "running numbers are missing", log(gaps=1)),
    ("GOV-05", FAIL, "there twice", log(duplicates=1)),
    ("GOV-05", FAIL, "gone or changed", log(damaged=1)),
    ("GOV-05", FAIL, "refused", log(refused=81)),
    ("GOV-05", FAIL, "came late", log(late=81)),
    ("GOV-05", FEW, "no running number", log(sequenced=79_999)),
    ("OFF-02", FAIL, "Not better", {"candidate": one(GOOD.candidate, value=0.9, difference_low=-0.2)}),
    ("OFF-02", FEW, "bound of the difference", {"candidate": one(GOOD.candidate, difference_low=-0.01)}),
    ("OFF-02", FEW, "is weak", {"candidate": one(GOOD.candidate, trust="weak", reasons=("Few rows.",))}),
    ("OFF-02", FEW, "is refused", {"candidate": one(GOOD.candidate, trust="refused", value=None)}),
    ("OFF-02", FEW, "usable decisions", {"candidate": one(GOOD.candidate, n=9_999)}),
    ("OFF-02", FEW, "weaker level", {"candidate": one(GOOD.candidate, alpha=0.1)}),
    ("OFF-03", FAIL, "No constraint is declared", {"constraints": ()}),
    ("OFF-03", FAIL, "Hard limit passed: spill", {"constraints": (soft(), hard(violations=1))}),
    ("OFF-03", FAIL, "Over budget: heat", {"constraints": (soft(violations=800), hard())}),
    ("OFF-03", FAIL, "Over budget: heat", {"constraints": (soft(mean_cost=2.0, cost_stderr=0.1, cost_budget=1.0),)}),
    ("OFF-03", FEW, "bound is above", {"constraints": (soft(violations=395), hard())}),
    ("OFF-03", FEW, "no cost is logged", {"constraints": (soft(n=0, violations=0, missing=9), hard())}),
    ("OFF-03", FEW, "have no cost", {"constraints": (soft(missing=4_000), hard())}),
    ("OFF-03", FEW, "are needed", {"constraints": (soft(), hard(n=299_999))}),
    ("OFF-03", FEW, "are needed", {"constraints": (soft(n=400_000, violations=0, design_effect=200.0),)}),
    ("OFF-03", FEW, "no mean cost", {"constraints": (soft(cost_budget=1.0),)}),
    ("OFF-09", FAIL, "No SLA", latency(10.0, 20_000, sla=None)),
    ("OFF-09", FAIL, "above the SLA", latency(121.0, 20_000)),
    ("OFF-09", FEW, "are asked for", latency(10.0, 9_999)),
    ("OFF-09", FEW, "have no latency", latency(10.0, 20_000, missing=21)),
    ("OFF-09", FEW, "upper bound", {"latency": Latency((10.0,) * 19_820 + (500.0,) * 180, 0, 120.0)}),
    ("SAF-06", FEW, "never drilled", {"kill": None}),
    ("SAF-06", FEW, "goes to v6 now", {"kill": KillDrill(3.0, 2.0, "rules", "v6", "builtin", OTHER)}),
    ("SAF-06", FAIL, "took 61 s", {"kill": KillDrill(61.0, 2.0, "rules", "rules", "builtin", OTHER)}),
    ("SAF-06", FEW, "31 days old", {"kill": KillDrill(3.0, 31.0, "rules", "rules", "builtin", OTHER)}),
    ("ROL-05", FAIL, "no version to go back to", {"fallback": None}),
    ("ROL-05", FAIL, "took 61 s", back(seconds=61.0)),
    ("ROL-05", FEW, "none is confirmed", back(state="unconfirmed", confirmed=None)),
    ("ROL-05", FEW, "none was tried", back(to_version="v6")),
    ("ROL-05", FEW, "days old", back(confirmed=NOW - 31 * DAY)),
    ("SHD-02", FEW, "has a live action beside it", {"reviewed": None}),
    ("SHD-02", FEW, "are asked for", reviewed(days=GOOD_DAYS[:1])),
    ("SHD-02", FEW, "Fewer than two days", reviewed(days=(ShadowDay(1, 20_000, 20_000, 10, 1),))),
    ("SHD-02", FAIL, "Not stable", reviewed(days=(GOOD_DAYS[0], replace(GOOD_DAYS[1], differing=4_000)))),
    ("SHD-02", FEW, "not above 0", {"candidate": one(GOOD.candidate, difference_low=-0.1)}),
    ("SHD-02", FEW, "is not known", {"candidate": None}),
    ("SHD-02", State.NOT_APPLICABLE, "not incumbent", {"context": {**GOOD.context, "incumbent": True}}),
    ("SHD-03", FEW, "nothing could be reviewed", {"reviewed": None}),
    ("SHD-03", FAIL, "1 open exploits", reviewed(exploits=1, planted=None)),
    ("SHD-03", FEW, "No case was planted", reviewed(planted=None)),
    ("SHD-03", FEW, "No case was planted", reviewed(planted=Planted(12.0, 31.0))),
    ("SHD-03", FAIL, "300 s are allowed", reviewed(planted=Planted(301.0, 1.0))),
    ("SHD-03", FEW, "longer than was agreed", reviewed(overdue=1)),
    ("SHD-03", FEW, "20 are asked for", reviewed(decided=19)),
    ("SHD-03", FEW, "agreement", reviewed(alpha=0.6)),
    ("SHD-03", State.PASS, "are decided", reviewed(alpha=None, unanimous=True, queued=3, decided=3)),
    ("RBK-01", FAIL, "is on", armed(0, enabled=False)),
    ("RBK-01", FAIL, "is on", armed(0, severity="warn")),
    ("RBK-01", FAIL, "no sign of life", armed(0, alive=False)),
    ("RBK-01", FAIL, "is allowed", {"replay": Replay("baseline 1", 14.0, 1, ("reward_3sigma",))}),
    ("RBK-01", FEW, "does not see anything", armed(0, judging=("insufficient",))),
    ("RBK-01", FEW, "never judged", armed(0, judging=())),
    ("RBK-02", FEW, "never fired", armed(1, firings=0, proofs=())),
    ("RBK-03", FEW, "without a confirmed rollback", armed(2, proofs=())),
    ("RBK-04", FEW, "more than 90 days old", armed(3, proofs=(91.0,))),
    ("RBK-05", FEW, "not measured", {"replay": None}),
    ("RBK-06", FEW, "No rollback trigger has fired", {"firings": ()}),
    ("RBK-06", FAIL, "no action and no record", fired(answer="", recorded=False)),
    ("RBK-06", FAIL, "paged nobody", fired(answer="limited")),
    ("RBK-06", FAIL, "people were paged", fired(answer="unconfirmed", paged=True)),
    ("FUL-01", FAIL, "No sign of life", {"silent_jobs": ("judge:cooling",)}),
    ("FUL-01", FAIL, "Nothing watches violation rate of spill", {"watched": GOOD.watched[:2]}),
    ("FUL-01", FAIL, "were not judged", {"watched": (*GOOD.watched, Watched("reward", "", "x", 9, 8, {"ok": 8}))}),
    ("FUL-01", FAIL, "in an error", {"watched": (*GOOD.watched, Watched("reward", "", "x", 9, 9, {"error": 1}))}),
    ("FUL-01", FEW, "too few rows", {"watched": (*GOOD.watched, Watched("reward", "", "x", 90, 90, {"no_data": 90}))}),
    ("FUL-01", FEW, "No window", {"watched": ()}),
    ("FUL-02", FAIL, "has to explain", {"reward": one(GOOD.reward, cvar=-2.6)}),
    ("FUL-02", FAIL, "Two peaks", {"modes": Modes(0.1, several=True, sentence="Two peaks.")}),
    ("FUL-02", FEW, "are asked for", {"reward": one(GOOD.reward, n=9_999)}),
    ("FUL-03", FAIL, "above 0.1 bit", {"drift": (FeatureDrift("load", "fire", 0.11, 900),)}),
    ("FUL-03", FEW, "Not judged: hour", {"drift": (GOOD.drift[0], FeatureDrift("hour", "insufficient", None, 3))}),
    ("FUL-04", FAIL, "Outside its band", {"diversity": Diversity(400_000, 0.39, 0.6, 0.8, 0.5)}),
    ("FUL-04", FAIL, "Outside its band", {"diversity": Diversity(400_000, 0.8, 0.71, 0.8, 0.5)}),
    ("FUL-04", FEW, "are asked for", {"diversity": Diversity(9_999, 0.8, 0.5, 0.8, 0.5)}),
    ("FAI-01", FAIL, "Worse than today", {"segments": (pair(), pair("violations", 0.2, 0.1))}),
    ("FAI-01", FEW, "Fewer than", {"segments": (pair(n=999),)}),
    ("FAI-01", FEW, "at the same time", {"concurrent": False}),
    ("FAI-01", FEW, "Not shown", {"segments": (pair(now=0.96, n=1000), pair("violations", 0.1, 0.1))}),
    ("FAI-01", State.NOT_APPLICABLE, "nothing to compare", {"version": "v7"}),
]


@pytest.mark.parametrize(("identity", "state", "words", "changes"), CASES)
def test_what_is_wrong_is_said(identity: str, state: State, words: str, changes: dict[str, Any]) -> None:
    found = answer(identity, healthy(**changes))
    assert (found.state, words in found.sentence) == (state, True), found.sentence


def test_no_violation_at_all_passes_only_from_the_rule_of_three_on() -> None:
    enough = samples_for(0.001)
    assert enough == 3000
    states = [answer("OFF-03", healthy(constraints=(soft(n=n, violations=0),))).state for n in (enough - 1, enough)]
    assert states == [FEW, State.PASS]


def test_more_constraints_need_more_evidence() -> None:
    def state(count: int) -> State:
        tight = soft(n=100_000, violations=82)
        return answer("OFF-03", healthy(constraints=tuple(replace(tight, name=f"c{i}") for i in range(count)))).state

    assert [state(1), state(40)] == [State.PASS, FEW]


def test_a_trigger_that_sees_most_of_its_series_is_armed() -> None:
    assert answer("RBK-03", healthy(**armed(2, judging=("insufficient", "ok")))).state is State.PASS


def test_a_drill_proves_as_a_rollback_does() -> None:
    assert answer("RBK-01", healthy(**armed(0, proofs=(), drills=(1.0,)))).state is State.PASS


def test_a_mean_cost_under_its_budget_passes() -> None:
    cheap = soft(mean_cost=0.5, cost_stderr=0.01, cost_budget=1.0)
    assert answer("OFF-03", healthy(constraints=(cheap,))).state is State.PASS


def test_the_tail_of_a_cost_is_held_to_its_limit_where_there_is_one() -> None:
    facts = healthy(tails={"heat": Tail("episode", 4_000, 3.0, 0.1)})
    free = answer("OFF-03", facts)
    assert free.state is State.PASS
    assert "worst 5% of episodes cost 3 on average" in free.sentence
    assert free.statistics["tails"][0]["lower"] < 3.0 < free.statistics["tails"][0]["upper"]
    states = [answer("OFF-03", facts, tail_budgets={"heat": limit}).state for limit in (4.0, 3.1, 2.0)]
    assert states == [State.PASS, FEW, FAIL]
    unmeasured = answer("OFF-03", healthy(), tail_budgets={"heat": 4.0})
    assert (unmeasured.state, "was not measured" in unmeasured.sentence) == (FEW, True)


def test_a_health_page_that_shows_the_version_and_its_hash_is_the_proof_of_what_serves_now() -> None:
    shown = answer("GOV-01", healthy(artifacts=seen(Shown("a", "v8", 3, HASH))))
    assert (shown.state, "shows v8, generation 3, with the same hash" in shown.sentence) == (State.PASS, True)
    bare = answer("GOV-01", healthy(artifacts=seen(Shown("a", "v8", 3))))
    assert (bare.state, "without its hash (a)" in bare.sentence) == (State.PASS, True)


def test_a_firing_that_no_version_was_left_for_is_answered_by_a_page_and_its_end() -> None:
    assert answer("RBK-06", healthy(**fired(answer="ended", paged=True))).state is State.PASS
    assert answer("RBK-06", healthy(**fired(answer="ended", paged=False))).state is FAIL


def test_parameters_are_those_of_the_template_unless_changed() -> None:
    slow = healthy(**back(seconds=61.0))
    assert answer("ROL-05", slow).state is FAIL
    assert answer("ROL-05", slow, seconds=90).state is State.PASS
