"""Tables of what came in: watermarks, the lake's manifest, buckets, and what was refused."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, Float, Index, Integer, LargeBinary, String, Text

from monitor.store.tables.base import table

# One watched policy. landing_seq counts landings, so that two writers notice each other; sealed_until is the
# event time before which buckets are closed, mature and immutable; watch_from the time from which events act.
policies = table(
    "policies",
    Column("policy", String, primary_key=True),
    Column("landing_seq", BigInteger, nullable=False, default=0),
    Column("sealed_until", Float, nullable=False, default=0.0),
    Column("watch_from", Float, nullable=True),
    Column("last_ts", Float, nullable=True),  # newest decision
    Column("last_arrival", Float, nullable=True),  # when the newest batch arrived
)

# How far a source was read. position is bytes (text), rows (compressed text) or 1 (a whole Parquet file).
watermarks = table(
    "watermarks",
    Column("source", String, primary_key=True),
    Column("path", String, primary_key=True),
    Column("position", BigInteger, nullable=False),
    Column("rows", BigInteger, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("head", String, nullable=False),  # digest of the first bytes: a replaced file is noticed
    Column("done", Boolean, nullable=False, default=False),
)

# The files of the lake that count. A file that is not named here does not exist for any reader.
manifest = table(
    "manifest",
    Column("file", String, primary_key=True),  # relative to the lake
    Column("policy", String, nullable=False),
    Column("kind", String, nullable=False),  # decisions | rewards
    Column("hour", BigInteger, nullable=False),  # event hour: seconds since 1970 // 3600
    Column("rows", BigInteger, nullable=False),
    Column("first_ts", Float, nullable=False),
    Column("last_ts", Float, nullable=False),
    Column("bytes", BigInteger, nullable=False),
    Column("sha256", String, nullable=False),
    Column("landed", Float, nullable=False),
    Index("manifest_by_hour", "policy", "kind", "hour"),
)

# Rewards whose decision has not been seen yet; they wait, counted, until it is or the horizon passes.
waiting_rewards = table(
    "waiting_rewards",
    Column("policy", String, primary_key=True),
    Column("event_id", String, primary_key=True),
    Column("decision_id", String, nullable=False, index=True),
    Column("arrived", Float, nullable=False),
    Column("body", Text, nullable=False),  # the canonical row as JSON
)

# Rows that were refused, with file, row, field and reason; the rest of their batch was accepted.
quarantine = table(
    "quarantine",
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("policy", String, nullable=False),
    Column("origin", String, nullable=False),  # file or request
    Column("row", BigInteger, nullable=False),
    Column("field", String, nullable=False),
    Column("reason", Text, nullable=False),
    Column("raw", Text, nullable=False),
    Column("at", Float, nullable=False),
    Index("quarantine_by_policy", "policy", "at"),
)

# One bucket of one policy version, as summary bytes. late = rows that came after the bucket was sealed: counted,
# shown, never judged.
summaries = table(
    "summaries",
    Column("policy", String, primary_key=True),
    Column("version", String, primary_key=True),
    Column("segment", String, primary_key=True),  # "" is all live traffic; "arm=shadow" never mixes with it
    Column("resolution", Integer, primary_key=True),  # seconds: 60, each trigger's window, 3600, 86400
    Column("start", BigInteger, primary_key=True),
    Column("late", Boolean, primary_key=True, default=False),
    Column("rows", BigInteger, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Index("summaries_by_start", "policy", "resolution", "start"),
)

# Decisions by version in short windows, counted as they arrive: how a rollback is confirmed.
traffic = table(
    "traffic",
    Column("policy", String, primary_key=True),
    Column("start", Float, primary_key=True),
    Column("version", String, primary_key=True),
    Column("rows", BigInteger, nullable=False),
)

# Single decisions that an event trigger judges: a hard limit passed, an irreversible action taken.
single_events = table(
    "single_events",
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("policy", String, nullable=False),
    Column("version", String, nullable=False),
    Column("metric", String, nullable=False),  # hard_constraint | irreversible_action
    Column("key", String, nullable=False),  # the constraint, or the action
    Column("decision_id", String, nullable=False),
    Column("ts", Float, nullable=False),
    Column("value", Float, nullable=False),  # the cost; 1 for an action
    Column("rows", BigInteger, nullable=False),  # decisions that it stands for, where a batch has very many
    Column("arrived", Float, nullable=False),
    Column("judged", Boolean, nullable=False, default=False),
    Index("single_events_unjudged", "policy", "judged"),
)
