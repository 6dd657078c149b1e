"""How far reviewers agree beyond chance, and how often each verdict is true of all large disagreements."""

from __future__ import annotations

from typing import Any

from dash import html

from dashboard.components import state
from dashboard.pages.review import VERDICTS
from dashboard.words import number, percent

_RELIABLE, _TENTATIVE = 0.8, 0.667  # Krippendorff, Content Analysis (2004), 11.4.2


def word(alpha: dict[str, Any] | None) -> str:
    """Return what Krippendorff's alpha allows to conclude, judged by the interval's lower end.

    >>> word({"value": 0.9, "low": 0.82, "high": 0.97})
    'Conclusions from these verdicts are reliable.'
    >>> word({"value": 0.9, "low": 0.3, "high": 1.0})
    'They seem to agree, and the items are too few to be sure: judge more before you rely on it.'
    """
    if alpha is None:
        return ""
    if alpha["low"] >= _RELIABLE:
        return "Conclusions from these verdicts are reliable."
    if alpha["low"] >= _TENTATIVE:
        return "Conclusions from these verdicts are tentative."
    if alpha["value"] >= _TENTATIVE:
        return "They seem to agree, and the items are too few to be sure: judge more before you rely on it."
    return "They do not agree enough to rely on: talk about what the verdicts mean, and judge anew."


def agreement(found: dict[str, Any]) -> html.Div:
    """Return the panel's words for one policy: agreement, each two reviewers, and the rates of each shadow."""
    pairs = [
        html.Li(
            [
                html.Span(" and ".join(pair["reviewers"]), className="pair"),
                html.Span(_kappa(pair), className="muted"),
            ]
        )
        for pair in found["pairs"]
    ]
    parts: list[Any] = [html.P([html.B(found["sentence"]), " ", word(found["alpha"])])]
    if pairs:
        parts += [html.H3("Each two reviewers"), html.Ul(pairs, className="pairs")]
    parts += [_version(one) for one in found["versions"]]
    return html.Div(parts, className="agreement")


def _kappa(pair: dict[str, Any]) -> str:
    items = "1 item" if pair["items"] == 1 else f"{pair['items']} items"
    if pair["kappa"] is None:
        return f"Cohen's kappa is not defined over {items}: chance alone would agree as often."
    return f"Cohen's kappa {number(pair['kappa'], 2)} over {items}; 0 is what chance gives, 1 is the same always."


def _version(one: dict[str, Any]) -> html.Div:
    share = one["differing"] / one["paired"] if one["paired"] else None
    counted = f"{one['large']} large disagreements in {one['paired']} decisions, {percent(share)} differ"
    head = f"{one['version']}: {counted}"
    rates = [_rate(name, rate) for name, rate in one["rates"].items()]
    decided = f"{one['decided']} decided" if one["decided"] else "none is decided, so no rate is known"
    return html.Div([html.H3(f"{head}; {decided}."), html.Div(rates, className="rates") if one["decided"] else None])


def _rate(name: str, rate: dict[str, Any] | None) -> html.Div:
    shown = VERDICTS[name][0]
    if rate is None:
        return html.Div([state(shown, name), html.Span("–", className="muted")], className="rate")
    low, high = 100 * rate["low"], 100 * rate["high"]
    bar = html.Span(
        [
            html.I(className="between-bar", style={"left": f"{low:.2f}%", "width": f"{max(high - low, 0.5):.2f}%"}),
            html.I(className="point", style={"left": f"{100 * rate['value']:.2f}%"}),
        ],
        className=f"rate-bar is-{shown}",
        **{"aria-hidden": "true"},
    )
    told = f"{percent(rate['value'])} ({percent(rate['low'])} to {percent(rate['high'])})"
    return html.Div([state(shown, name), bar, html.Span(told, className="told")], className="rate")
