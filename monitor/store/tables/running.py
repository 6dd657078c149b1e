"""Tables of the product's own running: claims, signs of life, tokens, answers already given."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, Float, Integer, String, Text

from monitor.store.tables.base import table

# One scheduled pass: claimed by one worker, judged once, taken over when its claim expires.
slots = table(
    "slots",
    Column("job", String, primary_key=True),
    Column("slot", BigInteger, primary_key=True),
    Column("owner", String, nullable=False),
    Column("fence", BigInteger, nullable=False),
    Column("real_expires", Float, nullable=False),
    Column("done", Boolean, nullable=False, default=False),
    Column("real_done", Float),
)

# Last sign of life of every job and loop: what the watchdog and /healthz read.
heartbeats = table(
    "heartbeats",
    Column("part", String, primary_key=True),
    Column("real_at", Float, nullable=False),
    Column("at", Float, nullable=False),
    Column("note", Text, nullable=False),
)

# API tokens, as the SHA-256 of 256 random bits. One without a person belongs to a program and approves nothing.
tokens = table(
    "tokens",
    Column("sha256", String, primary_key=True),
    Column("name", String, nullable=False),
    Column("created", Float, nullable=False),
    Column("revoked", Float),
    Column("person", String),
    Column("can", String),  # scopes, space between; NULL: all
    Column("real_expires", Float),  # NULL: never
)

# Answers already given to an Idempotency-Key.
idempotency = table(
    "idempotency",
    Column("key", String, primary_key=True),
    Column("request_sha256", String, nullable=False),
    Column("status", Integer, nullable=False),
    Column("answer", Text, nullable=False),
    Column("created", Float, nullable=False),
)
