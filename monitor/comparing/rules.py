"""The rules that a comparison of two arms has to keep (AB-01 to AB-03, LIM-04), each as a sentence where it is not."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from detectors.wording import number, percent
from monitor.comparing.balance import MOST, Imbalance
from monitor.comparing.exposure import Exposure
from monitor.comparing.minutes import Minutes, reward_of
from monitor.summaries.plan import Plan
from monitor.units import human
from ope.comparing.arms import Arm, Effect, change, effect

MATURED = 0.95
"""Share of the decisions whose rewards have to be final (AB-02)."""
HORIZONS = 3.0
"""Reward horizons that a stage has to last (AB-02)."""
LEAST = 200
"""Decisions of each version with a reward, before the effect is judged: the sequence is asymptotic."""
_MISSING = 0.01  # difference of the shares of missing rewards that counts


@dataclass
class Rules:
    """What was found, by what it does to the verdict.

    Parameters
    ----------
    candidate, incumbent
        Their names.
    faults
        Make it an error.
    doubts
        Make it inconclusive, whichever way the effect points: the arms are not alike.
    held
        Make a pass inconclusive; harm is harm all the same.
    notes
        Are told, and change nothing: what was not checked, and why.
    """

    candidate: str
    incumbent: str
    faults: list[str] = field(default_factory=list)
    doubts: list[str] = field(default_factory=list)
    held: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def sentences(self, but: tuple[str, ...]) -> tuple[str, ...]:
        """Return everything that was found and is not in ``but``."""
        return tuple(one for one in (*self.faults, *self.doubts, *self.held, *self.notes) if one not in but)


def together(rules: Rules, minutes: Minutes, found: Effect) -> None:
    """Ask that both acted at the same time, and often enough."""
    if not minutes.together:
        rules.doubts.append(f"{rules.candidate} and {rules.incumbent} never acted in the same bucket of time.")
        return
    for version, n in ((rules.candidate, found.n_candidate), (rules.incumbent, found.n_incumbent)):
        if n < LEAST:
            rules.doubts.append(f"{version} has {n:,} decisions with a reward; {LEAST:,} are asked for.")
    alone = minutes.rows[0] - sum(minutes.candidate[start].rows for start in minutes.together)
    if alone > 0.05 * minutes.rows[0]:
        rules.notes.append(
            f"{alone:,} decisions of {rules.candidate} had no concurrent {rules.incumbent} and are left out."
        )
    if minutes.late:
        rules.notes.append(f"{minutes.late:,} decisions came after their bucket was closed and are left out.")


def length(rules: Rules, minutes: Minutes, begin: float, until: float, horizon: float) -> None:
    """Ask that the stage lasts three reward horizons and that 95% of its rewards are final (AB-02)."""
    if until - begin < HORIZONS * horizon:
        rules.held.append(
            f"The stage lasts {human(until - begin)}; {human(HORIZONS * horizon)} are asked for, "
            "three times the reward horizon."
        )
    if minutes.matured < MATURED:
        rules.held.append(f"{percent(minutes.matured)} of the decisions are mature; {percent(MATURED)} are asked for.")


def missing(rules: Rules, minutes: Minutes, alpha: float, dispersion: float) -> None:
    """Ask that rewards are missing equally often, or the arms are compared on what each of them chose to tell."""
    pairs = minutes.pairs(lambda bucket: Arm.of_hits(bucket.rows, bucket["reward"].missing))
    found = effect(pairs, 1 - alpha, at_least=dispersion)
    if found.value is None or found.low is None or found.high is None or found.low <= 0 <= found.high:
        return
    if abs(found.value) > _MISSING:
        more = "more" if found.value > 0 else "fewer"
        rules.doubts.append(
            f"{rules.candidate} lacks {more} rewards than {rules.incumbent} ({found.value:+.1%} of its decisions), "
            "so the means are of different kinds of decisions."
        )


def isolation(rules: Rules, met: Exposure | None, unmet: str) -> None:
    """Ask that no subject met both versions (AB-01)."""
    if met is None:
        rules.notes.append(f"Whether any subject met both versions was not checked: {unmet}.")
    elif met.both:
        rules.held.append(
            f"{met.both:,} of {met.subjects:,} subjects ({met.column}) met both versions: the arms are not isolated."
        )


def balance(rules: Rules, plan: Plan, found: list[Imbalance], *, baseline: bool) -> None:
    """Ask that both were given the same states (LIM-04)."""
    if not plan.features:
        why = "its features are known from a frozen baseline" if not baseline else "the log has no features"
        rules.notes.append(f"Whether both versions met the same states was not checked: {why}.")
        return
    off = [one for one in found if one.smd > MOST]
    if not off:
        return
    names = ", ".join(f"{one.feature} ({one.smd:.2g})" for one in off[:5])
    if "episodes" in plan.tracked_names:
        rules.notes.append(
            f"The versions met different states ({names}); in an episode they follow from earlier decisions, "
            "so this says nothing of the assignment."
        )
    elif any(one.certain for one in off):
        rules.doubts.append(
            f"The versions were given different states: the standardised difference of {names} is above {MOST:g}."
        )
    else:
        rules.held.append(f"Whether both were given the same states cannot be told yet: {names} is above {MOST:g}.")


def fading(rules: Rules, minutes: Minutes, met: Exposure | None, level: float, *, subjects: bool) -> dict[str, Any]:
    """Ask that a gain is no novelty (AB-03): that it is there among those who know the candidate for longer.

    By the age of each subject's exposure where the configuration names subjects; else the first third of the stage
    against the last, which also sees what only came with the calendar.
    """
    starts = minutes.together
    third = len(starts) // 3
    if subjects and met is not None:
        how, first, last = "by exposure age of subjects", met.first, met.aged
    elif third:
        how = "by time since the stage began"
        first = effect(minutes.pairs(reward_of, starts[:third]), level)
        last = effect(minutes.pairs(reward_of, starts[-third:]), level)
    else:
        return {"how": "too short"}
    told = {"how": how, "first": [first.value, first.low, first.high], "last": [last.value, last.low, last.high]}
    moved = change(first, last, level)
    if moved is None or first.value is None or last.value is None:
        return told
    told["change"] = list(moved)
    if moved[2] < 0 < first.value:
        said = f"The gain fades: {number(first.value)} at first, {number(last.value)} later ({how})."
        if last.low is not None and last.low > 0:
            rules.notes.append(f"{said} Those who know {rules.candidate} for longer still gain.")
        else:
            rules.held.append(said)
    return told
