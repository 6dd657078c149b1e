"""Tables of what people are told: silences, and what each alert has paged."""

from __future__ import annotations

from sqlalchemy import Column, Float, Index, Integer, String, Text

from monitor.store.tables.base import table

# Mutes pages about matching alerts until a time; decides nothing. Rows stay, so that it can be read who muted what.
silences = table(
    "silences",
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("policy", String, nullable=False),
    Column("trigger", String, nullable=False),  # "" = all
    Column("version", String, nullable=False),  # "" = all
    Column("owner", String, nullable=False),
    Column("reason", Text, nullable=False),
    Column("created", Float, nullable=False),
    Column("until", Float, nullable=False),
    Column("ended", Float),  # by a person, before its time
    Column("ended_by", String),
    Index("silences_by_policy", "policy", "until"),
)

# What people know of an alert, and whether it flaps; written in the transaction that moves the alert.
notices = table(
    "notices",
    Column("policy", String, primary_key=True),
    Column("version", String, primary_key=True),
    Column("trigger", String, primary_key=True),
    Column("key", String, primary_key=True),
    Column("told", String, nullable=False),  # "" | firing | flapping: what this trouble has paged
    Column("paged", Float),  # when it paged last; NULL = nobody was told, or a silence was in between
    Column("moved", Float),  # when it last began or stopped firing
    Column("flapping", Float),  # since when; NULL = it does not
)
