"""Candidate against incumbent while both serve: the effect, whether it can be trusted, and a verdict with reasons."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from sqlalchemy import Connection

from detectors.effect import least_effect
from monitor.bucketing.plans import current_plan
from monitor.clock import stamp
from monitor.comparing.balance import imbalances
from monitor.comparing.exposure import Exposure, exposure
from monitor.comparing.guards import Guard, guards
from monitor.comparing.minutes import Minutes, read, reward_of
from monitor.comparing.rules import Rules, balance, fading, isolation, length, missing, together
from monitor.settings import Settings
from monitor.summaries.plan import Plan
from ope.comparing.arms import Effect, effect
from ope.comparing.sample_ratio import CONCENTRATION, Stage, ratio_p

Verdict = Literal["better", "no_worse", "worse", "inconclusive", "error"]
RATIO = 0.001
"""p of the sample ratio below which the assignment is broken (LIM-04): once in a thousand comparisons by chance."""
METHOD = "normal-mixture confidence sequence of the difference of two means (Waudby-Smith et al. 2024)"


@dataclass(frozen=True)
class Comparison:
    """What a stage of a rollout shows so far.

    Parameters
    ----------
    effect, low, high
        Candidate's mean reward less the incumbent's, with the ends that hold however often it is looked at; None where
        they are not known.
    n_candidate, n_incumbent
        Decisions with a known reward, of buckets in which both acted.
    ratio_p
        Anytime-valid p value of "each version got its planned share"; None where it was not tested.
    matured
        Share of the decisions whose rewards are final.
    verdict
        ``better``: the effect is above 0. ``no_worse``: above the accepted loss. ``worse``: certainly a larger loss, or
        a guard is worse. ``inconclusive``: cannot be told, or a rule of A/B tests is not kept. ``error``: nothing was
        measured, or the numbers cannot be trusted.
    reasons
        Full sentences: first what decided, then what else should be known.
    body
        Everything that it follows from, as JSON values.
    """

    effect: float | None
    low: float | None
    high: float | None
    n_candidate: int
    n_incumbent: int
    ratio_p: float | None
    matured: float
    verdict: Verdict
    reasons: tuple[str, ...]
    body: dict[str, Any] = field(default_factory=dict)


def compare(
    connection: Connection,
    settings: Settings,
    policy: str,
    candidate: str,
    incumbent: str,
    begin: float,
    until: float,
    shares: Mapping[str, float],
) -> Comparison:
    """Compare two versions over one stage, from the closed and mature buckets in which both acted.

    It may be called every minute and be acted on at any time: ``worse`` and ``better`` are wrong in at most ``alpha``
    of all stages, not of all looks. What is not sealed yet is not read, so the same span gives the same answer once
    it is sealed. Nothing is written.

    Parameters
    ----------
    connection, settings, policy
        A read transaction, the configuration, and whose versions; a rollout passes the rules that were approved
        (`monitor.rollouts.store.approved`).
    candidate, incumbent
        The two versions.
    begin, until
        The stage in event time: from when the shares were served until when they were, or now.
    shares
        Planned share of traffic by version in this stage; other versions may have a part too.

    Raises
    ------
    ValueError
        If the versions are the same, or a share of theirs is missing.
    """
    if candidate == incumbent or not {candidate, incumbent} <= shares.keys():
        raise ValueError(f"shares name {sorted(shares)}: they must give one share each to {candidate} and {incumbent}")
    plan, baseline = current_plan(connection, settings, policy)
    configured = settings.policy[policy].comparison
    asked: dict[str, Any] = {
        "policy": policy, "candidate": candidate, "incumbent": incumbent, "begin": begin, "until": until,
        "shares": dict(shares), "alpha": configured.alpha, "method": METHOD,
        "margin": configured.margin,
        "plan": plan.digest, "baseline": baseline,
    }  # fmt: skip
    try:
        minutes = read(connection, policy, candidate, incumbent, begin, until, plan)
    except ValueError as clash:
        return _error(asked, f"The buckets of the stage cannot be read together yet: {clash}.")
    fault = _impossible(minutes, candidate, incumbent, shares, begin, until)
    asked |= {"sealed_until": minutes.end, "resolution": minutes.resolution, "rows": list(minutes.rows)}
    asked |= {"immature": minutes.immature, "late": minutes.late, "buckets_together": len(minutes.together)}
    if fault:
        return _error(asked, fault, matured=minutes.matured)
    level = 1 - configured.alpha / 2
    met, unmet = exposure(connection, settings, policy, candidate, incumbent, begin, minutes.end, level)
    return _judged(settings, plan, minutes, met, unmet, asked)


def _judged(
    settings: Settings, plan: Plan, minutes: Minutes, met: Exposure | None, unmet: str, asked: dict[str, Any]
) -> Comparison:
    policy, candidate, incumbent = asked["policy"], asked["candidate"], asked["incumbent"]
    configured = settings.policy[policy]
    alpha = configured.comparison.alpha
    clustered = 1.0 if met is None else met.dispersion
    watched = guards(minutes, plan, configured, alpha / 2, clustered)
    level = 1 - (alpha / 2 if watched else alpha)
    pairs = minutes.pairs(reward_of)
    found = effect(pairs, level, at_least=clustered)
    p = _ratio(minutes, met, asked)
    mean = sum(one.n * one.mean for _own, one in pairs) / found.n_incumbent if found.n_incumbent else math.nan
    margin = least_effect(asked["margin"], mean) if found.n_incumbent else 0.0
    rules = Rules(candidate, incumbent)
    together(rules, minutes, found)
    length(rules, minutes, asked["begin"], asked["until"], configured.reward_horizon)
    missing(rules, minutes, alpha, clustered)
    isolation(rules, met, unmet)
    differing = imbalances(minutes, plan, alpha)
    balance(rules, plan, differing, baseline=asked["baseline"] is not None)
    cohorts = fading(rules, minutes, met, level, subjects=configured.comparison.subject is not None)
    for one in watched:
        if one.n_candidate == 0:
            rules.held.append(f"The {one.name} of {candidate} is not known: its column is not logged.")
    verdict, lead = _verdict(found, margin, p, watched, rules)
    body = asked | {
        "level": level, "effect": _plain(found), "margin_used": margin, "incumbent_mean": _number(mean),
        "arms": {candidate: _sums(minutes, True), incumbent: _sums(minutes, False)},
        "ratio": {"p": p, "limit": RATIO, "concentration": CONCENTRATION, "of": met.column if met else "decisions"},
        "guards": [one.plain() for one in watched], "balance": [vars(one) for one in differing[:20]],
        "states_follow": "episodes" in plan.tracked_names,
        "subjects": None if met is None else {"column": met.column, "n": met.subjects, "both": met.both},
        "not_counted": unmet, "by_exposure": cohorts, "matured": minutes.matured,
    }  # fmt: skip
    return Comparison(
        found.value, found.low, found.high, found.n_candidate, found.n_incumbent, p, minutes.matured,
        verdict, (*lead, *rules.sentences(lead)), body,
    )  # fmt: skip


def _verdict(
    found: Effect, margin: float, p: float, watched: list[Guard], rules: Rules
) -> tuple[Verdict, tuple[str, ...]]:
    """Return the verdict and the sentences that made it: broken counts, then harm, then rules that are not kept."""
    one, other = rules.candidate, rules.incumbent
    if p < RATIO:
        why = f"The comparison cannot be trusted: {one} and {other} did not get their planned shares (p = {p:.2g})."
        return "error", (why, *rules.faults)
    if rules.faults:
        return "error", tuple(rules.faults)
    bad = tuple(guard.sentence(one, other) for guard in watched if guard.worse)
    if bad:
        return "worse", bad
    if rules.doubts:
        return "inconclusive", tuple(rules.doubts)
    if found.value is None or found.low is None or found.high is None:
        return "inconclusive", (*rules.held, "The difference has no end yet: there are too few decisions.")
    words = f"{found.value:+.4g} [{found.low:+.4g}, {found.high:+.4g}] reward per decision"
    if found.high < -margin:
        return "worse", (f"{one} earns less than {other}: {words}, and at most {margin:.3g} less is accepted.",)
    if rules.held:
        return "inconclusive", tuple(rules.held)
    if found.low > 0:
        return "better", (f"{one} earns more than {other}: {words}.",)
    if found.low > -margin:
        return "no_worse", (f"{one} earns at most {margin:.3g} less than {other}, which is accepted: {words}.",)
    return "inconclusive", (f"It cannot be told yet whether {one} earns less than {other}: {words}.",)


def _impossible(
    minutes: Minutes, candidate: str, incumbent: str, shares: Mapping[str, float], begin: float, until: float
) -> str:
    """Say what makes a comparison impossible, "" where nothing does."""
    if not (math.isfinite(begin) and math.isfinite(until) and begin < until):
        return f"The stage ends before it begins: from {begin:g} until {until:g}."
    planned = (shares[candidate], shares[incumbent])
    if not all(math.isfinite(one) and 0 <= one <= 1 for one in planned) or sum(shares.values()) > 1 + 1e-9:
        return f"The planned shares {dict(shares)} are no shares of one whole."
    for version, share, rows in zip((candidate, incumbent), planned, minutes.rows, strict=True):
        if share == 0 and rows:
            return f"The comparison cannot be trusted: {version} took {rows:,} decisions although its share is 0."
        if share == 0:
            return f"{version} has no share in this stage, so there is nothing to compare with."
        if not rows:
            return (
                f"{version} has no mature decision from {stamp(begin)} until {stamp(minutes.end)}: "
                "nothing was measured, and nothing measured never passes."
            )
    for version, found in ((candidate, minutes.candidate), (incumbent, minutes.incumbent)):
        infinite = sum(one["reward"].infinite for one in found.values())
        known = sum(one["reward"].n for one in found.values())
        counted = known + infinite + sum(one["reward"].missing for one in found.values())
        rows = sum(one.rows for one in found.values())
        if infinite:
            return f"{version} has {infinite:,} infinite reward{'s' * (infinite > 1)}: its mean is not a number."
        if not known:
            return f"None of the {rows:,} decisions of {version} has a reward."
        if counted != rows or not math.isfinite(sum(one["reward"].sum for one in found.values() if one["reward"].n)):
            return f"The counts of {version} are impossible: {counted:,} rewards, known or not, of {rows:,} decisions."
    return ""


def _ratio(minutes: Minutes, met: Exposure | None, asked: dict[str, Any]) -> float:
    """Return the p value of the planned shares, over every bucket of the stage and not only those of both versions."""
    if met is not None:
        counts = met.assigned
    else:
        both = (minutes.candidate, minutes.incumbent)
        counts = np.array(
            [[float(found[start].rows) if start in found else 0.0 for found in both] for start in minutes.starts]
        ).reshape(-1, 2)
    return ratio_p([Stage(counts, [asked["shares"][asked[one]] for one in ("candidate", "incumbent")])])


def _error(asked: dict[str, Any], reason: str, matured: float = 0.0) -> Comparison:
    return Comparison(None, None, None, 0, 0, None, matured, "error", (reason,), asked | {"matured": matured})


def _sums(minutes: Minutes, own: bool) -> dict[str, Any]:
    found = minutes.candidate if own else minutes.incumbent
    rewards = [found[start]["reward"] for start in minutes.together]
    return {
        "rows": sum(found[start].rows for start in minutes.together),
        "n": sum(one.n for one in rewards),
        "missing": sum(one.missing for one in rewards),
        "sum": math.fsum(one.sum for one in rewards),
        "sum_sq": _number(math.fsum(one.sum_sq for one in rewards)),
    }


def _plain(found: Effect) -> dict[str, Any]:
    told = ("value", "low", "high", "n_candidate", "n_incumbent", "dispersion", "level")
    return {name: getattr(found, name) for name in told}


def _number(value: float) -> float | None:
    return value if math.isfinite(value) else None
