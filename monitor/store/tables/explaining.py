"""The table of why something fired."""

from __future__ import annotations

from sqlalchemy import Column, Float, Index, Integer, String, Text

from monitor.store.tables.base import table

# Why a firing's reward moved and whether a rollback will help; one a firing, written by the job `why` after it.
explanations = table(
    "explanations",
    Column("transition", Integer, primary_key=True, autoincrement=False),  # of the transition to firing
    Column("policy", String, nullable=False),
    Column("version", String, nullable=False),
    Column("at", Float, nullable=False),  # of the transition
    Column("made", Float, nullable=False),
    Column("state", String, nullable=False),  # told | failed
    Column("why", Text, nullable=False),  # a sentence; where it failed, the reason
    Column("help", Text, nullable=False),  # a sentence
    Column("body", Text, nullable=False),  # JSON: parts with intervals, segments, comparisons, what was sampled
    Column("sha256", String, nullable=False),  # of the body
    Index("explanations_by_policy", "policy", "at"),
)
