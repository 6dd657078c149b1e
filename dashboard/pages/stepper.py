"""The stages of a rollout as steps: shape, word and share of each, the one under way with how far its hold is."""

from __future__ import annotations

from typing import Any

from dash import html

from dashboard.components import shape_of
from dashboard.words import PHASES, length, percent

_TODO, _DONE = ("no_data", "to come"), ("healthy", "done")
_OVER = frozenset({"aborted", "rolled_back"})


def stepper(found: dict[str, Any]) -> html.Ol:
    """Return the steps of a rollout from draft to stable."""
    first, last = _people(found), [_step("stable", "100%, serves", *_stable(found), 0.0, now=False)]
    stages = [_stage(found, one) for one in found["stages"]]
    return html.Ol([*first, *stages, *last], className="stepper", **{"aria-label": "Stages of the rollout"})


def _people(found: dict[str, Any]) -> list[html.Li]:
    """Return the two steps before any stage."""
    phase, before = found["phase"], found["stage"] < 0
    drafted, ready = _DONE, _DONE
    if before and phase != "approved":
        agreed = {one["person"] for one in found["approvals"] if one["stage"] < 0}
        waited = phase in _OVER and len(agreed) < found["wanted"]["needed"]
        drafted = PHASES[phase] if phase not in _OVER or waited else _DONE
        ready = _TODO if drafted != _DONE else PHASES[phase]
    elif before:
        ready = ("pending", "begins soon")
    people = f"{found['wanted']['needed']} must agree" if found["wanted"]["needed"] > 1 else "1 person"
    return [
        _step("draft", people, *drafted, 0.0, now=before and drafted != _DONE),
        _step("approved", "no traffic yet", *ready, 0.0, now=before and drafted == _DONE),
    ]


def _stage(found: dict[str, Any], stage: dict[str, Any]) -> html.Li:
    now = stage["state"] in ("now", "held", "stopped")
    shown = PHASES[found["phase"]] if now else _DONE if stage["state"] == "done" else _TODO
    share = f"{percent(stage['share'])} of traffic" if stage["share"] else "no traffic"
    note = f"{share}, held {length(stage['hold'])}"
    return _step(stage["name"], note, *shown, stage["progress"] if now else 0.0, now=now)


def _stable(found: dict[str, Any]) -> tuple[str, str]:
    return ("healthy", "serves") if found["phase"] == "stable" else _TODO


def _step(name: str, note: str, state: str, word: str, progress: float, *, now: bool) -> html.Li:
    label = f"{word} {progress:.0%}" if now and word == "baking" else word
    current = {"aria-current": "step"} if now else {}
    return html.Li(
        [
            shape_of(state),
            html.Span(name, className="step"),
            html.Span(label, className=f"word state-{state}"),
            html.Span(note, className="when"),
        ],
        className=f"is-{'now' if now else 'done' if state == 'healthy' else 'todo'} step-{state}",
        **current,
    )
