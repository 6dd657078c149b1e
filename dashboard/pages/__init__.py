"""One file a page. ``register`` names every page and its address, and is the only place that does."""

from __future__ import annotations

import dash
from dash import Dash

from dashboard import shell
from dashboard.data import Data
from dashboard.pages import alerts, incident, incidents, missing, overview, policy, ranges, readiness, rollback, runbook


def register(app: Dash, data: Data) -> None:
    """Register the pages and their callbacks."""
    dash.register_page("overview", path="/", title=shell.title, name="Overview", layout=overview.layout)
    dash.register_page(
        "policy", path_template="/policy/<policy>", title=shell.title, name="Policy", layout=policy.layout
    )
    dash.register_page("alerts", path="/alerts", title=shell.title, name="Alerts", layout=alerts.layout)
    dash.register_page("incidents", path="/incidents", title=shell.title, name="Incidents", layout=incidents.layout)
    dash.register_page(
        "incident", path_template="/incident/<number>", title=shell.title, name="Incident", layout=incident.layout
    )
    dash.register_page("readiness", path="/readiness", title=shell.title, name="Readiness", layout=readiness.layout)
    dash.register_page("not_found_404", title=shell.title, layout=missing.layout)
    for page in (overview, policy, alerts, incidents, incident, readiness, rollback, runbook):
        page.register(app, data)
    ranges.register(app)
