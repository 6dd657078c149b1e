"""Tables of the readiness checklist: runs, what each item answered, and the evidence behind it."""

from __future__ import annotations

from sqlalchemy import Column, Float, Index, Integer, String, Text

from monitor.store.tables.base import table

# One evaluation of a whole template for one version. Append-only; the newest one of a version counts.
checklist_runs = table(
    "checklist_runs",
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("policy", String, nullable=False),
    Column("version", String, nullable=False),
    Column("template", String, nullable=False),
    Column("template_sha256", String, nullable=False),
    Column("code", String, nullable=False),  # version of the product that evaluated
    Column("actor", String, nullable=False),
    Column("as_of", Float, nullable=False),  # end of the data
    Column("recorded", Float, nullable=False),
    Column("real_recorded", Float, nullable=False),
    Index("checklist_runs_by_policy", "policy", "version", "id"),
)

# One item's answer in one run. evidence is the SHA-256 under which checklist_evidence has what it rests on.
checklist_items = table(
    "checklist_items",
    Column("run", Integer, primary_key=True),
    Column("item", String, primary_key=True),
    Column("state", String, nullable=False),
    Column("sentence", Text, nullable=False),
    Column("number", Float),
    Column("threshold", Float),
    Column("unit", String, nullable=False),
    Column("evidence", String, nullable=False),
    Column("collected", Float, nullable=False),  # when the fact was true
    Column("expires", Float, nullable=False),
)

# Evidence by its digest: equal evidence is one row, however often it was found.
checklist_evidence = table(
    "checklist_evidence",
    Column("sha256", String, primary_key=True),
    Column("body", Text, nullable=False),  # canonical JSON
)
