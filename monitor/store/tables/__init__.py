"""The tables of the control state, a comment each: what a row means and who writes it.

Times are seconds since 1970 UTC on the injected clock unless the name begins with ``real_``.
"""

from monitor.store.tables.acting import actions, events, routes
from monitor.store.tables.base import metadata
from monitor.store.tables.checklists import checklist_evidence, checklist_items, checklist_runs
from monitor.store.tables.drilling import drills
from monitor.store.tables.estimating import candidates, differences, estimates, promotions
from monitor.store.tables.explaining import explanations
from monitor.store.tables.incidents import incident_followups, incident_notes, incident_steps, incidents
from monitor.store.tables.judging import alerts, backtests, baselines, transitions, verdicts
from monitor.store.tables.logs import (
    manifest,
    policies,
    quarantine,
    single_events,
    summaries,
    traffic,
    waiting_rewards,
    watermarks,
)
from monitor.store.tables.reports import drift_reports
from monitor.store.tables.reviewing import review_days, review_verdicts, reviews
from monitor.store.tables.rolling import rollout_approvals, rollouts
from monitor.store.tables.running import heartbeats, idempotency, slots, tokens
from monitor.store.tables.telling import foreign_alerts, notices, notifications, silences

__all__ = [
    "actions",
    "alerts",
    "backtests",
    "baselines",
    "candidates",
    "checklist_evidence",
    "checklist_items",
    "checklist_runs",
    "differences",
    "drift_reports",
    "drills",
    "estimates",
    "events",
    "explanations",
    "foreign_alerts",
    "heartbeats",
    "idempotency",
    "incident_followups",
    "incident_notes",
    "incident_steps",
    "incidents",
    "manifest",
    "metadata",
    "notices",
    "notifications",
    "policies",
    "promotions",
    "quarantine",
    "review_days",
    "review_verdicts",
    "reviews",
    "rollout_approvals",
    "rollouts",
    "routes",
    "silences",
    "single_events",
    "slots",
    "summaries",
    "tokens",
    "traffic",
    "transitions",
    "verdicts",
    "waiting_rewards",
    "watermarks",
]
