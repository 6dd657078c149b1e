"""One file a page. ``register`` names every page and its address, and is the only place that does."""

from __future__ import annotations

import dash
from dash import Dash

from dashboard import shell
from dashboard.data import Data
from dashboard.pages import (
    alerts,
    incident,
    incidents,
    missing,
    operations,
    overview,
    policy,
    ranges,
    readiness,
    reviews,
    rollback,
    rollout,
    rollout_dialog,
    rollouts,
    runbook,
    triggers,
)


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
    dash.register_page("reviews", path="/reviews", title=shell.title, name="Reviews", layout=reviews.layout)
    dash.register_page("operations", path="/operations", title=shell.title, name="Operations", layout=operations.layout)
    dash.register_page(
        "triggers", path_template="/triggers/<policy>", title=shell.title, name="Triggers", layout=triggers.layout
    )
    dash.register_page("rollouts", path="/rollouts", title=shell.title, name="Rollouts", layout=rollouts.layout)
    dash.register_page(
        "rollout", path_template="/rollout/<policy>", title=shell.title, name="Rollout", layout=rollout.layout
    )
    dash.register_page("not_found_404", title=shell.title, layout=missing.layout)
    acting, answering = (rollback, rollout, rollout_dialog), (alerts, incidents, incident)
    looking = (overview, policy, readiness, reviews, operations, triggers, runbook, rollouts)
    for page in (*looking, *answering, *acting):
        page.register(app, data)
    ranges.register(app)
