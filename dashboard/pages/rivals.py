"""The candidates of a policy in words: each against what serves, all together, and what became of earlier ones."""

from __future__ import annotations

from typing import Any

from dash import html

from dashboard.components import state

# What is known of a candidate -> the state it is shown as, and the word: only what is shown to be better is green.
_SHOWN = {
    "better": ("healthy", "better"),
    "alone": ("pending", "not enough yet"),
    "untold": ("pending", "not told apart"),
    "worse": ("silenced", "worse"),
    "weak": ("insufficient", "weak"),
    "refused": ("no_data", "refused"),
    "waiting": ("no_data", "no data yet"),
    "stale": ("insufficient", "old"),
}
_OUTCOME = {True: ("healthy", "inside"), False: ("warning", "outside"), None: ("no_data", "not compared")}


def rivals(found: dict[str, Any]) -> Any:
    """Return the list of the candidates.

    Parameters
    ----------
    found
        What ``monitor.views.compared`` returned.
    """
    if not found["candidates"]:
        return None
    parts: list[Any] = [html.Ul([_candidate(one) for one in found["candidates"]], className="rivals")]
    together = found["selection"]
    if together and len(found["candidates"]) > 1:
        parts.append(html.P(" ".join(together["sentences"]), className="note"))
    past = found["calibration"]
    if past["promoted"]:
        rows = html.Ul([_outcome(row) for row in past["rows"]], className="rivals")
        parts.append(html.Details([html.Summary(past["sentence"]), rows], className="promoted"))
    if together:
        told = [html.P(f"{name}: {sentence}") for name, sentence in together["estimator"].items()]
        parts.append(html.Details([html.Summary("Why this estimator"), *told], className="promoted"))
    return html.Div(parts)


def _candidate(one: dict[str, Any]) -> html.Li:
    shown, word = _SHOWN[one["state"]]
    since = "" if one["registered"] is None else f"counted since {one['registered'][:16].replace('T', ' ')} UTC"
    line = [html.Span(one["candidate"], className="which"), html.Span(one["sentence"], className="said")]
    return html.Li([state(shown, word, size="small"), html.Div(line, title=since)])


def _outcome(row: dict[str, Any]) -> html.Li:
    shown, word = _OUTCOME[row["inside"]]
    return html.Li([state(shown, word, size="small"), html.Div(html.Span(row["sentence"], className="said"))])
