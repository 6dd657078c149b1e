"""OFF-03: are the costs under their budgets, shown and not merely seen?"""

from __future__ import annotations

import math
from typing import Any

from runbooks.checklist.bounds import below, binomial_tail, holm, lower_rate, reach, samples_for, upper_rate
from runbooks.checklist.evaluator import Parameters
from runbooks.checklist.facts import ConstraintCount, Facts
from runbooks.checklist.item import Item, State, insufficient


def evaluate(facts: Facts, parameters: Parameters) -> Item:
    """Test every declared constraint's rate (and mean cost, where it has a cost budget) against its budget.

    An exact binomial test on the effective rows, Holm over all tests; a limit of severity hard allows none, and none
    counts only from 3/r_max rows on. No constraint at all is a fail: a policy without one has nothing to be held to.
    """
    if not facts.constraints:
        return Item(State.FAIL, "No constraint is declared: nothing limits what the policy may cost.")
    alpha = float(parameters["alpha"])
    share = alpha / len(facts.constraints)
    rows, p_values, hard_hit, thin = [], [], [], []
    for one in facts.constraints:
        row, p, few = _row(one, parameters, share)
        rows.append(row)
        p_values.append(p)
        if one.hard and one.violations:
            hard_hit.append(one.name)
        if few:
            thin.append(f"{one.name} ({few})")
    tails, tail_over, tail_open = _tails(facts, parameters, share)
    shown = holm(p_values, alpha)
    over = [
        r["name"] for r in rows if r["lower"] > r["budget"] or (r["cost_lower"] or 0) > (r["cost_budget"] or math.inf)
    ] + tail_over
    worst = max(rows, key=lambda row: row["upper"] / row["budget"])
    numbers: dict[str, Any] = {"number": worst["upper"], "threshold": worst["budget"], "unit": "share of decisions"}
    statistics: dict[str, Any] = {"constraints": rows, "tails": tails, "alpha": alpha}
    if hard_hit:
        return Item(State.FAIL, f"Hard limit passed: {', '.join(hard_hit)}; none is allowed.", statistics, **numbers)
    if over:
        return Item(State.FAIL, f"Over budget: {', '.join(over)}.", statistics, **numbers)
    open_ones = [row["name"] for row, done in zip(rows, shown, strict=True) if not done]
    if thin or open_ones or tail_open:
        why = thin or [f"{name} (its bound is above the budget)" for name in open_ones] or tail_open
        rest = f" and {len(why) - 3} more" if len(why) > 3 else ""
        return insufficient(f"Not shown to be under budget: {', '.join(why[:3])}{rest}.", statistics, **numbers)
    return Item(
        State.PASS,
        f"All {len(rows)} constraints are under budget; the closest is {worst['name']} with at most "
        f"{worst['upper']:.3g} of {worst['budget']:.3g} (Holm, alpha {alpha:g}). {_said(tails)}",
        statistics,
        **numbers,
    )


def _tails(facts: Facts, parameters: Parameters, alpha: float) -> tuple[list[dict[str, Any]], list[str], list[str]]:
    """Return the mean of the worst 5% of every cost, which are surely above their limit, which are not surely below."""
    limits: dict[str, float] = parameters["tail_budgets"]
    effects = {one.name: max(one.design_effect, 1.0) for one in facts.constraints}
    rows, over, unsure = [], [], []
    for name, tail in sorted(facts.tails.items()):
        error = reach(alpha) * tail.stderr * math.sqrt(effects.get(name, 1.0))
        limit = limits.get(name)
        rows.append(
            {"name": name, **vars(tail), "lower": tail.value - error, "upper": tail.value + error, "limit": limit}
        )
        if limit is not None and tail.value - error > limit:
            over.append(f"{name} (the mean of its worst 5%)")
        elif limit is not None and tail.value + error > limit:
            unsure.append(f"{name} (the bound of the mean of its worst 5% is above {limit:g})")
    unsure += [f"{name} (its worst 5% was not measured)" for name in sorted(set(limits) - set(facts.tails))]
    return rows, over, unsure


def _said(tails: list[dict[str, Any]]) -> str:
    if not tails:
        return "Tails of the costs were not measured."
    limited = sum(row["limit"] is not None for row in tails)
    worst = max(tails, key=lambda row: float(row["value"]))
    words = f"The worst 5% of {tails[0]['unit']}s cost {worst['value']:.3g} on average at most ({worst['name']})"
    return f"{words}; {limited} of {len(tails)} have a limit for it."


def _row(one: ConstraintCount, parameters: Parameters, alpha: float) -> tuple[dict[str, Any], float, str]:
    budget = float(parameters["r_max_hard"]) if one.hard else one.budget
    effective = one.n / max(one.design_effect, 1.0)
    needed = samples_for(budget if budget > 0 else float(parameters["r_max_soft"]))
    p = binomial_tail(one.violations, int(effective), budget) if effective >= 1 else 1.0
    row: dict[str, Any] = {
        "name": one.name, "n": one.n, "violations": one.violations, "missing": one.missing, "hard": one.hard,
        "budget": budget, "design_effect": one.design_effect, "upper": upper_rate(one.violations, effective, alpha),
        "lower": lower_rate(one.violations, effective, alpha), "needed": needed,
        "cost_budget": one.cost_budget, "mean_cost": one.mean_cost, "cost_lower": None,
    }  # fmt: skip
    few = ""
    if one.n + one.missing == 0 or one.n == 0:
        few = "no cost is logged"
    elif one.missing > float(parameters["missing_at_most"]) * (one.n + one.missing):
        few = f"{one.missing:,} of {one.n + one.missing:,} rows have no cost"
    elif effective < needed:
        few = f"worth {effective:,.0f} rows, {needed:,} are needed"
    if one.cost_budget is not None:
        if one.mean_cost is None or not one.cost_stderr:
            few = few or "no mean cost"
        else:
            error = one.cost_stderr * math.sqrt(max(one.design_effect, 1.0))
            row["cost_lower"] = one.mean_cost - reach(alpha) * error
            p = max(p, below((one.mean_cost - one.cost_budget) / error))
    return row, p, few
