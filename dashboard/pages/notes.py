"""What the policy page says beside its charts, for those who read and for those who do not see them."""

from __future__ import annotations

from typing import Any

from dash import html

from dashboard.components import moment, shape_of, state
from dashboard.figures.control import worst
from dashboard.figures.drift import MOST
from dashboard.words import number, percent

_SHOWN = 6  # constraints listed before the rest is folded away


def control_note(found: dict[str, Any]) -> Any:
    """Return what the control chart says, for those who do not see it."""
    windows = f"windows of {found['window'] // 60:g} min"
    if found["fired"].empty:
        judged = "nothing fired" if found["reward"]["sigma"].notna().any() else "no baseline to compare with"
        return f"{windows}, {judged}"
    last = worst(found["fired"]).iloc[-1]
    shape = "rollback" if last["severity"] == "rollback" else "warning"
    return [shape_of(shape), " last fired ", moment(float(last["time"]), found["end"]), f": {last['reason']}"]


def entropy_note(found: dict[str, Any], serving: str) -> str:
    """Return the newest entropy of the version that serves, against its floor."""
    mine = found["entropy"][found["entropy"]["version"] == serving]
    if mine.empty:
        return ""
    floor = f", floor {found['entropy_floor']:.2f}" if found["entropy_floor"] is not None else ""
    return f"{number(float(mine['value'].iloc[-1]), 3)} of ln {len(found['actions'])}{floor}"


def drift_note(found: dict[str, Any]) -> Any:
    """Return how many features are above the limit in the newest window."""
    if found["table"].empty:
        return ""
    newest = found["table"].iloc[:, -1]
    above = int((newest > (found["limit"] or 0.1)).sum())
    if not above:
        return f"debiased Jensen-Shannon, all within {found['limit']:g} bit"
    return [shape_of("warning"), f" {above} of {len(newest)} features above {found['limit']:g} bit"]


def drift_more(found: dict[str, Any]) -> str:
    """Return what the worst feature's newest verdict says, and how many features the chart leaves out."""
    if found["table"].empty:
        return ""
    left = len(found["table"]) - MOST
    rest = f" The chart shows the {MOST} that moved furthest; {left} more moved less." if left > 0 else ""
    return str(found["reason"].get(found["table"].index[0], "")) + rest


def constraints(rows: list[dict[str, Any]], chosen: str) -> Any:
    """Return the constraints, worst first, each a button that draws its rate."""
    if not rows:
        return None
    items = [_constraint(row, row["constraint"] == chosen) for row in rows]
    folded = items[_SHOWN:]
    parts: list[Any] = [html.Ul(items[:_SHOWN], className="constraints")]
    if folded:
        worst = rows[_SHOWN]["state"]
        parts.append(
            html.Details(
                [html.Summary(f"{len(folded)} more, {_WORD[worst]}"), html.Ul(folded, className="constraints")]
            )
        )
    return html.Div(parts)


_WORD = {"over": "over budget", "unclear": "not yet clear", "within": "within budget", "no_data": "no data"}
_STATE = {"over": "rollback", "unclear": "insufficient", "within": "healthy", "no_data": "no_data"}


def _constraint(row: dict[str, Any], chosen: bool) -> html.Li:
    burn = "–" if row["burn"] is None else f"{number(row['burn'], 2)}× budget"
    span = f"{percent(row['rate'])} [{percent(row['low'])}, {percent(row['high'])}]" if row["n"] else "–"
    word, why = _WORD[row["state"]], "how fast the budget is used up"
    if row["hard"] and row["violations"]:  # one is too many, whatever the rate is
        word, burn, why = f"passed {row['violations']:,}×", "none allowed", f"as a rate: {burn}"
        span = f"{row['violations']:,} of {row['n']:,}, {percent(row['rate'])}"
    return html.Li(
        html.Button(
            [
                state(_STATE[row["state"]], word, size="small"),
                html.Span([row["constraint"], html.Em(" hard limit" if row["hard"] else "")], className="which"),
                html.Span(span, className="value"),
                html.Span(burn, className="burn", title=why),
            ],
            className="constraint",
            **{"data-constraint": row["constraint"], "aria-pressed": "true" if chosen else "false"},
        )
    )
