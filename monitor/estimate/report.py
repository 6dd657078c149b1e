"""Estimates as text for a terminal: the verdict first, a table of at most 100 columns, reasons as sentences."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from typing import Any

from ope import ESTIMATORS
from ope.estimator import EPISODES

WIDTH = 100


def text(document: Mapping[str, Any]) -> str:
    """Write the answer of `checkrein estimate`."""
    log = document["log"]
    lines = [
        f"{log['rows']:,} rows, {log['actions']} actions, mean {log['target']} {number(log['mean_reward'])}, "
        f"propensities {log['behaviour'] if log['behaviour'] != 'versions' else 'of the given versions'}"
    ]
    if log["episodes"] is not None:
        lines[0] = f"{log['episodes']:,} episodes, " + lines[0]
    if log["duplicates"]:
        lines.append(f"{log['duplicates']:,} rows are decisions that the log has twice; each counts once")
    elif log["duplicates"] is None:
        lines.append("no decision_id: a row that the log has twice counts twice")
    if log["shadow"]:
        lines.append(f"{log['shadow']:,} rows of arm shadow are left out: their action was not executed")
    for candidate in document["candidates"]:
        lines += ["", *_candidate(candidate, log["target"])]
    return "\n".join(lines)


def _candidate(candidate: Mapping[str, Any], target: str) -> Iterator[str]:
    yield f"{candidate['candidate']}: {candidate['verdict']}"
    yield from _estimates(candidate["estimates"])
    if candidate.get("difference"):
        yield from wrapped(f"{candidate['difference']['sentence']} ({candidate['difference']['estimator']})")
    yield from _tail(candidate.get("distribution"), target)
    for part in candidate.get("segments") or ():
        yield f"  {part['segment']} = {part['value']}: {part['verdict']}, {part['rows']:,} rows"
        yield from _estimates(part["estimates"], "    ")


def _estimates(estimates: Sequence[Mapping[str, Any]], indent: str = "  ") -> Iterator[str]:
    """Yield a table of values of single decisions and one of whole episodes: they are not the same quantity."""
    episodes = [item for item in estimates if ESTIMATORS[item["estimator"]].log == EPISODES]
    single = [item for item in estimates if item not in episodes]
    if episodes:
        yield f"{indent}of a whole episode:"
        yield from _kind(episodes, indent)
    if single and episodes:
        yield f"{indent}of a single decision:"
    if single:
        yield from _kind(single, indent)


def _kind(estimates: Sequence[Mapping[str, Any]], indent: str) -> Iterator[str]:
    """Yield the table, then the reasons: those of all estimates once, those of one with its name."""
    yield from next(lines for digits in (5, 4, 3) if fits(lines := _table(estimates, indent, digits)) or digits == 3)
    shared = [reason for reason in (estimates[0]["reasons"] if estimates else ()) if _everywhere(reason, estimates)]
    for reason in shared:
        yield from wrapped(reason, indent)
    for item in estimates:
        for reason in item["reasons"]:
            if reason not in shared:
                yield from wrapped(f"{item['estimator']}: {reason}", indent)
    apart = disagreements(estimates)
    yield from wrapped(apart, indent) if apart else ()


def _table(estimates: Sequence[Mapping[str, Any]], indent: str, digits: int) -> list[str]:
    level = f"{100 * estimates[0]['level']:g}% {estimates[0]['interval']}" if estimates else ""
    rows = [("estimator", "value", level, "at every look", "ess", "trust"), *(_row(item, digits) for item in estimates)]
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = []
    for row in rows:
        middle = [cell.rjust(width) for cell, width in zip(row[1:5], widths[1:5], strict=True)]
        lines.append(f"{indent}{'  '.join([row[0].ljust(widths[0]), *middle, row[5]])}".rstrip())
    return lines


def fits(lines: Sequence[str]) -> bool:
    """Return whether lines are not wider than a terminal."""
    return max(map(len, lines), default=0) <= WIDTH


def _everywhere(reason: str, estimates: Sequence[Mapping[str, Any]]) -> bool:
    return all(reason in item["reasons"] for item in estimates)


def _row(item: Mapping[str, Any], digits: int) -> tuple[str, ...]:
    return (
        item["estimator"],
        "no value" if item["value"] is None else number(item["value"], digits),
        _between(item["low"], item["high"], digits),
        _between(item["anytime_low"], item["anytime_high"], digits),
        f"{item['ess']:,.1f}",
        item["trust"],
    )


def _between(low: float | None, high: float | None, digits: int) -> str:
    return "-" if low is None or high is None else f"{number(low, digits)} to {number(high, digits)}"


def number(value: float, digits: int = 5) -> str:
    """Write a number with some significant digits.

    >>> number(0.123456), number(-12.0)
    ('0.12346', '-12')
    """
    return f"{value:.{digits}g}"


def disagreements(estimates: Sequence[Mapping[str, Any]]) -> str:
    """Return a sentence where estimates contradict each other: they are from the same rows, so that is rarely chance.

    >>> one, other = {"estimator": "ips", "low": 1.0, "high": 2.0}, {"estimator": "dm", "low": 2.5, "high": 2.6}
    >>> disagreements([one, other, {"estimator": "dr", "low": None, "high": None}])
    'Intervals do not overlap, so that at least one of each pair is wrong: ips and dm.'
    """
    known = [item for item in estimates if item["low"] is not None and item["high"] is not None]
    apart = [(a, b) for a, b in combinations(known, 2) if a["high"] < b["low"] or b["high"] < a["low"]]
    pairs = ", ".join(f"{a['estimator']} and {b['estimator']}" for a, b in apart)
    return f"Intervals do not overlap, so that at least one of each pair is wrong: {pairs}." if apart else ""


def _tail(found: Mapping[str, Any] | None, target: str) -> Iterator[str]:
    """Yield the quantiles and the means of the worst shares, each with its interval."""
    for name, what in (("quantiles", "quantile {:g} of {}"), ("cvar", "mean of the worst {:.3g} of {}")):
        for part in found[name] if found else ():
            said = "no value"
            if part["value"] is not None:
                said = f"{number(part['value'])} ({_between(part['low'], part['high'], 5)})"
            yield from wrapped(f"{what.format(part['at'], target)}: {said}")
    for reason in found["reasons"][-1:] if found and any(part["value"] is None for part in found["cvar"]) else ():
        yield from wrapped(reason)


def wrapped(sentence: str, indent: str = "  ") -> list[str]:
    """Return a sentence as lines that fit."""
    return textwrap.wrap(sentence, WIDTH, initial_indent=indent, subsequent_indent=f"  {indent}")
