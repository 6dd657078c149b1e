"""The table of Evidently's drift reports."""

from __future__ import annotations

from sqlalchemy import Column, Float, Index, Integer, String, Text

from monitor.store.tables.base import table

# A drift report of one version's rows of [begin, end) against a baseline: asked for by a firing or a person, then made
# by a worker process, or failed with the reason. The HTML lies in the lake under its SHA-256.
drift_reports = table(
    "drift_reports",
    Column("id", Integer, primary_key=True, autoincrement=True),  # seeds every draw
    Column("policy", String, nullable=False),
    Column("version", String, nullable=False),
    Column("begin", Float, nullable=False),
    Column("end", Float, nullable=False),
    Column("baseline", Integer, nullable=False),
    Column("bits", Float, nullable=False),  # the trigger's limit
    Column("transition", Integer),  # the firing; null where a person asked
    Column("actor", String, nullable=False),
    Column("asked", Float, nullable=False),
    Column("state", String, nullable=False),  # asked | made | failed
    Column("sentence", Text, nullable=False),
    Column("body", Text, nullable=False),  # canonical JSON: what each column moved by, rows, what was left out
    Column("sha256", String, nullable=False),  # of the HTML; "" while there is none
    Column("made", Float),
    Index("drift_reports_by_policy", "policy", "id"),
    Index("drift_reports_by_firing", "transition", unique=True),
)
