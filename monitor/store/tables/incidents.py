"""Tables of troubles and of the people who look after them: incidents, their runbook copies, notes, follow-ups."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, Float, Index, Integer, String, Text, text

from monitor.store.tables.base import table

# One trouble of one policy: versions rolled back in it are never a target again. Its id is the number people say.
# Defaults of the server are for rows from before there was an escalation.
incidents = table(
    "incidents",
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("policy", String, nullable=False, index=True),
    Column("opened", Float, nullable=False),
    Column("closed", Float),
    Column("rolled_back", Text, nullable=False),  # JSON list of versions
    Column("reason", Text, nullable=False),
    Column("title", Text, nullable=False, server_default=""),
    Column("state", String, nullable=False, server_default="triggered"),  # a state of runbooks/incidents.py
    Column("severity", String, nullable=False, server_default="rollback"),  # the worst so far: page | rollback
    Column("level", Integer, nullable=False, server_default=text("0")),  # of the escalation; 0 = nobody is told yet
    Column("led_by", Integer),  # the incident whose messages speak for this one
    Column("asks", Boolean),  # true: no alert or action shows when it is over, so that a person must say it
    Column("ack_within", Float),  # of the runbook page, where no escalation is configured
    Column("told", Integer, nullable=False, server_default=text("0")),  # the newest page event that a message carried
    Column("real_told", Float),  # when the last message was queued
    Column("real_next_escalation", Float),  # while it is triggered; NULL = at once
    Column("ack_by", String),
    Column("real_acked", Float),
    Column("real_ack_expires", Float),
    Column("mitigated", Float),
    Column("resolved", Float),
    Column("resolved_by", String),
    Column("reopened", Integer, nullable=False, server_default=text("0")),  # times
)

# The runbook as it was when the trouble began, a row a step, with what was measured then. Only progress changes.
incident_steps = table(
    "incident_steps",
    Column("incident", Integer, primary_key=True, autoincrement=False),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("trigger", String, nullable=False),
    Column("page_sha256", String, nullable=False),  # of the page, so that it can be told which one was followed
    Column("kind", String, nullable=False),  # evidence | check | decision | action | notify
    Column("text", Text, nullable=False),
    Column("expect", Text, nullable=False),
    Column("on_timeout", Text, nullable=False),
    Column("within", Float, nullable=False),  # real seconds, from the end of the step before
    Column("evidence", Text),  # canonical JSON of the measured values
    Column("evidence_sha256", String),
    Column("state", String, nullable=False),  # pending | done | skipped | timed_out
    Column("real_started", Float),
    Column("real_deadline", Float),  # NULL = its turn has not come
    Column("actor", String),
    Column("at", Float),
)

# What people wrote while it lasted. Append-only.
incident_notes = table(
    "incident_notes",
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("incident", Integer, nullable=False),
    Column("author", String, nullable=False),
    Column("text", Text, nullable=False),
    Column("at", Float, nullable=False),
    Index("incident_notes_by_incident", "incident"),
)

# What must be done afterwards, by whom and until when.
incident_followups = table(
    "incident_followups",
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("incident", Integer, nullable=False),
    Column("owner", String, nullable=False),
    Column("text", Text, nullable=False),
    Column("due", Float),
    Column("made", Float, nullable=False),
    Column("done", Float),
    Column("done_by", String),
    Index("incident_followups_by_incident", "incident"),
)
