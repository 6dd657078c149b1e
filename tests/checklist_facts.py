"""Facts of a policy version with which nothing is wrong, and what must not pass of each item."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from runbooks.checklist import EVALUATORS, Facts, Item, judge, shipped
from runbooks.checklist.facts import (
    CandidateValue,
    ConstraintCount,
    Dataset,
    Diversity,
    FeatureDrift,
    Firing,
    KillDrill,
    Replay,
    Return,
    Sample,
    SegmentPair,
    Shape,
    TriggerFact,
    Watched,
)
from runbooks.checklist.review_facts import Planted, Reviewed, ShadowDay
from runbooks.checklist.row_facts import Artifacts, Latency, LogHealth
from runbooks.checklist.stage_facts import Stage

NOW = 1_750_000_000.0
DAY = 86400.0
HASH, OTHER = "a" * 64, "b" * 64
COLUMNS = (
    "decision_id", "action", "reward", "propensity", "latency_ms", "artifact_sha256", "irreversible", "cost.heat",
    "cost.spill", "state.load", "segment.site",
)  # fmt: skip
TEMPLATE = shipped()
QUANTILES = {"0.05": -1.6, "0.25": -0.7, "0.5": 0.0, "0.75": 0.7, "0.95": 1.6}


def trigger(name: str, metric: str, detector: str, **changes: Any) -> TriggerFact:
    event = metric in {"hard_constraint", "irreversible_action"}
    made = TriggerFact(
        name, metric, detector, "rollback", enabled=True, alive=True, event=event, judging=() if event else ("ok",),
        firings=1, proofs=(3.0,),
    )  # fmt: skip
    return replace(made, **changes)


TRIGGERS = (
    trigger("reward_3sigma", "reward", "frozen_sigma"),
    trigger("violation_budget", "violation_rate", "budget_bound"),
    trigger("state_drift", "state_drift", "jensen_shannon"),
    trigger("irreversible_action", "irreversible_action", "one_event"),
)


STAGE = Stage(
    other="v7", verdict="better", reasons=("v8 earns more.",), n=40_000, n_other=360_000, ratio_p=0.4, feature="load",
    smd=0.01, subjects=9_000, both=0, length=7 * DAY, horizon=3600.0, matured=0.99, effect=(0.2, 0.1, 0.3),
    first=(0.2, 0.1, 0.3), last=(0.2, 0.1, 0.3), change=(0.0, -0.1, 0.1), how="by exposure age of subjects",
)  # fmt: skip


REVIEWED = Reviewed(
    days=(ShadowDay(20_250, 9_000, 9_000, 1_800, 90), ShadowDay(20_251, 9_000, 9_000, 1_890, 95)),
    queued=40, decided=38, items=38, alpha=0.8, planted=Planted(12.0, 1.0),
)  # fmt: skip


def pair(measure: str = "reward", now: float = 1.0, today: float = 1.0, n: int = 5000) -> SegmentPair:
    return SegmentPair("site=north", measure, measure == "reward", Sample(n, now, 1.0), Sample(n, today, 1.0))


def healthy(**changes: Any) -> Facts:
    """Return facts with which every item of the shipped template passes."""
    whole = dict.fromkeys(COLUMNS, 1.0)
    facts = Facts(
        policy="cooling", version="v8", serving="v8", incumbent="v7", as_of=NOW, rows=400_000, log_rows=500_000,
        columns=whole, log_columns=whole,
        datasets={"summaries": Dataset("summaries of v8", 400_000, NOW - 7 * DAY, NOW, "d" * 64)},
        context={"tier": "standard", "candidate": True, "serving": True, "incumbent": False, "constraints": 2.0,
                 "splitting": True},
        candidate=CandidateValue("snips", 1.2, 1.1, 400_000, 300_000.0, "trusted", (), 1.0, 0.05, 0.05),
        constraints=(
            ConstraintCount("heat", 400_000, 40, 0, hard=False, budget=0.001),
            ConstraintCount("spill", 400_000, 0, 0, hard=True, budget=0.001),
        ),
        latency=Latency(tuple(float(i % 100) for i in sorted(range(20_000), key=lambda i: i % 100)), 0, 120.0),
        artifacts=Artifacts(HASH, {HASH: 80_000}, 0, HASH),
        log=LogHealth(80_000, 80_000, 0, 0, 24, 0, 0, 3),
        fallback="v7",
        kill=KillDrill(3.0, 2.0, "rules", "rules", "builtin", HASH),
        returns=(Return("v8", "v7", "drill", "confirmed", 12.0, NOW - 5 * DAY),),
        triggers=TRIGGERS, replay=Replay("baseline 1", 14.0, 0, ("reward_3sigma",)),
        firings=(Firing("reward_3sigma", "", "v8", NOW - DAY, "confirmed", recorded=True, paged=False),),
        watched=(
            Watched("reward", "", "reward_3sigma", 96, 96, {"ok": 96}),
            Watched("violation_rate", "heat", "violation_budget", 96, 96, {"ok": 96}),
            Watched("violation_rate", "spill", "violation_budget", 96, 96, {"ok": 95, "insufficient": 1}),
        ),
        reward=Shape(400_000, 0.0, 1.0, QUANTILES, -2.0), reward_baseline=Shape(400_000, 0.0, 1.0, QUANTILES, -2.0),
        drift=(FeatureDrift("load", "ok", 0.01, 900), FeatureDrift("hour", "ok", 0.03, 900)),
        diversity=Diversity(400_000, 0.8, 0.5, 0.8, 0.5), segments=(pair(), pair("violations", 0.1, 0.1)),
        concurrent=True, stage=STAGE, reviewed=REVIEWED,
    )  # fmt: skip
    return replace(facts, **changes)


def answer(identity: str, facts: Facts, **parameters: Any) -> Item:
    """Judge one item of the shipped template."""
    template = TEMPLATE.changed({identity: parameters}) if parameters else TEMPLATE
    return judge(template, template.spec(identity), facts, EVALUATORS)
