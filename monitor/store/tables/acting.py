"""Tables of what was done: routes, actions, and the record of all that happened."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Float, Index, Integer, String, Text

from monitor.store.tables.base import table

# The version that should serve. generation only grows.
routes = table(
    "routes",
    Column("policy", String, primary_key=True),
    Column("serving", String, nullable=False),
    Column("generation", BigInteger, nullable=False),
    Column("split", Text, nullable=False),  # JSON: version -> share
    Column("changed", Float, nullable=False),
    Column("reason", Text, nullable=False),
)

# A side effect to do: one row a hook. real_* are on the machine's clock, because networks do not run at demo speed.
actions = table(
    "actions",
    Column("id", String, primary_key=True),  # idempotency id: the CloudEvent's and the webhook's id
    Column("policy", String, nullable=False, index=True),
    Column("kind", String, nullable=False),  # rollback | stage: of a rollout, to_version being the candidate
    Column("hook", String, nullable=False),  # "" = the route alone
    Column("state", String, nullable=False, index=True),
    Column("generation", BigInteger, nullable=False),
    Column("from_version", String, nullable=False),
    Column("to_version", String, nullable=False),
    Column("reason", Text, nullable=False),
    Column("trigger", String, nullable=False),
    Column("incident", Integer),
    Column("actor", String, nullable=False),
    Column("body", Text, nullable=False),  # the CloudEvent, exactly as it is sent
    Column("requested", Float, nullable=False),
    Column("real_requested", Float, nullable=False),
    Column("attempts", Integer, nullable=False, default=0),
    Column("real_first_attempt", Float),
    Column("real_due", Float),  # when the action loop may try next; NULL = nothing to do
    Column("real_lease", Float),  # until when a worker owns it
    Column("fence", BigInteger, nullable=False, default=0),
    Column("real_delivered", Float),
    Column("delivered", Float),
    Column("acknowledged", Float),
    Column("real_acknowledged", Float),
    Column("artifact_sha256", String),
    Column("confirmed", Float),
    Column("real_confirmed", Float),
    Column("last_error", Text),
    Column("share", Float),  # of the traffic that a stage asks for to_version
    Column("stops", Text),  # JSON list of versions that a rollback takes traffic from; NULL: from_version alone
)

# Everything that happened, in order, append-only; the audit log grows out of it.
events = table(
    "events",
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("at", Float, nullable=False),
    Column("real_at", Float, nullable=False),
    Column("kind", String, nullable=False),
    Column("policy", String, nullable=False),
    Column("actor", String, nullable=False),
    Column("body", Text, nullable=False),  # canonical JSON
    Index("events_by_policy", "policy", "id"),
)
