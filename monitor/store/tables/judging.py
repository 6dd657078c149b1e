"""Tables of what was concluded: baselines, verdicts, alerts and their transitions, replays."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, Float, Index, Integer, String, Text, false

from monitor.store.tables.base import table

# A frozen, versioned reference: the span, and the plan (edges, levels) that everything since is counted with.
baselines = table(
    "baselines",
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("policy", String, nullable=False, index=True),
    Column("begin", Float, nullable=False),
    Column("end", Float, nullable=False),
    Column("frozen", Float, nullable=False),
    Column("actor", String, nullable=False),
    Column("plan", Text, nullable=False),  # JSON
    Column("digest", String, nullable=False),
)

# One window judged by one trigger, with the point that was judged. Never rewritten.
verdicts = table(
    "verdicts",
    Column("policy", String, primary_key=True),
    Column("version", String, primary_key=True),
    Column("trigger", String, primary_key=True),
    Column("key", String, primary_key=True),  # constraint, feature, candidate or ""
    Column("start", Float, primary_key=True),
    Column("end", Float, nullable=False),
    Column("state", String, nullable=False),
    Column("statistic", Float),
    Column("low", Float),
    Column("high", Float),
    Column("n", BigInteger, nullable=False),
    Column("value", Float),
    Column("stderr", Float),
    Column("reason", Text, nullable=False),
    Column("baseline", Integer),
    Column("judged", Float, nullable=False),
)

# Where each trigger stands. judged_until makes every window judged once.
alerts = table(
    "alerts",
    Column("policy", String, primary_key=True),
    Column("version", String, primary_key=True),
    Column("trigger", String, primary_key=True),
    Column("key", String, primary_key=True),
    Column("state", String, nullable=False),  # inactive | pending | firing | recovering | resolved
    Column("health", String, nullable=False),  # ok | no_data | error | insufficient; stale is found on reading
    Column("severity", String, nullable=False),
    Column("since", Float, nullable=False),
    Column("streak", Integer, nullable=False),  # windows in a row that speak for the next state
    Column("judged_until", Float, nullable=False),
    Column("reason", Text, nullable=False),
    Column("dry_run", Boolean, nullable=False, default=False, server_default=false()),  # as configured at the last pass
)

# A state change. Durable, append-only.
transitions = table(
    "transitions",
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("policy", String, nullable=False),
    Column("version", String, nullable=False),
    Column("trigger", String, nullable=False),
    Column("key", String, nullable=False),
    Column("old", String, nullable=False),
    Column("new", String, nullable=False),
    Column("severity", String, nullable=False),
    Column("at", Float, nullable=False),  # end of the window that decided it
    Column("created", Float, nullable=False),
    Column("real_created", Float, nullable=False),
    Column("evidence", Text, nullable=False),  # JSON: the verdict and what it was computed from
    Column("dry_run", Boolean, nullable=False, default=False, server_default=false()),  # nobody was told, nothing done
    Index("transitions_by_policy", "policy", "at"),
)

# A replay of the past, as it was asked for and what it found; it touches no alert and no verdict. Append-only.
backtests = table(
    "backtests",
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("policy", String, nullable=False, index=True),
    Column("begin", Float, nullable=False),
    Column("end", Float, nullable=False),
    Column("changes", Text, nullable=False),  # JSON list of trigger.param=value
    Column("code", String, nullable=False),  # version of the product that replayed
    Column("actor", String, nullable=False),
    Column("sha256", String, nullable=False),  # of the body
    Column("body", Text, nullable=False),  # canonical JSON
    Column("recorded", Float, nullable=False),
    Column("real_recorded", Float, nullable=False),
)
