"""The table of drills: what a synthetic fault went through, and when."""

from __future__ import annotations

from sqlalchemy import Column, Float, Index, Integer, String, Text

from monitor.store.tables.base import table

# One drill of one trigger ("kill": of the kill switch) of one policy, written once, when it ended. Append-only.
drills = table(
    "drills",
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("policy", String, nullable=False),
    Column("trigger", String, nullable=False),
    Column("version", String, nullable=False),  # that was to be rolled back
    Column("to_version", String, nullable=False),
    Column("receiver", String, nullable=False),  # builtin | hook:NAME
    Column("page", String, nullable=False),  # SHA-256 of the runbook page as it was; "" where there is none
    Column("by", String, nullable=False),
    Column("began", Float, nullable=False),
    Column("ended", Float, nullable=False),
    Column("real_began", Float, nullable=False),
    Column("real_ended", Float, nullable=False),
    Column("state", String, nullable=False),  # passed | failed | insufficient
    Column("sentence", Text, nullable=False),
    Column("seconds", Float),  # real seconds from the decision to the confirmation from the log
    Column("steps", Text, nullable=False),  # canonical JSON
    Column("code", String, nullable=False),  # version of the product
    Column("parameters", String, nullable=False),  # SHA-256 of the trigger as it was configured
    Column("sha256", String, nullable=False),  # of all the rest
    Index("drills_by_trigger", "policy", "trigger", "id"),
)
