"""LIM-04 and AB-01 to AB-03: is the comparison with the version that serves beside it a fair one?"""

from __future__ import annotations

from typing import Any

from runbooks.checklist.evaluator import Parameters
from runbooks.checklist.facts import Facts
from runbooks.checklist.item import Item, State, insufficient

_UNMEASURED = "The version was not compared with another one that serves at the same time."


def fair(facts: Facts, parameters: Parameters) -> Item:
    """LIM-04: ask for the planned shares (sample ratio) and for the same states (standardised mean difference)."""
    found = facts.stage
    if found is None:
        return insufficient(_UNMEASURED)
    statistics = _plain(facts)
    least_p, most = float(parameters["ratio_p"]), float(parameters["smd_at_most"])
    if found.ratio_p is None:
        why = " ".join(found.reasons) or "No share was planned."
        return insufficient(f"The shares were not tested. {why}", statistics)
    if found.ratio_p < least_p:
        sentence = f"{facts.version} and {found.other} did not get their planned shares (p = {found.ratio_p:.2g})."
        numbers: dict[str, Any] = {"number": found.ratio_p, "threshold": least_p, "unit": "p of the planned shares"}
        return Item(State.FAIL, sentence, statistics, **numbers)
    if found.smd is None:
        return insufficient("The shares are as planned, but no state of the two versions was compared.", statistics)
    numbers = {"number": found.smd, "threshold": most, "unit": "standardised mean difference"}
    if found.smd > most:
        sentence = f"The versions were given different states: {found.feature} differs by {found.smd:.2g}."
        return Item(State.FAIL, sentence, statistics, **numbers)
    least = int(parameters["decisions"])
    if min(found.n, found.n_other) < least:
        sentence = f"{min(found.n, found.n_other):,} decisions of the smaller arm; {least:,} are asked for."
        return insufficient(sentence, statistics, **numbers)
    sentence = (
        f"The shares are as planned (p = {found.ratio_p:.2g}) and the states alike: {found.feature} differs most, by "
        f"{found.smd:.2g}. The assignment was not derived again."
    )
    return Item(State.PASS, sentence, statistics, **numbers)


def isolated(facts: Facts, parameters: Parameters) -> Item:
    """AB-01: ask that no subject met both versions."""
    found = facts.stage
    if found is None:
        return insufficient(_UNMEASURED)
    if found.subjects is None or found.both is None:
        where = f"policy.{facts.policy}.comparison.subject"
        return insufficient(f"The log names no subjects: log them, and name their column in {where}.", _plain(facts))
    most = int(parameters["subjects_in_both"])
    numbers: dict[str, Any] = {"number": float(found.both), "threshold": float(most), "unit": "subjects"}
    sentence = (
        f"{found.both:,} of {found.subjects:,} subjects met both versions; shared markets cannot be seen in a log."
    )
    return Item(State.PASS if found.both <= most else State.FAIL, sentence, _plain(facts), **numbers)


def long_enough(facts: Facts, parameters: Parameters) -> Item:
    """AB-02: ask for three reward horizons, and for rewards that are final."""
    found = facts.stage
    if found is None:
        return insufficient(_UNMEASURED)
    least, horizons = float(parameters["matured"]), float(parameters["horizons"])
    numbers: dict[str, Any] = {"number": found.matured, "threshold": least, "unit": "share of decisions"}
    sentence = (
        f"The stage lasts {found.length / 3600:,.1f} h, the reward horizon {found.horizon / 3600:,.1f} h; "
        f"{found.matured:.1%} of the decisions are mature."
    )
    if found.n == 0 or found.length < horizons * found.horizon or found.matured < least:
        return insufficient(f"Not long enough yet. {sentence}", _plain(facts), **numbers)
    return Item(State.PASS, sentence, _plain(facts), **numbers)


def lasting(facts: Facts, _parameters: Parameters) -> Item:
    """AB-03: ask that those who know the version for longer still gain, or do not lose what the first ones gained."""
    found = facts.stage
    if found is None:
        return insufficient(_UNMEASURED)
    (first, _, _), (last, low, _), (_, _, change_high) = found.first, found.last, found.change
    if first is None or last is None or low is None or change_high is None:
        return insufficient("The effect among first and later exposures has no ends yet.", _plain(facts))
    numbers: dict[str, Any] = {"number": low, "threshold": 0.0, "unit": "reward per decision"}
    words = f"{first:+.3g} at first, {last:+.3g} later ({found.how})"
    if change_high < 0 < first and low <= 0:
        return Item(State.FAIL, f"The gain fades: {words}.", _plain(facts), **numbers)
    if low > 0:
        return Item(State.PASS, f"The gain stays: {words}.", _plain(facts), **numbers)
    return insufficient(f"No gain is shown among those who are used to it: {words}.", _plain(facts), **numbers)


def _plain(facts: Facts) -> dict[str, Any]:
    return {} if facts.stage is None else {**vars(facts.stage), "reasons": list(facts.stage.reasons)}
