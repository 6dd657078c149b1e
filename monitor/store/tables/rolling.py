"""Tables of rollouts: where each one stands, and who approved what."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Float, Index, Integer, String, Text

from monitor.store.tables.base import table

# One version on its way to serve; at most one of a policy is open. Moved by compare-and-swap on moves, under the
# policy's route.
rollouts = table(
    "rollouts",
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("policy", String, nullable=False),
    Column("candidate", String, nullable=False),
    Column("incumbent", String, nullable=False),
    Column("phase", String, nullable=False),
    Column("stage", Integer, nullable=False),  # index into the plan's stages; -1 before the first
    Column("plan", Text, nullable=False),  # JSON: stages, holds, min_decisions, needed, comparison; as it was approved
    Column("generation", BigInteger, nullable=False),  # of the route as this rollout left it
    Column("author", String, nullable=False),  # the person who started it
    Column("reason", Text, nullable=False),
    Column("limitation", Text, nullable=False),  # "" unless one person was enough
    Column("evidence", Text, nullable=False),  # canonical JSON
    Column("evidence_sha256", String, nullable=False),  # what the approvals of the draft are bound to
    Column("judgement", Text, nullable=False),  # canonical JSON of the newest one; "" before
    Column("judgement_sha256", String, nullable=False),  # what approvals to advance are bound to
    Column("judged", Float),
    Column("real_looked", Float, nullable=False),  # when a pass last looked at it
    Column("begin", Float),  # event time from which the stage's decisions count; NULL until its share is shown
    Column("paused", Float),  # how far the data was sealed when it was paused
    Column("idle", Float, nullable=False),  # event seconds of the stage in which it was paused
    Column("baked", Float, nullable=False),  # seconds of the hold that a running process has seen pass
    Column("moves", Integer, nullable=False),
    Column("since", Float, nullable=False),  # of the phase
    Column("started", Float, nullable=False),
    Column("ended", Float),
    Column("note", Text, nullable=False),  # why it is so, a sentence
    Index("rollouts_by_policy", "policy", "id"),
)

# One person's word for one step of a rollout, bound to what the person was shown.
rollout_approvals = table(
    "rollout_approvals",
    Column("rollout", Integer, primary_key=True),
    Column("stage", Integer, primary_key=True),  # the stage that it allows; -1: the rollout itself
    Column("person", String, primary_key=True),
    Column("digest", String, primary_key=True),
    Column("token", String, nullable=False),  # name of the token that was presented
    Column("at", Float, nullable=False),
    Column("real_at", Float, nullable=False),
)
