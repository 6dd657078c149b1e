"""What the pages show: pure reads over the database that return dicts and frames, and never write."""

from __future__ import annotations

from monitor.live.told import compared
from monitor.views.alert import alert, open_alerts
from monitor.views.alerts import alerts
from monitor.views.budget import budget
from monitor.views.candidates import candidates
from monitor.views.drift import drift
from monitor.views.drills import drill, drilled, drills
from monitor.views.duty import desk, duty, held, wrong
from monitor.views.incidents import incident, incidents
from monitor.views.markers import markers
from monitor.views.operations import channels, jobs, stuck
from monitor.views.overview import counts, newest_decisions, overview_row
from monitor.views.readiness import readiness
from monitor.views.reviews import review, reviews
from monitor.views.runbook import runbook
from monitor.views.series import series
from monitor.views.situation import progress, situation
from monitor.views.triggers import triggers
from monitor.views.versions import Tokens, tokens

__all__ = [
    "Tokens",
    "alert",
    "alerts",
    "budget",
    "candidates",
    "channels",
    "compared",
    "counts",
    "desk",
    "drift",
    "drill",
    "drilled",
    "drills",
    "duty",
    "held",
    "incident",
    "incidents",
    "jobs",
    "markers",
    "newest_decisions",
    "open_alerts",
    "overview_row",
    "progress",
    "readiness",
    "review",
    "reviews",
    "runbook",
    "series",
    "situation",
    "stuck",
    "tokens",
    "triggers",
    "wrong",
]
