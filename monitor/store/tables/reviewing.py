"""Tables of the review of shadow decisions: the queue, how its days were sampled, and what people said."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Float, Index, Integer, String, Text

from monitor.store.tables.base import table

# One large disagreement between a shadow decision and the live one, sampled for people. Written by landing, in the
# transaction that names the row's file; one that later rows of its day push out goes, unless somebody judged it.
reviews = table(
    "reviews",
    Column("id", String, primary_key=True),  # digest of policy, version, decision and hour: the same wherever it lands
    Column("policy", String, nullable=False),
    Column("version", String, nullable=False),  # the shadow
    Column("live_version", String, nullable=False),  # what the route said when the row arrived
    Column("day", Integer, nullable=False),  # of event time, since 1970-01-01 UTC
    Column("decision_id", String, nullable=False),
    Column("ts", Float, nullable=False),
    Column("added", Float, nullable=False),
    Column("live_action", Text, nullable=False),  # JSON
    Column("shadow_action", Text, nullable=False),  # JSON
    Column("sense", String, nullable=False),  # value_gap | probability | distance | unmeasured
    Column("size", Float, nullable=False),  # in thresholds of its sense: large is 1 and more
    Column("draw", Float, nullable=False),  # uniform in (0, 1], from the decision's id
    Column("tie", Float, nullable=False),  # another one, which orders disagreements of one size
    Column("stratum", String, nullable=False),  # largest | sampled | planted
    Column("inclusion", Float, nullable=False),  # probability of being in the queue
    Column("snapshot", Text, nullable=False),  # canonical JSON of what the row says beside the actions
    Column("state", String, nullable=False),  # runbooks.reviews.ReviewState
    Column("verdict", String, nullable=False),  # of a majority of at least two; "" while there is none
    Column("exploit", Float),  # since when it is a finding; NULL = it is none
    Index("reviews_by_day", "policy", "version", "day"),
    Index("reviews_by_state", "policy", "state"),
)

# One day of one shadow version: how many decisions were compared, and how its sample is drawn.
review_days = table(
    "review_days",
    Column("policy", String, primary_key=True),
    Column("version", String, primary_key=True),
    Column("day", Integer, primary_key=True),
    Column("per_day", Integer, nullable=False),  # as configured when its first row came
    Column("largest", Integer, nullable=False),
    Column("rows", BigInteger, nullable=False, default=0),  # shadow decisions
    Column("paired", BigInteger, nullable=False, default=0),  # that have a live action beside them
    Column("differing", BigInteger, nullable=False, default=0),  # from it
    Column("large", BigInteger, nullable=False, default=0),
    Column("threshold", Float),  # rank of the first one that is not in the sample; NULL = all are
)

# What one reviewer says of one item now; what was said before is in the events.
review_verdicts = table(
    "review_verdicts",
    Column("review", String, primary_key=True),
    Column("reviewer", String, primary_key=True),  # in lower case: one person is one reviewer
    Column("name", String, nullable=False),
    Column("verdict", String, nullable=False),  # improvement | neutral | exploit
    Column("note", Text, nullable=False),
    Column("at", Float, nullable=False),
)
