"""Two sentences for a tired person: why the reward moved, and whether a rollback will help."""

from __future__ import annotations

from collections.abc import Sequence

from ope.shift.attribution import Attribution
from ope.shift.comparison import Comparison
from ope.verdict.trust import Trust

_CAUSES = {
    "state_mix": "other states",
    "action_mix": "other actions in the same states",
    "environment": "the environment: the same actions in the same states are paid differently",
}
SAME = 1e-9  # width of an interval that only two policies alike can have
MAIN = 0.5  # share of the change that makes a part the main one


def why(found: Attribution, *, sequential: bool = False) -> str:
    """Say in one or two sentences what the change came from.

    Parameters
    ----------
    found
        The change in parts.
    sequential
        Whether an action may change the states that follow, so that the policy itself may have caused the state mix.
    """
    change = found.change
    if not change.clear:
        return f"The mean reward has not clearly moved: {change} against the baseline."
    said = f"The mean reward moved by {change} per decision. "
    rest = found.parts["not_attributable"]
    away = _names([name for name, share in found.outside_by.items() if share >= found.outside / 4])
    if abs(rest.value) >= MAIN * abs(change.value) and rest.clear:
        if found.outside < 0.01:
            return said + f"Most of it, {rest}, cannot be attributed: the baseline's model does not fit well enough."
        told = f"Most of it, {rest}, cannot be attributed: {found.outside:.0%} of the decisions are outside what the "
        told += "baseline saw" + (f", by {away}." if away else ".")
        return said + told + " A sensor may be wrong there, or the policy came to where it never was."
    clear = [name for name in _CAUSES if found.parts[name].clear]
    pulls = sorted(
        (name for name in clear if found.parts[name].value * change.value > 0),
        key=lambda name: -abs(found.parts[name].value),
    )
    if not pulls:
        return said + "No part of it is clear: the intervals of all of them hold 0."
    many = abs(found.parts[pulls[0]].value) < MAIN * abs(change.value)
    lead = "It came from " if len(pulls) > 1 or many else "It came mostly from "
    said += lead + "; and ".join(f"{_CAUSES[name]} ({found.parts[name]})" for name in pulls) + "."
    if "state_mix" in pulls:
        carried = [n for n, one in found.features.items() if n and one.clear and one.value * change.value > 0]
        if carried:
            said += f" The states differ mostly in {_names(carried)}."
        if sequential:
            said += " What a decision does changes the states after it, so the policy itself may have caused them."
    against = [name for name in clear if found.parts[name].value * change.value < 0]
    if against:
        named = "; ".join(f"{_CAUSES[name].partition(':')[0]} ({found.parts[name]})" for name in against)
        said += f" Against it worked {named}."
    if found.outside >= 0.05:
        said += f" {found.outside:.0%} of the decisions are outside what the baseline saw" + (
            f" ({away})." if away else "."
        )
    return said


def help_of(
    previous: str,
    current: str,
    tried: Sequence[Comparison],
    *,
    found: Attribution | None = None,
    fallback: str | None = None,
    record: float | None = None,
) -> str:
    """Say in one sentence whether going back to the previous version will help.

    Parameters
    ----------
    previous, current
        Names of the versions.
    tried
        The comparisons that were made, best first; the first one that was not refused speaks.
    found
        Why the reward moved, where it is known: what to call the change that hit both.
    fallback
        What comes after ``previous`` in the chain of fallbacks.
    record
        What the previous version earned itself in the baseline: said where nothing better is known.

    Examples
    --------
    >>> from ope.shift.part import Part
    >>> one = Comparison("concurrent", Part(0.12, 0.08, 0.15), None, 900, 900.0, Trust.TRUSTED, ())
    >>> help_of("v6", "v7", [one])
    'v6 is expected to earn +0.120 [+0.080, +0.150] more per decision than v7 (it acts in the same windows).'
    """
    other = f" {fallback}" if fallback else ""
    best = next((one for one in tried if one.difference is not None), None)
    if best is None or best.difference is None:
        reason = "; ".join(dict.fromkeys(r.rstrip(".") for one in tried for r in one.reasons[:1]))
        said = f"Whether {previous} would earn more cannot be said: {reason or 'nothing is known of it'}."
        if record is not None and found is not None:
            said += (
                f" In the baseline it earned {record:.4g} per decision itself; {current} earns {found.after:.4g} now."
            )
        return said
    basis = {
        "concurrent": "it acts in the same windows",
        "off_policy": "off-policy on today's decisions",
        "model": "by the baseline's model",
    }[best.method]
    basis += ", weak" if best.trust is Trust.WEAK else ""
    difference, fell = best.difference, best.change is not None and best.change.high < 0
    too = f" It falls too: {best.change} against the baseline." if fell else ""
    if difference.low > 0:
        return f"{previous} is expected to earn {difference} more per decision than {current} ({basis}).{too}"
    against = f"{difference} per decision against {current} ({basis})"
    brings = "It would have acted alike" if difference.high - difference.low < SAME else f"Going back brings {against}"
    if fell:
        return (
            f"{previous} falls too ({best.change} against the baseline): {_changed(found)}; consider the "
            f"fallback{other}. {brings}."
        )
    if difference.high < 0:
        return f"{previous} is expected to earn less: {against}; consider the fallback{other}."
    if difference.high - difference.low < SAME:
        return f"{previous} would have acted like {current} on today's decisions: going back changes nothing."
    return f"Whether {previous} would earn more cannot be said: {against}."


def _changed(found: Attribution | None) -> str:
    """Name what hit both versions."""
    if found is not None:
        for name, said in (("environment", "the environment changed"), ("state_mix", "the states changed")):
            if found.parts[name].clear and abs(found.parts[name].value) >= MAIN * abs(found.change.value):
                return said
    return "what both of them meet changed"


def _names(found: Sequence[str], most: int = 3) -> str:
    shown = list(found[:most])
    more = f" and {len(found) - most} more" if len(found) > most else ""
    return (", ".join(shown) + more) if more or len(shown) < 2 else ", ".join(shown[:-1]) + f" and {shown[-1]}"
