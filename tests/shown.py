"""What a component says and lets do, as tests read it."""

from __future__ import annotations

from typing import Any

from dash.development.base_component import Component

from dashboard import history
from dashboard.data import Data
from dashboard.pages import incident


def text_of(component: Any) -> str:
    """All words of a component, in order, with one space between them."""
    if isinstance(component, Component):
        return text_of(component.children) if hasattr(component, "children") else ""
    if isinstance(component, list | tuple):
        return " ".join(" ".join(text_of(part) for part in component).split())
    return "" if component is None else str(component)


def asks(component: Any) -> list[str]:
    """Return what its buttons ask for; a button that cannot be pressed is in brackets."""
    if isinstance(component, list | tuple):
        return [name for part in component for name in asks(part)]
    if not isinstance(component, Component):
        return []
    props = component.to_plotly_json()["props"]
    own = [f"({props['data-ask']})" if props.get("disabled") else props["data-ask"]] if "data-ask" in props else []
    return own + asks(props.get("children"))


def page(data: Data, number: int = 1) -> str:
    """All words of an incident's page."""
    one, now, real = data.duty.incident(number), data.now(), data.duty.real()
    assert one is not None
    parts = [incident.head(one, now, real), incident.did(one, now), history.runbook(one, now, real)]
    parts += [history.notes(one, now), history.follow_ups(one, now), history.timeline(one, now)]
    return text_of([*parts, history.messages(one, now)])
